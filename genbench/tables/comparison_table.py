"""Write comparisons as aligned text, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from genbench.comparison.differences import Difference, Verdict
from genbench.comparison.pairwise import Comparison
from genbench.results.rounding import number_with_error
from genbench.tables.escapes import csv_safe, one_line
from genbench.tables.numbers import PLAIN

COLUMNS = (
    "a", "b", "metric", "better", "mean_a", "mean_b", "difference", "error", "degrees", "sampling_error",
    "training_error", "low", "high", "p", "p_adjusted", "margin", "verdict", "smallest_shown", "decided_by", "seeds_a",
    "seeds_b", "same_samples", "conservative", "differs",
)  # fmt: skip
"""Columns of the CSV and the JSON, in this order."""

SIGNS: dict[Verdict, str] = {
    "better": "+", "worse": "-", "equivalent": "=", "not enough data": "?", "different": "x", "not comparable": "/",
}  # fmt: skip
"""Verdicts in a matrix of all pairs."""

NAME_LETTERS = 18
"""Longer names are cut in the text, so that it fits 80 columns."""


def comparison_text(comparison: Comparison, *, plain: bool = False) -> str:
    """Return a comparison as aligned text, one table per metric; ``plain`` writes arrows and ± in ASCII."""
    parts = []
    for metric in dict.fromkeys(each.metric for each in comparison.differences):
        differences = _best_first([each for each in comparison.differences if each.metric == metric])
        baseline = comparison.baselines.get(metric)
        # a matrix has no room for what would decide
        body = [_matrix(differences)] if baseline is None else [_list(differences), *_remedies(differences)]
        parts += [_comparison_heading(differences[0], baseline), "", *body, ""]
    # notes follow the tables
    text = "\n".join([*parts, _comparison_notes(comparison)])
    return text.translate(PLAIN) if plain else text


def comparison_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return one dictionary per pair and metric, with the keys of ``COLUMNS``."""
    return [dict(zip(COLUMNS, _column_values(each), strict=True)) for each in comparison.differences]


def comparison_csv(comparison: Comparison) -> str:
    """Return the rows as CSV; unknown values are empty."""
    # the csv module quotes names with commas and newlines
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in comparison_rows(comparison):
        writer.writerow({name: csv_safe(cell) if isinstance(cell, str) else cell for name, cell in row.items()})
    return text.getvalue().rstrip("\n")


def comparison_json(comparison: Comparison) -> str:
    """Return one JSON object with the confidence and the rows; numbers that are not finite are null."""
    # JSON has no NaN and no infinity
    rows = [
        {name: None if isinstance(cell, float) and not math.isfinite(cell) else cell for name, cell in row.items()}
        for row in comparison_rows(comparison)
    ]
    return json.dumps({"confidence": comparison.confidence, "differences": rows}, ensure_ascii=False)


def p_text(p: float | None) -> str:
    """Return a p-value with two digits, or ``< .001``; empty without a p-value."""
    if p is None:
        return ""
    return "< .001" if p < 1e-3 else f"{p:.2g}" if p < 0.01 else f"{p:.2f}"


def _best_first(differences: Sequence[Difference]) -> list[Difference]:
    # values that are not finite come last
    sign = -1 if differences[0].better == "higher" else 1
    return sorted(differences, key=lambda each: sign * each.means[0] if math.isfinite(each.means[0]) else math.inf)


def _comparison_heading(difference: Difference, baseline: str | None) -> str:
    """Return what is compared, in which metric, and at which margin."""
    # one line above each table
    direction = f" ({difference.better} is better)" if difference.better else ""
    against = "every pair" if baseline is None else f"against {_short_name(baseline)}"
    return f"{one_line(difference.metric)}{direction}, {against}, margin {difference.margin}"


def _list(differences: Sequence[Difference]) -> str:
    """Return the table of all subjects against one."""
    baseline = differences[0]
    # the best comes first
    sign = -1 if baseline.better == "higher" else 1
    mean = baseline.means[1]
    rows = [(mean, [_short_name(baseline.b), baseline.seeds[1], f"{mean:.4g}", "", "", "", "baseline"])]
    for each in differences:
        value, error = number_with_error(each.value, each.error)
        star = "*" if each.conservative and error else ""
        verdict = f"not comparable: {', '.join(each.differs)}" if each.differs else str(each.verdict)
        if each.same_samples:
            verdict = "equivalent: the same samples"
        rows.append((each.means[0], [_short_name(each.a), each.seeds[0], f"{each.means[0]:.4g}", value, error + star,
                                     p_text(each.adjusted), verdict]))  # fmt: skip
    rows.sort(key=lambda row: sign * row[0] if math.isfinite(row[0]) else math.inf)
    return _aligned([["subject", "seeds", "value", "difference", "", "p", "verdict"], *(row for _, row in rows)])


