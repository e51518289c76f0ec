"""Holm's correction of p-values for the number of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from genbench.comparison.differences import Difference


def adjusted(values: Sequence[float]) -> list[float]:
    """Return p-values multiplied so that the chance of any false rejection stays at the level (Holm 1979).

    The i-th smallest of m is multiplied by m - i + 1, and kept from falling.
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    found, largest = [1.0] * len(values), 0.0
    for rank, at in enumerate(order):
        largest = max(largest, min(1.0, values[at] * (len(values) - rank)))
        found[at] = largest
    return found


def holm(differences: Sequence[Difference]) -> list[Difference]:
    """Return differences with adjusted p-values, so that all verdicts hold at once; those without one do not count."""
    tested = [at for at, one in enumerate(differences) if one.p is not None]
    values = dict(zip(tested, adjusted([one.p for one in differences if one.p is not None]), strict=True))
    return [replace(one, adjusted=values.get(at)) for at, one in enumerate(differences)]
