"""The mean of a similarity or distance over pairs of samples: over all samples and within classes, with its error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from genbench.array_types import Float64, Int64
from genbench.features.features import Features
from genbench.metrics.group_influence import influence_of
from genbench.plugs.contracts import Better, Score

FEWEST_PAIRED_ROWS = 3
"""Fewest samples, of a class or of all, whose mean over pairs has an error."""


class PairMean(NamedTuple):
    """The mean over pairs of some rows."""

    value: float
    error: float
    """Standard error."""
    rows: Int64
    """int64 [n], positions of the rows."""
    influence: Float64
    """float64 [n], first-order influence of each row on the mean."""
    pairs: int
    """Number of pairs."""


class PairScore(NamedTuple):
    """The names of the score of a mean over pairs."""

    name: str
    key: str
    better: Better


def scores_of_pairs(
    score: PairScore,
    overall: PairMean,
    classes: Mapping[int, PairMean],
    generated: Features,
    detail: Mapping[str, Any],
) -> list[Score]:
    """Return the score of all pairs and, if there are ``classes``, the mean over classes of pairs within a class.

    Classes are independent and fixed, so the variances of their means add up. Those of fewer than 3 samples are not in
    ``classes``, and a warning counts them.
    """
    # pairs of all samples
    count = len(generated)
    all_pairs = {**detail, "pairs": overall.pairs}
    found = [_score(score, overall, count, all_pairs)]
    if generated.label is None or not classes:
        return found
    # each class counts the same, however many samples it has
    share = 1 / len(classes)
    mean = PairMean(
        share * math.fsum(each.value for each in classes.values()),
        share * math.sqrt(math.fsum(each.error**2 for each in classes.values())),
        np.concatenate([each.rows for each in classes.values()]),
        share * np.concatenate([each.influence for each in classes.values()]),
        sum(each.pairs for each in classes.values()),
    )
    # what each class has, and which classes are missing
    per_class = {_class_name(generated.class_names, number): each.value for number, each in classes.items()}
    within: dict[str, Any] = {**detail, "pairs": mean.pairs, "per_class": per_class}
    small = len(np.unique(generated.label)) - len(classes)
    if small:
        are = "class with fewer than 3 samples is" if small == 1 else "classes with fewer than 3 samples are"
        within["warning"] = f"{small} {are} not part of {score.name}_per_class."
    names = PairScore(f"{score.name}_per_class", f"{score.key}_per_class", score.better)
    return [*found, _score(names, mean, count, within)]


def _score(score: PairScore, mean: PairMean, count: int, detail: Mapping[str, Any]) -> Score:
    # rows that are in no pair have no influence
    influence = np.zeros(count)
    influence[mean.rows] = mean.influence
    shared = influence_of(influence, error=mean.error)
    return Score(score.name, mean.value, mean.error, score.better, detail, score.key, shared)


def _class_name(names: Sequence[str] | None, number: int) -> str:
    return names[number] if names is not None and number < len(names) else str(number)


def classes_with_pairs(label: Int64 | None) -> dict[int, Int64]:
    """Return the positions of the rows of each class that has at least 3; nothing without classes."""
    if label is None:
        return {}
    # smaller classes have no error
    numbers, counts = np.unique(label, return_counts=True)
    return {int(number): np.flatnonzero(label == number) for number in numbers[counts >= FEWEST_PAIRED_ROWS]}


def random_pairs(rows: Int64, count: int, rng: np.random.Generator) -> Int64:
    """Return ``count`` different pairs of different ``rows``, int64 [count, 2]; all pairs if there are no more.

    The rows are put in random order on a circle, and each is paired with its next neighbour, then with the one after
    that, and so on. So the numbers of pairs of any two rows differ by 2 at most. Pairs that share a row are near
    each other in the result.
    """
    # number the pairs: first those of neighbours, then those of rows that are two apart, ...
    order = rng.permutation(rows)
    number = np.arange(min(count, len(rows) * (len(rows) - 1) // 2))
    step, place = number // len(rows) + 1, number % len(rows)
    # pairs of one place follow each other
    by_place = np.argsort(place, kind="stable")
    step, place = step[by_place], place[by_place]
    return np.stack([order[place], order[(place + step) % len(rows)]], axis=1)


def mean_of_sampled_pairs(values: Float64, pairs: Int64) -> PairMean:
    """Return the mean of ``values`` [P] of ``pairs`` int64 [P, 2], with an error that knows which pairs share a row.

    The variance is ``sum_{p, q} (v_p - m)(v_q - m) / P^2`` over the pairs p and q that share a row, with p = q
    (Fafchamps and Gubert 2007). With ``a_i`` the sum of ``(v_p - m) / P`` over the pairs of row i it is ``sum_i a_i^2 -
    sum_p (v_p - m)^2 / P^2``. Because m is the mean of the same pairs, this is too small by the factor 1 - S / P^2,
    where S is the number of terms (p, q), and is divided by it. The variance is at least that of independent pairs,
    because pairs with a common row are not negatively correlated. There must be at least 2 pairs.
    """
    # the share of each pair in the mean
    rows, place = np.unique(pairs, return_inverse=True)
    mean = float(values.mean())
    moved = (values - mean) / len(values)
    # sum over the pairs of each row
    influence = np.asarray(np.bincount(place.ravel(), np.repeat(moved, 2), len(rows)), np.float64)
    own = float((moved**2).sum())
    independent = own * len(values) / (len(values) - 1)
    # S, from the number of pairs of each row; all pairs share rows if there are three rows
    terms = int((np.bincount(place.ravel()) ** 2).sum()) - len(values)
    unbiased = 1 - terms / len(values) ** 2
    variance = (float((influence**2).sum()) - own) / unbiased if unbiased > 0 else 0.0
    return PairMean(mean, math.sqrt(max(variance, independent)), rows, influence, len(values))


def mean_of_all_pairs(row_means: Float64, rows: Int64) -> PairMean:
    """Return the mean over all pairs of n rows, from the mean of each row over its pairs, float64 [n].

    A U-statistic of degree 2. Its error is the jackknife over rows (Arvesen 1969): without row i the mean is
    ``(n U - 2 r_i) / (n - 2)``. The expected variance is right to first order in 1/n, and never too small. n must be
    at least 3.
    """
    # the mean over rows is that over pairs, because each row has n - 1 pairs
    count = len(row_means)
    mean = float(row_means.mean())
    moved = row_means - mean
    error = 2 * math.sqrt((count - 1) / count * float((moved**2).sum())) / (count - 2)
    return PairMean(mean, error, rows, 2 / count * moved, count * (count - 1) // 2)
