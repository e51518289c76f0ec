"""The classifier two-sample test: how well a linear classifier tells generated from reference rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from genbench.arrays import Array
from genbench.errors import InputError
from genbench.features.features import Features, Moments
from genbench.metrics.influence import influence_of
from genbench.metrics.pair_sums import embedding, matched
from genbench.plugs.contracts import Influence, Score


@dataclass(frozen=True)
class ClassifierTwoSample:
    """C2ST: ``classifier_accuracy`` on the embeddings."""

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        found = classifier_accuracy(embedding(generated, "generated"), embedding(reference, "reference"), seed=seed)
        detail: dict[str, Any] = {"expected": 0.5, "z": found.z, "error_by": "binomial, widened for shared halves"}
        return [
            Score("c2st", found.value, found.error, "lower", detail, "classifier_two_sample_accuracy", found.influence)
        ]


class Accuracy(NamedTuple):
    """Accuracy on rows that the classifier was not fitted to."""

    value: float
    """Mean of both sides' accuracies: .5 where nothing tells them apart, 1 where everything does."""
    error: float
    """Standard error: binomial, widened by what both halves share."""
    z: float
    """Standard normal where both distributions are equal."""
    influence: Influence | None
    """Where the error comes from."""


def classifier_accuracy(generated: npt.ArrayLike, reference: npt.ArrayLike, *, seed: int = 0) -> Accuracy:
    """Return the held-out accuracy of a linear discriminant between generated and reference rows.

    Each half of the rows, split by ``seed``, is judged by the discriminant (covariance shrunk after Ledoit and Wolf) of
    the other half. Both judgements lean on the product of both halves' differences of means, so their errors are not
    independent: the variance is the binomial one times ``1 + phi(z)^2 / (p (1 - p))`` for an accuracy p = Phi(z), which
    is 1 + 2 / pi under equal distributions (simulated: 1.4 to 1.6). Lopez-Paz and Oquab 2017 (arXiv 1610.06545). The
    accuracy of the best classifier is ``1/2 + TV / 2``; a linear one bounds it from below, and sees a difference of
    means only: Phi(m / 2) at Mahalanobis distance m.

    Rows are [N, D] and [M, D]. Raises InputError for fewer than 4 rows on a side, and where rows are not finite or
    differ in width.
    """
    x, y = matched(generated, reference)
    if min(len(x), len(y)) < 4:
        raise InputError(f"A classifier needs 4 rows on both sides, not {len(x)} generated and {len(y)} reference.")
    rng = np.random.default_rng(seed)
    half_x, half_y = (rng.permutation(len(rows)) < len(rows) // 2 for rows in (x, y))
    right_x, right_y = np.zeros(len(x), bool), np.zeros(len(y), bool)
    for fold in (False, True):
        judged_x, judged_y = half_x == fold, half_y == fold
        score = _discriminant(x[~judged_x], y[~judged_y])
        right_x[judged_x], right_y[judged_y] = score(x[judged_x]) > 0, score(y[judged_y]) <= 0
    p, q = float(right_x.mean()), float(right_y.mean())
    error = math.sqrt(_widened((p + q) / 2) * (p * (1 - p) / len(x) + q * (1 - q) / len(y))) / 2
    null_error = math.sqrt(_widened(0.5) * (1 / len(x) + 1 / len(y))) / 4
    parts = influence_of(right_x / (2 * len(x)), right_y / (2 * len(y)), error=error)
    return Accuracy((p + q) / 2, error, ((p + q) / 2 - 0.5) / null_error, parts)


def _widened(share: float) -> float:
    """Return by how much more than binomial the variance is, since both halves lean on the same difference."""
    if not 0 < share < 1:
        return 1.0
    return float(1 + stats.norm.pdf(stats.norm.ppf(share)) ** 2 / (share * (1 - share)))


def _discriminant(x: Array, y: Array) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rows = np.concatenate([x, y]).astype(np.float64)
    label = np.concatenate([np.ones(len(x)), np.zeros(len(y))])
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5])
    return model.fit(rows, label).decision_function
