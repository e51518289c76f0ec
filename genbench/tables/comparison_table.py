"""Write comparisons as aligned text, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from genbench.comparison.differences import Difference
from genbench.comparison.pairwise import Comparison
from genbench.tables.escapes import csv_safe, one_line
from genbench.tables.numbers import ARROWS, PLAIN, number_with_error

COLUMNS = (
    "a", "b", "metric", "better", "mean_a", "mean_b", "difference", "error", "degrees", "sampling_error",
    "training_error", "low", "high", "p", "p_holm", "verdict", "seeds_a", "seeds_b", "conservative", "differs",
)  # fmt: skip
"""Columns of the CSV and the JSON, in this order."""


def comparison_text(comparison: Comparison, *, plain: bool = False) -> str:
    """Return a comparison as aligned text, one table per pair; ``plain`` writes arrows and ± in ASCII."""
    from tabulate import tabulate

    tables = []
    # one table per pair of subjects, one line per metric
    for pair in dict.fromkeys((each.a, each.b) for each in comparison.differences):
        rows = [_text_row(each) for each in comparison.differences if (each.a, each.b) == pair]
        a, b = map(one_line, pair)
        # the columns of the means are headed by the names of the subjects
        headers = ["metric", "", a, b, "difference", "", "p (Holm)", f"{a} is"]
        table = tabulate(rows, headers=headers, disable_numparse=True, tablefmt="simple",
                         colalign=("left", "left", "right", "right", "right", "left", "right", "left"))  # fmt: skip
        tables.append("\n".join(line.rstrip() for line in table.splitlines()))
    # tables and notes are separated by empty lines
    text = "\n\n".join([*tables, _comparison_notes(comparison)])
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
    """Return a p-value with two digits, or ``< .0001``; empty without a p-value."""
    if p is None:
        return ""
    return "< .0001" if p < 1e-4 else f"{p:.2g}" if p < 0.01 else f"{p:.2f}"


def _text_row(difference: Difference) -> list[str]:
    # value and error are rounded together
    value, error = number_with_error(difference.value, difference.error)
    mean_a, mean_b = difference.means
    verdict: str = difference.verdict
    # a star refers to the note about conservative errors
    if difference.differs:
        verdict = f"not comparable: different {', '.join(difference.differs)}"
    elif difference.conservative:
        error += "*"
    return [one_line(difference.metric), ARROWS[difference.better], f"{mean_a:.5g}", f"{mean_b:.5g}", value, error,
            p_text(difference.adjusted), verdict]  # fmt: skip


def _comparison_notes(comparison: Comparison) -> str:
    differences = comparison.differences
    tests = sum(each.p is not None for each in differences)
    # explain the errors, the stars and the scope of the verdicts, as far as they occur
    notes = [
        f"± one standard error; all verdicts hold together with {comparison.confidence:.0%} confidence ({tests} tests)."
    ]
    if any(each.conservative and not each.differs for each in differences):
        notes.append("* conservative: the subjects may share reference noise, but it is unknown how much.")
    if any(min(each.seeds) == 1 for each in differences):
        notes.append("One training seed: the verdict is about these trained models, not about their training methods.")
    return "\n".join(notes)


def _column_values(difference: Difference) -> list[Any]:
    """Return the values of ``COLUMNS``."""
    # the order of COLUMNS
    low, high = difference.interval or (None, None)
    degrees = difference.degrees if math.isfinite(difference.degrees) else None
    return [
        difference.a, difference.b, difference.metric, difference.better, *difference.means, difference.value,
        difference.error, degrees, difference.sampling_error, difference.training_error, low, high, difference.p,
        difference.adjusted, difference.verdict, *difference.seeds, difference.conservative,
        " ".join(difference.differs),
    ]  # fmt: skip
