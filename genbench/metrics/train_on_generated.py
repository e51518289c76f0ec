"""TSTR: train a classifier on generated samples, and test it on real ones (the classification accuracy score)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit

from genbench.array_types import Array, Bool, Float64, Int64
from genbench.errors import InputError
from genbench.features.class_matching import Classes, MatchedClasses, match_classes
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import checked_rows, embedding, spans
from genbench.metrics.group_influence import influence_of
from genbench.metrics.share_intervals import Z, binomial_error, wilson_interval
from genbench.plugs.contracts import Score

FOLDS = 5
"""Number of parts of the real rows for the ceiling."""

DELETED_PARTS = 10
"""Number of parts of the generated rows; the spread over training sets is estimated by leaving out each of them."""

MOST_STEPS = 1000
"""Largest number of steps of the solver."""


@dataclass(frozen=True)
class TrainOnGenerated:
    """TSTR: accuracy on real samples of a linear classifier that is trained on the generated ones.

    It is the classification accuracy score (Ravuri and Vinyals 2019, arXiv 1905.10887), or GAN-train (Shmelkov et al.
    2018, arXiv 1807.09499), with multinomial logistic regression on standardised embeddings, ``LinearClassifier``.
    Classes are matched by name. A class of the reference without generated samples cannot be learnt, so its samples
    count as wrong. The detail has ``trtr``, the same for real training samples by cross-fitting: the ceiling. It is
    what a perfect model gets (``expected``) if both training sets are equally large; the detail has their sizes.
    """

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``tstr``, 0..1; nothing if the generated samples have no classes.

        Raises InputError if the reference has no classes, or none of those of the generated samples.
        """
        # without classes there is nothing to train on
        if generated.label is None:
            return []
        rows = checked_rows(embedding(generated, "generated"), embedding(reference, "reference"))
        assert isinstance(reference, Features)
        if reference.label is None:
            raise InputError(
                f"tstr tests the classes of real samples, but {reference.name} has no classes; give a reference with a "
                "sub-folder for each class, or with labels"
            )
        # the reference's classes that nobody generated get further numbers
        own = Classes(generated.name, generated.label, generated.class_names)
        matched = match_classes(own, Classes(reference.name, reference.label, reference.class_names))
        known = matched.label >= 0
        # a class that only the reference has must differ from all others
        missing = np.where(matched.other_label < 0, len(matched.names) + reference.label, matched.other_label)
        transfer = accuracy_on_real(rows[0][known], matched.label[known], rows[1], missing, seed=seed)
        detail = _transfer_detail(transfer, matched.names, matched.other_label)
        # classes of one side only change what the number means
        warning = _unmatched_sentence(generated.name, matched)
        detail |= {"warning": warning} if warning else {}
        # two models with one reference are tested on the same rows, so what these add to the error is shared
        right = transfer.right / len(transfer.right)
        influence = influence_of((), right, error=transfer.test_error)
        key = "train_on_synthetic_test_on_real_accuracy"
        return [
            Score("tstr", transfer.value, transfer.error, "higher", detail, key, influence, interval=transfer.interval)
        ]


