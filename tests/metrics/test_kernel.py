"""KID: closed forms, a naive double loop, torch-fidelity, and the standard error compared with simulated spread."""

from __future__ import annotations

import numpy as np
import pytest

from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.metrics.kernel import KernelDistance, KernelSums, kernel_distance
from genbench.metrics.pair_sums import gather_pair_sums
from genbench.metrics.tiles import pair_of


def normal(count: int, width: int, seed: int, mean: float = 0.0) -> np.ndarray:
    return mean + np.random.default_rng([seed, 2]).standard_normal((count, width))


def naive(x: np.ndarray, y: np.ndarray) -> float:
    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    own_x = sum(kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / (len(x) * (len(x) - 1))
    own_y = sum(kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / (len(y) * (len(y) - 1))
    return own_x + own_y - 2 * sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))


def test_A10_kid_is_the_u_statistic_of_a_naive_double_loop() -> None:
    x, y = normal(23, 5, 1), normal(17, 5, 2, mean=0.3)
    assert kernel_distance(x, y).value == pytest.approx(naive(x, y), abs=1e-10)


def test_A10_kid_of_a_set_with_itself_is_negative() -> None:
    x = normal(50, 5, 1)
    assert kernel_distance(x, x).value < 0


def test_kid_of_two_pairs_of_points_by_hand() -> None:
    # k(a, b) = (ab + 1)^3: own (0*1+1)^3 = 1 and (1*2+1)^3 = 27; between the sets 1, 1, 8 and 27
    value = kernel_distance([[0.0], [1.0]], [[1.0], [2.0]]).value
    assert value == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_A11_kid_of_shifted_gaussians_is_the_closed_form() -> None:
    d, mean = 64, 0.5
    own_y = 1 + 3 * mean**2 + 3 * (d + 2 * mean**2 * d + mean**4 * d**2) / d**2
    own_y += (d**3 * mean**6 + 6 * mean**4 * d**2 + mean**2 * (3 * d**2 + 6 * d)) / d**3
    truth = 1 + 3 / d + own_y - 2 * (1 + 3 * (1 + mean**2) / d)
    assert truth == pytest.approx(0.971069, abs=1e-6)
    estimate = kernel_distance(normal(2000, d, 1), normal(2000, d, 2, mean=mean))
    assert estimate.error is not None
    assert abs(estimate.value - truth) < 3 * estimate.error
    assert estimate.error < 0.03


@pytest.mark.parametrize(
    ("mean", "low", "high"),
    [
        pytest.param(0.0, 0.9, 1.3, marks=pytest.mark.slow),
        (0.1, 0.85, 1.15),
        pytest.param(0.5, 0.85, 1.15, marks=pytest.mark.slow),
    ],
)
def test_the_error_agrees_with_the_spread_over_repeated_samples(mean: float, low: float, high: float) -> None:
    estimates = [
        kernel_distance(normal(120, 16, 2 * i, mean=mean), normal(160, 16, 2 * i + 1), subsets=1) for i in range(250)
    ]
    spread = np.std([estimate.value for estimate in estimates], ddof=1)
    error = np.sqrt(np.mean([estimate.error**2 for estimate in estimates if estimate.error is not None]))
    assert low < error / spread < high


@pytest.mark.slow
def test_the_error_of_the_subset_mean_agrees_with_its_spread() -> None:
    estimates = [
        kernel_distance(normal(120, 16, 2 * i), normal(160, 16, 2 * i + 1), subsets=10, subset_size=40, seed=i)
        for i in range(250)
    ]
    spread = np.std([estimate.subset_mean for estimate in estimates], ddof=1)
    squares = [estimate.subset_error**2 for estimate in estimates if estimate.subset_error is not None]
    error = np.sqrt(np.mean(squares))
    assert 0.85 < error / spread < 1.25


def test_pitfall_10_the_subset_std_is_not_the_standard_error() -> None:
    estimate = kernel_distance(normal(2000, 16, 1), normal(2000, 16, 2), subset_size=200)
    assert estimate.error is not None
    assert estimate.subset_std > 4 * estimate.error


def test_subsets_agree_with_torch_fidelity() -> None:
    torch = pytest.importorskip("torch")
    metric_kid = pytest.importorskip("torch_fidelity.metric_kid")
    x, y = (np.abs(normal(count, 96, count)).astype(np.float32) for count in (700, 600))
    options = {"kid_subsets": 20, "kid_subset_size": 300, "rng_seed": 2020, "verbose": False}
    peer = metric_kid.kid_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), **options)
    estimate = kernel_distance(x, y, subsets=20, subset_size=300)
    assert estimate.subset_mean == pytest.approx(peer["kernel_inception_distance_mean"], abs=1e-6)
    assert estimate.subset_std == pytest.approx(peer["kernel_inception_distance_std"], abs=1e-6)


