"""The classifier two-sample test: how well a classifier separates generated from reference rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from genbench.errors import InputError, UsageError, did_you_mean
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import checked_rows, embedding
from genbench.metrics.group_influence import influence_of
from genbench.metrics.share_intervals import binomial_error
from genbench.metrics.side_classifiers import CLASSIFIERS
from genbench.plugs.contracts import Influence, Score

FACTOR = 1.8
"""Variance of the accuracy of a classifier that is not linear, relative to the binomial variance. Simulations gave 1.1
to 1.6 for the forest and 1.2 to 1.9 for 1-NN."""


@dataclass(frozen=True)
class ClassifierTwoSample:
    """C2ST: accuracy of a classifier that separates both sides, 0.5 at best (``classifier_accuracy``).

    ``classifier`` is ``linear`` (score ``c2st``), ``forest``, ``mlp`` or ``1nn`` (scores ``c2st_forest``, ...). The
    linear one detects differences of means only; the forest also detects a change of scale.
    """

    classifier: str = field(default="linear", repr=False)  # each classifier has its own score

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    least_samples: ClassVar[tuple[int, int]] = (4, 4)

    def __post_init__(self) -> None:
        if self.classifier not in CLASSIFIERS:
            hint = did_you_mean(str(self.classifier), CLASSIFIERS)
            raise UsageError(f"'c2st' has no classifier={self.classifier}{hint}")

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``c2st``, at least 0.5: a classifier that does worse than chance has found no difference.

        Only an accuracy below 0.5 by more than 3 errors is reported as it is, because it shows that the sides are not
        independent. The detail has the accuracy itself.
        """
        # A perfect sampler is expected to get 0.5.
        rows = (embedding(generated, "generated"), embedding(reference, "reference"))
        accuracy = classifier_accuracy(*rows, seed=seed, classifier=self.classifier)
        value = accuracy.value if accuracy.z < -3 else max(accuracy.value, 0.5)
        detail: dict[str, Any] = {"expected": 0.5, "least": 0.5, "accuracy": accuracy.value, "z": accuracy.z}
        detail["error_by"] = "binomial, widened for shared halves"
        suffix = "" if self.classifier == "linear" else f"_{self.classifier}"
        name, key = f"c2st{suffix}", f"classifier_two_sample_accuracy{suffix}"
        return [Score(name, value, accuracy.error, "lower", detail, key, accuracy.influence)]


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


def classifier_accuracy(
    generated: npt.ArrayLike, reference: npt.ArrayLike, *, seed: int = 0, classifier: str = "linear"
) -> Accuracy:
    """Compute the held-out accuracy of a classifier between generated and reference rows.

    ``accuracy = (mean_i [f(x_i) > 0] + mean_j [f(y_j) <= 0]) / 2``, where f is the classifier fitted to the other half
    of the rows; ``seed`` splits them. Lopez-Paz and Oquab 2017 (arXiv 1610.06545). The best classifier has accuracy
    ``1/2 + TV / 2``. The linear discriminant (Ledoit-Wolf covariance) has at most that, and detects only a difference
    of means: its accuracy is Phi(m / 2) at Mahalanobis distance m.

    The errors of both halves are not independent, because both depend on the halves' differences. For the linear
    discriminant the variance is the binomial variance times ``1 + phi(z)^2 / (p (1 - p))`` for an accuracy p = Phi(z).
    For equal distributions this factor is 1 + 2 / pi (in simulations 1.4 to 1.6). For the other classifiers it is
    FACTOR, the largest factor in simulations of equal distributions and of changes of location and scale.

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
        is_generated = CLASSIFIERS[classifier](x[~test_x], y[~test_y], seed)
        right_x[test_x], right_y[test_y] = is_generated(x[test_x]), ~is_generated(y[test_y])
    # Binomial variance of both accuracies, widened; for z as if both were 0.5.
    p, q = float(right_x.mean()), float(right_y.mean())
    variance = binomial_error(p, len(x)) ** 2 + binomial_error(q, len(y)) ** 2
    factor, null_factor = (_variance_factor(share, classifier) for share in ((p + q) / 2, 0.5))
    error = math.sqrt(factor * variance) / 2
    null_error = math.sqrt(null_factor * (1 / len(x) + 1 / len(y))) / 4
    # Each row contributes its own hit or miss to the accuracy.
    influence = influence_of(right_x / (2 * len(x)), right_y / (2 * len(y)), error=error)
    return Accuracy((p + q) / 2, error, ((p + q) / 2 - 0.5) / null_error, influence)


def _variance_factor(accuracy: float, classifier: str) -> float:
    """Return the variance relative to the binomial variance; it is larger because the halves are not independent."""
    if classifier != "linear":
        return FACTOR
    # The normal quantile of 0 or 1 is infinite; the factor tends to 1.
    if not 0 < accuracy < 1:
        return 1.0
    # the squared density of the normal distribution at the quantile of the accuracy
    density = math.exp(-(float(ndtri(accuracy)) ** 2)) / (2 * math.pi)
    return 1 + density / (accuracy * (1 - accuracy))
