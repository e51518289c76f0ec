"""The classifier two-sample test: equal distributions, known accuracies, errors."""

from __future__ import annotations

import numpy as np
import pytest

from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.metrics.two_sample import ClassifierTwoSample, classifier_accuracy
from genbench.plugs.contracts import Score


def normal(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 7]).standard_normal((count, width))


def test_A20_equal_distributions_are_separated_by_chance_only() -> None:
    accuracy = classifier_accuracy(normal(1000, 10, 1), normal(1000, 10, 2))
    assert accuracy.value == pytest.approx(0.5, abs=0.035)
    assert abs(accuracy.z) < 3


@pytest.mark.parametrize(("shift", "truth"), [(0.5, 0.5987), (1.0, 0.6915), (2.0, 0.8413)])
def test_A20_a_shift_gives_the_accuracy_of_the_best_classifier(shift: float, truth: float) -> None:
    x = normal(1000, 10, 1)
    x[:, 0] += shift
    assert classifier_accuracy(x, normal(1000, 10, 2)).value == pytest.approx(truth, abs=0.04)


def test_z_is_standard_normal_at_equal_distributions() -> None:
    z = [classifier_accuracy(normal(60, 3, 2 * i), normal(90, 3, 2 * i + 1)).z for i in range(300)]
    assert abs(np.mean(z)) < 0.2
    assert 0.8 < np.std(z) < 1.25


def test_distant_sets_are_fully_separated() -> None:
    assert classifier_accuracy(normal(40, 3, 1) + 20, normal(50, 3, 2)).value == 1


def test_equal_distributions_with_unequal_counts_give_one_half() -> None:
    assert classifier_accuracy(normal(2000, 5, 1), normal(200, 5, 2)).value == pytest.approx(0.5, abs=0.06)


def test_the_score_reports_its_expected_value() -> None:
    (score,) = ClassifierTwoSample()(
        Features.of(embedding=normal(40, 3, 1)), Features.of(embedding=normal(50, 3, 2)), seed=0
    )
    assert (score.name, score.better, score.detail["expected"]) == ("c2st", "lower", 0.5)


def test_three_rows_are_refused() -> None:
    with pytest.raises(InputError, match="3 generated and 50 reference"):
        classifier_accuracy(normal(3, 3, 1), normal(50, 3, 2))


def score_of(generated: np.ndarray, reference: np.ndarray) -> Score:
    return ClassifierTwoSample()(Features.of(embedding=generated), Features.of(embedding=reference), seed=0)[0]


def test_an_accuracy_a_little_below_one_half_is_no_better_than_one_half() -> None:
    # by chance the accuracy of equal distributions lies on either side of 0.5
    pairs = [(normal(60, 3, 2 * i), normal(60, 3, 2 * i + 1)) for i in range(10)]
    scores = [score_of(*pair) for pair in pairs]
    assert {score.value < 0.5 for score in scores} == {False}
    below = [score for score in scores if score.detail["accuracy"] < 0.5]
    assert below
    assert {score.value for score in below} == {0.5}


def test_an_accuracy_far_below_one_half_is_reported_as_it_is() -> None:
    x = normal(2000, 64, 1)
    paired = score_of(x + 1e-3 * normal(2000, 64, 2), x)
    assert paired.value == paired.detail["accuracy"] < 0.5
    assert paired.detail["z"] < -3


@pytest.mark.parametrize("width", [1, 5])
def test_two_unlike_constants_are_told_apart(width: int) -> None:
    assert classifier_accuracy(np.zeros((20, width)), np.ones((30, width))).value == 1
    assert classifier_accuracy(np.ones((20, width)), np.ones((30, width))).value == 0.5


def test_a_constant_that_differs_beside_one_that_varies_separates_the_sides() -> None:
    # rows of -1 or 1 have a covariance that shrinkage leaves singular
    x = np.column_stack([np.tile([-1.0, 1.0], 20), np.zeros(40)])
    assert classifier_accuracy(x, x + np.array([0, 1])).value == 1


def scaled(count: int, width: int, seed: int, scale: float) -> np.ndarray:
    return scale * normal(count, width, seed)


@pytest.mark.parametrize("classifier", ["forest", "mlp", "1nn"])
def test_other_classifiers_detect_a_change_of_scale(classifier: str) -> None:
    x, y = scaled(300, 5, 1, 2.0), normal(300, 5, 2)
    assert classifier_accuracy(x, y).value < 0.6
    accuracy = classifier_accuracy(x, y, classifier=classifier)
    assert accuracy.value > 0.65
    assert accuracy.z > 3


@pytest.mark.parametrize("classifier", ["forest", "mlp", "1nn"])
def test_other_classifiers_give_one_half_for_equal_distributions_with_unequal_counts(classifier: str) -> None:
    accuracy = classifier_accuracy(normal(300, 5, 1), normal(120, 5, 2), classifier=classifier)
    assert abs(accuracy.z) < 3


@pytest.mark.parametrize("classifier", ["forest", "mlp", "1nn"])
def test_other_classifiers_separate_distant_sets(classifier: str) -> None:
    accuracy = classifier_accuracy(normal(60, 3, 1) + 20, normal(50, 3, 2), classifier=classifier)
    assert accuracy.value == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("classifier", ["forest", "1nn"])
def test_the_best_classifier_has_an_accuracy_of_one_half_plus_half_the_total_variation(classifier: str) -> None:
    # total variation of N(0, 1) and N(2, 1): 2 Phi(1) - 1 = 0.6827
    x = normal(1500, 1, 1) + 2
    accuracy = classifier_accuracy(x, normal(1500, 1, 2), classifier=classifier)
    assert accuracy.value <= 0.8413 + 2 * accuracy.error
    assert accuracy.value > (0.8 if classifier == "forest" else 0.73)


def test_each_classifier_has_its_own_score() -> None:
    sides = Features.of(embedding=normal(40, 3, 1)), Features.of(embedding=normal(50, 3, 2))
    names = [ClassifierTwoSample(name)(*sides, seed=0)[0].name for name in ("linear", "forest", "1nn")]
    assert names == ["c2st", "c2st_forest", "c2st_1nn"]


def test_an_unknown_classifier_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'forest'"):
        ClassifierTwoSample("forrest")
