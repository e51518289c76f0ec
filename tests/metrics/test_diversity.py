"""Vendi scores and the Renyi kernel entropy: published examples, limits, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.metrics.diversity import KernelEntropy, Vendi, kernel_modes, vendi_of_rows, vendi_score
from genbench.theory.mixtures import mixture


def normal(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 5]).standard_normal((count, width))


def test_A09_vendi_of_three_pairs_of_points() -> None:
    points = np.array([0.0, 0, 10, 10, 20, 20])
    assert vendi_score(np.exp(-np.abs(points[:, None] - points))) == pytest.approx(2.9999, abs=1e-3)


def test_A09_vendi_of_a_given_kernel() -> None:
    assert vendi_score([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]) == pytest.approx(2.1573, abs=1e-3)


@pytest.mark.parametrize("order", [0.5, 1, 2, 900, 1e300, math.inf])
def test_A09_vendi_of_equal_samples_is_one_and_of_different_ones_their_number(order: float) -> None:
    assert vendi_score(np.ones((7, 7)), order=order) == pytest.approx(1)
    assert vendi_score(np.eye(7), order=order) == pytest.approx(7)


@pytest.mark.parametrize("order", [0.5, 1, 2, math.inf])
@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
def test_vendi_of_rows_equals_vendi_of_their_cosine_kernel(shape: tuple[int, int], order: float) -> None:
    rows = normal(*shape, 1)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert vendi_of_rows(rows, order=order).value == pytest.approx(vendi_score(unit @ unit.T, order=order), rel=1e-9)


@pytest.mark.parametrize("order", [0.5, 1, 2])
def test_vendi_errors_agree_with_the_spread_over_repeated_samples(order: float) -> None:
    numbers = [vendi_of_rows(normal(200, 4, i) * [1, 1, 2, 3] + [1, 0, 0, 0], order=order) for i in range(200)]
    ratio = np.sqrt(np.mean([number.error**2 for number in numbers])) / np.std(
        [number.value for number in numbers], ddof=1
    )
    assert 0.8 < ratio < 1.2


def test_kernel_entropy_errors_agree_with_the_spread_over_repeated_samples() -> None:
    numbers = [kernel_modes(normal(200, 2, i), sigma=0.5) for i in range(200)]
    ratio = np.sqrt(np.mean([number.error**2 for number in numbers])) / np.std(
        [number.value for number in numbers], ddof=1
    )
    assert 0.8 < ratio < 1.2


@pytest.mark.parametrize(("modes", "truth"), [(8, 8.29), (4, 4.15), (1, 1.04)])
def test_A43_kernel_entropy_counts_the_modes_of_the_ring(modes: int, truth: float) -> None:
    ring = mixture("ring")
    rng = np.random.default_rng(1)
    points = ring.means[rng.integers(modes, size=1000)] + ring.std * rng.standard_normal((1000, 2))
    assert kernel_modes(points, sigma=0.1).value == pytest.approx(truth, rel=0.03)


def test_A43_kernel_entropy_counts_the_modes_of_the_grid() -> None:
    points = mixture("grid").sample(1000, 2)
    assert kernel_modes(points, sigma=0.3).value == pytest.approx(26.85, rel=0.03)


def test_kernel_entropy_is_vendi_of_order_two() -> None:
    rows = normal(60, 3, 1)
    kernel = np.exp(-((rows[:, None] - rows) ** 2).sum(axis=2) / 2)
    assert kernel_modes(rows, sigma=1.0).value == pytest.approx(vendi_score(kernel, order=2), rel=1e-10)


def test_scores_report_their_options() -> None:
    features = Features.of(embedding=normal(30, 3, 1))
    (vendi,) = Vendi(order=2)(features, None, seed=0)
    (rke,) = KernelEntropy(sigma=0.5)(features, None, seed=0)
    assert (vendi.name, vendi.detail["order"], vendi.better) == ("vendi", 2, "higher")
    assert (rke.name, rke.detail["sigma"], rke.better) == ("rke", 0.5, "higher")


@pytest.mark.parametrize("kernel", [[[1, 0.5], [0.4, 1]], [[2, 0], [0, 2]], [[1, 0, 0], [0, 1, 0]]])
def test_a_matrix_that_is_no_similarity_matrix_is_refused(kernel: list[list[float]]) -> None:
    with pytest.raises(InputError, match="ones on the diagonal"):
        vendi_score(kernel)


def test_a_row_of_zeros_is_refused() -> None:
    with pytest.raises(InputError, match="all zeros"):
        vendi_of_rows(np.zeros((3, 2)))


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError):
        Vendi(order=0)
    with pytest.raises(UsageError):
        KernelEntropy(sigma=-1)
