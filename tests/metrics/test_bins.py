"""NDB: hand-computed tests of proportions, the null rate, and bins that depend on nothing but the rows and the seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from threadpoolctl import threadpool_limits

from genbench.errors import InputError, PlugError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.bins import DifferentBins, different_bins, reference_bins
from genbench.plugs.contracts import Score


def draw(rng: np.random.Generator, rows: int, size: int = 8, shift: float = 0.0) -> np.ndarray:
    return (shift + rng.standard_normal((rows, size))).astype(np.float32)


def scored(generated: np.ndarray, reference: np.ndarray, *, bins: int = 100, seed: int = 0) -> dict[str, Score]:
    metric = DifferentBins(bins=bins)
    sides = Features.of(embedding=generated), Features.of(embedding=reference)
    return {score.name: score for score in metric(*sides, seed=seed)}


def test_A19_equal_distributions_differ_in_few_bins_and_a_shift_in_many() -> None:
    rng = np.random.default_rng(0)
    reference = draw(rng, 4000, 16)
    null, shifted = scored(draw(rng, 4000, 16), reference), scored(draw(rng, 4000, 16, 0.2), reference)
    assert null["ndb"].value <= 0.10
    assert shifted["ndb"].value >= 0.3
    assert shifted["ndb_js"].value > null["ndb_js"].value


def test_two_proportions_by_hand() -> None:
    # 60 of 200 against 40 of 200: pooled .25, z = .1 / sqrt(.1875 / 100) = 2.309; 55 against 45: z = 1.155
    assert different_bins([60, 140], [40, 160]).tolist() == [True, True]
    assert different_bins([55, 145], [45, 155]).tolist() == [False, False]
    assert different_bins([60, 140], [40, 160], alpha=0.01).tolist() == [False, False]


def test_a_bin_that_is_empty_on_both_sides_does_not_differ() -> None:
    assert different_bins([0, 50, 50], [0, 50, 50]).tolist() == [False, False, False]


def test_counts_of_different_length_are_refused() -> None:
    with pytest.raises(InputError, match="one length"):
        different_bins([1, 2], [1, 2, 3])


def test_bins_separate_clusters_and_count_them() -> None:
    rows = np.repeat([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], [20, 30, 50], axis=0)
    rows = rows + np.random.default_rng(1).normal(0, 0.1, rows.shape)
    bins = reference_bins(rows, bins=3)
    assert sorted(bins.counts.tolist()) == [20, 30, 50]
    assert sorted(bins.histogram([[9.0, 1.0], [11.0, 0.0], [0.0, 9.0]]).tolist()) == [0, 1, 2]


def test_bins_depend_neither_on_the_order_of_rows_nor_on_threads() -> None:
    rows = draw(np.random.default_rng(2), 500, 4)
    one = reference_bins(rows, bins=20, seed=3)
    with threadpool_limits(limits=2):
        two = reference_bins(rows[::-1], bins=20, seed=3)
    assert np.array_equal(one.centres, two.centres)
    assert np.array_equal(one.counts, two.counts)


def test_another_seed_makes_other_bins() -> None:
    rows = draw(np.random.default_rng(4), 500, 4)
    assert not np.array_equal(
        reference_bins(rows, bins=20, seed=0).centres, reference_bins(rows, bins=20, seed=1).centres
    )


def test_the_bins_of_the_reference_are_cached() -> None:
    rng = np.random.default_rng(5)
    reference = Features.of(embedding=draw(rng, 300))
    DifferentBins(bins=10)(Features.of(embedding=draw(rng, 300)), reference, seed=7)
    assert list(reference.cache) == ["bins of embedding, 10, seed 7", "labels of bins of embedding, 10, seed 7"]


def test_a_set_against_itself_has_no_different_bin() -> None:
    rows = draw(np.random.default_rng(6), 1000)
    scores = scored(rows, rows[::-1], bins=20)
    assert scores["ndb"].value == 0
    assert scores["ndb_js"].value == pytest.approx(0, abs=1e-15)


def test_the_divergence_is_the_square_of_scipys() -> None:
    rng = np.random.default_rng(7)
    reference, generated = draw(rng, 1000), draw(rng, 700, shift=0.5)
    bins = reference_bins(reference, bins=20, seed=0)
    expected = jensenshannon(bins.histogram(generated), bins.counts) ** 2
    assert scored(generated, reference, bins=20)["ndb_js"].value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_errors_are_of_the_size_of_the_spread_over_repeated_draws(shift: float) -> None:
    rng = np.random.default_rng(8)
    drawn = [scored(draw(rng, 400, 2, shift), draw(rng, 400, 2), bins=10) for _ in range(120)]
    spread = np.std([scores["ndb_js"].value for scores in drawn], ddof=1)
    assert 0.75 < np.mean([scores["ndb_js"].error for scores in drawn]) / spread < 1.6
    if not shift:
        expected = drawn[0]["ndb_js"].detail["expected"]
        assert np.mean([scores["ndb_js"].value for scores in drawn]) == pytest.approx(expected, rel=0.25)
        share = [scores["ndb"].value for scores in drawn]
        assert np.mean(share) == pytest.approx(0.05, abs=0.03)
        assert np.mean([scores["ndb"].error for scores in drawn]) == pytest.approx(np.std(share, ddof=1), rel=0.35)


def test_few_reference_rows_make_fewer_bins_and_say_so() -> None:
    rng = np.random.default_rng(9)
    ndb = scored(draw(rng, 500), draw(rng, 300))["ndb"]
    assert ndb.detail["bins"] == 30
    assert ndb.detail["warning"] == "300 reference samples allow only 30 bins instead of 100."


def test_few_generated_rows_give_a_warning() -> None:
    rng = np.random.default_rng(10)
    assert (
        "30 generated samples for 20 bins are few"
        in scored(draw(rng, 30), draw(rng, 300), bins=20)["ndb"].detail["warning"]
    )


def test_a_reference_of_a_few_distinct_rows_has_as_many_bins() -> None:
    rng = np.random.default_rng(11)
    rows = np.repeat(draw(rng, 3), 40, axis=0)
    assert sorted(reference_bins(rows, bins=10).counts.tolist()) == [40, 40, 40]


@pytest.mark.parametrize("rows", [np.zeros((100, 2)), np.arange(30.0).reshape(15, 2)])
def test_a_reference_without_enough_rows_for_two_bins_is_refused(rows: np.ndarray) -> None:
    with pytest.raises(InputError, match="bins need at least"):
        reference_bins(rows)


def test_rows_with_nan_are_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        reference_bins(np.full((50, 2), np.nan))


def test_embeddings_of_different_size_are_refused() -> None:
    rng = np.random.default_rng(12)
    with pytest.raises(InputError, match="same extractor"):
        scored(draw(rng, 100, 3), draw(rng, 100, 4))


def test_moments_are_not_enough() -> None:
    with pytest.raises(PlugError, match="reference samples"):
        DifferentBins()(Features.of(embedding=np.eye(4)), Moments(np.zeros(4), np.eye(4)), seed=0)


def test_options_out_of_range_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="at least 2"):
        DifferentBins(bins=1)
    with pytest.raises(UsageError, match="between 0 and 1"):
        DifferentBins(alpha=0)
