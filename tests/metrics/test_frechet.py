"""Frechet distance: closed forms, the two oracles (matrix root, nuclear norm), bias and error against simulation."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.datasets import load_digits
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from genbench.errors import InputError, PlugError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.frechet.metric import FrechetDistance, frechet_distance, frechet_distance_of_rows

SECOND = ((1.0, 2.0), ((2.0, 0.5), (0.5, 1.0)))


def draw(rng: np.random.Generator, rows: int, size: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return shift + scale * rng.standard_normal((rows, size))


def oracle(one: np.ndarray, two: np.ndarray) -> float:
    shift = one.mean(axis=0) - two.mean(axis=0)
    first, second = np.cov(one, rowvar=False), np.cov(two, rowvar=False)
    return float(shift @ shift + np.trace(first + second - 2 * sqrtm(first @ second).real))


def scored(generated: np.ndarray, reference: np.ndarray | Moments, seed: int = 0) -> dict[str, object]:
    side = reference if isinstance(reference, Moments) else Features.of(embedding=reference)
    return {score.name: score for score in FrechetDistance()(Features.of(embedding=generated), side, seed=seed)}


def test_A03_closed_form_against_the_standard_normal() -> None:
    assert frechet_distance(np.zeros(2), np.eye(2), *SECOND) == pytest.approx(5.247842, abs=1e-6)


def test_A04_closed_form_with_and_without_a_shift() -> None:
    covariance = [[2.0, 0.3], [0.3, 1.0]]
    assert frechet_distance([0.0, 0.0], covariance, *SECOND) == pytest.approx(5.014517, abs=1e-6)
    assert frechet_distance([1.0, 2.0], covariance, *SECOND) == pytest.approx(0.014517, abs=1e-6)


@pytest.mark.parametrize("rows", [500, 65, 64, 20])
def test_A05_the_distance_to_itself_is_zero(rows: int) -> None:
    sample = draw(np.random.default_rng(rows), rows, 64, 3.0)
    assert frechet_distance_of_rows(sample, sample) == pytest.approx(0, abs=64e-8)
    mean, covariance = sample.mean(axis=0), np.cov(sample, rowvar=False)
    assert frechet_distance(mean, covariance, mean, covariance) == pytest.approx(0, abs=64e-8)


@pytest.mark.parametrize(("rows", "others"), [(300, 200), (300, 30), (20, 30)])
def test_A05_the_distance_is_symmetric_and_rotation_invariant(rows: int, others: int) -> None:
    rng = np.random.default_rng(0)
    one, two = draw(rng, rows, 50), draw(rng, others, 50, 0.3, 1.2)
    turn = np.linalg.qr(rng.standard_normal((50, 50)))[0]
    value = frechet_distance_of_rows(one, two)
    assert frechet_distance_of_rows(two, one) == pytest.approx(value, rel=1e-10)
    assert frechet_distance_of_rows(one @ turn, two @ turn) == pytest.approx(value, rel=1e-10)


def test_a_unit_shift_in_2048_dimensions_is_2048() -> None:
    identity = np.eye(2048)
    assert frechet_distance(np.zeros(2048), identity, np.ones(2048), identity) == pytest.approx(2048, rel=1e-9)


@pytest.mark.parametrize("size", [2, 16, 100])
def test_full_rank_agrees_with_the_matrix_square_root(size: int) -> None:
    rng = np.random.default_rng(size)
    one = draw(rng, 6 * size, size) * np.logspace(-1, 1, size)
    two = draw(rng, 5 * size, size, 0.1) @ rng.standard_normal((size, size))
    assert frechet_distance_of_rows(one, two) == pytest.approx(oracle(one, two), rel=1e-9)


@pytest.mark.parametrize(("rows", "others"), [(20, 30), (64, 10), (300, 20), (20, 300)])
def test_rank_deficient_covariances_agree_with_the_nuclear_norm_of_the_rows(rows: int, others: int) -> None:
    rng = np.random.default_rng(rows)
    one, two = draw(rng, rows, 64), draw(rng, others, 64, 0.5, 2.0)
    shift = one.mean(axis=0) - two.mean(axis=0)
    centred, other = one - one.mean(axis=0), two - two.mean(axis=0)
    nuclear = np.linalg.norm(centred @ other.T, "nuc") / np.sqrt((rows - 1) * (others - 1))
    first, second = np.cov(one, rowvar=False), np.cov(two, rowvar=False)
    expected = shift @ shift + np.trace(first) + np.trace(second) - 2 * nuclear
    assert frechet_distance_of_rows(one, two) == pytest.approx(expected, rel=1e-9)
    moments = one.mean(axis=0), first, two.mean(axis=0), second
    assert frechet_distance(*moments) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rows", [20, 300])
def test_float32_rows_give_the_distance_of_their_float64_copies(rows: int) -> None:
    rng = np.random.default_rng(rows)
    one, two = (draw(rng, rows, 64, 100.0 + side).astype(np.float32) for side in range(2))
    expected = frechet_distance_of_rows(one.astype(np.float64), two.astype(np.float64))
    assert frechet_distance_of_rows(one, two) == pytest.approx(expected, rel=1e-12)


def test_dead_dimensions_do_not_change_the_distance() -> None:
    rng = np.random.default_rng(3)
    one, two = draw(rng, 200, 10), draw(rng, 300, 10, 0.2, 1.3)
    padded = [np.hstack([rows, np.zeros((len(rows), 5))]) for rows in (one, two)]
    assert frechet_distance_of_rows(*padded) == pytest.approx(frechet_distance_of_rows(one, two), rel=1e-9)


def test_equal_samples_leave_the_mean_term_and_the_trace_of_the_other_side() -> None:
    rng = np.random.default_rng(4)
    other = draw(rng, 100, 5)
    expected = float((other.mean(axis=0) ** 2).sum() + np.trace(np.cov(other, rowvar=False)))
    assert frechet_distance_of_rows(np.zeros((50, 5)), other) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("factor", [1e-8, 1e8])
@pytest.mark.parametrize("rows", [200, 12])
def test_the_distance_scales_with_the_square_of_the_units(factor: float, rows: int) -> None:
    rng = np.random.default_rng(5)
    one, two = draw(rng, rows, 16), draw(rng, rows, 16, 0.4, 1.5)
    value = frechet_distance_of_rows(one, two)
    assert frechet_distance_of_rows(factor * one, factor * two) == pytest.approx(factor**2 * value, rel=1e-9)


def test_agrees_with_torch_fidelity_on_the_same_features() -> None:
    rng = np.random.default_rng(6)
    one, two = draw(rng, 700, 96), draw(rng, 600, 96, 0.2, 1.1)
    statistics = [fid_features_to_statistics(torch.from_numpy(rows)) for rows in (one, two)]
    expected = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance_of_rows(one, two) == pytest.approx(expected, rel=1e-11)
    assert scored(one, two)["fid"].value == pytest.approx(expected, rel=1e-11)


def test_A15_the_bias_at_equal_distributions_falls_as_one_over_n() -> None:
    rng = np.random.default_rng(7)
    counts = np.repeat([500, 1000, 2000, 4000], 3)
    values = [frechet_distance_of_rows(draw(rng, n, 64), draw(rng, n, 64)) for n in counts]
    slope, intercept = np.polyfit(1 / counts, values, 1)
    assert slope == pytest.approx(2 * 64 + (64**2 + 64) / 2, rel=0.1)
    assert intercept == pytest.approx(0, abs=0.1)


def test_A16_the_debiased_distance_of_equal_distributions_is_about_zero() -> None:
    rng = np.random.default_rng(8)
    scores = scored(draw(rng, 1000, 16), draw(rng, 1000, 16))
    assert scores["fid"].value == pytest.approx(0.17, abs=0.07)
    assert scores["fid_debiased"].value == pytest.approx(0, abs=0.08)


@pytest.mark.parametrize("rows", [200, 33])
def test_debiasing_takes_most_of_the_bias_away_from_twice_the_dimensions_on(rows: int) -> None:
    rng = np.random.default_rng(9)
    truth = 16 * (0.2**2 + 0.1**2)
    drawn = [scored(draw(rng, rows, 16, 0.2, 1.1), draw(rng, rows, 16)) for _ in range(12)]
    bias = np.mean([scores["fid"].value for scores in drawn]) - truth
    left = np.mean([scores["fid_debiased"].value for scores in drawn]) - truth
    assert bias > 0.5
    assert abs(left) < bias / 5


def test_the_error_is_the_spread_over_repeated_draws() -> None:
    rng = np.random.default_rng(20)
    drawn = [scored(draw(rng, 400, 8, 0.3, 1.2), draw(rng, 300, 8)) for _ in range(200)]
    for name in ("fid", "fid_debiased"):
        spread = np.std([scores[name].value for scores in drawn], ddof=1)
        assert np.mean([scores[name].error for scores in drawn]) == pytest.approx(spread, rel=0.2), name


def test_against_moments_the_error_is_the_spread_over_draws_of_the_generated_side() -> None:
    rng = np.random.default_rng(11)
    reference = Moments(np.zeros(8), np.eye(8))
    drawn = [scored(draw(rng, 400, 8, 0.3, 1.2), reference) for _ in range(150)]
    spread = np.std([scores["fid"].value for scores in drawn], ddof=1)
    assert np.mean([scores["fid"].error for scores in drawn]) == pytest.approx(spread, rel=0.2)
    assert drawn[0]["fid"].detail["error_covers"] == "generated"
    assert "share of the bias remains" in drawn[0]["fid_debiased"].detail["note"]


def test_moments_and_rows_of_one_reference_give_one_distance() -> None:
    rng = np.random.default_rng(12)
    one, two = draw(rng, 100, 8), draw(rng, 100, 8, 1.0)
    moments = Features.of(embedding=two).moments()
    assert scored(one, moments)["fid"].value == pytest.approx(scored(one, two)["fid"].value, rel=1e-12)


def test_the_order_of_rows_changes_the_distance_by_rounding_and_the_debiased_value_by_less_than_its_error() -> None:
    rng = np.random.default_rng(13)
    one, two = draw(rng, 300, 24), draw(rng, 300, 24, 0.5)
    plain, shuffled = scored(one, two), scored(one[::-1], two[rng.permutation(300)])
    assert shuffled["fid"].value == pytest.approx(plain["fid"].value, rel=1e-8)
    error = plain["fid_debiased"].error
    assert abs(shuffled["fid_debiased"].value - plain["fid_debiased"].value) < error
    assert shuffled["fid_debiased"].error == pytest.approx(error, rel=0.1)


def test_rows_in_several_blocks_give_the_same_numbers() -> None:
    rng = np.random.default_rng(14)
    one, two = draw(rng, 301, 8), draw(rng, 200, 8, 0.5)
    blocks = Features([{"embedding": one[:7]}, {"embedding": one[7:200]}, {"embedding": one[200:]}])
    split = {score.name: score for score in FrechetDistance()(blocks, Features.of(embedding=two), seed=0)}
    for name, score in scored(one, two).items():
        assert split[name].value == pytest.approx(score.value, rel=1e-9), name
        assert split[name].error == pytest.approx(score.error, rel=1e-9), name


def test_a_set_against_itself_is_zero_debiased_too() -> None:
    sample = draw(np.random.default_rng(15), 200, 8)
    assert scored(sample, sample.copy())["fid_debiased"].value == pytest.approx(0, abs=1e-7)


def test_the_noise_of_the_blocks_cancels_from_the_difference_of_paired_sets() -> None:
    rng = np.random.default_rng(21)
    one, two = draw(rng, 300, 8, 0.3), draw(rng, 300, 8)
    nearly = one + 1e-6 * draw(rng, 300, 8)
    values = [scored(side, two)["fid_debiased"].value for side in (one, nearly)]
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def test_too_few_samples_give_a_warning() -> None:
    rng = np.random.default_rng(16)
    few = scored(draw(rng, 30, 32), draw(rng, 100, 32))["fid"]
    assert few.detail["warning"].startswith("30 generated samples are too few for 32 dimensions: the covariance is")
    assert few.detail["error_by"] == "block jackknife, with the second order from random splits of all rows"
    assert "warning" not in scored(draw(rng, 100, 32), draw(rng, 100, 32))["fid"].detail


def test_two_samples_have_a_distance_but_no_error() -> None:
    scores = scored(np.eye(2), np.ones((40, 2)) * np.arange(40)[:, None])
    assert list(scores) == ["fid"]
    assert scores["fid"].error is None


def test_details_are_plain_data() -> None:
    rng = np.random.default_rng(19)
    scores = scored(draw(rng, 30, 4), draw(rng, 40, 4))
    detail = json.loads(json.dumps(scores["fid"].detail))
    assert (detail["generated"], detail["reference"], detail["dimensions"]) == (30, 40, 4)
    assert detail["mean_term"] + detail["covariance_term"] == pytest.approx(scores["fid"].value, rel=1e-12)
    assert {type(score.value) for score in scores.values()} == {float}


def test_one_sample_is_refused() -> None:
    with pytest.raises(InputError, match="1 sample"):
        scored(np.ones((1, 4)), np.eye(4))


def test_embeddings_of_different_size_are_refused() -> None:
    with pytest.raises(InputError, match="of 4 dimensions and arrays of 5"):
        scored(np.eye(4), np.eye(5))


def test_no_reference_is_refused() -> None:
    with pytest.raises(PlugError, match="needs a reference"):
        FrechetDistance()(Features.of(embedding=np.eye(4)), None, seed=0)


def test_rows_with_nan_are_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        frechet_distance_of_rows(np.full((5, 2), np.nan), np.eye(2))


def test_the_cholesky_factor_of_the_reference_is_cached() -> None:
    rng = np.random.default_rng(17)
    reference = Features.of(embedding=draw(rng, 50, 4))
    FrechetDistance()(Features.of(embedding=draw(rng, 50, 4)), reference, seed=0)
    assert {"moments of embedding", "cholesky of embedding"} <= set(reference.cache)


@pytest.mark.parametrize(
    ("rows", "limit"), [(50, "jackknife"), (50, "extrapolation"), (3, "jackknife"), (2, "jackknife")]
)
def test_cached_numbers_give_the_same_scores(rows: int, limit: str) -> None:
    rng = np.random.default_rng(21)
    generated, reference = (Features.of(embedding=draw(rng, rows, 3)) for _ in range(2))
    metric = FrechetDistance(limit=limit)
    first = metric(generated, reference, seed=0)
    arrays = next(arrays for key, arrays in generated.cache.items() if key.startswith("frechet distance"))
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float64)}
    assert metric(generated, reference, seed=0) == first
    assert FrechetDistance(limit=limit)(Features(generated.blocks), reference, seed=0) == first  # nothing is cached


def test_A35_noise_missing_classes_and_collapse_have_different_distances_on_real_digits() -> None:
    data, label = load_digits(return_X_y=True)
    data = data / 16
    rng = np.random.default_rng(18)
    reference, rest, classes = data[::2], data[1::2], label[1::2]
    levels = [rest, *(rest + sigma * rng.standard_normal(rest.shape) for sigma in (0.05, 0.1, 0.2, 0.4))]
    values = [frechet_distance_of_rows(rows, reference) for rows in levels]
    assert values == sorted(values)
    half = frechet_distance_of_rows(rest[classes < 5], reference)
    collapse = frechet_distance_of_rows(np.tile(rest[classes == 1][:10], (90, 1)), reference)
    assert values[0] < half < collapse


@pytest.mark.parametrize(("rows", "warned"), [(20, True), (63, True), (64, False)])
def test_there_is_no_debiased_value_below_twice_the_dimensions(rows: int, warned: bool) -> None:
    rng = np.random.default_rng(22)
    scores = scored(draw(rng, rows, 32), draw(rng, 100, 32))
    assert ("fid_debiased" not in scores) == warned
    assert ("kid" in scores["fid"].detail.get("warning", "")) == warned


def test_near_0_the_error_is_the_spread() -> None:
    drawn = []
    for seed in range(60):
        rng = np.random.default_rng([17, seed])
        drawn.append(scored(draw(rng, 200, 8), draw(rng, 200, 8))["fid"])
    assert {fid.detail["error_by"] for fid in drawn} == {
        "influence function, with the second order from random splits of all rows"
    }
    spread = np.std([fid.value for fid in drawn], ddof=1)
    assert 0.8 < np.sqrt(np.mean([fid.error**2 for fid in drawn])) / spread < 1.3  # without splits: 1.41


@pytest.mark.parametrize(("rows", "dimensions"), [(80, 64), (120, 64), (400, 1)])
def test_the_error_is_the_spread_for_few_rows_and_for_few_dimensions(rows: int, dimensions: int) -> None:
    drawn = []
    for seed in range(60):
        rng = np.random.default_rng([25, seed])
        drawn.append(scored(draw(rng, rows, dimensions, 0.05), draw(rng, rows, dimensions))["fid"])
    spread = np.std([fid.value for fid in drawn], ddof=1)
    assert 0.75 < np.sqrt(np.mean([fid.error**2 for fid in drawn])) / spread < 1.35


def test_the_line_through_subsets_gives_fid_infinity() -> None:
    rng = np.random.default_rng(18)
    generated, reference = (Features.of(embedding=draw(rng, 600, 8)) for _ in range(2))
    scores = {score.name: score for score in FrechetDistance(limit="extrapolation")(generated, reference, seed=0)}
    assert list(scores) == ["fid", "fid_infinity"]
    assert abs(scores["fid_infinity"].value) < scores["fid"].value


def test_an_unknown_limit_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'jackknife'"):
        FrechetDistance(limit="jacknife")  # type: ignore[arg-type]
