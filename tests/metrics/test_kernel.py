"""KID: closed forms, a naive double loop, torch-fidelity, and the standard error against simulated spread."""

from __future__ import annotations

import numpy as np
import pytest

from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.metrics.kernel import KernelDistance, KernelSurvey, kernel_distance
from genbench.metrics.pair_sums import pair_of, take_surveys


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
    # k(a, b) = (ab + 1)^3: own (0*1+1)^3 = 1 and (1*2+1)^3 = 27; across 1, 1, 8 and 27, mean 37/4... in one dimension
    found = kernel_distance([[0.0], [1.0]], [[1.0], [2.0]]).value
    assert found == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_A11_kid_of_shifted_gaussians_is_the_closed_form() -> None:
    d, mean = 64, 0.5
    own_y = 1 + 3 * mean**2 + 3 * (d + 2 * mean**2 * d + mean**4 * d**2) / d**2
    own_y += (d**3 * mean**6 + 6 * mean**4 * d**2 + mean**2 * (3 * d**2 + 6 * d)) / d**3
    truth = 1 + 3 / d + own_y - 2 * (1 + 3 * (1 + mean**2) / d)
    assert truth == pytest.approx(0.971069, abs=1e-6)
    found = kernel_distance(normal(2000, d, 1), normal(2000, d, 2, mean=mean))
    assert found.error is not None
    assert abs(found.value - truth) < 3 * found.error
    assert found.error < 0.03


@pytest.mark.parametrize(("mean", "low", "high"), [(0.0, 0.9, 1.3), (0.1, 0.85, 1.15), (0.5, 0.85, 1.15)])
def test_the_error_is_the_spread_over_repeated_samples(mean: float, low: float, high: float) -> None:
    found = [
        kernel_distance(normal(120, 16, 2 * i, mean=mean), normal(160, 16, 2 * i + 1), subsets=1) for i in range(250)
    ]
    spread = np.std([one.value for one in found], ddof=1)
    error = np.sqrt(np.mean([one.error**2 for one in found if one.error is not None]))
    assert low < error / spread < high


def test_the_error_of_the_subset_mean_is_its_spread() -> None:
    found = [
        kernel_distance(normal(120, 16, 2 * i), normal(160, 16, 2 * i + 1), subsets=10, subset_size=40, seed=i)
        for i in range(250)
    ]
    spread = np.std([one.subset_mean for one in found], ddof=1)
    error = np.sqrt(np.mean([one.subset_error**2 for one in found if one.subset_error is not None]))
    assert 0.85 < error / spread < 1.25


def test_pitfall_10_the_subset_std_is_not_the_standard_error() -> None:
    found = kernel_distance(normal(2000, 16, 1), normal(2000, 16, 2), subset_size=200)
    assert found.error is not None
    assert found.subset_std > 4 * found.error


def test_subsets_agree_with_torch_fidelity() -> None:
    torch = pytest.importorskip("torch")
    metric_kid = pytest.importorskip("torch_fidelity.metric_kid")
    x, y = (np.abs(normal(count, 96, count)).astype(np.float32) for count in (700, 600))
    options = {"kid_subsets": 20, "kid_subset_size": 300, "rng_seed": 2020, "verbose": False}
    theirs = metric_kid.kid_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), **options)
    ours = kernel_distance(x, y, subsets=20, subset_size=300)
    assert ours.subset_mean == pytest.approx(theirs["kernel_inception_distance_mean"], abs=1e-6)
    assert ours.subset_std == pytest.approx(theirs["kernel_inception_distance_std"], abs=1e-6)


@pytest.mark.parametrize("tile", [64, 200, 1024])
def test_the_tile_size_changes_the_value_by_rounding_only(tile: int) -> None:
    x, y = normal(300, 10, 1), normal(250, 10, 2, mean=0.1)
    one, other = kernel_distance(x, y), kernel_distance(x, y, tile=tile)
    assert one.value == pytest.approx(other.value, abs=1e-12)
    assert one.error == pytest.approx(other.error, abs=1e-12)
    assert one.subset_mean == pytest.approx(other.subset_mean, abs=1e-12)


def test_single_precision_agrees_with_double() -> None:
    x, y = (normal(900, 256, seed).astype(np.float32) + np.float32(0.4) for seed in (1, 2))
    found = []
    for dtype in (np.float32, np.float64):
        pair = pair_of(x, y)
        for rows in pair:
            object.__setattr__(rows, "dtype", np.dtype(dtype))
        metric = KernelDistance(subset_size=300)
        found.append(take_surveys([metric], *pair, seed=2020)[KernelSurvey].estimate(metric))
    assert found[0].value == pytest.approx(found[1].value, abs=1e-8)
    assert found[0].error == pytest.approx(found[1].error, rel=1e-4)
    assert found[0].subset_mean == pytest.approx(found[1].subset_mean, abs=1e-8)


def test_the_mean_far_from_the_origin_costs_no_digits() -> None:
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


def test_gamma_and_coef0_are_those_of_the_kernel() -> None:
    x, y = normal(30, 3, 1), normal(20, 3, 2)
    truth = _unbiased(x, y, lambda a, b: (0.5 * (a @ b.T) + 2) ** 4)
    assert kernel_distance(x, y, degree=4, gamma=0.5, coef0=2.0).value == pytest.approx(truth, rel=1e-10)


def test_fewer_rows_than_a_subset_are_said_in_the_score() -> None:
    kid, subsets = KernelDistance()(
        Features.of(embedding=normal(40, 3, 1)), Features.of(embedding=normal(60, 3, 2)), seed=0
    )
    assert subsets.detail["subset_size"] == 40
    assert "40 rows instead of 1000" in subsets.detail["warning"]
    assert "warning" not in kid.detail


def test_scores_carry_torch_fidelitys_long_name() -> None:
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
    found = kernel_distance(normal(3, 3, 1), normal(20, 3, 2))
    assert np.isfinite(found.value)
    assert found.error is None


@pytest.mark.parametrize("options", [{"degree": 0}, {"subsets": 0}, {"subset_size": 1}, {"seed": -1}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        KernelDistance(**options)


def test_the_runs_seed_does_not_move_the_subsets() -> None:
    generated, reference = Features.of(embedding=normal(40, 3, 1)), Features.of(embedding=normal(60, 3, 2))
    metric = KernelDistance(subset_size=30)
    assert metric(generated, reference, seed=0) == metric(generated, reference, seed=1)