class Transfer(NamedTuple):
    """Accuracy on real rows after training on generated rows, beside training on real rows."""

    right: Bool
    """bool [M], whether the classifier that is trained on generated rows is right about each real row."""
    right_of_real: Bool
    """bool [M], the same for classifiers that are trained on other real rows."""
    training_variance: float
    """Variance of the accuracy over training sets of the generated rows."""
    training_degrees: int
    """Degrees of freedom of ``training_variance``."""
    generated: int
    """Number of generated rows in the training."""

    @property
    def value(self) -> float:
        """The accuracy after training on generated rows, 0..1."""
        return float(self.right.mean())

    @property
    def test_error(self) -> float:
        """Standard error due to the real rows of the test."""
        return binomial_error(self.value, len(self.right))

    @property
    def error(self) -> float:
        """Standard error due to the rows of the test and of the training."""
        return math.sqrt(self.test_error**2 + self.training_variance)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval: Wilson's for the number of independent tests that would have this error.

        The error is raised for the few degrees of freedom of the training variance (Satterthwaite, Student's t).
        """
        degrees = self.training_degrees / max(self.training_variance / self.error**2, 1e-6) ** 2
        error = self.error * float(stdtrit(degrees, 0.975)) / Z
        # a share of fewer tests has a larger error; shares of 0 and 1 have none
        tests = round(self.value * (1 - self.value) / error**2) or len(self.right)
        return wilson_interval(self.value, min(tests, len(self.right)))

    @property
    def ceiling(self) -> float:
        """The accuracy after training on real rows, 0..1."""
        return float(self.right_of_real.mean())

    @property
    def gap(self) -> tuple[float, float]:
        """How much the ceiling is higher, and its standard error; both classifiers are tested on the same rows."""
        # the rows are paired, so their common difficulty cancels
        difference = self.right_of_real.astype(np.float64) - self.right
        spread = float(difference.var(ddof=1)) / len(difference) if len(difference) > 1 else 0.0
        return float(difference.mean()), math.sqrt(spread + self.training_variance)


def accuracy_on_real(rows: Array, label: Int64, real_rows: Array, real_label: Int64, *, seed: int) -> Transfer:
    """Train on generated rows [N, D] with classes int64 [N], and test on real rows [M, D] with classes int64 [M].

    The variance of the accuracy over training sets is that of the jackknife over DELETED_PARTS parts of the generated
    rows, less what the finite test adds to it. The ceiling trains on FOLDS - 1 parts of the real rows and tests on the
    last. ``seed`` chooses the parts. Raises InputError without any row.
    """
    if not len(rows) or not len(real_rows):
        raise InputError("tstr needs at least one row of a common class on each side.")
    # train once on all generated rows
    classifier = LinearClassifier.fit(rows, label)
    right = classifier.predict(real_rows) == real_label

    # without one part of the training rows, starting from the solution of all rows
    accuracies, flips = [], []
    for left_out in _parts(len(rows), DELETED_PARTS, seed):
        other = LinearClassifier.fit(rows[~left_out], label[~left_out], start=classifier)
        other_right = other.predict(real_rows) == real_label
        accuracies.append(float(other_right.mean()))
        flips.append(float((other_right != right).mean()))
    # a row that two classifiers judge differently adds the noise of a coin, which the binomial error has already
    variance, parts = 0.0, len(accuracies)
    if parts:
        spread = (parts - 1) * float(np.var(accuracies))
        noise = (parts - 1) ** 2 / parts * float(np.mean(flips)) / len(right)
        # in simulations the noise was a third to a half of the spread; a larger share would be chance
        variance = max(spread - noise, spread / 2)

    # real rows, each tested by a classifier that has not seen it
    right_of_real = np.zeros(len(real_rows), bool)
    for test in _parts(len(real_rows), FOLDS, seed):
        ceiling = LinearClassifier.fit(real_rows[~test], real_label[~test])
        right_of_real[test] = ceiling.predict(real_rows[test]) == real_label[test]
    return Transfer(right, right_of_real, variance, max(parts - 1, 1), len(rows))


@dataclass(frozen=True)
class LinearClassifier:
    """Multinomial logistic regression on standardised rows; the standardisation is part of the classifier."""

    mean: Float64
    """float64 [D]"""
    scale: Float64
    """float64 [D]"""
    model: Any
    """The fitted model of scikit-learn, or the only class."""

    @staticmethod
    def fit(rows: Array, label: Int64, *, start: LinearClassifier | None = None) -> LinearClassifier:
        """Minimise ``sum_i -ln p(label_i | x_i) + |w|^2 / 2`` for rows [N, D] and classes int64 [N].

        ``start`` is a classifier of nearly the same rows, which saves steps. One class only is predicted always.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        # a dimension without spread says nothing
        mean = rows.mean(axis=0, dtype=np.float64)
        standard = rows - mean
        std = np.sqrt(np.einsum("ij,ij->j", standard, standard) / len(rows))
        scale = np.where(std > 1e-12 * np.maximum(np.abs(mean), 1e-300), std, 1.0)
        classes = np.unique(label)
        if len(classes) == 1:
            return LinearClassifier(mean, scale, int(classes[0]))
        # the solution must be closer than the differences that the jackknife measures
        model = LogisticRegression(C=1.0, tol=1e-6, max_iter=MOST_STEPS, warm_start=True)
        if start is not None and np.array_equal(getattr(start.model, "classes_", ()), classes):
            model.coef_, model.intercept_ = start.model.coef_.copy(), start.model.intercept_.copy()
            model.classes_ = classes
        with warnings.catch_warnings():
            # the last steps of a slow solution do not change the predictions
            warnings.simplefilter("ignore", ConvergenceWarning)
            standard /= scale
            model.fit(standard, label)
        return LinearClassifier(mean, scale, model)

    def predict(self, rows: Array) -> Int64:
        """Return the class of each row [N, D], int64 [N]."""
        if isinstance(self.model, int):
            return np.full(len(rows), self.model)
        # by pieces, because a whole copy in float64 would be large
        parts = [self.model.predict((rows[span] - self.mean) / self.scale) for span in spans(len(rows))]
        return np.concatenate(parts).astype(np.int64)


def _parts(count: int, parts: int, seed: int) -> Iterator[Bool]:
    """Yield the rows of each random part, bool [N]; no part for a single row."""
    # nearly equal parts of a random order
    parts = min(parts, count)
    part_of_row = np.random.default_rng(seed).permutation(count) * parts // count
    yield from (part_of_row == part for part in range(parts) if parts > 1)


def _unmatched_sentence(name: str, matched: MatchedClasses) -> str:
    """Return a sentence about the classes that only one side has."""
    # five names are enough to recognise them
    lacking, unknown = (
        ", ".join([*classes[:5], *(["..."] if len(classes) > 5 else [])])
        for classes in (matched.other_unmatched, matched.unmatched)
    )
    sentences = [f"{name} has no samples of {lacking}: tstr counts the real ones as wrong."] if lacking else []
    sentences += [f"The reference lacks {unknown}: tstr does not train on them."] if unknown else []
    return " ".join(sentences)


def _transfer_detail(transfer: Transfer, names: tuple[str, ...], real_label: Int64) -> dict[str, Any]:
    """Return the ceiling, the sizes of the training sets, and the classes, the worst first."""
    # each class by itself shows what the model cannot teach
    gap, gap_error = transfer.gap
    classes = []
    for number, name in enumerate(names):
        own = real_label == number
        if own.any():
            share, real = float(transfer.right[own].mean()), float(transfer.right_of_real[own].mean())
            error = binomial_error(share, int(own.sum()))
            classes.append({"name": name, "value": share, "error": error, "trtr": real, "reference": int(own.sum())})
    # the worst class first
    classes.sort(key=lambda each: float(str(each["value"])))
    real_rows = len(transfer.right)
    return {
        "expected": transfer.ceiling,
        "trtr": transfer.ceiling,
        "trtr_error": binomial_error(transfer.ceiling, real_rows),
        "gap": gap,
        "gap_error": gap_error,
        "trained_on": {"generated": transfer.generated, "reference": real_rows - real_rows // min(FOLDS, real_rows)},
        "classes": classes,
        "error_by": "binomial, and jackknife over the training samples",
    }
