"""The shared pass over all pairs of rows: tiles, bounds, exact distances, memory, invalid input."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genbench.errors import InputError
from genbench.features.features import Features, Moments
from genbench.metrics.kernel import KernelDistance
from genbench.metrics.pair_sums import evaluate_together
from genbench.metrics.precision_recall import DensityCoverage, PrecisionRecall
from genbench.metrics.tiles import Rows, Tile, compute_tile, pair_of


def normal(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 1]).standard_normal((count, width)).astype(np.float32)


def whole_tile(left: Rows, right: Rows, dtype: type) -> Tile:
    return compute_tile(left, slice(0, len(left)), right, slice(0, len(right)), dtype)


@pytest.mark.parametrize("offset", [0, 100, 1e5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bounds_hold_the_squared_distance_however_far_from_the_origin(offset: float, dtype: type) -> None:
    x, y = normal(60, 300, 1) + np.float32(offset), normal(50, 300, 2) + np.float32(offset)
    y[:10] = x[:10] + np.float32(1e-3)
    tile = whole_tile(*pair_of(x, y), dtype)
    truth = cdist(x.astype(np.float64), y.astype(np.float64), "sqeuclidean")
    i, j = np.indices(truth.shape).reshape(2, -1)
    lower = tile.lower_bounds[i, j].astype(np.float64)
    assert (lower <= truth[i, j]).all()
    assert (lower + tile.bound_widths(i, j) >= truth[i, j]).all()


def test_equal_rows_are_exactly_zero_apart() -> None:
    x = normal(40, 300, 1)
    left, right = pair_of(x, x[::-1])
    assert (left.squared_distances(np.arange(40), right, np.arange(39, -1, -1)) == 0).all()


def test_distances_of_pairs_agree_with_scipy() -> None:
    x, y = normal(40, 7, 1), normal(30, 7, 2)
    left, right = pair_of(x, y)
    i, j = np.indices((40, 30)).reshape(2, -1)
    truth = cdist(x.astype(np.float64), y.astype(np.float64), "sqeuclidean")
    np.testing.assert_allclose(left.squared_distances(i, right, j), truth[i, j], rtol=1e-14)


def test_metrics_in_one_pass_give_the_same_scores_as_alone() -> None:
    generated, reference = Features.of(embedding=normal(150, 9, 1)), Features.of(embedding=normal(120, 9, 2))
    metrics = [KernelDistance(subset_size=50), PrecisionRecall(), DensityCoverage(), PrecisionRecall(k=4)]
    together = evaluate_together(metrics, generated, reference, seed=3)
    assert together == [metric(generated, reference, seed=3) for metric in metrics]


def test_all_metrics_of_pairs_are_evaluated_by_the_same_function() -> None:
    assert (
        KernelDistance().evaluate_together
        is PrecisionRecall().evaluate_together
        is DensityCoverage().evaluate_together
        is evaluate_together
    )


def test_small_input_uses_double_precision_and_large_float32_input_single_precision() -> None:
    assert pair_of(normal(10, 9, 1), normal(10, 9, 2))[0].dtype == np.float64
    assert pair_of(normal(4000, 512, 1), normal(4000, 512, 2))[0].dtype == np.float32
    assert pair_of(normal(4000, 512, 1) * np.float32(1e9), normal(4000, 512, 2))[0].dtype == np.float64


def test_the_pass_needs_little_memory() -> None:
    generated, reference = (Features.of(embedding=normal(4000, 512, seed)) for seed in (1, 2))
    for features in (generated, reference):
        features["embedding"]
    tracemalloc.start()
    try:
        evaluate_together([KernelDistance(), PrecisionRecall(), DensityCoverage()], generated, reference, seed=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80e6  # one float32 distance matrix would need 64e6, and the peers hold several


def test_the_number_of_threads_changes_the_values_by_rounding_only() -> None:
    code = (
        "import numpy as np; from genbench.metrics.kernel import kernel_distance;"
        "from genbench.metrics.precision_recall import precision_recall;"
        "x, y = np.random.default_rng(1).standard_normal((2, 1500, 300)).astype('f4');"
        "p = precision_recall(x, y); print(p.precision, p.recall, kernel_distance(x, y).value)"
    )
    results = []
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        run = [sys.executable, "-c", f"import os; os.environ.update({dict.fromkeys(names, threads)}); {code}"]
        results.append(np.array(subprocess.run(run, check=True, capture_output=True, text=True).stdout.split(), float))
    assert (results[0][:2] == results[1][:2]).all()
    np.testing.assert_allclose(*results, rtol=0, atol=1e-9)


def test_different_widths_are_refused() -> None:
    with pytest.raises(InputError, match="3 dimensions and the reference rows 4"):
        pair_of(np.zeros((5, 3)), np.zeros((5, 4)))


def test_nan_is_refused_and_the_message_names_the_side() -> None:
    rows = np.zeros((5, 3))
    rows[2, 1] = np.nan
    with pytest.raises(InputError, match="reference rows hold NaN"):
        pair_of(np.zeros((5, 3)), rows)


@pytest.mark.parametrize("shape", [(5,), (0, 3), (2, 3, 4)])
def test_rows_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="generated rows must have shape"):
        pair_of(np.zeros(shape), np.zeros((5, 3)))


@pytest.mark.parametrize("reference", [None, Moments(np.zeros(3), np.eye(3))])
def test_a_reference_without_rows_is_refused(reference: Moments | None) -> None:
    with pytest.raises(InputError, match="needs the rows of the reference samples"):
        KernelDistance()(Features.of(embedding=np.zeros((5, 3))), reference, seed=0)


def test_float64_rows_keep_their_precision() -> None:
    x = np.random.default_rng([3, 1]).standard_normal((50, 4)) + 1e8
    rows = replace(pair_of(x, x)[0])
    pair = rows.squared_distances(np.array([0]), rows, np.array([1]))
    np.testing.assert_allclose(pair, ((x[0] - x[1]) ** 2).sum(), rtol=1e-15)