@pytest.mark.parametrize("tile", [64, 200, 1024])
def test_the_tile_size_changes_the_value_by_rounding_only(tile: int) -> None:
    x, y = normal(300, 10, 1), normal(250, 10, 2, mean=0.1)
    expected, estimate = kernel_distance(x, y), kernel_distance(x, y, tile=tile)
    assert estimate.value == pytest.approx(expected.value, abs=1e-12)
    assert estimate.error == pytest.approx(expected.error, abs=1e-12)
    assert estimate.subset_mean == pytest.approx(expected.subset_mean, abs=1e-12)


def test_single_precision_agrees_with_double() -> None:
    x, y = (normal(900, 256, seed).astype(np.float32) + np.float32(0.4) for seed in (1, 2))
    estimates = []
    for dtype in (np.float32, np.float64):
        pair = pair_of(x, y)
        for rows in pair:
            object.__setattr__(rows, "dtype", np.dtype(dtype))
        metric = KernelDistance(subset_size=300)
        estimates.append(gather_pair_sums([metric], *pair, seed=2020)[KernelSums].estimate(metric))
    single, double = estimates
    assert single.value == pytest.approx(double.value, abs=1e-8)
    assert single.error == pytest.approx(double.error, rel=1e-4)
    assert single.subset_mean == pytest.approx(double.subset_mean, abs=1e-8)


def test_rows_far_from_the_origin_lose_no_digits() -> None:
    x, y = normal(60, 3, 1) + 1000, normal(50, 3, 2) + 1000
    assert kernel_distance(x, y, degree=2).value == pytest.approx(
        _unbiased(x, y, lambda a, b: (a @ b.T / 3 + 1) ** 2), rel=1e-6
    )


def _unbiased(x: np.ndarray, y: np.ndarray, kernel: object) -> float:
    assert callable(kernel)
    x, y = x.astype(np.longdouble), y.astype(np.longdouble)
    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    own = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (xx, yy)]
    return float(own[0] + own[1] - 2 * xy.mean())


def test_gamma_and_coef0_are_parameters_of_the_kernel() -> None:
    x, y = normal(30, 3, 1), normal(20, 3, 2)
    truth = _unbiased(x, y, lambda a, b: (0.5 * (a @ b.T) + 2) ** 4)
    assert kernel_distance(x, y, degree=4, gamma=0.5, coef0=2.0).value == pytest.approx(truth, rel=1e-10)


def test_the_score_warns_if_there_are_fewer_rows_than_a_subset_needs() -> None:
    kid, subsets = KernelDistance()(
        Features.of(embedding=normal(40, 3, 1)), Features.of(embedding=normal(60, 3, 2)), seed=0
    )
    assert subsets.detail["subset_size"] == 40
    assert "40 rows instead of 1,000" in subsets.detail["warning"]
    assert "warning" not in kid.detail


def test_scores_have_the_long_names_of_torch_fidelity() -> None:
    scores = KernelDistance(subset_size=30)(
        Features.of(embedding=normal(40, 3, 1)), Features.of(embedding=normal(60, 3, 2)), seed=0
    )
    assert [(score.name, score.key) for score in scores] == [
        ("kid", "kernel_inception_distance"),
        ("kid_subsets", "kernel_inception_distance_mean"),
    ]
    assert "warning" not in scores[1].detail


def test_one_row_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2 generated rows, not 1"):
        kernel_distance(normal(1, 3, 1), normal(20, 3, 2))


def test_with_three_rows_there_is_a_value_but_no_error() -> None:
    estimate = kernel_distance(normal(3, 3, 1), normal(20, 3, 2))
    assert np.isfinite(estimate.value)
    assert estimate.error is None


@pytest.mark.parametrize("options", [{"degree": 0}, {"subsets": 0}, {"subset_size": 1}, {"seed": -1}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        KernelDistance(**options)


def test_the_seed_of_the_run_does_not_change_the_subsets() -> None:
    generated, reference = Features.of(embedding=normal(40, 3, 1)), Features.of(embedding=normal(60, 3, 2))
    metric = KernelDistance(subset_size=30)
    assert metric(generated, reference, seed=0) == metric(generated, reference, seed=1)
