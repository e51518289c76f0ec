"""Confidence intervals of ranks, from the significant differences of all pairs."""

from __future__ import annotations

from collections.abc import Sequence

from genbench.comparison.differences import Difference


def rank_intervals(names: Sequence[str], differences: Sequence[Difference]) -> dict[str, tuple[int, int]]:
    """Return the best and the worst rank of each subject: 1 + the number of better subjects, m - the number of worse.

    If the p-values are corrected over all pairs, all intervals hold at once with the stated confidence (Mogstad,
    Romano, Shaikh, Wilhelm 2020, Inference for Ranks). The margin plays no role. ``differences`` holds every pair of
    names once.
    """
    # without significant differences, every rank is possible
    first, last = dict.fromkeys(names, 1), dict.fromkeys(names, len(names))
    # each significant difference moves both subjects of the pair by one rank
    for difference in differences:
        if difference.significant and difference.better is not None:
            a_leads = (difference.shift < 0) == (difference.better == "lower")
            ahead, behind = (difference.a, difference.b) if a_leads else (difference.b, difference.a)
            first[behind] += 1
            last[ahead] -= 1
    return {name: (first[name], last[name]) for name in names}
