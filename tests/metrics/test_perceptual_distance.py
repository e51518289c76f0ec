"""The mean LPIPS of samples, computed from features whose squared distance is LPIPS."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genbench.features.features import Features
from genbench.metrics.perceptual_distance import PerceptualDiversity, mean_square_distances

ROWS = np.random.default_rng(0).standard_normal((50, 7)).astype(np.float16)


def in_blocks(rows: np.ndarray, size: int = 16) -> Callable[[], Iterator[np.ndarray]]:
    return lambda: (rows[start : start + size] for start in range(0, len(rows), size))


def features(rows: np.ndarray, label: np.ndarray | None = None) -> Features:
    return Features([{"perceptual": block} for block in in_blocks(rows)()], label=label)


def test_the_mean_distances_are_those_of_all_pairs() -> None:
    expected = cdist(ROWS.astype(float), ROWS.astype(float), "sqeuclidean").sum(axis=1) / 49
    assert mean_square_distances(in_blocks(ROWS), np.zeros(50, int)) == pytest.approx(expected, rel=1e-12)


def test_the_mean_distances_stay_within_groups() -> None:
    group = np.arange(50) % 3
    square = cdist(ROWS.astype(float), ROWS.astype(float), "sqeuclidean")
    same = group[:, None] == group
    expected = (square * same).sum(axis=1) / (same.sum(axis=1) - 1)
    assert mean_square_distances(in_blocks(ROWS), group) == pytest.approx(expected, rel=1e-12)


def test_equal_samples_have_a_distance_of_exactly_0() -> None:
    overall, within = PerceptualDiversity()(features(ROWS[[3] * 40], np.arange(40) % 4), None, seed=0)
    assert (overall.value, overall.error) == (within.value, within.error) == (0.0, 0.0)


def test_normal_rows_have_twice_their_total_variance() -> None:
    # variances 1, 4 and 9
    rows = np.random.default_rng(1).standard_normal((4000, 3)) * [1, 2, 3]
    (score,) = PerceptualDiversity()(features(rows), None, seed=0)
    assert score.error is not None
    assert score.value == pytest.approx(28, abs=4 * score.error)
    # the variance of |x|^2 is 2 (1 + 16 + 81)
    assert score.error == pytest.approx(np.sqrt(4 * 196 / 4000), rel=0.1)
    assert score.detail["pairs"] == 4000 * 3999 // 2


def test_a_model_with_one_output_per_input_has_no_diversity_within_inputs() -> None:
    inputs = np.repeat(np.arange(5), 10)
    overall, within = PerceptualDiversity()(features(ROWS[inputs], inputs), None, seed=0)
    assert overall.value > 1
    assert (within.name, within.value) == ("lpips_per_class", 0.0)


def test_the_mean_over_inputs_is_that_of_the_published_protocol() -> None:
    # 10 outputs of each input, all pairs of an input, then the mean over inputs
    inputs = np.arange(50) % 5
    square = cdist(ROWS.astype(float), ROWS.astype(float), "sqeuclidean")
    means = [square[np.ix_(inputs == one, inputs == one)].sum() / 90 for one in range(5)]
    within = PerceptualDiversity()(features(ROWS, inputs), None, seed=0)[1]
    assert within.value == pytest.approx(np.mean(means), rel=1e-12)
    assert list(within.detail["per_class"].values()) == pytest.approx(means)


def test_the_interval_within_classes_holds() -> None:
    # 5 classes of 10 rows in 20 dimensions, with a mean distance of 40
    held, errors, values = [], [], []
    for seed in range(400):
        rows = np.random.default_rng([seed, 11]).standard_normal((50, 20))
        within = PerceptualDiversity()(features(rows, np.arange(50) % 5), None, seed=0)[1]
        held.append(abs(within.value - 40) <= 1.96 * (within.error or 0.0))
        errors.append(within.error or 0.0)
        values.append(within.value)
    # a share of 95 % of 400 has an error of 1.1 %, a spread of 400 values one of 3.5 %
    assert np.mean(held) == pytest.approx(0.95, abs=0.04)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values), rel=0.12)
