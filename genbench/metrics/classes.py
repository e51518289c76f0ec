"""Conditional generation: whether samples are of the class that was asked for, and how near each class comes."""

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
    """The metric ``classes``, of samples that carry the class they were asked to be of; nothing is said of others.

    ``class_consistency`` is the share that the extractor's classifier takes for the asked class (as in conditional
    models' classification accuracy score, Shmelkov et al. 2018, arXiv 1807.09499, GAN-test). ``fid_per_class`` is the
    mean over classes of the Frechet distance between the samples asked to be of a class and the reference's rows of it
    (intra-FID, Miyato and Koyama 2018, arXiv 1802.05637); the detail has each class's. Fewer rows a class than
    dimensions bias it upward: compare with the row of real samples.
    """

    needs: ClassVar[tuple[str, ...]] = ("mode", "embedding")
    reference: ClassVar[Literal["rows"]] = "rows"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``class_consistency`` and ``fid_per_class``, or nothing where the samples carry no classes."""
        if generated.label is None or not isinstance(reference, Features):
            return []
        found = class_consistency(generated["mode"], generated.label)
        detail = {"per_class": found.per_class}
        scores = [Score("class_consistency", found.value, found.error, "higher", detail)]
        apart = _distances(generated, reference, seed)
        if apart:
            values = [score.value for score in apart.values()]
            errors = [score.error or math.nan for score in apart.values()]
            error = math.sqrt(math.fsum(error**2 for error in errors)) / len(errors)
            scores.append(
                Score(
                    "fid_per_class",
                    float(np.mean(values)),
                    None if math.isnan(error) else error,
                    "lower",
                    {"per_class": {str(one): score.value for one, score in apart.items()}},
                    "frechet_inception_distance_per_class",
                )
            )
        return scores


class Consistency(NamedTuple):
    """Share of samples that are taken for what they were asked to be, 0..1."""

    value: float
    error: float
    """Binomial standard error."""
    per_class: dict[str, float]
    """The share within each asked class."""


def class_consistency(mode: npt.ArrayLike, asked: npt.ArrayLike) -> Consistency:
    """Return how often the class that a classifier sees, int [N], is the class that was asked for, int [N].

    Raises InputError where the two do not fit, or are empty.
    """
    seen, wanted = np.asarray(mode), np.asarray(asked)
    if seen.shape != wanted.shape or seen.ndim != 1 or not len(seen):
        raise InputError(f"Seen and asked classes are int [N] both; {list(seen.shape)} and {list(wanted.shape)} came.")
    right = seen == wanted
    value = float(right.mean())
    per_class = {str(one): float(right[wanted == one].mean()) for one in np.unique(wanted).tolist()}
    return Consistency(value, math.sqrt(value * (1 - value) / len(right)), per_class)


def _distances(generated: Features, reference: Features, seed: int) -> dict[int, Score]:
    """Return the Frechet distance of each class that both sides have at least two rows of."""
    assert generated.label is not None
    theirs = reference.label if reference.label is not None else reference["mode"]
    found = {}
    for one in np.unique(generated.label).tolist():
        ours, real = generated["embedding"][generated.label == one], reference["embedding"][theirs == one]
        if min(len(ours), len(real)) >= 2:
            found[one] = FrechetDistance()(Features.of(embedding=ours), Features.of(embedding=real), seed=seed)[0]
    return found
