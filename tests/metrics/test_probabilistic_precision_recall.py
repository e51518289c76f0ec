"""Probabilistic precision and recall: hand cases, double precision, copies, outliers, errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genbench.errors import UsageError
from genbench.features.features import Features
from genbench.metrics.ball_counts import BallCounts
from genbench.metrics.pair_sums import gather_pair_sums
from genbench.metrics.probabilistic_precision_recall import (
    ProbabilisticPrecisionRecall,
    probabilistic_precision_recall,
)
from genbench.metrics.tiles import pair_of


def normal(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 7]).standard_normal((count, width)).astype(np.float32)


def brute_force(points: np.ndarray, centres: np.ndarray) -> float:
    """Return the mean probability of Park and Kim with a = 1.2, k = 4, from all distances in double precision."""
    x, y = points.astype(np.float64), centres.astype(np.float64)
    own = np.sort(cdist(y, y), axis=1)[:, 4]
    radius = 1.2 * own.mean()
    distance = cdist(y, x)
    # the scoring rule: 1 - d / R within the radius, 0 elsewhere
    rule = np.where(distance < radius, 1 - distance / radius if radius else 0.0, 0.0)
    return float((1 - np.prod(1 - rule, axis=0)).mean())


def test_points_on_a_line_by_hand() -> None:
    # reference 0 1 2, k = 1, scale 1: R = 1; generated .5: 1 - .5 * .5; 10 is outside: (.75 + 0) / 2
    # generated .5 10: R = 9.5; reference 0 1 2: 1 - .5/9.5 * 1, 1 - .5/9.5 * 9/9.5, 1 - 1.5/9.5 * 8/9.5
    scores = probabilistic_precision_recall(np.array([[0.5], [10.0]]), np.array([[0.0], [1.0], [2.0]]), k=1, scale=1.0)
    assert scores["p_precision"].value == pytest.approx(0.375)
    recall = [1 - 0.5 / 9.5, 1 - 0.5 * 9 / 9.5**2, 1 - 1.5 * 8 / 9.5**2]
    assert scores["p_recall"].value == pytest.approx(np.mean(recall))


CENTRES = 30 * normal(8, 300, 9)

CASES = {
    "2-d": (normal(330, 2, 1), normal(300, 2, 2)),
    "16-d, wide": (np.float32(1.3) * normal(330, 16, 1), normal(300, 16, 2)),
    "300-d, many distances near the radius": (np.float32(1.25) * normal(330, 300, 1), normal(300, 300, 2)),
    "copies": (normal(330, 64, 1), np.concatenate([normal(330, 64, 1)[:150], normal(150, 64, 2)])),
    "tight clusters": tuple(
        (CENTRES[np.arange(count) % 8] + np.float32(0.01) * normal(count, 300, seed)).astype(np.float32)
        for count, seed in ((330, 1), (300, 2))
    ),
    "one value only": (np.ones((330, 10), np.float32), np.ones((300, 10), np.float32)),
    "collapsed to a point": (np.ones((330, 10), np.float32), normal(300, 10, 2)),
}


@pytest.mark.parametrize(("dtype", "exact"), [(np.float32, 1e-5), (np.float64, 1e-10)])
@pytest.mark.parametrize("tile", [1024, 97])
@pytest.mark.parametrize("case", CASES)
def test_values_agree_with_the_formula_in_double(case: str, tile: int, dtype: type, exact: float) -> None:
    generated, reference = CASES[case]
    metric = ProbabilisticPrecisionRecall()
    pair = [replace(rows, dtype=np.dtype(dtype)) for rows in pair_of(generated, reference)]
    scores = metric.scores(gather_pair_sums([metric], *pair, seed=0, tile=tile)[BallCounts])
    truth = [brute_force(generated, reference), brute_force(reference, generated)]
    assert [score.value for score in scores] == pytest.approx(truth, abs=exact)
    assert all(score.error is not None and np.isfinite(score.error) for score in scores)


def test_a_copy_is_certain() -> None:
    rows = normal(100, 8, 1)
    scores = probabilistic_precision_recall(rows, rows)
    assert [score.value for score in scores.values()] == pytest.approx([1.0, 1.0], abs=1e-12)


def test_an_outlier_of_the_reference_changes_little() -> None:
    x, y = normal(400, 8, 1), normal(400, 8, 2)
    moved = y.copy()
    moved[0] = 8
    before, after = (probabilistic_precision_recall(x, each)["p_precision"].value for each in (y, moved))
    assert after == pytest.approx(before, abs=0.05)


def test_precision_is_recall_with_the_sides_exchanged() -> None:
    x, y = np.float32(1.2) * normal(150, 16, 1), normal(120, 16, 2)
    forward, backward = probabilistic_precision_recall(x, y), probabilistic_precision_recall(y, x)
    assert forward["p_precision"].value == pytest.approx(backward["p_recall"].value, abs=1e-12)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_not_above_0_is_refused(scale: float) -> None:
    with pytest.raises(UsageError, match="scale of a radius must be above 0"):
        ProbabilisticPrecisionRecall(scale=scale)


@pytest.mark.parametrize(("width", "spread"), [(16, 1.2), pytest.param(64, 1.2, marks=pytest.mark.slow)])
def test_errors_agree_with_the_spread_over_repeated_samples(width: int, spread: float) -> None:
    values, errors = [], []
    for i in range(60):
        generated = Features.of(embedding=np.float32(spread) * normal(250, width, 2 * i))
        reference = Features.of(embedding=normal(250, width, 2 * i + 1))
        scores = ProbabilisticPrecisionRecall()(generated, reference, seed=i)
        values.append([score.value for score in scores])
        errors.append([score.error for score in scores])
    ratio = np.sqrt(np.mean(np.square(np.array(errors, float)), axis=0)) / np.std(values, axis=0, ddof=1)
    assert ((ratio > 0.7) & (ratio < 1.5)).all(), ratio


def test_the_difference_of_two_samples_with_one_reference_has_the_error_of_its_spread() -> None:
    differences, variances = [], []
    for i in range(40):
        reference = normal(150, 4, 3 * i)
        one, other = (
            probabilistic_precision_recall(normal(150, 4, 3 * i + j) + np.float32(0.5), reference)["p_precision"]
            for j in (1, 2)
        )
        assert one.influence is not None
        assert other.influence is not None
        differences.append(one.value - other.value)
        # the influence of the reference cancels, those of the samples do not
        shared = np.subtract(one.influence.reference, other.influence.reference)
        parts = [np.array(one.influence.generated), np.array(other.influence.generated), shared]
        variances.append(32 / 31 * sum(np.square(part).sum() for part in parts))
    assert 0.7 < np.sqrt(np.mean(variances)) / np.std(differences, ddof=1) < 1.3
