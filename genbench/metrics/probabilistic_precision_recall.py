"""Probabilistic precision and recall: the mean probability that a row lies in the soft balls of the other side."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy.typing as npt

from genbench.errors import UsageError
from genbench.metrics.ball_counts import BallCounts
from genbench.metrics.ball_metric import BallMetric
from genbench.metrics.ball_scores import score_of_balls, scores_of_rows
from genbench.metrics.soft_balls import SoftBalls
from genbench.metrics.tiles import TILE
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class ProbabilisticPrecisionRecall(BallMetric):
    """Probabilistic precision and recall, with soft balls (``probabilistic_precision_recall``)."""

    k: int = 4
    scale: float = 1.2

    @property
    def balls(self) -> tuple[SoftBalls]:
        return (SoftBalls(self.k, self.scale),)

    def __post_init__(self) -> None:
        super().__post_init__()
        # A radius of 0 would hold nothing.
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise UsageError(f"The scale of a radius must be above 0, not {self.scale}; write pppr,scale=1.2.")

    def scores(self, pair_sums: BallCounts) -> list[Score]:
        """Return P-precision and P-recall."""
        # The balls lie around the reference rows for precision, around the generated rows for recall.
        scores = []
        for name, role in (("p_precision", "reference"), ("p_recall", "generated")):
            hits = pair_sums.soft_hits(*self.balls, role)
            # the points are the rows of the other side
            points, centres = hits.probabilities() / len(hits.groups), hits.centre_influence()
            influence = (points, centres) if role == "reference" else (centres, points)
            # the long names of the scores are those of the paper
            score = score_of_balls(name, hits.estimate(), pair_sums, influence, detail={"radius": hits.radii[0]})
            scores.append(score._replace(key=f"probabilistic_{name[2:]}"))
        return scores


def probabilistic_precision_recall(
    generated: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    k: int = ProbabilisticPrecisionRecall.k,
    scale: float = ProbabilisticPrecisionRecall.scale,
    seed: int = 0,
    tile: int = TILE,
) -> dict[str, Score]:
    """Compute ``p_precision`` (over generated rows) and ``p_recall`` (over reference rows), both in 0..1.

    ``PP = mean_j (1 - prod_i min(1, |x_j - y_i| / R))``, where R is ``scale`` times the mean distance from a reference
    row to its k-th neighbour in the reference; P-recall exchanges the sides. Park and Kim 2023 (arXiv 2309.01590),
    equations 4 to 9, with k = 4 and scale = 1.2. An outlier adds one ball of the common radius, not a large one. But R
    depends on the scale of the distances only: where many distances are alike, as in many dimensions or with many
    rows, nearly all of them are below R, and both scores are near 1 also for sets that differ.

    The errors are computed as in ``precision_recall``. With products in single precision (large sets), values are exact
    to about five digits. Rows, ``tile`` and errors that are raised are those of ``precision_recall``. Raises UsageError
    unless ``scale`` is above 0.
    """
    metric = ProbabilisticPrecisionRecall(k, scale)
    # One pass for this metric alone.
    return scores_of_rows(metric, generated, reference, seed=seed, tile=tile)
