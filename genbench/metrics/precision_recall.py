"""Precision, recall, density and coverage: which samples lie in the balls that reach to a sample's k-th neighbour."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy.typing as npt

from genbench.metrics.ball_counts import BallCounts
from genbench.metrics.ball_hits import Balls
from genbench.metrics.ball_metric import BallMetric
from genbench.metrics.ball_scores import score_of_balls
from genbench.metrics.pair_sums import gather_pair_sums
from genbench.metrics.tiles import TILE, pair_of
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class PrecisionRecall(BallMetric):
    """Improved precision and recall, and their harmonic mean (``precision_recall``)."""

    k: int = 3

    @property
    def balls(self) -> tuple[Balls]:
        return (Balls(self.k, strict=False),)

    def scores(self, pair_sums: BallCounts) -> list[Score]:
        """Return precision, recall and their harmonic mean."""
        # Values and influence by name; the same hits give all of them.
        estimates, influence = pair_sums.estimate(*self.balls), pair_sums.influence(*self.balls)
        return [
            score_of_balls(name, estimates[name], pair_sums, influence[name])
            for name in ("precision", "recall", "f_score")
        ]


@dataclass(frozen=True)
class DensityCoverage(BallMetric):
    """Density and coverage, and precision and recall by the same rule (``density_coverage``)."""

    k: int = 5

    @property
    def balls(self) -> tuple[Balls]:
        return (Balls(self.k, strict=True),)

    def scores(self, pair_sums: BallCounts) -> list[Score]:
        """Return density, coverage, and the strict precision and recall with k in their names."""
        # The convention of this k is in the names, because the usual precision and recall are not strict.
        estimates, influence = pair_sums.estimate(*self.balls), pair_sums.influence(*self.balls)
        coverage = expected_coverage(*pair_sums.counts, self.k)
        return [
            score_of_balls(name, estimates[key], pair_sums, influence[key], detail=detail)
            for name, key, detail in (
                ("density", "density", {"expected": 1.0}),
                ("coverage", "coverage", {"expected": coverage}),
                (f"precision_k{self.k}", "precision", {}),
                (f"recall_k{self.k}", "recall", {}),
            )
        ]


@dataclass(frozen=True)
class Fidelity:
    """Shares of samples in the balls of the other side; each error is a standard error, None with too few rows."""

    precision: float
    recall: float
    f_score: float
    precision_error: float | None
    recall_error: float | None
    f_score_error: float | None


@dataclass(frozen=True)
class Coverage:
    """Density and coverage, with precision and recall by the same strict rule; the errors are standard errors."""

    density: float
    coverage: float
    precision: float
    recall: float
    density_error: float | None
    coverage_error: float | None
    precision_error: float | None
    recall_error: float | None


def precision_recall(
    generated: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    k: int = PrecisionRecall.k,
    seed: int = 0,
    tile: int = TILE,
) -> Fidelity:
    """Compute precision (share of generated rows in the balls of the reference) and recall (the converse).

    ``P = mean_j [exists i: |x_j - y_i| <= r_i]``, where r_i is the distance from y_i to its k-th neighbour in the
    reference. Kynkaanniemi et al. 2019 (arXiv 1904.06991). Agrees with ADM and torch-fidelity (f_score = 2 P R /
    (P + R)). All values are in 0..1. In many dimensions they are far below 1 even for equal distributions, so compare
    with a held-out set instead of with 1, and compare at equal counts.

    The error is half the root mean square difference between the halves of both sides, over 20 random splits drawn with
    ``seed``. A jackknife would give errors up to twice too large because neighbours interact.

    Rows are [N, D] and [M, D]. Neighbours are exact: pairs that rounding could decide are measured in float64. Raises
    InputError if a side has k rows or fewer, or if the rows are not finite or differ in width.
    """
    # One pass for this metric alone.
    metric = PrecisionRecall(k)
    counts: BallCounts = gather_pair_sums([metric], *pair_of(generated, reference), seed=seed, tile=tile)[BallCounts]
    # Each estimate holds the value over all rows first, then those of the halves.
    estimates = counts.estimate(*metric.balls)
    # The fields of Fidelity in order: the values, then their errors.
    names = ("precision", "recall", "f_score")
    return Fidelity(*(float(estimates[name][0]) for name in names), *(counts.error(estimates[name]) for name in names))


def density_coverage(
    generated: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    k: int = DensityCoverage.k,
    seed: int = 0,
    tile: int = TILE,
) -> Coverage:
    """Compute density (mean number of reference balls that hold a generated row, over k) and coverage.

    ``D = 1/(k M) sum_j sum_i [|x_j - y_i| < r_i]`` and ``C = mean_i [exists j: |x_j - y_i| < r_i]``, where r_i is the
    distance from y_i to its k-th neighbour in the reference. Naeem et al. 2020 (arXiv 2002.09797). Agrees with the prdc
    package. Density is at least 0 and expected to be 1 for equal distributions. Coverage is in 0..1 and expected to be
    ``expected_coverage``. Because the rule is strict, the balls of k + 1 equal reference rows hold nothing. The errors
    are computed as in ``precision_recall``.

    Rows are [N, D] and [M, D]. Raises InputError if a side has k rows or fewer, or if the rows are not finite or differ
    in width.
    """
    # One pass for this metric alone.
    metric = DensityCoverage(k)
    counts: BallCounts = gather_pair_sums([metric], *pair_of(generated, reference), seed=seed, tile=tile)[BallCounts]
    # Each estimate holds the value over all rows first, then those of the halves.
    estimates = counts.estimate(*metric.balls)
    # The fields of Coverage in order: the values, then their errors.
    names = ("density", "coverage", "precision", "recall")
    return Coverage(*(float(estimates[name][0]) for name in names), *(counts.error(estimates[name]) for name in names))


def expected_coverage(generated: int, reference: int, k: int) -> float:
    """Return the expected coverage for equal distributions: ``1 - prod_{i=1..k} (N - i) / (N + M - i)``.

    N is the number of reference rows and M the number of generated rows. For N = M it is close to 1 - 2^-k. Naeem et
    al. 2020, lemma 2.
    """
    # A ball holds no generated row if the k nearest of the other N - 1 + M rows are all reference rows.
    return 1 - math.prod((reference - i) / (reference + generated - i) for i in range(1, k + 1))
