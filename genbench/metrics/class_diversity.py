"""Conditional diversity: the Vendi score within each class, which shows classes whose samples are all alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.array_types import Int64
from genbench.errors import InputError
from genbench.features.features import Features, Moments
from genbench.metrics.diversity import Vendi, check_order, vendi_of_rows
from genbench.metrics.embedding_checks import embedding
from genbench.metrics.group_influence import INDEPENDENT
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class ClassVendi:
    """The mean over classes of the Vendi score within the class.

    Samples without classes have no score. A model that shows one picture per class has a high Vendi score and a
    ``vendi_per_class`` of 1. The detail lists the classes, the least diverse first. Few rows lower the score: compare
    at equal counts per class.
    """

    order: float = Vendi.order

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["none"]] = "none"

    def __post_init__(self) -> None:
        check_order(self.order)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``vendi_per_class``, 1 or more; nothing if the samples have no classes.

        ``conditional`` in the detail is ``exp(sum_c p_c H_c)``, the geometric mean over classes with the shares p_c.
        For order 1 it is the Conditional Vendi Score of Jalali et al. 2024 (arXiv 2411.02817) with classes as
        conditions.
        """
        # without classes there is nothing to average over
        if generated.label is None:
            return []
        # classes have names, or are called by their numbers
        names = generated.class_names
        classes = vendi_of_classes(embedding(generated, "generated"), generated.label, order=self.order)
        known = [
            each._replace(
                name=names[int(each.name)] if names is not None and int(each.name) < len(names) else each.name
            )
            for each in classes
        ]
        # the classes are independent, so the variances of their scores add up
        error = math.sqrt(math.fsum(each.error**2 for each in known)) / len(known)
        # entropies of the classes by their shares
        logarithm = math.fsum(each.generated * math.log(each.value) for each in known) / len(generated.label)
        detail: dict[str, Any] = {
            "order": self.order,
            "conditional": math.exp(logarithm),
            "per_class": {each.name: each.value for each in known},
            "classes": [each._asdict() for each in known],
            "error_by": "delta method within the classes, which are independent",
        }
        # each class counts the same, however many samples it has
        value = float(np.mean([each.value for each in known]))
        return [Score("vendi_per_class", value, error, "higher", detail, "vendi_score_per_class", INDEPENDENT)]


class ClassDiversity(NamedTuple):
    """The Vendi score of one class."""

    name: str
    value: float
    """From 1 (all equal) to the number of rows."""
    error: float
    generated: int
    """Number of rows."""


def vendi_of_classes(rows: npt.ArrayLike, label: Int64, *, order: float = Vendi.order) -> list[ClassDiversity]:
    """Return the Vendi score of the rows of each class, the least diverse first; a class is called by its number.

    ``rows`` are [N, D] and ``label`` int64 [N]. Raises InputError if the lengths differ, if rows are not finite, or if
    a row is all zeros.
    """
    # one class for each row
    values = np.asarray(rows)
    if len(values) != len(label) or not len(label):
        raise InputError(f"Rows and classes must be equally many, at least one, not {len(values)} and {len(label)}.")
    # each class by itself
    classes = []
    for number in np.unique(label).tolist():
        own = values[label == number]
        diversity = vendi_of_rows(own, order=order)
        classes.append(ClassDiversity(str(number), diversity.value, diversity.error, len(own)))
    # the least diverse first
    return sorted(classes, key=lambda each: each.value)
