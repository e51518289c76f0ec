"""Means over pairs: which pairs are drawn, and whether their errors know that pairs share samples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from genbench.features.features import Features
from genbench.metrics.pair_means import (
    PairMean,
    PairScore,
    mean_of_all_pairs,
    mean_of_sampled_pairs,
    random_pairs,
    scores_of_pairs,
)

NAMES = PairScore("alike", "likeness", "lower")


def pairs_of(count: int, wanted: int, seed: int = 0) -> np.ndarray:
    return random_pairs(np.arange(10, 10 + count), wanted, np.random.default_rng(seed))


@pytest.mark.parametrize("count", [3, 4, 7, 8])
def test_all_pairs_are_drawn_once_if_there_are_no_more(count: int) -> None:
    pairs = {tuple(sorted(pair)) for pair in pairs_of(count, 1000).tolist()}
    assert pairs == {(10 + i, 10 + j) for j in range(count) for i in range(j)}
    assert len(pairs_of(count, 1000)) == len(pairs)


def test_the_pairs_differ_and_use_all_rows_alike() -> None:
    pairs = pairs_of(40, 130)
    assert len({tuple(sorted(pair)) for pair in pairs.tolist()}) == 130
    uses = np.bincount(pairs.ravel() - 10)
    assert uses.max() - uses.min() <= 2
    assert (pairs[:, 0] != pairs[:, 1]).all()


def test_another_seed_draws_other_pairs() -> None:
    assert not np.array_equal(pairs_of(40, 130), pairs_of(40, 130, seed=1))


def test_the_variance_is_the_sum_over_pairs_that_share_a_row() -> None:
    pairs = pairs_of(12, 40)
    values = np.random.default_rng(1).random(12)[pairs - 10].sum(axis=1) ** 2
    found = mean_of_sampled_pairs(values, pairs)
    moved = (values - values.mean()) / 40
    of_row = [sum(moved[k] for k in range(40) if row in pairs[k]) for row in range(10, 22)]
    shared = [(p, q) for p in range(40) for q in range(40) if set(pairs[p]) & set(pairs[q])]
    variance = sum(moved[p] * moved[q] for p, q in shared) / (1 - len(shared) / 40**2)
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(math.sqrt(variance))
    assert found.influence == pytest.approx(of_row)


def test_the_error_of_all_pairs_is_the_jackknife() -> None:
    distances = np.random.default_rng(2).random((9, 9))
    distances = distances + distances.T
    np.fill_diagonal(distances, 0)

    def mean(kept: np.ndarray) -> float:
        return float(distances[np.ix_(kept, kept)].sum() / (len(kept) * (len(kept) - 1)))

    found = mean_of_all_pairs(distances.sum(axis=1) / 8, np.arange(9))
    left_out = np.array([mean(np.delete(np.arange(9), row)) for row in range(9)])
    assert found.value == pytest.approx(mean(np.arange(9)))
    assert found.error == pytest.approx(math.sqrt(8 * left_out.var()))


REPEATS = 600


def simulated(wanted: int | None, dimensions: int, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return values and errors of the mean squared distance of normal rows, which is twice the dimensions."""
    rng = np.random.default_rng([wanted or 0, dimensions])
    found: list[PairMean] = []
    for _ in range(REPEATS):
        rows = rng.standard_normal((count, dimensions))
        if wanted is None:
            square = ((rows[:, None] - rows) ** 2).sum(axis=2)
            found.append(mean_of_all_pairs(square.sum(axis=1) / (count - 1), np.arange(count)))
        else:
            pairs = random_pairs(np.arange(count), wanted, rng)
            square = ((rows[pairs[:, 0]] - rows[pairs[:, 1]]) ** 2).sum(axis=1)
            found.append(mean_of_sampled_pairs(square, pairs))
    return np.array([one.value for one in found]), np.array([one.error for one in found])


@pytest.mark.parametrize("dimensions", [3, 10])
@pytest.mark.parametrize("wanted", [20, 60, 300, None])
def test_the_error_is_the_spread_and_the_interval_holds(wanted: int | None, dimensions: int) -> None:
    values, errors = simulated(wanted, dimensions)
    # the mean has no bias
    assert values.mean() == pytest.approx(2 * dimensions, abs=4 * values.std() / math.sqrt(REPEATS))
    # the spread of 600 values has an error of 3 % for normal values, more for skewed ones
    assert math.sqrt((errors**2).mean()) == pytest.approx(values.std(ddof=1), rel=0.12)
    # a share of 95 % of 600 has an error of 0.9 %; 20 pairs of squares are skewed
    held = np.mean(np.abs(values - 2 * dimensions) <= 1.96 * errors)
    assert held >= 0.95 - (0.075 if wanted == 20 else 0.045)


def test_classes_count_alike_and_their_errors_add_up() -> None:
    label = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2])
    features = Features([{"image": np.zeros((9, 1))}], label=label, class_names=("cat", "dog", "fox"))
    half = PairMean(0.5, 0.3, np.arange(3), np.array([0.1, -0.2, 0.1]), 3)
    whole = PairMean(1.0, 0.4, np.arange(3, 7), np.array([0.2, -0.2, 0.1, -0.1]), 6)
    overall, within = scores_of_pairs(NAMES, whole, {0: half, 1: whole}, features, {"seed": 1})
    assert (overall.name, within.name, within.key) == ("alike", "alike_per_class", "likeness_per_class")
    assert (within.value, within.error) == (pytest.approx(0.75), pytest.approx(0.25))
    assert within.detail["per_class"] == {"cat": 0.5, "dog": 1.0}
    assert within.detail["warning"] == "1 class with fewer than 3 samples is not part of alike_per_class."
    assert within.influence is not None
    # 9 rows in 32 groups: the last two have no influence of their own
    assert within.influence.generated[7:9] == pytest.approx([0, 0], abs=1e-9)
    assert within.influence.generated[3] > 0.05


def test_samples_without_classes_have_one_score() -> None:
    mean = PairMean(0.5, 0.1, np.arange(3), np.zeros(3), 3)
    (score,) = scores_of_pairs(NAMES, mean, {}, Features.of(image=np.zeros((3, 1))), {})
    assert (score.name, score.better, score.detail) == ("alike", "lower", {"pairs": 3})
