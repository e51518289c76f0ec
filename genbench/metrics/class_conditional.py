"""Conditional generation: whether samples belong to the requested class, and the Frechet distance of each class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.errors import InputError
from genbench.features.features import Features, Moments
from genbench.metrics.frechet.metric import FrechetDistance
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class ClassConditional:
    """The metric ``classes``, for samplers that take a class; samples without a requested class have no scores.

    ``class_consistency`` is the share of samples whose predicted class is the requested one (GAN-test, Shmelkov et al.
    2018, arXiv 1807.09499). ``fid_per_class`` is the mean over classes of the Frechet distance between the samples of a
    requested class and the reference rows of that class (intra-FID, Miyato and Koyama 2018, arXiv 1802.05637); its
    detail has the distance of each class. It is biased upward if a class has fewer rows than dimensions: compare it
    with that of real samples.
    """

    needs: ClassVar[tuple[str, ...]] = ("mode", "embedding")
    reference: ClassVar[Literal["rows"]] = "rows"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``class_consistency`` and ``fid_per_class``; no scores if the samples have no classes.

        ``fid_per_class`` is missing if no class has two rows on both sides.
        """
        # without a requested class there is nothing to score
        if generated.label is None or not isinstance(reference, Features):
            return []
        consistency = class_consistency(generated["mode"], generated.label)
        detail = {"per_class": consistency.per_class}
        scores = [Score("class_consistency", consistency.value, consistency.error, "higher", detail)]

        # the mean over classes, whose variances add up; its error is unknown if that of any class is
        distances = _distance_per_class(generated, reference, seed)
        if distances:
            values = [score.value for score in distances.values()]
            errors = [score.error or math.nan for score in distances.values()]
            error = math.sqrt(math.fsum(error**2 for error in errors)) / len(errors)
            # the detail shows which classes are worst
            scores.append(
                Score(
                    "fid_per_class",
                    float(np.mean(values)),
                    None if math.isnan(error) else error,
                    "lower",
                    {"per_class": {str(label): score.value for label, score in distances.items()}},
                    "frechet_inception_distance_per_class",
                )
            )
        return scores


class Consistency(NamedTuple):
    """Share of samples whose predicted class is the requested one, 0..1."""

    value: float
    error: float
    """Binomial standard error."""
    per_class: dict[str, float]
    """The share within each requested class."""


def class_consistency(predicted: npt.ArrayLike, requested: npt.ArrayLike) -> Consistency:
    """Return how often the predicted class, int [N], is the requested class, int [N].

    Raises InputError if the shapes differ, or the arrays are empty.
    """
    # both must be lists of one length
    predicted, requested = np.asarray(predicted), np.asarray(requested)
    if predicted.shape != requested.shape or predicted.ndim != 1 or not len(predicted):
        raise InputError(
            f"Predicted and requested classes must both be int [N], but their shapes are {list(predicted.shape)} and "
            f"{list(requested.shape)}."
        )
    # the share overall, and within each requested class
    correct = predicted == requested
    value = float(correct.mean())
    per_class = {str(label): float(correct[requested == label].mean()) for label in np.unique(requested).tolist()}
    return Consistency(value, math.sqrt(value * (1 - value) / len(correct)), per_class)


def _distance_per_class(generated: Features, reference: Features, seed: int) -> dict[int, Score]:
    """Return the Frechet distance of each class that has at least two rows on both sides."""
    assert generated.label is not None
    # without labels, the reference has the classes that the extractor predicts
    reference_label = reference.label if reference.label is not None else reference["mode"]

    # the covariance of a class needs two rows on both sides
    distances = {}
    for label in np.unique(generated.label).tolist():
        rows = generated["embedding"][generated.label == label]
        reference_rows = reference["embedding"][reference_label == label]
        if min(len(rows), len(reference_rows)) >= 2:
            sides = Features.of(embedding=rows), Features.of(embedding=reference_rows)
            distances[label] = FrechetDistance()(*sides, seed=seed)[0]
    return distances
