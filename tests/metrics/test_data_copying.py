"""C_T: an independent computation on the same cells, copies, spread-out samples, the error at the null."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genbench.errors import InputError
from genbench.features.features import Features
from genbench.metrics.data_copying import DataCopying, copying_test
from genbench.plugs.contracts import Score


def normal(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 6]).standard_normal((count, width)).astype(np.float32)


def ct(generated: np.ndarray, train: np.ndarray, held_out: np.ndarray, *, cells: int = 3) -> Score:
    sides = [Features.of(embedding=side) for side in (generated, held_out, train)]
    (score,) = DataCopying(cells)(sides[0], sides[1], seed=0, train=sides[2])
    return score


def labels_by_sign(rows: np.ndarray) -> np.ndarray:
    return (rows[:, 0] > 0) + 2 * (rows[:, 1] > 0).astype(np.int64)


def test_the_statistic_equals_an_independent_computation_on_the_same_cells() -> None:
    rows = [normal(300, 5, 1) * np.float32(1.1), normal(500, 5, 2), normal(200, 5, 3)]
    rows[0][:40] = rows[1][:40]
    rows[0][:, 0] += np.float32(0.4)
    cells = [labels_by_sign(side) for side in rows]
    # count the pairs one by one, in each cell, with neighbours of the same cell
    total = weight = 0.0
    for cell in range(4):
        generated, train, held_out = (side[label == cell] for side, label in zip(rows, cells, strict=True))
        left, right = (cdist(side, train).min(axis=1) for side in (generated, held_out))
        u = (left[:, None] > right).sum() + (left[:, None] == right).sum() / 2
        n, m = len(left), len(right)
        z = (u - (n * m / 2 - 0.5)) / math.sqrt(n * m * (n + m + 1) / 12)
        total, weight = total + m * z, weight + m
    test = copying_test(*rows, cells=(cells[0], cells[1], cells[2]))
    assert test.value == pytest.approx(total / weight, rel=1e-12)
    assert len(test.cells) == 4


def test_neighbours_are_those_of_the_same_cell() -> None:
    # the training row 0.9 of the left cell is nearest to the generated row 1.1 of the right cell
    generated = np.repeat([[1.1]], 21, axis=0)
    test = copying_test(
        generated, [[0.9], [9.0]], [[2.0]], cells=(np.ones(21, np.int64), np.array([0, 1]), np.array([1]))
    )
    # so each of the 21 rows is farther (7.9) from the training row of its cell than the held-out row (7) is
    assert test.value == pytest.approx((21 - (21 / 2 - 0.5)) / math.sqrt(21 * 23 / 12))


def test_cells_with_few_generated_rows_are_left_out() -> None:
    rows = [normal(300, 5, seed) for seed in (1, 2, 3)]
    rows[0][:, 0] = np.abs(rows[0][:, 0])
    rows[0][:20, 0] *= -1
    cells = tuple((side[:, 0] > 0).astype(np.int64) for side in rows)
    test = copying_test(*rows, cells=(cells[0], cells[1], cells[2]))
    assert len(test.cells) == 1
    assert test.left_out == 1
    assert test.cells[0].generated == 280


def test_A18_copies_in_one_cell_have_the_least_possible_value() -> None:
    train, held_out = normal(2000, 4, 1), normal(1000, 4, 2)
    least = -(1e6 / 2 - 0.5) / math.sqrt(1e6 * 2001 / 12)
    assert ct(train[:1000], train, held_out, cells=1).value == pytest.approx(least)
    assert least == pytest.approx(-38.7, abs=0.1)


def test_A18_new_copied_and_spread_out_samples_of_a_gaussian() -> None:
    train, held_out = normal(2000, 4, 1), normal(1000, 4, 2)
    assert abs(ct(normal(1000, 4, 3), train, held_out, cells=1).value) < 3
    assert ct(np.float32(1.5) * normal(1000, 4, 4), train, held_out, cells=1).value == pytest.approx(18.5, abs=2)
    # with K equal cells, each test has 1 / K of the rows, so C_T falls by the root of K
    assert ct(train[:1000], train, held_out).value == pytest.approx(-38.7 / math.sqrt(3), rel=0.02)


def test_many_dimensions_are_projected_to_the_components_of_the_training_rows() -> None:
    # copies in the first 64 components of the training rows, whatever the other dimensions hold
    scale = np.array([1] * 64 + [1e-3] * 36, np.float32)
    train, held_out = normal(1000, 100, 1) * scale, normal(300, 100, 2) * scale
    generated = train[:300] + normal(300, 100, 3) * np.array([0] * 64 + [1e-3] * 36, np.float32)
    assert ct(generated, train, held_out, cells=1).value < -20


def test_the_influence_adds_up_to_the_error() -> None:
    score = ct(normal(500, 4, 3), normal(1000, 4, 1), normal(400, 4, 2))
    assert score.influence is not None
    total = sum(one**2 for one in (*score.influence.generated, *score.influence.reference))
    assert score.error == pytest.approx(math.sqrt(total * 32 / 31))


def test_too_few_rows_for_a_cell_are_refused() -> None:
    with pytest.raises(InputError, match="No cell holds more than 20 generated rows"):
        ct(normal(10, 4, 1), normal(50, 4, 2), normal(50, 4, 3))


@pytest.mark.slow
def test_the_statistic_and_its_error_at_the_null() -> None:
    # 200 data sets: the standard deviation of C_T is at most 1, and the mean error is the standard deviation
    scores = [ct(normal(300, 4, 3 * i), normal(600, 4, 3 * i + 1), normal(300, 4, 3 * i + 2)) for i in range(200)]
    values, errors = np.array([score.value for score in scores]), np.array([score.error for score in scores])
    assert abs(values.mean()) < 3 * values.std() / math.sqrt(200)
    assert values.std() < 1
    covered = np.abs(values) < 1.96 * errors
    assert covered.mean() > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 200)
