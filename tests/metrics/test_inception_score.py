"""Inception Score: hand-computed cases, torch-fidelity's numbers, and errors against simulation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, logsumexp
from torch_fidelity.metric_isc import isc_features_to_metric

from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.metrics.inception_score import InceptionScore, inception_score


def certain(classes: np.ndarray, count: int) -> np.ndarray:
    return 1000.0 * np.eye(count)[classes]


def noisy(rng: np.random.Generator, rows: int, classes: int = 10) -> np.ndarray:
    logits = 2 * rng.standard_normal((rows, classes))
    share = np.arange(1, classes + 1) / np.arange(1, classes + 1).sum()
    logits[np.arange(rows), rng.choice(classes, rows, p=share)] += 6 * rng.random(rows)
    return logits.astype(np.float32)


def test_A06_certain_and_even_predictions_score_the_number_of_classes() -> None:
    result = inception_score(certain(np.arange(1000) % 10, 10), splits=1)
    assert result.mean == pytest.approx(10, abs=1e-9)
    assert result.entropy_marginal == pytest.approx(np.log(10), abs=1e-12)
    assert result.entropy_conditional == pytest.approx(0, abs=1e-12)


def test_A06_the_same_prediction_everywhere_scores_one() -> None:
    result = inception_score(np.tile(np.linspace(0, 3, 10), (100, 1)))
    assert result.mean == pytest.approx(1, abs=1e-9)
    assert result.std == pytest.approx(0, abs=1e-9)
    assert result.infinity == pytest.approx(1, abs=1e-9)


def test_A07_nine_tenths_on_one_of_ten_classes() -> None:
    probability = np.full((1000, 10), 0.1 / 9)
    probability[np.arange(1000), np.arange(1000) % 10] = 0.9
    assert inception_score(np.log(probability), splits=1).mean == pytest.approx(5.79955, abs=1e-5)


def test_A08_samples_in_class_order_need_the_shuffle() -> None:
    logits = certain(np.repeat(np.arange(10), 1000), 10)
    assert inception_score(logits, shuffle=False).mean == pytest.approx(1, abs=1e-9)
    assert inception_score(logits).mean == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize(("rows", "splits"), [(1003, 10), (57, 7), (10, 10), (200, 1)])
def test_mean_and_std_agree_with_torch_fidelity(rows: int, splits: int) -> None:
    logits = noisy(np.random.default_rng(rows), rows, 50)
    peer = isc_features_to_metric(torch.from_numpy(logits), splits=splits, shuffle=True, rng_seed=2020)
    result = inception_score(logits, splits=splits)
    assert result.mean == pytest.approx(peer["inception_score_mean"], rel=1e-12)
    assert result.std == pytest.approx(peer["inception_score_std"], rel=1e-9, abs=1e-12)


def test_a_class_that_nobody_predicts_leaves_the_score_finite() -> None:
    logits = certain(np.arange(99) % 9, 10)  # softmax underflows to exact zeros in class 9
    assert inception_score(logits, splits=1).mean == pytest.approx(9, abs=1e-9)


def test_one_image_per_class_scores_best_although_it_is_a_collapse() -> None:
    assert inception_score(np.tile(certain(np.arange(10), 10), (50, 1)), splits=1).mean == pytest.approx(10)


def test_errors_are_the_spread_over_repeated_draws() -> None:
    rng = np.random.default_rng(1)
    drawn = [inception_score(noisy(rng, 400)) for _ in range(300)]
    for name in ("mean", "one_split", "infinity", "entropy_marginal", "entropy_conditional"):
        spread = np.std([getattr(result, name) for result in drawn], ddof=1)
        error = np.mean([getattr(result, f"{name}_error") for result in drawn])
        assert error == pytest.approx(spread, rel=0.15), name


def test_the_limit_has_less_bias_than_the_score() -> None:
    rng = np.random.default_rng(2)
    truth = inception_score(noisy(rng, 100_000), splits=1).one_split
    drawn = [inception_score(noisy(rng, 50), splits=1) for _ in range(500)]
    bias = np.mean([result.one_split for result in drawn]) - truth
    left = np.mean([result.infinity for result in drawn]) - truth
    assert bias < -0.05
    assert abs(left) < abs(bias) / 3


def test_the_order_of_rows_changes_only_the_splits() -> None:
    logits = noisy(np.random.default_rng(3), 300)
    one, two = inception_score(logits), inception_score(logits[::-1])
    assert one.infinity == pytest.approx(two.infinity, rel=1e-12)
    assert one.one_split == pytest.approx(two.one_split, rel=1e-12)
    assert one.mean != two.mean


@pytest.mark.parametrize("rows", [1, 5])
def test_fewer_samples_than_splits_are_refused_in_one_sentence(rows: int) -> None:
    with pytest.raises(InputError, match=f"from {rows} sample"):
        inception_score(np.zeros((rows, 10)))


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        inception_score(np.full((20, 3), np.nan))


def test_no_splits_are_a_usage_error() -> None:
    with pytest.raises(UsageError, match="at least one split"):
        InceptionScore(splits=0)


def test_the_metric_puts_the_conventional_number_first() -> None:
    logits = noisy(np.random.default_rng(4), 500)
    scores = InceptionScore()(Features.of(logits=logits), None, seed=0)
    result = inception_score(logits)
    assert [score.name for score in scores] == [
        "is",
        "is_one_split",
        "is_infinity",
        "entropy_marginal",
        "entropy_conditional",
    ]
    assert scores[0].value == result.mean
    assert scores[0].key == "inception_score_mean"
    assert scores[0].detail["std"] == result.std
    assert {type(score.value) for score in scores} == {float}
    assert [score.better for score in scores] == ["higher"] * 3 + [None] * 2


def test_small_splits_give_a_warning_that_states_their_bias() -> None:
    rng = np.random.default_rng(5)
    few = InceptionScore()(Features.of(logits=noisy(rng, 100)), None, seed=0)
    many = InceptionScore()(Features.of(logits=noisy(rng, 10_000)), None, seed=0)
    assert "below its limit" in few[0].detail["warning"]
    assert "warning" not in many[0].detail


def test_splits_of_single_rows_have_no_error() -> None:
    assert inception_score(np.random.default_rng(0).standard_normal((12, 5)), splits=10).mean_error is None
    assert inception_score(np.random.default_rng(0).standard_normal((20, 5)), splits=10).mean_error is not None


def by_hand(logits: np.ndarray, size: int) -> float:
    """Return the score as guided-diffusion's evaluator defines it, in float64 and with other operations."""
    scores = []
    for start in range(0, len(logits), size):
        log_p = log_softmax(logits[start : start + size].astype(np.float64), axis=1)
        log_mean = logsumexp(log_p, axis=0) - np.log(len(log_p))
        scores.append(np.exp((np.exp(log_p) * (log_p - log_mean)).sum(axis=1).mean()))
    return float(np.mean(scores))


