"""TSTR: a hand-made case, the best possible classifier, scikit-learn, errors, and classes that differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from genbench.errors import InputError
from genbench.features.features import Features
from genbench.metrics.train_on_generated import LinearClassifier, TrainOnGenerated, accuracy_on_real

CENTRES = np.random.default_rng(0).standard_normal((4, 6)) * 0.7


def classes(count: int, seed: int, shift: float = 0.0) -> Features:
    rng = np.random.default_rng([seed, 6])
    label = rng.integers(4, size=count)
    rows = CENTRES[label] + shift + rng.standard_normal((count, 6))
    return replace(Features.of(embedding=rows), label=label)


def test_a_hand_made_case() -> None:
    # the classifier cuts between -1 and 1 at 0: of the real rows the third is on the wrong side
    rows, label = np.array([[-1.0], [1.0]]), np.array([0, 1])
    transfer = accuracy_on_real(rows, label, np.array([[-2.0], [0.5], [0.2], [3.0]]), np.array([0, 1, 0, 1]), seed=0)
    assert transfer.right.tolist() == [True, True, False, True]
    assert transfer.value == 0.75


def test_the_accuracy_of_two_gaussians_is_that_of_the_best_classifier() -> None:
    # the best accuracy for means +-m and unit variance is Phi(m); a shift of the training data moves the cut
    rng = np.random.default_rng(1)
    label = np.arange(20_000) % 2
    real = 2.0 * label[:, None] - 1 + rng.standard_normal((20_000, 1))
    for shift in (0.0, 1.0):
        made = 2.0 * label[:, None] - 1 + shift + rng.standard_normal((20_000, 1))
        expected = (norm.cdf(1 + shift) + norm.cdf(1 - shift)) / 2
        transfer = accuracy_on_real(made, label, real, label, seed=0)
        assert transfer.value == pytest.approx(expected, abs=0.012)
        assert transfer.ceiling == pytest.approx(norm.cdf(1), abs=0.01)


def test_the_classifier_is_that_of_scikit_learn_on_standardised_rows() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    train, test = classes(500, 1), classes(400, 2)
    scaler = preprocessing.StandardScaler().fit(train["embedding"])
    model = linear.LogisticRegression(tol=1e-8, max_iter=10_000)
    model.fit(scaler.transform(train["embedding"]), train.label)
    expected = model.predict(scaler.transform(test["embedding"]))
    assert (LinearClassifier.fit(train["embedding"], train.label).predict(test["embedding"]) == expected).mean() > 0.995


def test_a_start_from_another_solution_changes_no_prediction() -> None:
    train, test = classes(600, 1), classes(500, 2)
    start = LinearClassifier.fit(train["embedding"], train.label)
    part = train["embedding"][:500], train.label[:500]
    warm, cold = LinearClassifier.fit(*part, start=start), LinearClassifier.fit(*part)
    assert (warm.predict(test["embedding"]) == cold.predict(test["embedding"])).mean() > 0.998


def test_the_classifier_is_the_minimum_of_its_loss() -> None:
    # independent of scikit-learn: two classes, plain Newton steps on the difference of both weight vectors
    rng = np.random.default_rng(3)
    rows = np.concatenate([rng.standard_normal((150, 3)), rng.standard_normal((150, 3)) + 0.8])
    label = np.repeat([0, 1], 150)
    scaled = np.hstack([(rows - rows.mean(0)) / rows.std(0), np.ones((300, 1))])
    weight, penalty = np.zeros(4), np.diag([1.0, 1, 1, 0])
    for _ in range(50):
        share = 1 / (1 + np.exp(-scaled @ weight))
        slope = scaled.T @ (share - label) + penalty @ weight
        weight -= np.linalg.solve((scaled.T * (share * (1 - share))) @ scaled + penalty, slope)
    expected = (scaled @ weight > 0).astype(int)
    assert (LinearClassifier.fit(rows, label).predict(rows) == expected).mean() > 0.995


@pytest.mark.parametrize(("trained", "tested"), [(100, 1500), (600, 400)])
def test_errors_agree_with_the_spread_over_training_and_test_sets(trained: int, tested: int) -> None:
    scores = [
        TrainOnGenerated()(classes(trained, seed + 2000, 0.3), classes(tested, seed + 10**6 + 7000), seed=0)[0]
        for seed in range(60)
    ]
    ratio = np.sqrt(np.mean([score.error**2 for score in scores])) / np.std([score.value for score in scores], ddof=1)
    assert 0.8 < ratio < 1.4
    inside = [score.interval[0] < np.mean([s.value for s in scores]) < score.interval[1] for score in scores]
    assert np.mean(inside) > 0.88


def test_a_perfect_model_reaches_the_ceiling_and_a_shifted_one_does_not() -> None:
    reference = classes(1500, 2)
    (perfect,) = TrainOnGenerated()(classes(1200, 1), reference, seed=0)
    (shifted,) = TrainOnGenerated()(classes(1200, 1, 1.0), reference, seed=0)
    assert abs(perfect.detail["gap"]) < 3 * perfect.detail["gap_error"]
    assert shifted.detail["gap"] > 3 * shifted.detail["gap_error"]
    assert perfect.detail["trained_on"] == {"generated": 1200, "reference": 1200}
    assert perfect.detail["expected"] == shifted.detail["trtr"]


def test_real_samples_of_a_class_that_nobody_generated_count_as_wrong() -> None:
    generated, reference = classes(400, 1), classes(400, 2)
    assert generated.label is not None
    left = generated.label != 3
    fewer = replace(Features.of(embedding=generated["embedding"][left]), label=generated.label[left])
    (score,) = TrainOnGenerated()(fewer, reference, seed=0)
    assert reference.label is not None
    # at most the share of the other classes
    assert score.value <= (reference.label != 3).mean()
    assert "has no samples of 3" in score.detail["warning"]
    assert [each["name"] for each in score.detail["classes"]].count("3") == 0


def test_one_class_only_is_predicted_always() -> None:
    reference = classes(400, 2)
    one = replace(Features.of(embedding=CENTRES[np.zeros(50, int)]), label=np.zeros(50, np.int64))
    (score,) = TrainOnGenerated()(one, reference, seed=0)
    assert reference.label is not None
    assert score.value == pytest.approx((reference.label == 0).mean())


def test_classes_are_matched_by_name() -> None:
    generated, reference = classes(500, 1), classes(500, 2)
    assert generated.label is not None
    renamed = replace(generated, label=3 - generated.label, class_names=("d", "c", "b", "a"))
    (plain,) = TrainOnGenerated()(generated, reference, seed=0)
    (matched,) = TrainOnGenerated()(renamed, replace(reference, class_names=("a", "b", "c", "d")), seed=0)
    assert matched.value == pytest.approx(plain.value, abs=0.005)


def test_without_classes_there_is_no_score_or_a_sentence() -> None:
    generated, reference = classes(100, 1), classes(100, 2)
    assert TrainOnGenerated()(replace(generated, label=None), reference, seed=0) == []
    with pytest.raises(InputError, match="has no classes; give a reference"):
        TrainOnGenerated()(generated, replace(reference, label=None), seed=0)


def test_models_share_the_error_of_the_test_rows() -> None:
    (score,) = TrainOnGenerated()(classes(300, 1), classes(300, 2), seed=0)
    assert score.influence is not None
    assert score.influence.generated == ()
    shared = 32 / 31 * sum(value**2 for value in score.influence.reference)
    assert shared <= score.error**2 * (1 + 1e-6)
