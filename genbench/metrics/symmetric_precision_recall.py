"""Symmetric precision and recall: the smaller of two counterparts, which fail in opposite situations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genbench.metrics.ball_counts import BallCounts
from genbench.metrics.ball_hits import Balls
from genbench.metrics.ball_metric import BallMetric
from genbench.metrics.ball_scores import score_of_balls, scores_of_rows
from genbench.metrics.tiles import TILE
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class SymmetricPrecisionRecall(BallMetric):
    """Symmetric precision and recall, and complement precision (``symmetric_precision_recall``)."""

    k: int = 5

    @property
    def balls(self) -> tuple[Balls]:
        return (Balls(self.k, strict=True),)

    def scores(self, pair_sums: BallCounts) -> list[Score]:
        """Return symmetric precision, symmetric recall and complement precision."""
        # The numbers of the whole sets and of the halves, from the same balls as density and coverage.
        estimates, influence = pair_sums.estimate(*self.balls), pair_sums.influence(*self.balls)
        scores = []
        for name, pair in (("sym_precision", ("precision", "cprecision")), ("sym_recall", ("recall", "coverage"))):
            # the smaller one decides, and so do its rows
            smallest = min(pair, key=lambda each: float(estimates[each][0]))
            # The minimum is taken within each half, too.
            both = np.minimum(*(estimates[each] for each in pair))
            detail = {each: float(estimates[each][0]) for each in pair}
            scores.append(score_of_balls(name, both, pair_sums, influence[smallest], detail=detail))
        # Complement recall is coverage, which prdc reports.
        complement = score_of_balls("cprecision", estimates["cprecision"], pair_sums, influence["cprecision"])
        return [*scores, complement._replace(key="complement_precision")]


def symmetric_precision_recall(
    generated: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    k: int = SymmetricPrecisionRecall.k,
    seed: int = 0,
    tile: int = TILE,
) -> dict[str, Score]:
    """Compute ``sym_precision = min(P, cP)``, ``sym_recall = min(R, C)`` and ``cprecision``, all in 0..1.

    With r_i the distance from a reference row y_i to its k-th neighbour in the reference and s_j that of a generated
    row x_j in the generated rows, ``P = mean_j [exists i: |x_j - y_i| < r_i]``, complement precision
    ``cP = mean_j [exists i: |x_j - y_i| < s_j]``, ``R = mean_i [exists j: |x_j - y_i| < s_j]``, and coverage, the
    complement of recall, ``C = mean_i [exists j: |x_j - y_i| < r_i]``. In many dimensions, generated rows just inside
    the support of the reference have P near 1 and R near 0, and rows just outside the converse. The minima treat both
    alike. Khayatkhoei and AbdAlmageed 2023 (arXiv 2306.09618).

    As P and R, the minima of equal distributions are below 1. The errors are computed as in ``precision_recall``; the
    error of a minimum is that of the minima over the halves. Rows, ``tile`` and errors that are raised are those of
    ``precision_recall``.
    """
    return scores_of_rows(SymmetricPrecisionRecall(k), generated, reference, seed=seed, tile=tile)
