"""MIND and sliced Wasserstein distances: closed forms, exact coupling, errors, values for equal distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from genbench.errors import UsageError
from genbench.features.features import Features
from genbench.metrics.sliced import (
    MongeDistance,
    SlicedWasserstein,
    evaluate_sliced,
    monge_distance,
    sliced_wasserstein,
)


def normal(count: int, width: int, seed: int, mean: float = 0.0) -> np.ndarray:
    return mean + np.random.default_rng([seed, 4]).standard_normal((count, width))


def test_mind_of_a_set_with_itself_is_zero() -> None:
    estimate = monge_distance(normal(100, 5, 1), normal(100, 5, 1))
    assert (estimate.value, estimate.error) == (0, 0)


@pytest.mark.parametrize("shift", [0.5, 1.0])
def test_A14_mind_of_a_shift_is_3_d_mu_squared(shift: float) -> None:
    x, y = normal(4000, 64, 1), normal(4000, 64, 2, mean=shift)
    assert monge_distance(x, y).value == pytest.approx(3 * 64 * shift**2, rel=0.1)


def test_mind_and_swd_in_one_pass_are_those_of_one_after_the_other() -> None:
    metrics = (MongeDistance(), SlicedWasserstein(), MongeDistance(projections=50))
    # sides of equally many rows share the transport
    for count in (80, 70):
        sides = Features.of(embedding=normal(80, 5, 1)), Features.of(embedding=normal(count, 5, 2))
        together = evaluate_sliced(metrics, *sides, seed=3)
        assert [[score.value, score.error] for scores in together for score in scores] == [
            [score.value, score.error] for metric in metrics for score in metric(*sides, seed=3)
        ]


def test_mind_is_symmetric() -> None:
    x, y = normal(200, 5, 1), normal(200, 5, 2, mean=0.3)
    assert monge_distance(x, y).value == pytest.approx(monge_distance(y, x).value, rel=1e-12)


def test_mind_in_one_dimension_by_hand() -> None:
    # sorted 0 1 5 and 1 2 4: squares 1 1 1, times 3 d = 3
    assert monge_distance([[5.0], [0.0], [1.0]], [[2.0], [4.0], [1.0]]).value == pytest.approx(3.0)


def test_mind_draws_rows_of_the_larger_side_to_make_the_counts_equal() -> None:
    x, y = normal(300, 5, 1, mean=1.0), normal(100, 5, 2)
    assert monge_distance(x, y, seed=1).value == monge_distance(x, y, seed=1).value
    assert monge_distance(x, y, seed=1).value == pytest.approx(3 * 5, rel=0.4)


def test_unequal_counts_are_coupled_exactly() -> None:
    x, y = normal(7, 1, 1), normal(4, 1, 2)
    pair = sliced_wasserstein(x, y, projections=5)
    assert pair.first.value == pytest.approx(wasserstein_distance(x[:, 0], y[:, 0]), rel=1e-12)
    repeated = np.repeat(np.sort(x[:, 0]), 4) - np.repeat(np.sort(y[:, 0]), 7)
    assert pair.second.value == pytest.approx(math.sqrt((repeated**2).mean()), rel=1e-12)


def test_A43_sliced_distances_of_a_shift() -> None:
    x = normal(500, 64, 1)
    shift = np.random.default_rng(9).standard_normal(64)
    length = float(np.linalg.norm(shift))
    pair = sliced_wasserstein(x, x + shift, projections=4000)
    mean_component = math.gamma(32) / (math.sqrt(math.pi) * math.gamma(32.5))
    assert mean_component == pytest.approx(0.100126, abs=1e-6)
    assert pair.first.value == pytest.approx(length * mean_component, rel=0.03)
    assert pair.second.value**2 == pytest.approx(length**2 / 64, rel=0.06)


def test_A43_sliced_distances_of_a_shift_in_the_plane() -> None:
    x = normal(300, 2, 1)
    pair = sliced_wasserstein(x, x + np.array([3.0, 4.0]), projections=4000)
    assert pair.first.value == pytest.approx(5 * 0.63662, rel=0.03)
    assert pair.second.value**2 == pytest.approx(25 / 2, rel=0.05)


def test_A43_the_squared_sliced_distance_of_a_scaling() -> None:
    pair = sliced_wasserstein(2 * normal(4000, 16, 1), normal(4000, 16, 2))
    assert pair.second.value**2 == pytest.approx(1.0, rel=0.05)


def test_directions_do_not_repeat_samples_of_the_same_seed() -> None:
    # with directions from default_rng(seed), SW2 of these samples was twice too large
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((1000, 64)), rng.standard_normal((1000, 64))
    estimate = sliced_wasserstein(x, y, projections=200, seed=0).second
    assert estimate.value == pytest.approx(estimate.expected, rel=0.1)


@pytest.mark.parametrize(
    ("mean", "scale", "high"),
    [
        (0.0, 1.0, 1.6),
        pytest.param(0.1, 1.2, 1.5, marks=pytest.mark.slow),
        (0.4, 1.0, 1.25),
        pytest.param(0.0, 1.6, 1.25, marks=pytest.mark.slow),
    ],
)
def test_errors_agree_with_the_spread_over_repeated_samples(mean: float, scale: float, high: float) -> None:
    values, errors = [], []
    for i in range(100):
        x, y = scale * normal(300, 8, 2 * i, mean=mean), normal(400, 8, 2 * i + 1)
        mind, pair = monge_distance(x, y, projections=120, seed=i), sliced_wasserstein(x, y, projections=120, seed=i)
        values.append([mind.value, pair.first.value, pair.second.value])
        errors.append([mind.error, pair.first.error, pair.second.error])
    ratio = np.sqrt(np.mean(np.square(np.array(errors, float)), axis=0)) / np.std(values, axis=0, ddof=1)
    assert ((ratio > 0.78) & (ratio < high)).all(), ratio


@pytest.mark.parametrize("counts", [(400, 400), (200, 500)])
def test_the_expected_value_is_the_mean_value_for_equal_distributions(counts: tuple[int, int]) -> None:
    pairs = [
        sliced_wasserstein(normal(counts[0], 8, 2 * i), normal(counts[1], 8, 2 * i + 1), projections=50)
        for i in range(40)
    ]
    for name in ("first", "second"):
        estimates = [getattr(pair, name) for pair in pairs]
        expected = np.mean([estimate.expected for estimate in estimates])
        assert expected == pytest.approx(np.mean([estimate.value for estimate in estimates]), rel=0.1)


def test_single_precision_agrees_with_double() -> None:
    x, y = (normal(1500, 1400, seed, mean=100 + seed / 10).astype(np.float32) for seed in (1, 2))
    single, double = monge_distance(x, y), monge_distance(x.astype(np.float64), y.astype(np.float64))
    assert single.value == pytest.approx(double.value, rel=1e-4)
    assert single.value != double.value


def test_few_rows_have_a_value_but_no_error() -> None:
    estimate = sliced_wasserstein(normal(3, 2, 1), normal(3, 2, 2)).first
    assert estimate.value > 0
    assert estimate.error is None
    assert estimate.expected is None


def test_scores_have_names_and_keys_and_warn_about_drawn_rows() -> None:
    generated, reference = Features.of(embedding=normal(50, 3, 1)), Features.of(embedding=normal(60, 3, 2))
    (mind,) = MongeDistance(projections=10)(generated, reference, seed=0)
    assert (mind.name, mind.key) == ("mind", "monge_inception_distance")
    assert "50 rows of each side were drawn" in mind.detail["warning"]
    first, second = SlicedWasserstein(projections=10)(generated, reference, seed=0)
    assert (first.name, second.name) == ("swd", "swd2")
    assert "warning" not in first.detail


def test_no_directions_are_refused() -> None:
    with pytest.raises(UsageError, match="not 0"):
        SlicedWasserstein(projections=0)
