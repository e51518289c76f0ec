"""Clipped Density and Clipped Coverage: hand cases, brute force, calibration, outliers, intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.metrics.ball_counts import BallCounts
from genbench.metrics.clipped import (
    ClippedDensityCoverage,
    clipped_density_coverage,
    expected_share_of_k,
    good_share,
)
from genbench.metrics.pair_sums import gather_pair_sums
from genbench.metrics.precision_recall import density_coverage, expected_coverage
from genbench.metrics.tiles import pair_of


def normal(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 5]).standard_normal((count, width)).astype(np.float32)


def with_outliers(rows: np.ndarray, share: float) -> np.ndarray:
    """Return the rows with a share of them moved far away, each by another vector."""
    moved, count = rows.copy(), round(share * len(rows))
    moved[:count] *= 100 + np.arange(count, dtype=np.float32)[:, None]
    return moved


def clusters(count: int, seed: int) -> np.ndarray:
    """Draw from 8 clusters that are small beside the distances between them."""
    centres = np.float32(100) * normal(8, 300, 9)
    return centres[np.arange(count) % 8] + np.float32(0.01) * normal(count, 300, seed)


def brute_force(generated: np.ndarray, reference: np.ndarray, k: int = 5) -> tuple[float, float]:
    """Return Clipped Density before it is clipped at 1, and the coverage before the calibration."""
    x, y = generated.astype(np.float64), reference.astype(np.float64)
    own, between = cdist(y, y), cdist(y, x)
    np.fill_diagonal(own, np.inf)
    radius = np.sort(own, axis=1)[:, k - 1]
    clipped = np.minimum(radius, np.median(radius))[:, None]
    ours, theirs = (np.minimum((each <= clipped).sum(axis=0) / k, 1).mean() for each in (between, own))
    return ours / theirs, np.minimum((between < radius[:, None]).sum(axis=1) / k, 1).mean()


def test_clipped_density_of_points_on_a_line_by_hand() -> None:
    # reference 0 1 2.5 12, k = 1: radii 1 1 1.5 9.5, the last two clipped at 1.25: only 0 and 1 hold each other: 2/4
    # generated .5 is in two balls, 1 by clipping; the others are only in the ball of 12 before it is clipped: 1/4
    reference, generated = np.array([[0.0], [1.0], [2.5], [12.0]]), np.array([[0.5], [5.0], [6.0], [7.0]])
    score = clipped_density_coverage(generated, reference, k=1)["clipped_density"]
    assert score.value == pytest.approx((1 / 4) / (2 / 4))
    assert density_coverage(generated, reference, k=1).precision == 1


def test_clipped_coverage_of_points_on_a_line_by_hand() -> None:
    # reference 0 1 2 3, k = 1, generated .5 twice and 9: open balls of 0 and 1 are full: 1/2
    # expected with m of 3 good rows: 1 - 3 / (3 + m), so m = 3: all of them
    generated, reference = np.array([[0.5], [0.5], [9.0]]), np.array([[0.0], [1.0], [2.0], [3.0]])
    score = clipped_density_coverage(generated, reference, k=1)["clipped_coverage"]
    assert score.detail["uncalibrated"] == 0.5
    assert score.value == pytest.approx(1.0)


CASES: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "2-d": (normal(330, 2, 1), normal(301, 2, 2)),
    "300-d": (normal(330, 300, 1) * np.float32(1.05), normal(300, 300, 2)),
    "outliers on both sides": (with_outliers(normal(330, 16, 1), 0.2), with_outliers(normal(300, 16, 2), 0.1)),
    "tight clusters": (clusters(330, 1), clusters(300, 2)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("tile", [1024, 97])
@pytest.mark.parametrize("case", CASES)
def test_values_agree_with_brute_force_in_double(case: str, tile: int, dtype: type) -> None:
    metric = ClippedDensityCoverage()
    pair = [replace(rows, dtype=np.dtype(dtype)) for rows in pair_of(*CASES[case])]
    density, coverage = metric.scores(gather_pair_sums([metric], *pair, seed=0, tile=tile)[BallCounts])
    truth = brute_force(*CASES[case])
    assert (density.detail["unclipped"], coverage.detail["uncalibrated"]) == pytest.approx(truth, abs=1e-12)


@pytest.mark.parametrize(("reference", "k"), [(20, 5), (300, 5), (50, 1)])
def test_the_expected_coverage_is_that_of_a_beta_binomial(reference: int, k: int) -> None:
    for good in (0, 1, 3, 40, 500):
        counts = np.arange(good + 1)
        chance = stats.betabinom.pmf(counts, good, k, reference - k)
        truth = (chance * np.minimum(counts / k, 1)).sum()
        assert expected_share_of_k(np.array([good]), reference, k)[0] == pytest.approx(truth, abs=1e-12)


def test_with_one_neighbour_the_expected_coverage_is_that_of_naeem() -> None:
    assert expected_share_of_k(np.array([70]), 50, 1)[0] == pytest.approx(expected_coverage(70, 50, 1), abs=1e-12)


def test_the_calibration_returns_the_share_of_good_samples() -> None:
    good = np.array([0, 10, 55, 100])
    assert good_share(expected_share_of_k(good, 90, 5), 100, 90, 5) == pytest.approx(good / 100, abs=1e-9)


@pytest.mark.parametrize("width", [2, 32])
def test_scores_fall_linearly_with_the_share_of_far_outliers(width: int) -> None:
    shares = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    values = []
    for share in shares:
        scores = [
            clipped_density_coverage(
                with_outliers(normal(500, width, 2 * seed), share), normal(500, width, 2 * seed + 1)
            )
            for seed in range(6)
        ]
        values.append([np.mean([each[name].detail["unclipped"] for each in scores]) for name in scores[0]])
    assert np.array(values) == pytest.approx(np.repeat(1 - shares[:, None], 2, axis=1), abs=0.08)


def test_outliers_of_the_reference_do_not_make_bad_samples_good() -> None:
    # the balls around far reference rows hold rows that lie anywhere; their radius is clipped
    reference, bad = with_outliers(normal(500, 8, 1), 0.1), np.float32(20) * normal(500, 8, 2)
    assert density_coverage(bad, reference).density > 0.5
    assert clipped_density_coverage(bad, reference)["clipped_density"].value < 0.02


def test_scores_of_a_set_against_itself_are_1_with_an_interval_below() -> None:
    rows = normal(300, 8, 1)
    for score in clipped_density_coverage(rows, rows).values():
        assert score.value == 1
        assert score.error is not None
        assert score.error > 0
        assert score.interval is not None
        assert 0.5 < score.interval[0] < score.interval[1] == 1


def test_scores_of_disjoint_sets_are_0_with_an_interval_above() -> None:
    for score in clipped_density_coverage(normal(300, 8, 1) + np.float32(50), normal(300, 8, 2)).values():
        assert score.value == 0
        assert score.interval is not None
        assert 0 == score.interval[0] < score.interval[1] < 0.05


def test_too_few_rows_for_halves_give_values_without_errors() -> None:
    scores = clipped_density_coverage(normal(6, 3, 1), normal(6, 3, 2))
    assert all(score.error is None and np.isfinite(score.value) for score in scores.values())


def test_as_many_neighbours_as_rows_are_refused() -> None:
    with pytest.raises(InputError, match="more than 5 reference rows, not 5"):
        clipped_density_coverage(normal(20, 3, 1), normal(5, 3, 2))
    with pytest.raises(UsageError, match="not 0"):
        ClippedDensityCoverage(k=0)


@pytest.mark.parametrize(
    ("width", "share"),
    [(16, 0.3), pytest.param(2, 0.0, marks=pytest.mark.slow), pytest.param(64, 0.3, marks=pytest.mark.slow)],
)
def test_errors_agree_with_the_spread_over_repeated_samples(width: int, share: float) -> None:
    values, errors = [], []
    for i in range(60):
        drawn = np.random.default_rng(i).binomial(250, share) / 250
        generated = Features.of(embedding=with_outliers(normal(250, width, 2 * i), drawn))
        scores = ClippedDensityCoverage()(generated, Features.of(embedding=normal(250, width, 2 * i + 1)), seed=i)
        values.append([score.detail["unclipped"] for score in scores])
        errors.append([score.error for score in scores])
    ratio = np.sqrt(np.mean(np.square(np.array(errors, float)), axis=0)) / np.std(values, axis=0, ddof=1)
    assert ((ratio > 0.7) & (ratio < 1.4)).all(), ratio
