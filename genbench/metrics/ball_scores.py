"""Scores of metrics that count rows in balls, with their errors and intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from genbench.array_types import Float64
from genbench.metrics.ball_counts import BallCounts, RowInfluence
from genbench.metrics.group_influence import influence_of
from genbench.metrics.pair_sums import PairMetric, gather_pair_sums
from genbench.metrics.share_intervals import Ends, binomial_error, log_interval, logit_interval, wilson_interval
from genbench.metrics.tiles import pair_of
from genbench.plugs.contracts import Score

HALVES_DEGREES = 10.0
"""Degrees of freedom of the errors from random halves: the splits share their rows, so there are fewer than splits."""

UNEQUAL = 0.05
"""Scores carry a warning if the counts differ by more than this share of the larger count."""


def scores_of_rows(
    metric: PairMetric, generated: npt.ArrayLike, reference: npt.ArrayLike, *, seed: int, tile: int
) -> dict[str, Score]:
    """Return the scores of one metric of balls by name, from rows [N, D] and [M, D].

    Raises InputError if a side has k rows or fewer, or if the rows are not finite or differ in width.
    """
    # One pass for this metric alone.
    pair_sums = gather_pair_sums([metric], *pair_of(generated, reference), seed=seed, tile=tile)
    return {score.name: score for score in metric.scores(pair_sums[BallCounts])}


def score_of_balls(
    name: str,
    estimates: Float64,
    counts: BallCounts,
    influence: RowInfluence,
    *,
    detail: dict[str, Any] | None = None,
    clipped: bool = False,
) -> Score:
    """Return the score of a number, given its estimates [1 + 2 S] from the whole sets and from the halves.

    ``density`` is a ratio, all others are shares. With ``clipped`` the score is at most 1, but its error is that of the
    estimates, which may be above 1.
    """
    # The value is that of the whole sets, which come first.
    value = min(float(estimates[0]), 1.0) if clipped else float(estimates[0])
    detail = detail or {}
    # The error, or the reason why there is none.
    error, interval = counts.error(estimates), None
    if error is None:
        detail["no_error"] = "An error needs more than k rows in each half of a side."
    else:
        least = min(counts.counts)
        if clipped:
            error, interval = _clipped_error_and_interval(float(estimates[0]), error, least)
        else:
            error, interval = _error_and_interval(name, value, error, least)
        detail["error_by"] = "differences of random halves"
    # The values depend on the counts, so published values hold for equal counts only.
    generated, reference = counts.counts
    if abs(generated - reference) > UNEQUAL * max(generated, reference):
        detail["warning"] = (
            f"{generated:,} generated and {reference:,} reference rows: precision, recall, density and coverage depend "
            "on both counts; compare them only at the same counts."
        )
    return Score(name, value, error, "higher", detail, None, influence_of(*influence, error=error), interval)


def _error_and_interval(name: str, value: float, error: float, count: int) -> tuple[float, Ends | None]:
    """Return the error and the ends of the 95 % interval of a number that the halves gave ``error``.

    A share of 0 or 1 has no differences between halves; its error is the binomial one. ``count`` is the number of rows
    of the smaller side.
    """
    # Density is a ratio, which is not bounded above
    if name == "density":
        return error, log_interval(value, error, HALVES_DEGREES) if value > 0 else None
    if not 0 < value < 1:
        return max(error, binomial_error(value, count)), wilson_interval(value, count)
    return error, logit_interval(value, error, HALVES_DEGREES)


def _clipped_error_and_interval(ratio: float, error: float, count: int) -> tuple[float, Ends]:
    """Return the same for a ratio that is clipped at 1. Its interval is that of the ratio, clipped at 1."""
    # without differences between halves, the ratio is treated as a share
    if not error or ratio <= 0:
        share = min(ratio, 1.0)
        return max(error, binomial_error(share, count)), wilson_interval(share, count)
    low, high = log_interval(ratio, error, HALVES_DEGREES) or (0.0, math.inf)
    # a ratio far above 1 leaves the uncertainty of a share of 1
    return error, (min(low, wilson_interval(1.0, count)[0]), min(high, 1.0))


def group_influence(sums: Float64, rows: int) -> Float64:
    """Return sums over groups [GROUPS] minus what groups of their size have on average; ``rows`` belong to them."""
    # The first groups may hold one row more.
    sizes = np.bincount(np.arange(rows) % len(sums), minlength=len(sums))
    return np.asarray(sums - sizes / rows * sums.sum())
