"""Precision, recall, density, coverage: brute force, peers, values for equal distributions, duplicates, errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.metrics.ball_counts import BallCounts
from genbench.metrics.pair_sums import gather_pair_sums
from genbench.metrics.precision_recall import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    expected_coverage,
    precision_recall,
)
from genbench.metrics.tiles import pair_of


def normal(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 3]).standard_normal((count, width)).astype(np.float32)


def brute_force(generated: np.ndarray, reference: np.ndarray, k: int, strict: bool) -> dict[str, float]:
    x, y = generated.astype(np.float64), reference.astype(np.float64)

    def radii(rows: np.ndarray) -> np.ndarray:
        distance = cdist(rows, rows)
        np.fill_diagonal(distance, np.inf)
        return np.sort(distance, axis=1)[:, k - 1]

    inside = np.less if strict else np.less_equal
    of_reference = inside(cdist(x, y), radii(y))
    of_generated = inside(cdist(x, y), radii(x)[:, None])
    return {
        "precision": of_reference.any(axis=1).mean(),
        "recall": of_generated.any(axis=0).mean(),
        "density": of_reference.sum(axis=1).mean() / k,
        "coverage": of_reference.any(axis=0).mean(),
    }


def cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(4)
    x, y = normal(330, 16, 1), normal(300, 16, 2)
    modes = rng.standard_normal((8, 300))

    def near_modes(count: int) -> np.ndarray:
        return (modes[rng.integers(8, size=count)] + 1e-5 * rng.standard_normal((count, 300))).astype(np.float32)

    return {
        "2-d": (normal(330, 2, 1), normal(300, 2, 2)),
        "300-d": (normal(330, 300, 1), normal(300, 300, 2)),
        "a set and itself": (x, x),
        "far from the origin": (x + np.float32(1000), y + np.float32(1000)),
        "repeated rows": (np.repeat(x[:20], 17, axis=0), np.concatenate([y, x[:50], x[:50]])),
        "collapsed to a point and a little": ((x[:1] + 1e-4 * rng.standard_normal((330, 16))).astype(np.float32), y),
        "tight clusters": (near_modes(330), near_modes(300)),
        "whole numbers with many ties": tuple(
            rng.integers(0, 3, (count, 6)).astype(np.float32) for count in (330, 300)
        ),
        "zeros and ones": tuple(rng.integers(0, 2, (count, 64)).astype(np.float32) for count in (330, 300)),
        "one value only": (np.ones((330, 10), np.float32), np.ones((300, 10), np.float32)),
        "all in the middle": (np.zeros((330, 300), np.float32), normal(300, 300, 2)),
    }


CASES = cases()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("tile", [1024, 97])
@pytest.mark.parametrize("case", CASES)
def test_counts_agree_with_brute_force_in_double(case: str, tile: int, dtype: type) -> None:
    generated, reference = CASES[case]
    metrics = [PrecisionRecall(), DensityCoverage()]
    pair = [replace(rows, dtype=np.dtype(dtype)) for rows in pair_of(generated, reference)]
    counts = gather_pair_sums(metrics, *pair, seed=0, tile=tile)[BallCounts]
    for metric in metrics:
        estimates = counts.estimate(*metric.balls)
        truth = brute_force(generated, reference, metric.k, metric.balls[0].strict)
        assert {name: estimates[name][0] for name in truth} == pytest.approx(truth, abs=1e-12)


def test_precision_and_recall_of_points_on_a_line_by_hand() -> None:
    # reference 0 1 2 3, k = 1: balls of radius 1 cover -1..4; generated 4, 5, 7: radii 1, 1, 2 cover 3..9
    fidelity = precision_recall(np.array([[4.0], [5.0], [7.0]]), np.array([[0.0], [1.0], [2.0], [3.0]]), k=1)
    assert (fidelity.precision, fidelity.recall) == (1 / 3, 1 / 4)
    assert fidelity.f_score == pytest.approx(2 / 7)


def test_density_and_coverage_of_points_on_a_line_by_hand() -> None:
    # reference 0 1 2 3, k = 1: open balls of radius 1; generated .5 is in two balls, 1 in one, 9 in none
    result = density_coverage(np.array([[0.5], [1.0], [9.0]]), np.array([[0.0], [1.0], [2.0], [3.0]]), k=1)
    assert (result.density, result.coverage) == (1.0, 0.5)


def test_precision_counts_generated_rows_and_recall_reference_rows() -> None:
    narrow, wide = normal(400, 4, 1) * np.float32(0.3), normal(400, 4, 2)
    fidelity = precision_recall(narrow, wide)
    assert fidelity.precision > 0.95
    assert fidelity.recall < 0.6


def test_agrees_with_torch_fidelity() -> None:
    torch = pytest.importorskip("torch")
    metric_prc = pytest.importorskip("torch_fidelity.metric_prc")
    x, y = normal(700, 96, 1), np.float32(0.9) * normal(600, 96, 2)
    options = {"prc_neighborhood": 3, "prc_batch_size": 10000, "save_cpu_ram": False, "verbose": False}
    peer = metric_prc.prc_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), **options)
    fidelity = precision_recall(x, y)
    assert fidelity.precision == pytest.approx(peer["precision"], abs=1e-7)
    assert fidelity.recall == pytest.approx(peer["recall"], abs=1e-7)
    assert fidelity.f_score == pytest.approx(peer["f_score"], abs=1e-7)


def test_agrees_with_the_prdc_package() -> None:
    prdc = pytest.importorskip("prdc")
    x, y = normal(700, 96, 1), np.float32(0.9) * normal(600, 96, 2)
    peer = prdc.compute_prdc(real_features=y, fake_features=x, nearest_k=5)
    result = density_coverage(x, y)
    assert {name: getattr(result, name) for name in peer} == pytest.approx(peer, abs=1e-12)


@pytest.mark.parametrize(
    ("width", "truth"),
    [(2, (0.997, 0.996, 1.001, 0.972)), (64, (0.72, 0.70, 1.03, 0.966)), (1000, (0.55, 0.55, 0.996, 0.969))],
)
def test_A12_values_at_equal_distributions(width: int, truth: tuple[float, ...]) -> None:
    # density varies by .08 in 64 dimensions and by .1 in 1000, because a few rows are in very many balls
    result = density_coverage(normal(2000, width, 1), normal(2000, width, 2))
    assert (result.precision, result.recall, result.coverage) == pytest.approx((*truth[:2], truth[3]), abs=0.03)
    assert result.density_error is not None
    assert abs(result.density - 1) < max(0.03, 3 * result.density_error)


def test_A13_coverage_at_equal_distributions() -> None:
    coverage = density_coverage(normal(2000, 16, 1), normal(2000, 16, 2)).coverage
    assert coverage == pytest.approx(expected_coverage(2000, 2000, 5), abs=0.015)


@pytest.mark.parametrize(("count", "k", "truth"), [(10_000, 5, 0.968773), (10_000, 3, 0.875038), (1000, 5, 0.968984)])
def test_A13_the_expected_coverage_is_the_finite_formula(count: int, k: int, truth: float) -> None:
    assert expected_coverage(count, count, k) == pytest.approx(truth, abs=1e-6)


def test_expected_coverage_with_unequal_counts_agrees_with_simulation() -> None:
    coverages = [density_coverage(normal(60, 3, 2 * i), normal(150, 3, 2 * i + 1)).coverage for i in range(60)]
    assert np.mean(coverages) == pytest.approx(expected_coverage(60, 150, 5), abs=0.02)


def test_pitfall_6_by_the_strict_rule_the_balls_of_repeated_reference_rows_hold_nothing() -> None:
    rows = np.repeat(normal(50, 4, 1), 6, axis=0)
    assert density_coverage(rows, rows).coverage == 0
    assert precision_recall(rows, rows).precision == 1


@pytest.mark.parametrize(
    ("width", "scale"),
    [
        pytest.param(2, 1.0, marks=pytest.mark.slow),
        pytest.param(32, 1.0, marks=pytest.mark.slow),
        (16, 0.8),
    ],
)
def test_errors_agree_with_the_spread_over_repeated_samples(width: int, scale: float) -> None:
    values, errors = [], []
    for i in range(60):
        x, y = np.float32(scale) * normal(300, width, 2 * i), normal(300, width, 2 * i + 1)
        pr, dc = precision_recall(x, y, seed=i), density_coverage(x, y, seed=i)
        values.append([pr.precision, pr.recall, pr.f_score, dc.density, dc.coverage])
        errors.append([pr.precision_error, pr.recall_error, pr.f_score_error, dc.density_error, dc.coverage_error])
    ratio = np.sqrt(np.mean(np.square(np.array(errors, float)), axis=0)) / np.std(values, axis=0, ddof=1)
    assert ((ratio > 0.7) & (ratio < 1.4)).all(), ratio


def test_scores_of_unequal_counts_warn() -> None:
    scores = DensityCoverage()(Features.of(embedding=normal(40, 3, 1)), Features.of(embedding=normal(60, 3, 2)), seed=0)
    assert [score.name for score in scores] == ["density", "coverage", "precision_k5", "recall_k5"]
    assert all("40 generated and 60 reference rows" in score.detail["warning"] for score in scores)


def test_scores_of_equal_counts_do_not_warn() -> None:
    scores = PrecisionRecall()(Features.of(embedding=normal(40, 3, 1)), Features.of(embedding=normal(40, 3, 2)), seed=0)
    assert [score.name for score in scores] == ["precision", "recall", "f_score"]
    assert all("warning" not in score.detail and score.error is not None for score in scores)


def test_too_few_rows_for_halves_give_no_error_and_a_reason() -> None:
    scores = PrecisionRecall()(Features.of(embedding=normal(6, 3, 1)), Features.of(embedding=normal(6, 3, 2)), seed=0)
    assert all(score.error is None and "more than k" in score.detail["no_error"] for score in scores)


def test_as_many_neighbours_as_rows_are_refused() -> None:
    with pytest.raises(InputError, match="more than 5 reference rows, not 5"):
        density_coverage(normal(20, 3, 1), normal(5, 3, 2))


def test_k_of_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="not 0"):
        PrecisionRecall(k=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_differ_only_in_signs_are_not_equal(dtype: type) -> None:
    rows = np.array([[1.0, 2.0], [-1.0, -2.0], [1.0, 2.0]], dtype)
    side, _ = pair_of(rows, rows)
    distances = side.squared_distances(np.array([0, 0]), side, np.array([1, 2]))
    assert distances.tolist() == [20.0, 0.0]
