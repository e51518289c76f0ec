"""Holm's correction of p-values for the number of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from genbench.comparison.differences import Difference


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values: the chance of any false rejection stays below the level (Holm 1979).

    The i-th smallest of m p-values is multiplied by m - i + 1, and is at least as large as the adjusted one before it.
    """
    # from the smallest p-value to the largest
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, largest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        # the running maximum keeps the order of the p-values
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = largest
    return corrected


def holm(differences: Sequence[Difference]) -> list[Difference]:
    """Return differences with adjusted p-values, so that all verdicts hold at once.

    Differences without a p-value are not counted as tests.
    """
    # only differences with a p-value are tests
    tested = [index for index, difference in enumerate(differences) if difference.p is not None]
    p_values = adjusted([difference.p for difference in differences if difference.p is not None])
    by_index = dict(zip(tested, p_values, strict=True))
    return [replace(difference, adjusted=by_index.get(index)) for index, difference in enumerate(differences)]
