"""The Gaussian MMD and CMMD: closed forms, a direct computation, and the error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.metrics.gaussian_mmd import ClipMMD, GaussianMMD, gaussian_mmd
from genbench.plugs import registry
from genbench.plugs.contracts import Score


def normal(count: int, width: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rows = np.random.default_rng([seed, 11]).standard_normal((count, width))
    rows[:, 0] += shift
    return rows


def scores(metric: ClipMMD | GaussianMMD, x: np.ndarray, y: np.ndarray) -> dict[str, Score]:
    return {score.name: score for score in metric(Features.of(embedding=x), Features.of(embedding=y), seed=0)}


def v_statistic(x: np.ndarray, y: np.ndarray, sigma: float) -> float:
    means = [np.exp(-cdist(a, b, "sqeuclidean") / (2 * sigma**2)).mean() for a, b in ((x, x), (y, y), (x, y))]
    return float(means[0] + means[1] - 2 * means[2])


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_the_value_is_the_closed_form_of_two_gaussians(shift: float) -> None:
    sigma, width = 3.0, 8
    factor = sigma**2 / (sigma**2 + 2)
    truth = 2 * factor ** (width / 2) * (1 - math.exp(-(shift**2) / (2 * (sigma**2 + 2))))
    pairs = [(normal(300, width, 2 * i, shift), normal(400, width, 2 * i + 1)) for i in range(60)]
    estimates = [gaussian_mmd(*pair, sigma=sigma) for pair in pairs]
    values = np.array([estimate.value for estimate in estimates])
    assert abs(values.mean() - truth) < 3 * values.std(ddof=1) / math.sqrt(60)
    # the spread of the spread of 60 values is 9 %
    errors = [estimate.error or 0 for estimate in estimates]
    assert np.mean(errors) == pytest.approx(values.std(ddof=1), rel=0.3)


def test_one_pair_of_rows_by_hand() -> None:
    # within x: distance 2, within y: distance 0, between: 1 and 1, each from both rows of y
    x, y = np.array([[-1.0], [1.0]]), np.array([[0.0], [0.0]])
    one, two = math.exp(-0.5), math.exp(-2.0)
    estimate = gaussian_mmd(x, y, sigma=1.0)
    assert estimate.value == pytest.approx(two + 1 - 2 * one, abs=1e-12)
    assert estimate.biased_value == pytest.approx((1 + two) / 2 + 1 - 2 * one, abs=1e-12)
    assert estimate.error is None


def test_the_biased_value_equals_a_direct_computation() -> None:
    x, y = normal(150, 5, 1, 0.4), normal(130, 5, 2)
    assert gaussian_mmd(x, y, sigma=1.5, tile=64).biased_value == pytest.approx(v_statistic(x, y, 1.5), abs=1e-13)


def test_the_default_width_is_the_root_mean_square_distance_of_reference_rows() -> None:
    y = normal(90, 4, 2)
    squared = cdist(y, y, "sqeuclidean").sum() / (90 * 89)
    found = scores(GaussianMMD(), normal(80, 4, 1), y)["mmd"].detail["sigma"]
    assert found == pytest.approx(math.sqrt(squared), rel=1e-12)


def test_identical_sets_have_a_biased_distance_of_zero() -> None:
    rows = normal(50, 3, 1)
    assert gaussian_mmd(rows, rows).biased_value == pytest.approx(0, abs=1e-15)


def test_cmmd_is_a_thousand_times_the_biased_value_of_unit_vectors() -> None:
    x, y = normal(120, 32, 1, 1.0), normal(100, 32, 2)
    unit_x, unit_y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    assert scores(ClipMMD(), x, y)["cmmd"].value == pytest.approx(1000 * v_statistic(unit_x, unit_y, 10.0), rel=1e-9)


def test_cmmd_is_about_ten_times_the_squared_distance_of_the_means_of_unit_vectors() -> None:
    x, y = normal(300, 64, 1, 3.0).astype(np.float32), normal(300, 64, 2).astype(np.float32)
    means = [(rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0) for rows in (x, y)]
    expected = 10 * float(((means[0] - means[1]) ** 2).sum())
    assert scores(ClipMMD(), x, y)["cmmd"].value == pytest.approx(expected, rel=0.02)


def test_the_length_of_the_rows_does_not_change_cmmd() -> None:
    x, y = normal(40, 6, 1), normal(50, 6, 2)
    assert scores(ClipMMD(), 7 * x, y / 3)["cmmd"].value == pytest.approx(scores(ClipMMD(), x, y)["cmmd"].value)


def test_single_precision_loses_almost_nothing() -> None:
    x, y = normal(1500, 400, 1, 0.5).astype(np.float32), normal(1500, 400, 2).astype(np.float32)
    single, double = (gaussian_mmd(*(side.astype(kind) for side in (x, y))) for kind in (np.float32, np.float64))
    assert single.value == pytest.approx(double.value, rel=1e-4)


def test_a_row_of_zeros_has_no_direction() -> None:
    with pytest.raises(InputError, match="A generated row is all zeros"):
        scores(ClipMMD(), np.zeros((5, 3)), normal(5, 3, 2))


def test_an_unknown_kernel_and_a_width_of_zero_are_refused() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'rbf'"):
        registry.load("metrics", "mmd,kernel=rfb")
    with pytest.raises(UsageError, match="sigma above 0"):
        registry.load("metrics", "mmd,sigma=0.0")
