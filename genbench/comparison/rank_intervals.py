"""Many comparisons at once: Holm's correction, and ranks as intervals."""

from __future__ import annotations

from collections.abc import Sequence

from genbench.comparison.differences import Difference


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