def _aligned(rows: Sequence[Sequence[object]]) -> str:
    """Align the columns: names, errors and verdicts at the left, numbers at the right; a rule follows the headers."""
    # as wide as the widest cell of each column
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    cells.insert(1, ["-" * width for width in widths])
    left = (0, 4, 6)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def _matrix(differences: Sequence[Difference]) -> str:
    """Return the matrix of the verdicts of all pairs: how the row compares with the column."""
    names = list(dict.fromkeys(name for each in differences for name in (each.b, each.a)))
    # the best comes first
    means = {each.a: each.means[0] for each in differences} | {each.b: each.means[1] for each in differences}
    sign = -1 if differences[0].better == "higher" else 1
    names.sort(key=lambda name: sign * means[name] if math.isfinite(means[name]) else math.inf)
    signs = {(each.a, each.b): SIGNS[each.verdict] for each in differences}
    turned = str.maketrans("+-", "-+")
    signs |= {(b, a): mark.translate(turned) for (a, b), mark in signs.items()}
    # the columns are numbered
    # and as wide as the largest number
    width, label = len(str(len(names))), max(len(_short_name(name)) for name in names)
    number = [str(index).rjust(width) for index in range(1, len(names) + 1)]
    lines = [" " * (width + label + 2) + " ".join(number)]
    for index, name in zip(number, names, strict=True):
        cells = [signs.get((name, other), ".").rjust(width) for other in names]
        lines.append(f"{index} {_short_name(name):{label}} {' '.join(cells)}")
    used = [verdict for verdict, mark in SIGNS.items() if mark in signs.values()]
    meaning = ", ".join(f"{SIGNS[verdict]} {verdict}" for verdict in used)
    return "\n".join([*lines, "", f"The row is, compared with the column: {meaning}."])


def _remedies(differences: Sequence[Difference]) -> list[str]:
    """Return which data would decide what is not decided, and which difference such data show already."""
    # one line for each subject without a verdict
    lines = []
    for each in differences:
        if each.decided_by:
            shown = (
                "" if each.smallest_shown is None else f"; {float(f'{abs(each.smallest_shown):.2g}'):g} would show now"
            )
            lines.append(f"{_short_name(each.a):{NAME_LETTERS}}  {each.decided_by}{shown}")
    return ["", "What would decide, with 80 % power, and which difference would show now:", *lines] if lines else []


def _short_name(subject: str) -> str:
    name = one_line(subject)
    return name if len(name) <= NAME_LETTERS else name[: NAME_LETTERS - 1] + "…"


def _comparison_notes(comparison: Comparison) -> str:
    differences = comparison.differences
    # explain the errors, the stars and the scope of the verdicts, as far as they occur
    notes = [
        f"± one standard error. Tests: {comparison.tests}. All verdicts together: "
        f"{100 * comparison.confidence:.4g} % confidence.",
        "Equivalent: the 90 % interval of the difference lies within the margin.",
    ]
    if any(max(each.seeds) > 1 for each in differences):
        notes.append("Values are means over training seeds on the scale of the test (log, logit).")
    if any(each.conservative and not each.differs for each in differences):
        notes.append("* conservative: it is unknown how much reference noise the subjects share.")
    if any(min(each.seeds) == 1 for each in differences):
        notes.append("One training seed: a statement about this checkpoint, not about the method.")
    return "\n".join(notes)


def _column_values(difference: Difference) -> list[Any]:
    """Return the values of ``COLUMNS``."""
    # the order of COLUMNS
    low, high = difference.interval or (None, None)
    degrees = difference.degrees if math.isfinite(difference.degrees) else None
    return [
        difference.a, difference.b, difference.metric, difference.better, *difference.means, difference.value,
        difference.error, degrees, difference.sampling_error, difference.training_error, low, high, difference.p,
        difference.adjusted, str(difference.margin), difference.verdict, difference.smallest_shown,
        difference.decided_by, *difference.seeds, difference.same_samples, difference.conservative,
        " ".join(difference.differs),
    ]  # fmt: skip
