"""Clipped Density and Clipped Coverage: density and coverage that read as shares of good samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from genbench.array_types import Float64, Int64
from genbench.metrics.ball_counts import BallCounts, RowInfluence
from genbench.metrics.ball_hits import Balls, Hits
from genbench.metrics.ball_metric import BallMetric
from genbench.metrics.ball_scores import group_influence, score_of_balls, scores_of_rows
from genbench.metrics.tiles import TILE
from genbench.plugs.contracts import GROUPS, Score

LARGEST_SHARE = 2
"""Before Clipped Coverage is clipped at 1, it reaches up to this number."""


@dataclass(frozen=True)
class ClippedDensityCoverage(BallMetric):
    """Clipped density and clipped coverage, calibrated so that both fall by the share of bad samples."""

    k: int = 5

    @property
    def balls(self) -> tuple[Balls, Balls]:
        """The balls of Clipped Density, then those of Clipped Coverage."""
        return Balls(self.k, strict=False, clipped=True), Balls(self.k, strict=True)

    def scores(self, pair_sums: BallCounts) -> list[Score]:
        """Return Clipped Density and Clipped Coverage."""
        # The two scores have balls of their own.
        of_density, of_coverage = self.balls
        return [self._density(pair_sums, of_density), self._coverage(pair_sums, pair_sums.hits(of_coverage))]

    def _density(self, pair_sums: BallCounts, balls: Balls) -> Score:
        # the share of k balls that hold a row; the reference rows among themselves set the unit
        hits, own = pair_sums.hits(balls), pair_sums.own_hits(balls)
        unit = np.maximum(own.mean("points", self._share_of_k), 1 / max(pair_sums.counts))
        estimates = hits.mean("points", self._share_of_k) / unit
        # The ratio A / B changes by (dA - (A / B) dB) / B; the factor 1 / B is common to all rows.
        generated, of_balls = self._clipped_influence(hits, "points")
        of_points, own_balls = self._clipped_influence(own, "points")
        reference = of_balls - estimates[0] * (own_balls + _sums_over_groups(of_points))
        detail: dict[str, Any] = {"expected": 1.0, "unclipped": float(estimates[0])}
        return score_of_balls(
            "clipped_density", estimates, pair_sums, (generated, reference), detail=detail, clipped=True
        )

    def _coverage(self, pair_sums: BallCounts, hits: Hits) -> Score:
        # The share of k samples that a ball holds. Its calibration depends on the counts.
        raw = hits.mean("balls", self._share_of_k)
        # the whole sets, the first halves, the second halves
        estimates = np.empty_like(raw)
        generated, reference = pair_sums.counts
        splits = (len(raw) - 1) // 2
        for part, n, m in (
            (slice(0, 1), generated, reference),
            (slice(1, 1 + splits), generated - generated // 2, reference - reference // 2),
            (slice(1 + splits, None), generated // 2, reference // 2),
        ):
            # smaller halves give no error
            estimates[part] = good_share(raw[part], n, m, self.k) if m > self.k else raw[part]
        # The calibration is an increasing function; its slope is common to all rows.
        of_reference, of_generated = self._clipped_influence(hits, "balls")
        detail: dict[str, Any] = {"expected": 1.0, "unclipped": float(estimates[0]), "uncalibrated": float(raw[0])}
        influence = of_generated, of_reference
        return score_of_balls("clipped_coverage", estimates, pair_sums, influence, detail=detail, clipped=True)

    def _share_of_k(self, counts: Int64) -> Float64:
        return np.minimum(counts, self.k) / self.k

    def _clipped_influence(self, hits: Hits, side: str) -> RowInfluence:
        """Return the influence of the rows of ``side`` [N], over which the mean is, and of the partners by group."""
        counts = hits.whole[side]
        # a partner less lowers the share of a row only if the row has at most k of them
        partners = hits.groups[counts <= self.k].sum(axis=0) / (self.k * len(counts))
        other = "points" if side == "balls" else "balls"
        return self._share_of_k(counts) / len(counts), group_influence(partners, len(hits.whole[other]))


def clipped_density_coverage(
    generated: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    k: int = ClippedDensityCoverage.k,
    seed: int = 0,
    tile: int = TILE,
) -> dict[str, Score]:
    """Compute ``clipped_density`` and ``clipped_coverage``; both are in 0..1 and about 1 for equal distributions.

    With r_i the distance from y_i to its k-th neighbour in the reference and R_i = min(r_i, median of r),
    ``CD = min(1, A(generated) / A(reference))``, where A is the mean over rows x of ``min(1, (number of i with
    |x - y_i| <= R_i) / k)``; for the reference a row does not count in its own ball. ``CC`` is ``good_share`` of the
    mean over i of ``min(1, (number of j with |x_j - y_i| < r_i) / k)``. If a share of the generated rows is replaced by
    far outliers, both scores fall by this share. Salvy, Talbot and Thirion 2026 (arXiv 2507.01761).

    Clipped Density does not see missing modes. Neither sees what changes within the balls. The errors are computed as
    in ``precision_recall`` from the numbers before they are clipped at 1, which are in the detail. Rows, ``tile`` and
    errors that are raised are those of ``precision_recall``.
    """
    return scores_of_rows(ClippedDensityCoverage(k), generated, reference, seed=seed, tile=tile)


def good_share(raw: npt.ArrayLike, generated: int, reference: int, k: int) -> Float64:
    """Return the share of good samples for which coverage, not calibrated, is expected to be ``raw`` float [...].

    The inverse of ``expected_share_of_k``, divided by the number of generated rows; at most LARGEST_SHARE.
    """
    # The expected coverage increases with the number of good samples, so it can be inverted.
    good = np.arange(LARGEST_SHARE * generated + 1)
    return np.asarray(np.interp(np.asarray(raw, np.float64), expected_share_of_k(good, reference, k), good / generated))


def expected_share_of_k(good: Int64, reference: int, k: int) -> Float64:
    """Return E min(1, b / k) for the number b of samples in a ball, with ``good`` int [...] samples in total.

    The samples have the distribution of the N reference rows. Of the N - 1 + m distances to the centre of the ball, all
    orders are equally likely, so ``P(b = s) = C(s + k - 1, s) C(N - 1 - k + m - s, m - s) / C(N - 1 + m, m)``, a
    beta-binomial distribution. Salvy et al. 2026. Needs more than k reference rows.
    """
    m = np.asarray(good, np.float64)
    missing = np.zeros_like(m)
    # expected share of the k samples that a ball lacks
    for s in range(k):
        # P(b = s) by logarithms, because the binomial coefficients are large
        rest = np.maximum(m - s, 0)
        chance = _log_binomial(s + k - 1, s) + _log_binomial(reference - 1 - k + rest, rest)
        chance -= _log_binomial(reference - 1 + m, m)
        missing += np.where(m >= s, np.exp(chance), 0.0) * (k - s) / k
    return 1 - missing


def _log_binomial(n: npt.ArrayLike, k: npt.ArrayLike) -> Float64:
    total, part = np.asarray(n, np.float64), np.asarray(k, np.float64)
    return np.asarray(gammaln(total + 1) - gammaln(part + 1) - gammaln(total - part + 1))


def _sums_over_groups(influence: Float64) -> Float64:
    """Return the sums of the influences of rows [N] over the groups of rows, centred, [GROUPS]."""
    sums = np.zeros(GROUPS)
    np.add.at(sums, np.arange(len(influence)) % GROUPS, influence)
    return group_influence(sums, len(influence))
