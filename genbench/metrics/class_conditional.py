"""Conditional generation: whether samples belong to the requested class, and the Frechet distance of each class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array
from genbench.errors import InputError
from genbench.features.class_matching import Classes, MatchedClasses, match_classes
from genbench.features.features import Features, Moments
from genbench.metrics.frechet.metric import FrechetDistance
from genbench.metrics.share_intervals import binomial_error, wilson_interval
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class ClassConditional:
    """Share of samples of the requested class, and the mean Frechet distance within the classes.

    ``class_consistency`` is the share of samples whose predicted class is the requested one (GAN-test, Shmelkov et al.
    2018, arXiv 1807.09499), for extractors that predict a class. ``fid_per_class`` is the mean over classes of the
    Frechet distance between the samples of a requested class and the reference rows of that class (intra-FID, Miyato
    and Koyama 2018, arXiv 1802.05637); its detail has the distance of each class, the worst first. It is biased upward,
    and more than FID, because a class has few rows: ``fid_per_class_debiased`` is the mean of the classes' debiased
    distances, if all classes have enough rows for it (twice as many as dimensions); otherwise compare with real ones.

    The requested classes are those of the classifier and of the reference that have the same names (``match_classes``);
    the scores cover the classes that both have, and a warning tells of the others.
    """

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``class_consistency``, ``fid_per_class`` and, for enough rows, ``fid_per_class_debiased``.

        Samples without classes have no scores. ``class_consistency`` is missing without the view ``mode``, and the
        distances are if no class has two rows on both sides. Raises InputError if the classes of the reference are
        neither given nor predicted, or if the classifier or the reference has none of the requested classes.
        """
        # without a requested class there is nothing to score
        if generated.label is None or not isinstance(reference, Features):
            return []
        requested = Classes(generated.name, generated.label, generated.class_names)
        # networks such as Inception predict none of the requested classes
        consistency = [_consistency_score(generated, requested)] if "mode" in generated.views else []
        return [*consistency, *_distance_scores(generated, requested, reference, seed)]


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
    return Consistency(value, binomial_error(value, len(correct)), per_class)


def _consistency_score(generated: Features, requested: Classes) -> Score:
    # a classifier that does not say how many classes it has may know each one that is requested
    mode, names = generated["mode"].astype(np.int64), generated.mode_names
    count = generated.modes or len(names or ()) or int(max(mode.max(), requested.label.max())) + 1
    classifier = f"the classifier {generated.extractor}"
    matched = match_classes(requested, Classes(classifier, mode, names, count))
    # rows of a class that the classifier does not know are neither right nor wrong
    known = matched.label >= 0
    consistency = class_consistency(matched.other_label[known], matched.label[known])
    per_class = {matched.names[int(label)]: share for label, share in consistency.per_class.items()}
    warning = _unmatched_warning(matched.unmatched, classifier)
    detail = {"per_class": per_class, **({"warning": warning} if warning else {})}
    interval = wilson_interval(consistency.value, int(known.sum()))
    return Score("class_consistency", consistency.value, consistency.error, "higher", detail, interval=interval)


class ClassDistance(NamedTuple):
    """The Frechet distance between the samples of a requested class and the reference rows of this class."""

    name: str
    value: float
    error: float | None
    """Standard error of ``value`` and of ``debiased``; None for fewer than 3 rows."""
    debiased: float | None
    """None for fewer rows than twice the dimensions."""
    generated: int
    """Number of generated rows."""
    reference: int
    """Number of reference rows."""


def distance_per_class(rows: Array, reference_rows: Array, matched: MatchedClasses, seed: int) -> list[ClassDistance]:
    """Return the Frechet distance of each class that has at least two rows on both sides, the worst first.

    ``rows`` [N, D] and ``reference_rows`` [M, D] have the labels of ``matched``. The order is that of the debiased
    distances if all classes have one: classes of unequal size have unequal bias.
    """
    distances = []
    for number, name in enumerate(matched.names):
        # the covariance of a class needs two rows on both sides
        sides = rows[matched.label == number], reference_rows[matched.other_label == number]
        if min(map(len, sides)) >= 2:
            own, other = (Features.of(embedding=side) for side in sides)
            scores = {score.name: score for score in FrechetDistance()(own, other, seed=seed)}
            debiased = scores["fid_debiased"].value if "fid_debiased" in scores else None
            distances.append(ClassDistance(name, scores["fid"].value, scores["fid"].error, debiased, *map(len, sides)))
    # a sorted list keeps the order of equal distances
    if any(each.debiased is None for each in distances):
        return sorted(distances, key=lambda each: -each.value)
    return sorted(distances, key=lambda each: -(each.debiased or 0.0))


def _distance_scores(generated: Features, requested: Classes, reference: Features, seed: int) -> list[Score]:
    """Return ``fid_per_class`` and its debiased form, or nothing if no class has two rows on both sides."""
    # without labels, the reference has the classes that the extractor predicts
    if reference.label is not None:
        other = Classes(reference.name, reference.label, reference.class_names)
    elif "mode" not in reference.views:
        raise InputError(
            f"The distance of each class needs the classes of {reference.name}; give a folder with a sub-folder for "
            "each class, or an archive, an array or a data set with labels."
        )
    else:
        mode, names = reference["mode"].astype(np.int64), generated.mode_names
        other = Classes(f"the classifier {generated.extractor}", mode, names)
    matched = match_classes(requested, other)
    distances = distance_per_class(generated["embedding"], reference["embedding"], matched, seed)
    if not distances:
        return []

    # the mean over classes, whose variances add up; its error is unknown if that of any class is
    errors = [math.nan if each.error is None else each.error for each in distances]
    error = math.sqrt(math.fsum(error**2 for error in errors)) / len(errors)
    known = None if math.isnan(error) else error
    # the detail shows which classes are worst
    detail: dict[str, Any] = {
        "per_class": {each.name: each.value for each in distances},
        "classes": [each._asdict() for each in distances],
        "error_by": "errors of the classes, which are independent",
    }
    warnings = [
        _unmatched_warning(matched.unmatched, reference.name),
        _unmatched_warning(matched.other_unmatched, generated.name),
    ]
    if any(warnings):
        detail["warning"] = " ".join(filter(None, warnings))
    key = "frechet_inception_distance_per_class"
    value = float(np.mean([each.value for each in distances]))
    scores = [Score("fid_per_class", value, known, "lower", detail, key)]
    # one class without a debiased distance would make it a mean over other classes
    debiased = [each.debiased for each in distances if each.debiased is not None]
    if len(debiased) == len(distances):
        mean = float(np.mean(debiased))
        about = {"corrects": "fid_per_class", "error_by": detail["error_by"]}
        scores.append(Score("fid_per_class_debiased", mean, known, "lower", about, f"{key}_debiased"))
    return scores


def _unmatched_warning(names: tuple[str, ...], lacking: str) -> str | None:
    """Return a sentence about classes of one side that the other side lacks, or None."""
    if not names:
        return None
    listed = ", ".join([*names[:5], *(["..."] if len(names) > 5 else [])])
    those = "this class is" if len(names) == 1 else f"these {len(names)} classes are"
    return f"{lacking} lacks {listed}: {those} left out of the scores per class."
