"""Write the checks of a gate as text, as Markdown and annotations for a pull request, as JUnit XML and as a badge."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from xml.etree import ElementTree as xml

from genbench.comparison.gate_checks import RUNS, Check, Outcome
from genbench.results.rounding import number_with_error
from genbench.tables.comparison_table import p_text
from genbench.tables.escapes import (
    markdown_code,
    markdown_safe,
    markup_safe,
    one_line,
    terminal_safe,
    workflow_safe,
    xml_characters,
)

MARKS: dict[Outcome, str] = {"passed": "✅", "undecided": "❔", "failed": "❌", "not checked": "➖"}
COLOURS: dict[Outcome, str] = {"passed": "#2e7d32", "undecided": "#8a6d00", "failed": "#c62828"}

ANNOTATIONS: dict[Outcome, str] = {"failed": "error", "undecided": "warning", "passed": "notice"}
"""The workflow commands of GitHub, the worst first: GitHub shows only the first ten of each kind."""


def outcome_of(checks: Sequence[Check]) -> Outcome:
    """Return the worst outcome of all checks; what is not checked has none."""
    outcomes = {check.outcome for check in checks}
    return "failed" if "failed" in outcomes else "undecided" if "undecided" in outcomes else "passed"


def gate_text(checks: Sequence[Check]) -> str:
    """Return one line per check with what would decide it, and how often an equal result fails."""
    lines = []
    for check in checks:
        if check.outcome != "not checked":
            lines.append(f"{check.outcome:11}  {_sentence(check)}")
            lines += [f"{'':11}  {sentence}" for sentence in _false_alarms(check)]
    # a leaderboard may have many subjects beside the one that is checked
    left = [one_line(check.subject) for check in checks if check.outcome == "not checked"]
    if left:
        lines.append(f"not checked  {', '.join(left)}: in the baseline, without a new result")
    return "\n".join(lines)


def gate_json(checks: Sequence[Check]) -> str:
    """Return the outcome and all checks with their numbers as one JSON object; what is unknown is null."""
    # one object per check
    rows = []
    for check in checks:
        now, before = (None, None) if check.difference is None else check.difference.means
        rows.append(
            {
                "subject": check.subject,
                "metric": check.metric,
                "outcome": check.outcome,
                "baseline": before,
                "now": now,
                "worse_by": None if check.difference is None else check.worse_by,
                "error": None if check.difference is None else check.difference.error,
                "allowed": _allowance(check),
                "p": check.p,
                "improved": check.improved,
                "remark": _remark(check),
                "false_alarms": None if check.false_alarms is None else asdict(check.false_alarms),
                "seconds": check.seconds,
            }
        )
    # JSON has no NaN and no infinity
    finite = [
        {name: None if isinstance(cell, float) and not math.isfinite(cell) else cell for name, cell in row.items()}
        for row in rows
    ]
    return json.dumps({"outcome": outcome_of(checks), "checks": finite}, ensure_ascii=False)


def gate_markdown(checks: Sequence[Check]) -> str:
    """Return a table for the summary of a pull request."""
    lines = [
        f"### genbench gate: {outcome_of(checks)}\n",
        "| | subject | metric | baseline | now | difference | may be worse by | p | |",
        "|---|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for check in checks:
        # one row per check
        numbers = [""] * 5
        if check.difference is not None:
            now, before = check.difference.means
            difference = f"{_amount(check)} {_direction(check)}"
            numbers = [f"{before:.5g}", f"{now:.5g}", difference, _allowance(check), p_text(check.p)]
        metric = markdown_code(check.metric) if check.metric else ""
        cells = [MARKS[check.outcome], markdown_safe(check.subject), metric, *numbers, markdown_safe(_remark(check))]
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"\n{markdown_safe(sentence)}" for check in checks for sentence in _false_alarms(check)]
    return "\n".join([*lines, *notes]) + "\n"


def gate_junit(checks: Sequence[Check]) -> str:
    """Return JUnit XML with one test case per check and a failure in each failed one.

    The time of a case is its share of the time of scoring, which the checks of one subject have in common.
    """
    # one suite with one case per check
    failed = sum(check.outcome == "failed" for check in checks)
    skipped = sum(check.outcome in ("undecided", "not checked") for check in checks)
    suite = xml.Element("testsuite", name="genbench gate", tests=str(len(checks)), failures=str(failed), errors="0",
                        skipped=str(skipped))  # fmt: skip
    together = Counter(check.subject for check in checks)
    seconds = [check.seconds / together[check.subject] for check in checks]
    # JUnit knows no undecided outcome: such a case is skipped
    for check, taken in zip(checks, seconds, strict=True):
        case = xml.SubElement(suite, "testcase", classname=xml_characters(check.subject),
                              name=xml_characters(check.metric or check.subject), time=f"{taken:.3f}")  # fmt: skip
        if check.outcome == "failed":
            xml.SubElement(case, "failure", message=xml_characters(_sentence(check)), type="regression")
        elif check.outcome != "passed":
            xml.SubElement(case, "skipped", message=xml_characters(f"{check.outcome}: {_sentence(check)}"))
        else:
            xml.SubElement(case, "system-out").text = xml_characters(f"{check.outcome}: {_sentence(check)}")
    # JUnit expects a list of suites
    suite.set("time", f"{sum(seconds):.3f}")
    suites = xml.Element("testsuites", time=f"{sum(seconds):.3f}")
    suites.append(suite)
    xml.indent(suites)
    return xml.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def gate_badge(checks: Sequence[Check]) -> str:
    """Return an SVG badge with the new value of the first check, in the colour of the worst outcome."""
    (left, right), outcome = _badge_words(checks), outcome_of(checks)
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


def gate_endpoint(checks: Sequence[Check]) -> str:
    """Return the same badge as JSON that shields.io draws (https://shields.io/badges/endpoint-badge)."""
    left, right = _badge_words(checks)
    # the version of their schema, not of genbench
    fields = {"schemaVersion": 1, "label": left, "message": right, "color": COLOURS[outcome_of(checks)]}
    return json.dumps(fields, ensure_ascii=False) + "\n"


def gate_annotations(checks: Sequence[Check]) -> str:
    """Return one workflow command of GitHub per check: an error, a warning or a notice beside the pull request."""
    lines = [
        f"::{kind} title=genbench gate {outcome}::{workflow_safe(_sentence(check))}"
        for outcome, kind in ANNOTATIONS.items()
        for check in checks
        if check.outcome == outcome
    ]
    # what was not checked deserves no annotation, but the log names it
    left = [terminal_safe(one_line(check.subject)) for check in checks if check.outcome == "not checked"]
    return "\n".join(lines + ([f"not checked: {', '.join(left)}"] if left else []))


def _badge_words(checks: Sequence[Check]) -> tuple[str, str]:
    """Return both sides of a badge: the first score, and its new value with the worst outcome."""
    first = checks[0]
    value = "" if first.difference is None else f"{first.difference.means[0]:.4g} "
    return first.metric or first.subject, f"{value}{outcome_of(checks)}"


def _sentence(check: Check) -> str:
    """Return old and new value, difference, bound, allowance, p-value, and what would decide."""
    remark = one_line(_remark(check))
    if check.difference is None:
        return f"{one_line(check.subject)}: {remark}"
    p = "" if check.p is None else f", p {p_text(check.p)}" if check.p < 1e-3 else f", p = {p_text(check.p)}"
    now, before = check.difference.means
    name = one_line(f"{check.subject}, {check.metric}")
    change = f"{name}: {before:.5g} -> {now:.5g}, {_direction(check)} by {_amount(check)}{_bound(check)}"
    return f"{change} (allowed {_allowance(check)}{p})" + (f"; {remark}" if remark else "")


def _remark(check: Check) -> str:
    """Return the reason of an outcome, an improvement, or what would decide."""
    # at most one of the three applies
    if check.reason:
        return check.reason
    if check.improved:
        return "improved"
    return f"{check.decided_by} would decide" if check.decided_by else ""


def _false_alarms(check: Check) -> list[str]:
    """Return how often an equal result fails, and what lowers the rate."""
    # a failed check needs no rate of false alarms
    alarms = check.false_alarms
    if alarms is None or check.outcome == "failed":
        return []
    sentence = (
        f"False alarms: a model exactly as good as the baseline would fail in {_percent(alarms.average)} of runs, in "
        f"{_percent(alarms.unlucky)} if this baseline was lucky; chance of at least one in {RUNS} runs: "
        f"{_percent(alarms.in_many_runs)}."
    )
    advice = " To lower it, allow more (--max-increase) or score the baseline with 4 times as many samples."
    return [sentence + (advice if alarms.in_many_runs > 0.1 else "")]


def _percent(share: float) -> str:
    return "< .1 %" if share < 1e-3 else f"{100 * share:.2g} %"


def _direction(check: Check) -> str:
    return "worse" if check.worse_by > 0 else "better"


def _amount(check: Check) -> str:
    """Return the absolute difference with its error."""
    assert check.difference is not None
    # the words "worse by" and "better by" give the sign
    value, error = number_with_error(abs(check.worse_by), check.difference.error)
    return f"{value} {error}".strip()


def _bound(check: Check) -> str:
    """Return the end of the one-sided interval that decides: the lower one of a failure, else the upper one."""
    difference = check.difference
    if difference is None or check.p is None or check.improved:
        return ""
    # on the scale of the test
    failed = check.outcome == "failed"
    sign = 1 if difference.better == "lower" else -1
    bound = difference.shift + (-sign if failed else sign) * difference.reach(difference.confidence)
    at = float(difference.scale.forward(difference.means[1]))
    worse = sign * (float(difference.scale.back(at + bound)) - difference.means[1])
    return f", at {'least' if failed else 'most'} worse by {worse:.3g}"


def _allowance(check: Check) -> str:
    """Return by how much the result may be worse, in the unit of the metric and as it was given."""
    # nothing was compared
    if check.margin is None or check.difference is None:
        return ""
    if not check.margin.relative:
        return str(check.margin)
    return f"{check.margin.amount * abs(check.difference.means[1]):.3g}, {check.margin}"
