"""Test differences and their errors, ranks with ties, and which results may be compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genbench.comparison.comparability import differing_fields, require_comparable
from genbench.comparison.leaderboard import leaderboard
from genbench.comparison.multiple_testing import adjusted
from genbench.comparison.rank_intervals import rank_intervals
from genbench.comparison.scored_subjects import difference
from genbench.errors import InputError, UsageError
from genbench.plugs.contracts import GROUPS, Influence, Score
from genbench.results import Result, SampleSet, TrainingRecord, read_results
from genbench.scoring.compare import compare
from tests.helpers.compared import normal, repeated, result, scored, valued

METRICS = "fd,kid,subset_size=100,pr,prdc,mind,projections=50,swd,projections=50,modes,ndb,bins=10,c2st"
SHARED = ("fd@x", "kd@x", "mind@x", "swd@x", "mode_kl@x", "ndb_js@x")
"""Scores to whose error the reference contributes as much as the generated samples."""


def without_influence(result: Result) -> Result:
    """Remove the influences of all scores."""
    return replace(result, scores=tuple(replace(entry, influence=None) for entry in result.scores))


@pytest.fixture(scope="module")
def pair() -> tuple[Result, Result]:
    reference = normal(0)
    return tuple(scored(f"s{seed}", normal(seed, shift=0.3), reference, METRICS) for seed in (1, 2))  # type: ignore[return-value]


@pytest.mark.parametrize("metric", SHARED)
def test_the_noise_of_a_common_reference_cancels(pair: tuple[Result, Result], metric: str) -> None:
    a, b = pair
    common = difference(a, b, metric)
    independent = difference(without_influence(a), without_influence(b), metric)
    assert common.error is not None
    assert independent.error is not None
    assert common.error < 0.9 * independent.error
    assert independent.conservative
    assert not common.conservative


def test_noise_of_different_references_does_not_cancel(pair: tuple[Result, Result]) -> None:
    a, b = pair
    assert b.reference is not None
    other = replace(b, reference=replace(b.reference, fingerprint="another"))
    estimate = difference(a, other, "fd")
    assert estimate.sampling_error == pytest.approx(
        difference(without_influence(a), without_influence(other), "fd").sampling_error, rel=0.01
    )
    assert estimate.verdict == "not comparable"
    assert estimate.differs == ("reference",)


def test_the_influences_of_a_score_add_up_to_its_error(pair: tuple[Result, Result]) -> None:
    for entry in pair[0].scores:
        if entry.influence is not None and entry.influence.generated:
            variances = [
                np.square(influence).sum() * GROUPS / (GROUPS - 1)
                for influence in (entry.influence.generated, entry.influence.reference)
            ]
            assert sum(variances) == pytest.approx((entry.error or 0) ** 2, rel=0.01, abs=1e-12), entry.name


def test_influences_are_read_back_from_the_json_line(pair: tuple[Result, Result], tmp_path: Path) -> None:
    pair[0].append(tmp_path / "a.jsonl")
    assert read_results(tmp_path / "a.jsonl")[0]["fd@x"].influence == pair[0]["fd@x"].influence
    assert len((tmp_path / "a.jsonl").read_text()) < 35_000  # of 24 scores, whose influence has 9 digits


def test_the_interval_of_a_difference_covers_the_truth() -> None:
    # the nominal coverage is 95 %; fewer than 88 of 100 happens by chance once in a thousand
    covered = dict.fromkeys(("fd@x", "mode_kl@x", "high_quality@x"), 0)
    for repeat in range(100):
        reference = normal(3 * repeat, 150, 4)
        samples = [normal(3 * repeat + 1 + number, 150, 4, shift=0.4) for number in range(2)]
        a, b = (scored(str(number), rows, reference, "fd,modes") for number, rows in enumerate(samples))
        for name in covered:
            low, high = difference(a, b, name).interval or (np.nan, np.nan)
            covered[name] += low <= 0 <= high
    assert min(covered.values()) >= 88, covered


def test_equal_scores_are_equivalent_and_distant_ones_are_not() -> None:
    near, far = valued("a", 1.0), valued("b", 3.0)
    assert difference(near, near, "fd").verdict == "equivalent"
    assert difference(near, far, "fd").verdict == "better"
    assert difference(far, near, "fd").verdict == "worse"
    assert difference(valued("a", 1.0, better="higher"), valued("b", 3.0, better="higher"), "fd").verdict == "worse"


def test_without_an_error_there_is_no_verdict() -> None:
    estimate = difference(valued("a", 1.0, None), valued("b", 3.0), "fd")
    assert (estimate.error, estimate.p, estimate.verdict) == (None, None, "not enough data")


def test_the_spread_over_seeds_and_the_sampling_error_are_separate() -> None:
    estimate = difference(repeated("a", [1.0, 2.0, 4.0]), repeated("b", [5.0, 5.0, 5.0]), "fd")
    assert estimate.value == pytest.approx(2 - 5)  # the geometric mean of 1, 2 and 4
    assert estimate.training_error == pytest.approx(2 * np.log(2) / np.sqrt(3))
    assert estimate.sampling_error is not None
    assert estimate.error is not None
    assert estimate.sampling_error < 0.02 < estimate.error


def test_a_spread_that_is_small_by_chance_does_not_hide_the_sampling_error() -> None:
    estimate = difference(repeated("a", [1.0, 1.001], 0.2), repeated("b", [1.5, 1.501], 0.2), "fd")
    assert estimate.error == pytest.approx(estimate.sampling_error)
    assert estimate.verdict == "not enough data"


def test_common_noise_of_paired_samples_cancels() -> None:
    reference, base = normal(0), normal(1, shift=0.3)
    other = base["embedding"] + 0.05 * np.random.default_rng(2).standard_normal(base["embedding"].shape)
    moved = type(base).of(embedding=other)
    a, b = scored("a", base, reference, "fd"), scored("b", moved, reference, "fd")
    paired, unpaired = difference(a, b, "fd", paired=True), difference(a, b, "fd")
    assert paired.error is not None
    assert unpaired.error is not None
    assert paired.error < unpaired.error / 3


def test_paired_subjects_without_a_common_seed_are_refused() -> None:
    with pytest.raises(InputError, match="no seed in common"):
        difference(valued("a", 1.0, seed=1), valued("b", 1.0, seed=2), "fd", paired=True)


def test_holm_multiplies_the_smallest_p_value_most_and_keeps_the_order() -> None:
    assert adjusted([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert adjusted([0.5, 0.9]) == [1.0, 1.0]
    assert adjusted([]) == []


def test_ranks_are_intervals_and_ties_overlap() -> None:
    results = [valued("best", 1.0), valued("second", 2.0), valued("also", 2.05), valued("last", 9.0)]
    ranks = {row.name: (row.first, row.last) for row in leaderboard(results, "fd")}
    assert ranks == {"best": (1, 1), "second": (2, 3), "also": (2, 3), "last": (4, 4)}


def test_rank_intervals_hold_the_true_ranks_in_simulation() -> None:
    truth = np.array([1.0, 1.0, 1.3, 2.0])
    rng, missed = np.random.default_rng(0), 0
    for _ in range(100):
        results = [valued(str(number), mean + 0.1 * rng.standard_normal()) for number, mean in enumerate(truth)]
        rows = {row.name: row for row in leaderboard(results, "fd")}
        for number, mean in enumerate(truth):
            least, most = 1 + (truth < mean).sum(), (truth <= mean).sum()
            row = rows[str(number)]
            missed += not ((row.first or 0) <= least and most <= (row.last or 0))
    assert missed <= 10  # of 100 boards, 5 % may miss


def test_rank_intervals_without_verdicts_hold_all_ranks() -> None:
    assert rank_intervals(["a", "b"], []) == {"a": (1, 2), "b": (1, 2)}


def test_the_best_is_first_whichever_direction_is_better() -> None:
    for better, first in (("lower", "a"), ("higher", "b")):
        rows = leaderboard([valued("a", 1.0, better=better), valued("b", 2.0, better=better)], "fd")  # type: ignore[arg-type]
        assert rows[0].name == first


def test_a_standing_has_mean_spread_and_error() -> None:
    (row,) = leaderboard(repeated("a", [1.0, 2.0, 3.0], 0.06), "fd@x")
    assert (row.mean, row.spread, row.seeds, row.first, row.last) == (2.0, 1.0, 3, 1, 1)
    assert row.error == pytest.approx(0.06)
    low, high = row.interval or (0, 0)
    # the geometric mean, with the quantile of 2 degrees of freedom
    spread = np.log([1.0, 2.0, 3.0]).std(ddof=1)
    assert np.log(high / low) == pytest.approx(2 * 4.302653 * spread / np.sqrt(3), rel=1e-3)
    assert np.sqrt(low * high) == pytest.approx(6 ** (1 / 3))


def test_the_newest_result_of_a_seed_counts() -> None:
    old = valued("a", 1.0, created="2026-01-01T00:00:00+00:00")
    new = valued("a", 2.0, created="2026-02-01T00:00:00+00:00")
    (row,) = leaderboard([new, old], "fd")
    assert (row.mean, row.seeds) == (2.0, 1)


def test_each_budget_of_a_name_has_a_row() -> None:
    quick = valued("a", 3.0, training=TrainingRecord("quick", 0))
    assert [row.name for row in leaderboard([valued("a", 1.0), quick], "fd")] == ["a (full)", "a (quick)"]


def test_a_metric_without_a_better_direction_cannot_rank() -> None:
    with pytest.raises(UsageError, match="entropy@x has no better direction"):
        leaderboard([result("a", Score("entropy", 1.0, 0.1))], "entropy")


def test_the_nearest_metric_is_suggested_for_an_unknown_one() -> None:
    with pytest.raises(UsageError, match="did you mean 'fd'"):
        leaderboard([valued("a", 1.0)], "fdx")


RESIZED = {"x": "x,resize=clean,weights=abc"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"extractors": RESIZED}, "x resize"),
        ({"extractors": {"x": "x,resize=tf,weights=def"}}, "x weights"),
        ({"metrics": ("FrechetDistance(view='logits')",)}, "metric FrechetDistance@x"),
        ({"benchmark": "x@2"}, "benchmark"),
        ({"generated": SampleSet("b", 500, "b")}, "count"),
        ({"benchmark": None}, "benchmark"),
    ],
)
def test_the_field_that_differs_is_named(change: dict[str, object], field: str) -> None:
    a, b = valued("a", 1.0), valued("b", 1.0, **change)
    assert field in differing_fields([a, b])
    assert a.protocol_fingerprint != b.protocol_fingerprint
    with pytest.raises(InputError, match=f"{field}.*--allow-mixed"):
        require_comparable([a, b], can_mix=True)


def test_an_extractor_with_other_weights_differs_beside_one_of_its_kind() -> None:
    # alone it is called x, and beside another x by its full name
    alone = valued("a", 1.0, extractors={"x,model=1": "x(1),weights=abc"})
    for weights, fields in (("abc", set()), ("def", {"extractor x,model=1"})):
        both = {"x,model=1": f"x(1),weights={weights}", "x,model=2": "x(2),weights=ghi"}
        assert set(differing_fields([alone, valued("b", 1.0, extractors=both)])) == fields


def test_training_seeds_names_and_dates_may_differ() -> None:
    require_comparable([valued("a", 1.0, seed=1), valued("b", 1.0, seed=2, created="2030-01-01", device="cuda")])


def test_samples_without_a_benchmark_need_one_seed() -> None:
    free = [valued("a", 1.0, seed=seed, benchmark=None, training=None) for seed in (0, 1)]
    assert set(differing_fields(free)) == {"seed"}


def test_a_metric_of_one_result_only_is_not_a_difference_of_protocols() -> None:
    more = valued("b", 1.0, metrics=("FrechetDistance(view='embedding')", "KernelDistance()"))
    require_comparable([valued("a", 1.0), more])


def test_results_of_another_protocol_are_last_and_unranked() -> None:
    results = [valued("a", 2.0), valued("b", 3.0), valued("other", 1.0, extractors=RESIZED)]
    with pytest.raises(InputError, match="x resize: tf"):
        leaderboard(results, "fd")
    rows = leaderboard(results, "fd", allow_mixed=True)
    assert [(row.name, row.ranked) for row in rows] == [("a", True), ("b", True), ("other", False)]
    assert {each.verdict for each in compare(*results, allow_mixed=True).differences} >= {"not comparable"}


def test_compare_takes_files_results_and_lists_of_seeds(tmp_path: Path) -> None:
    valued("a", 1.0).append(tmp_path / "a.jsonl")
    comparison = compare(tmp_path / "a.jsonl", valued("a", 2.0), repeated("c", [1.0, 1.1]))
    assert list(comparison.subjects) == ["a", "a (2)", "c"]
    assert comparison.baselines == {"fd@x": "a"}
    assert [each.a for each in comparison.differences] == ["a (2)", "c"]
    assert (
        len(compare(tmp_path / "a.jsonl", valued("a", 2.0), repeated("c", [1.0, 1.1]), all_pairs=True).differences) == 3
    )


def test_repeats_with_other_metrics_are_not_training_seeds() -> None:
    again = replace(valued("a", 1.0), metrics=("FrechetDistance(view='embedding')", "KernelDistance(subsets=100)"))
    comparison = compare([valued("a", 1.0), again], valued("b", 2.0))
    assert comparison["fd"].seeds == (1, 1)


def test_compare_scores_samples_first() -> None:
    rng = np.random.default_rng(0)
    reference, near, far = (rng.integers(low, 256, (60, 8, 8, 3), dtype=np.uint8) for low in (0, 0, 120))
    comparison = compare(near, far, reference=reference, features="pixels,size=4", metrics=None, progress=False)
    assert comparison["fd"].verdict == "better"


def test_the_correction_counts_all_comparisons() -> None:
    subjects = valued("a", 1.0), valued("b", 1.31), valued("c", 1.31)
    alone = difference(*subjects[:2], "fd")
    assert alone.verdict == "better"
    corrected = compare(*subjects, all_pairs=True).differences[0]
    assert (alone.p or 0) < 0.05 < (corrected.adjusted or 0)
    assert corrected.verdict == "not enough data"


def test_one_subject_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match="at least two subjects, but a was given"):
        compare(valued("a", 1.0))


def test_scores_of_a_metric_without_influences_can_be_compared() -> None:
    a = result("a", Score("own", 1.0, 0.1, "lower"))
    b = result("b", Score("own", 1.0, 0.1, "lower", influence=Influence(())))
    assert difference(a, b, "own").error == pytest.approx(0.1 * np.sqrt(2))


@pytest.mark.parametrize("names", [("new", "old"), ("old", "new")])
def test_of_two_subjects_the_second_given_is_the_baseline(names: tuple[str, str]) -> None:
    comparison = compare(*(valued(name, 10.0 + len(names)) for name in names))
    assert list(comparison.baselines.values()) == [names[1]]
    assert [(each.a, each.b) for each in comparison.differences] == [names]
