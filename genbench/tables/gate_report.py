"""What a gate says: lines for people, Markdown for a pull request, JUnit XML for CI, a badge for a README."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as xml
from xml.sax.saxutils import escape

from genbench.comparison.gate import Check, Outcome
from genbench.tables.comparison_table import p_text
from genbench.tables.numbers import number_with_error

MARKS: dict[Outcome, str] = {"passed": "✅", "undecided": "❔", "failed": "❌"}
COLOURS: dict[Outcome, str] = {"passed": "#2e7d32", "undecided": "#8a6d00", "failed": "#c62828"}


def outcome_of(checks: Sequence[Check]) -> Outcome:
    """Return the gravest outcome of all."""
    found = {check.outcome for check in checks}
    return "failed" if "failed" in found else "undecided" if "undecided" in found else "passed"


def gate_text(checks: Sequence[Check]) -> str:
    """Return one line a check, and what would decide the undecided ones."""
    return "\n".join(f"{check.outcome:9}  {_sentence(check)}" for check in checks)


def gate_markdown(checks: Sequence[Check]) -> str:
    """Return a table for a pull request's summary."""
    lines = [
        f"### genbench gate: {outcome_of(checks)}\n",
        "| | subject | metric | baseline | now | difference | may be worse by | p | |",
        "|---|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for check in checks:
        one = check.difference
        now, before = one.means
        cells = [MARKS[check.outcome], one.a, f"`{one.metric}`", f"{before:.5g}", f"{now:.5g}", _difference(check),
                 f"{check.allowed:.3g}", p_text(check.p), check.decided_by]  # fmt: skip
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def gate_junit(checks: Sequence[Check]) -> str:
    """Return JUnit XML: a test case a check, a failure for each that failed."""
    failed = sum(check.outcome == "failed" for check in checks)
    suite = xml.Element("testsuite", name="genbench gate", tests=str(len(checks)), failures=str(failed), errors="0")
    for check in checks:
        case = xml.SubElement(suite, "testcase", classname=check.difference.a, name=check.difference.metric)
        if check.outcome == "failed":
            xml.SubElement(case, "failure", message=_sentence(check), type="regression")
        else:
            xml.SubElement(case, "system-out").text = f"{check.outcome}: {_sentence(check)}"
    suites = xml.Element("testsuites")
    suites.append(suite)
    xml.indent(suites)
    return xml.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def gate_badge(checks: Sequence[Check]) -> str:
    """Return an SVG badge: the first check's metric with its value now, in the colour of the gravest outcome."""
    one = checks[0].difference
    outcome = outcome_of(checks)
    left, right = one.metric, f"{one.means[0]:.4g} {outcome}"
    widths = [round(6.6 * len(text)) + 12 for text in (left, right)]
    total = sum(widths)
    left, right = escape(left), escape(right)
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
    one = check.difference
    direction = "worse" if check.worse_by > 0 else "better"
    p = f", p = {p_text(check.p)}" if check.p is not None and check.p >= 1e-4 else ", p < .0001" if check.p else ""
    said = f"{one.a}, {one.metric}: {one.means[1]:.5g} -> {one.means[0]:.5g}, {direction} by {_difference(check)}"
    return f"{said} (allowed {check.allowed:.3g}{p})" + (f"; {check.decided_by}" if check.decided_by else "")


def _difference(check: Check) -> str:
    value, error = number_with_error(abs(check.worse_by), check.difference.error)
    return f"{value} {error}".strip()
