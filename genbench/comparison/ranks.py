"""Many comparisons at once: Holm's correction, and ranks as intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from genbench.comparison.differences import Difference


def holm(differences: Sequence[Difference]) -> list[Difference]:
    """Return differences with p-values adjusted so that the chance of any false verdict stays below 1 - confidence.

    Holm 1979: the i-th smallest of m p-values is multiplied by m - i + 1, and kept from falling. Differences without a
    p-value do not count.
    """
    order = sorted((one.p, at) for at, one in enumerate(differences) if one.p is not None)
    adjusted: dict[int, float] = {}
    largest = 0.0
    for rank, (p, at) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        adjusted[at] = largest
    return [replace(one, adjusted=adjusted.get(at)) for at, one in enumerate(differences)]


def rank_intervals(names: Sequence[str], differences: Sequence[Difference]) -> dict[str, tuple[int, int]]:
    """Return the confidence set of each subject's rank: 1 + how many are better, to m - how many are worse.

    With verdicts after Holm's correction over all pairs, all sets hold at once with the stated confidence (Mogstad,
    Romano, Shaikh, Wilhelm 2020, Inference for Ranks). ``differences`` has every pair of names once.
    """
    first, last = dict.fromkeys(names, 1), dict.fromkeys(names, len(names))
    for one in differences:
        if one.verdict in ("better", "worse"):
            ahead, behind = (one.a, one.b) if one.verdict == "better" else (one.b, one.a)
            first[behind] += 1
            last[ahead] -= 1
    return {name: (first[name], last[name]) for name in names}
