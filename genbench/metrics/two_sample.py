"""The classifier two-sample test: how well a linear classifier separates generated from reference rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from genbench.array_types import Array, Float64
from genbench.errors import InputError
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import checked_rows, embedding
from genbench.metrics.group_influence import influence_of
from genbench.metrics.share_intervals import binomial_error
from genbench.plugs.contracts import Influence, Score


@dataclass(frozen=True)
class ClassifierTwoSample:
    """C2ST: ``classifier_accuracy`` on the embeddings."""

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    least_samples: ClassVar[tuple[int, int]] = (4, 4)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``c2st``, at least 0.5: a classifier that does worse than chance has found no difference.

        Only an accuracy below 0.5 by more than 3 errors is reported as it is, because it shows that the sides are not
        independent. The detail has the accuracy itself.
        """
        # A perfect sampler is expected to get 0.5.
        accuracy = classifier_accuracy(embedding(generated, "generated"), embedding(reference, "reference"), seed=seed)
        value = accuracy.value if accuracy.z < -3 else max(accuracy.value, 0.5)
        detail: dict[str, Any] = {"expected": 0.5, "least": 0.5, "accuracy": accuracy.value, "z": accuracy.z}
        detail["error_by"] = "binomial, widened for shared halves"
        key = "classifier_two_sample_accuracy"
        return [Score("c2st", value, accuracy.error, "lower", detail, key, accuracy.influence)]


class Accuracy(NamedTuple):
    """Accuracy of a classifier on rows that it was not fitted to."""

    value: float
    """Mean of the accuracies on both sides: 0.5 if the sides cannot be separated, 1 if they can be fully separated."""
    error: float
    """Standard error: binomial, widened because the two halves are not independent."""
    z: float
    """Deviation from 0.5 in units of the error for equal distributions, for which it is standard normal."""
    influence: Influence | None
    """Which rows contribute to the error."""


def classifier_accuracy(generated: npt.ArrayLike, reference: npt.ArrayLike, *, seed: int = 0) -> Accuracy:
    """Compute the held-out accuracy of a linear discriminant between generated and reference rows.

    ``accuracy = (mean_i [f(x_i) > 0] + mean_j [f(y_j) <= 0]) / 2``, where f is the linear discriminant (Ledoit-Wolf
    covariance) fitted to the other half of the rows; ``seed`` splits them. Lopez-Paz and Oquab 2017 (arXiv 1610.06545).
    The best classifier has accuracy ``1/2 + TV / 2``. A linear classifier has at most that, and detects only a
    difference of means: its accuracy is Phi(m / 2) at Mahalanobis distance m.

    The errors of both halves are not independent, because both depend on the product of the halves' differences of
    means. The variance is the binomial variance times ``1 + phi(z)^2 / (p (1 - p))`` for an accuracy p = Phi(z). For
    equal distributions this factor is 1 + 2 / pi (in simulations 1.4 to 1.6).

    Rows are [N, D] and [M, D]. Raises InputError if a side has fewer than 4 rows, or if the rows are not finite or
    differ in width.
    """
    x, y = checked_rows(generated, reference)
    if min(len(x), len(y)) < 4:
        raise InputError(
            f"c2st needs at least 4 rows on each side, not {len(x)} generated and {len(y)} reference rows."
        )
    # Fit to each half of the rows and classify the other half.
    rng = np.random.default_rng(seed)
    half_x, half_y = (rng.permutation(len(rows)) < len(rows) // 2 for rows in (x, y))
    # Whether each row is classified correctly.
    right_x, right_y = np.zeros(len(x), bool), np.zeros(len(y), bool)
    for fold in (False, True):
        test_x, test_y = half_x == fold, half_y == fold
        decision = _fit_discriminant(x[~test_x], y[~test_y])
        right_x[test_x], right_y[test_y] = decision(x[test_x]) > 0, decision(y[test_y]) <= 0
    # Binomial variance of both accuracies, widened; for z as if both were 0.5.
    p, q = float(right_x.mean()), float(right_y.mean())
    variance = binomial_error(p, len(x)) ** 2 + binomial_error(q, len(y)) ** 2
    error = math.sqrt(_variance_factor((p + q) / 2) * variance) / 2
    null_error = math.sqrt(_variance_factor(0.5) * (1 / len(x) + 1 / len(y))) / 4
    # Each row contributes its own hit or miss to the accuracy.
    influence = influence_of(right_x / (2 * len(x)), right_y / (2 * len(y)), error=error)
    return Accuracy((p + q) / 2, error, ((p + q) / 2 - 0.5) / null_error, influence)


def _variance_factor(accuracy: float) -> float:
    """Return the variance relative to the binomial variance; it is larger because the halves are not independent."""
    # The normal quantile of 0 or 1 is infinite; the factor tends to 1.
    if not 0 < accuracy < 1:
        return 1.0
    return float(1 + stats.norm.pdf(stats.norm.ppf(accuracy)) ** 2 / (accuracy * (1 - accuracy)))


def _fit_discriminant(x: Array, y: Array) -> Callable[[Array], Float64]:
    """Fit a linear discriminant; return its decision function, positive for rows that it takes for generated."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    # The same prior for both sides, whatever their counts.
    rows = np.concatenate([x, y]).astype(np.float64)
    label = np.concatenate([np.ones(len(x)), np.zeros(len(y))])
    model = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=_LedoitWolf(), priors=[0.5, 0.5])
    decision: Callable[[Array], Float64] = model.fit(rows, label).decision_function
    return decision


class _LedoitWolf:
    """The covariance of standardised rows by Ledoit and Wolf, in the units of the rows, and never singular.

    A direction without any spread within the sides separates them perfectly if their means differ, but an exactly
    singular covariance would hide it: two unlike constants could not be told apart.
    """

    def fit(self, rows: Float64) -> None:
        from sklearn.covariance import ledoit_wolf
        from sklearn.preprocessing import StandardScaler

        # Standardised first, as LinearDiscriminantAnalysis does with shrinkage="auto".
        scaler = StandardScaler()
        scale = scaler.fit(rows).scale_
        covariance = ledoit_wolf(scaler.transform(rows))[0] * scale[:, None] * scale
        # The added variance is far below any that matters.
        added = max(1e-9 * float(np.diag(covariance).mean()), 1e-100)
        self.covariance_ = covariance + added * np.eye(len(covariance))
