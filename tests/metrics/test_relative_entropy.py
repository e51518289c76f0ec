"""RRKE: known numbers of modes, the authors' formula, errors, and the value for equal distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import sqrtm

from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.metrics.relative_entropy import (
    RelativeKernelEntropy,
    relative_kernel_entropy,
    value_for_equal_distributions,
)


def modes(number: int, repeats: int) -> np.ndarray:
    """Return exact copies of points that are far apart."""
    return np.repeat(100.0 * np.arange(number)[:, None] * [1, 0], repeats, axis=0)


def normal(count: int, width: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng([seed, 8]).standard_normal((count, width)) + shift * (np.arange(width) == 0)


@pytest.mark.parametrize(("captured", "all_modes"), [(1, 4), (3, 8), (5, 5)])
def test_samples_of_some_modes_have_the_logarithm_of_their_ratio(captured: int, all_modes: int) -> None:
    relative = relative_kernel_entropy(modes(captured, 6), modes(all_modes, 7), sigma=1.0)
    assert relative.value == pytest.approx(math.log(all_modes / captured), abs=1e-9)


def test_modes_of_unequal_weights_have_the_fidelity_of_their_histograms() -> None:
    # the fidelity of distributions over separate modes is (sum of sqrt(p q))^2
    x, y = np.repeat(modes(2, 1), [6, 2], axis=0), np.repeat(modes(2, 1), [2, 2], axis=0)
    expected = -2 * math.log(math.sqrt(0.75 * 0.5) + math.sqrt(0.25 * 0.5))
    assert relative_kernel_entropy(x, y, sigma=1.0).value == pytest.approx(expected, abs=1e-9)


def test_a_set_has_the_distance_0_from_itself_and_the_distance_is_symmetric() -> None:
    x, y = normal(60, 3, 1), normal(50, 3, 2)
    assert relative_kernel_entropy(x, x, sigma=1.0).value == pytest.approx(0, abs=1e-9)
    forward, backward = (relative_kernel_entropy(*sides, sigma=1.0) for sides in ((x, y), (y, x)))
    assert forward.value == pytest.approx(backward.value, rel=1e-9)
    assert forward.error == pytest.approx(backward.error, rel=1e-9)


def test_it_is_minus_the_logarithm_of_the_fidelity_of_the_covariance_operators() -> None:
    # the operators of points on a line with the features of exp(-(x - y)^2 / 2): explicit, by the joint kernel matrix
    x, y = normal(12, 2, 3), normal(9, 2, 4)
    rows = np.concatenate([x, y])
    kernel = np.exp(-((rows[:, None] - rows) ** 2).sum(axis=2) / 2)
    features = np.real(sqrtm(kernel))  # row i is the feature vector of point i
    first, second = features[:12].T @ features[:12] / 12, features[12:].T @ features[12:] / 9
    root = np.real(sqrtm(first))
    fidelity = np.real(np.trace(sqrtm(root @ second @ root))) ** 2
    assert relative_kernel_entropy(x, y, sigma=1.0).value == pytest.approx(-math.log(fidelity), rel=1e-5)


def test_it_is_the_formula_of_the_authors() -> None:
    # -ln of the squared sum of the singular values of k(x_i, y_j) / sqrt(N M), pair by pair
    x, y = normal(20, 4, 5), normal(15, 4, 6, 1.0)
    kernel = np.array([[np.exp(-0.5 * np.sum(np.square(a - b)) / 1.5**2) for b in y] for a in x])
    singular = np.linalg.svd(kernel / np.sqrt(20 * 15), compute_uv=False)
    assert relative_kernel_entropy(x, y, sigma=1.5).value == pytest.approx(-np.log(singular.sum() ** 2), rel=1e-10)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_errors_agree_with_the_spread_over_repeated_samples(shift: float) -> None:
    drawn = [relative_kernel_entropy(normal(100, 2, s, shift), normal(100, 2, -s - 1 + 10**6), sigma=1.5)
             for s in range(100)]  # fmt: skip
    ratio = np.sqrt(np.mean([each.error**2 for each in drawn])) / np.std([each.value for each in drawn], ddof=1)
    # conservative next to the value for equal distributions
    assert 0.8 < ratio < 1.5


def test_the_influence_of_a_row_is_its_effect_when_it_is_doubled() -> None:
    x, y = normal(40, 2, 7), normal(40, 2, 8, 0.7)
    relative = relative_kernel_entropy(x, y, sigma=1.0)
    # a row with a little more weight: many copies of all rows and one more of the first
    heavier = relative_kernel_entropy(np.concatenate([np.repeat(x, 10, axis=0), x[:1]]), y, sigma=1.0).value
    centred = relative.influence[0][0] - relative.influence[0].mean()
    assert heavier - relative.value == pytest.approx(centred * 40 / 401, rel=0.05)


def test_the_expected_value_is_that_of_two_sides_of_one_distribution() -> None:
    values = [relative_kernel_entropy(normal(80, 3, s), normal(80, 3, s + 10**6), sigma=1.0).value for s in range(30)]
    pairs = [(normal(80, 3, s), normal(80, 3, s + 10**6)) for s in range(100, 108)]
    expected = np.mean([value_for_equal_distributions(*pair, sigma=1.0, seed=0) for pair in pairs])
    assert expected == pytest.approx(np.mean(values), rel=0.1)


def test_the_metric_draws_rows_and_says_how_many() -> None:
    x, y = Features.of(embedding=normal(90, 2, 1)), Features.of(embedding=normal(70, 2, 2))
    (score,) = RelativeKernelEntropy(sigma=1.0, rows=50)(x, y, seed=3)
    assert (score.name, score.better) == ("rrke", "lower")
    assert (score.detail["generated"], score.detail["reference"]) == (50, 50)
    assert score.influence is not None
    (itself,) = RelativeKernelEntropy(sigma=1.0, rows=50)(x, x, seed=3)
    assert itself.value == pytest.approx(0, abs=1e-9)


def test_sides_beyond_the_reach_of_the_kernel_are_infinitely_far_apart() -> None:
    x, y = Features.of(embedding=modes(3, 2)), Features.of(embedding=modes(3, 2) + np.array([0, 1e5]))
    (score,) = RelativeKernelEntropy(sigma=1.0)(x, y, seed=0)
    assert (score.value, score.error) == (math.inf, None)


def test_options_and_rows_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="sigma"):
        RelativeKernelEntropy(sigma=0)
    with pytest.raises(UsageError, match="2 rows"):
        RelativeKernelEntropy(sigma=1, rows=1)
    with pytest.raises(InputError, match="2 rows"):
        relative_kernel_entropy(np.zeros((1, 2)), np.zeros((4, 2)), sigma=1.0)
