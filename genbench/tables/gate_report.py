"""Write the checks of a gate as text, as Markdown for a pull request, as JUnit XML for CI and as a badge."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as xml

from genbench.comparison.gate import Check, Outcome
from genbench.tables.comparison_table import p_text
from genbench.tables.escapes import markdown_code, markdown_safe, markup_safe, one_line, xml_characters
from genbench.tables.numbers import number_with_error

MARKS: dict[Outcome, str] = {"passed": "✅", "undecided": "❔", "failed": "❌"}
COLOURS: dict[Outcome, str] = {"passed": "#2e7d32", "undecided": "#8a6d00", "failed": "#c62828"}


def outcome_of(checks: Sequence[Check]) -> Outcome:
    """Return the worst outcome of all checks."""
    outcomes = {check.outcome for check in checks}
    return "failed" if "failed" in outcomes else "undecided" if "undecided" in outcomes else "passed"


def gate_text(checks: Sequence[Check]) -> str:
    """Return one line per check; undecided ones say how many samples would decide."""
    return "\n".join(f"{check.outcome:9}  {_sentence(check)}" for check in checks)


def gate_markdown(checks: Sequence[Check]) -> str:
    """Return a table for the summary of a pull request."""
    lines = [
        f"### genbench gate: {outcome_of(checks)}\n",
        "| | subject | metric | baseline | now | difference | may be worse by | p | |",
        "|---|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for check in checks:
        # one row per check
        now, before = check.difference.means
        cells = [MARKS[check.outcome], markdown_safe(check.difference.a), markdown_code(check.difference.metric),
                 f"{before:.5g}", f"{now:.5g}", _amount(check), f"{check.allowed:.3g}", p_text(check.p),
                 markdown_safe(check.decided_by)]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def gate_junit(checks: Sequence[Check]) -> str:
    """Return JUnit XML with one test case per check and a failure in each failed one."""
    # one suite with one case per check
    failed = sum(check.outcome == "failed" for check in checks)
    suite = xml.Element("testsuite", name="genbench gate", tests=str(len(checks)), failures=str(failed), errors="0")
    # JUnit knows no undecided outcome: it passes, and its output says so
    for check in checks:
        case = xml.SubElement(suite, "testcase", classname=xml_characters(check.difference.a),
                              name=xml_characters(check.difference.metric))  # fmt: skip
        if check.outcome == "failed":
            xml.SubElement(case, "failure", message=xml_characters(_sentence(check)), type="regression")
        else:
            xml.SubElement(case, "system-out").text = xml_characters(f"{check.outcome}: {_sentence(check)}")
    # JUnit expects a list of suites
    suites = xml.Element("testsuites")
    suites.append(suite)
    xml.indent(suites)
    return xml.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def gate_badge(checks: Sequence[Check]) -> str:
    """Return an SVG badge with the new value of the first check, in the colour of the worst outcome."""
    difference = checks[0].difference
    outcome = outcome_of(checks)
    left, right = difference.metric, f"{difference.means[0]:.4g} {outcome}"
    # 6.6 pixels per letter, and 12 for the margins
    widths = [round(6.6 * len(text)) + 12 for text in (left, right)]
    total = sum(widths)
    # names may have characters of XML
    left, right = markup_safe(left), markup_safe(right)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="20" role="img" aria-label="{left}: {right}">'
        f"<title>{left}: {right}</title>"
        f'<rect width="{total}" height="20" rx="3" fill="#444"/>'
        f'<path d="M{widths[0]} 0h{widths[1] - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H{widths[0]}z" '
        f'fill="{COLOURS[outcome]}"/>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{widths[0] / 2}" y="14">{left}</text>'
        f'<text x="{widths[0] + widths[1] / 2}" y="14">{right}</text></g></svg>\n'
    )


def _sentence(check: Check) -> str:
    difference = check.difference
    # old value, new value, difference, allowance, p-value, and what would decide
    direction = "worse" if check.worse_by > 0 else "better"
    p = f", p = {p_text(check.p)}" if check.p is not None and check.p >= 1e-4 else ", p < .0001" if check.p else ""
    now, before = difference.means
    name = one_line(f"{difference.a}, {difference.metric}")
    change = f"{name}: {before:.5g} -> {now:.5g}, {direction} by {_amount(check)}"
    return f"{change} (allowed {check.allowed:.3g}{p})" + (f"; {check.decided_by}" if check.decided_by else "")


def _amount(check: Check) -> str:
    """Return the absolute difference with its error."""
    # the words "worse by" and "better by" give the sign
    value, error = number_with_error(abs(check.worse_by), check.difference.error)
    return f"{value} {error}".strip()
