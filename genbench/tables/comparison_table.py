"""Comparisons for people and for programs: aligned text, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from genbench.comparison.differences import Difference
from genbench.comparison.pairwise import Comparison
from genbench.tables.numbers import ARROWS, PLAIN, number_with_error

COLUMNS = (
    "a", "b", "metric", "better", "mean_a", "mean_b", "difference", "error", "degrees", "sampling_error",
    "training_error", "low", "high", "p", "p_holm", "verdict", "seeds_a", "seeds_b", "conservative", "differs",
)  # fmt: skip
"""Of the CSV and the JSON; their order is kept."""


def comparison_text(comparison: Comparison, *, plain: bool = False) -> str:
    """Return a comparison as aligned text, a block for each pair; ``plain`` spells arrows and ± in ASCII."""
    from tabulate import tabulate

    blocks = []
    pairs = dict.fromkeys((one.a, one.b) for one in comparison.differences)
    for a, b in pairs:
        own = [one for one in comparison.differences if (one.a, one.b) == (a, b)]
        headers = ["metric", "", a, b, "difference", "", "p (Holm)", f"{a} is"]
        table = tabulate([_row(one) for one in own], headers=headers, disable_numparse=True, tablefmt="simple",
                         colalign=("left", "left", "right", "right", "right", "left", "right", "left"))  # fmt: skip
        blocks.append("\n".join(line.rstrip() for line in table.splitlines()))
    text = "\n\n".join([*blocks, *_notes(comparison)])
    return text.translate(PLAIN) if plain else text


def comparison_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return one plain row a pair and metric, with the columns of ``COLUMNS``."""
    return [dict(zip(COLUMNS, _cells(one), strict=True)) for one in comparison.differences]


def comparison_csv(comparison: Comparison) -> str:
    """Return the rows as CSV; what is not known is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(comparison_rows(comparison))
    return text.getvalue().rstrip("\n")


def comparison_json(comparison: Comparison) -> str:
    """Return one JSON object: the confidence and the rows; what is not a finite number is null."""
    rows = [
        {name: None if isinstance(cell, float) and not math.isfinite(cell) else cell for name, cell in row.items()}
        for row in comparison_rows(comparison)
    ]
    return json.dumps({"confidence": comparison.confidence, "differences": rows}, ensure_ascii=False)


def p_text(p: float | None) -> str:
    """Write a p-value as people read it."""
    if p is None:
        return ""
    return "< .0001" if p < 1e-4 else f"{p:.2g}" if p < 0.01 else f"{p:.2f}"


def _row(one: Difference) -> list[str]:
    value, error = number_with_error(one.value, one.error)
    verdict = f"not comparable: unlike {', '.join(one.differs)}" if one.differs else one.verdict
    star = "*" if one.conservative and not one.differs else ""
    return [one.metric, ARROWS[one.better], f"{one.means[0]:.5g}", f"{one.means[1]:.5g}", value, error + star,
            p_text(one.adjusted), verdict]  # fmt: skip


def _notes(comparison: Comparison) -> list[str]:
    differences = comparison.differences
    tests = sum(one.p is not None for one in differences)
    notes = [
        f"± one standard error; verdicts hold together with {comparison.confidence:.0%} confidence ({tests} tests)."
    ]
    if any(one.conservative and not one.differs for one in differences):
        notes.append("* conservative: what both share in the reference is not known, so their errors were added.")
    if any(min(one.seeds) == 1 for one in differences):
        notes.append(
            "One training seed: the verdict is about these very samples' models, not about how such models train."
        )
    return ["\n".join(notes)]


def _cells(one: Difference) -> list[Any]:
    low, high = one.interval or (None, None)
    degrees = one.degrees if math.isfinite(one.degrees) else None
    return [
        one.a, one.b, one.metric, one.better, *one.means, one.value, one.error, degrees, one.sampling_error,
        one.training_error, low, high, one.p, one.adjusted, one.verdict, *one.seeds, one.conservative,
        " ".join(one.differs),
    ]  # fmt: skip