@pytest.mark.parametrize(("rows", "size"), [(1000, 100), (1003, 100), (60, 5000), (101, 100)])
def test_splits_of_a_size_in_the_order_of_the_samples_agree_with_adms_definition(rows: int, size: int) -> None:
    # the classes are in order, so a shuffle would change the score
    logits = noisy(np.random.default_rng(rows), rows, 20)
    logits = logits[logits.argmax(axis=1).argsort()]
    result = inception_score(logits, split_size=size, shuffle=False)
    assert result.mean == pytest.approx(by_hand(logits, size), rel=1e-12)
    assert result.splits == -(-rows // size)
    if rows >= 2 * size:
        assert inception_score(logits, split_size=size).mean > 1.1 * result.mean


def test_the_error_of_splits_of_unequal_size_is_the_spread_over_repeated_draws() -> None:
    rng = np.random.default_rng(6)
    drawn = [inception_score(noisy(rng, 400), split_size=150, shuffle=False) for _ in range(300)]
    spread = np.std([result.mean for result in drawn], ddof=1)
    assert np.mean([result.mean_error for result in drawn]) == pytest.approx(spread, rel=0.15)


def test_a_number_and_a_size_of_splits_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="splits=5 and split_size=100"):
        InceptionScore(splits=5, split_size=100)
    with pytest.raises(UsageError, match="at least one sample"):
        InceptionScore(split_size=0)


def test_only_options_that_change_the_score_change_the_record() -> None:
    assert repr(InceptionScore()) == "InceptionScore(splits=10, seed=2020)"
    assert repr(InceptionScore(shuffle=False)) == "InceptionScore(splits=10, shuffle=False)"
    assert repr(InceptionScore(split_size=5000, shuffle=False)) == "InceptionScore(split_size=5000, shuffle=False)"
    assert repr(InceptionScore(split_size=50)) == "InceptionScore(split_size=50, seed=2020)"


def test_samples_in_an_order_give_a_warning_without_the_shuffle() -> None:
    logits = noisy(np.random.default_rng(7), 3000, 20)
    adm = InceptionScore(split_size=500, shuffle=False)
    in_order = adm(Features.of(logits=logits[logits.argmax(axis=1).argsort()]), None, seed=0)
    assert "in an order, for example by class" in in_order[0].detail["warning"]
    assert "warning" not in adm(Features.of(logits=logits), None, seed=0)[0].detail
    # few samples for each class are another reason for a low score
    few = InceptionScore(shuffle=False)(Features.of(logits=noisy(np.random.default_rng(5), 100)), None, seed=0)
    assert "below its limit" in few[0].detail["warning"]
