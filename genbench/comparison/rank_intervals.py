"""Confidence intervals of ranks, from the verdicts of all pairwise comparisons."""

from __future__ import annotations

from collections.abc import Sequence

from genbench.comparison.differences import Difference


def rank_intervals(names: Sequence[str], differences: Sequence[Difference]) -> dict[str, tuple[int, int]]:
    """Return the best and the worst rank of each subject: 1 + the number of better subjects, m - the number of worse.

    If the verdicts are corrected over all pairs by Holm's method, all intervals hold at once with the stated confidence
    (Mogstad, Romano, Shaikh, Wilhelm 2020, Inference for Ranks). ``differences`` holds every pair of names once.
    """
    # without verdicts, every rank is possible
    first, last = dict.fromkeys(names, 1), dict.fromkeys(names, len(names))
    # each significant difference moves both subjects of the pair by one rank
    for difference in differences:
        if difference.verdict in ("better", "worse"):
            a, b = difference.a, difference.b
            ahead, behind = (a, b) if difference.verdict == "better" else (b, a)
            first[behind] += 1
            last[ahead] -= 1
    return {name: (first[name], last[name]) for name in names}
