"""Differences and their errors, ranks with ties, and what may be compared at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genbench.comparison.comparability import differing_fields, require_comparable
from genbench.comparison.differences import difference
from genbench.comparison.leaderboard import leaderboard
from genbench.comparison.multiple_testing import adjusted
from genbench.comparison.rank_intervals import rank_intervals
from genbench.errors import InputError, UsageError
from genbench.plugs.contracts import GROUPS, Influence, Score
from genbench.results import Result, SampleSet, TrainingRecord, read_results
from genbench.scoring.compare import compare
from tests.helpers.compared import normal, repeated, result, scored, valued

METRICS = "fd,kid,subset_size=100,pr,prdc,mind,projections=50,swd,projections=50,modes,ndb,bins=10,c2st"
SHARED = ("fd@x", "kd@x", "mind@x", "swd@x", "mode_kl@x", "ndb_js@x")
"""Scores that lean on the reference as much as on the samples."""


def independent(one: Result) -> Result:
    """Forget where the errors come from."""
    return replace(one, scores=tuple(replace(each, influence=None) for each in one.scores))


@pytest.fixture(scope="module")
def pair() -> tuple[Result, Result]:
    reference = normal(0)
    return tuple(scored(f"s{seed}", normal(seed, shift=0.3), reference, METRICS) for seed in (1, 2))  # type: ignore[return-value]


@pytest.mark.parametrize("metric", SHARED)
def test_what_both_share_in_the_reference_cancels(pair: tuple[Result, Result], metric: str) -> None:
    ours, theirs = pair
    together = difference(ours, theirs, metric)
    apart = difference(independent(ours), independent(theirs), metric)
    assert together.error is not None
    assert apart.error is not None
    assert together.error < 0.9 * apart.error
    assert apart.conservative
    assert not together.conservative


def test_against_another_reference_nothing_cancels(pair: tuple[Result, Result]) -> None:
    ours, theirs = pair
    assert theirs.reference is not None
    other = replace(theirs, reference=replace(theirs.reference, fingerprint="another"))
    found = difference(ours, other, "fd")
    assert found.sampling_error == pytest.approx(
        difference(independent(ours), independent(other), "fd").sampling_error, rel=0.01
    )
    assert found.verdict == "unknown"
    assert found.differs == ("reference",)


def test_the_parts_of_a_score_add_up_to_its_error(pair: tuple[Result, Result]) -> None:
    for one in pair[0].scores:
        if one.influence is not None and one.influence.generated:
            both = [
                np.square(side).sum() * GROUPS / (GROUPS - 1)
                for side in (one.influence.generated, one.influence.reference)
            ]
            assert sum(both) == pytest.approx((one.error or 0) ** 2, rel=0.01, abs=1e-12), one.name


def test_parts_survive_the_json_line(pair: tuple[Result, Result], tmp_path: Path) -> None:
    pair[0].append(tmp_path / "a.jsonl")
    assert read_results(tmp_path / "a.jsonl")[0]["fd@x"].influence == pair[0]["fd@x"].influence
    assert len((tmp_path / "a.jsonl").read_text()) < 25_000  # of 24 scores


def test_the_interval_of_a_difference_covers_the_truth() -> None:
    # 95 % nominal over 100 repeats: below 88 or above 99.9 would be chance once in a thousand
    covered = dict.fromkeys(("fd@x", "mode_kl@x", "high_quality@x"), 0)
    for repeat in range(100):
        reference = normal(3 * repeat, 150, 4)
        sides = [normal(3 * repeat + 1 + side, 150, 4, shift=0.4) for side in range(2)]
        ours, theirs = (scored(str(at), side, reference, "fd,modes") for at, side in enumerate(sides))
        for name in covered:
            low, high = difference(ours, theirs, name).interval or (np.nan, np.nan)
            covered[name] += low <= 0 <= high
    assert min(covered.values()) >= 88, covered


def test_equal_scores_are_tied_and_far_ones_are_not() -> None:
    near, far = valued("a", 1.0), valued("b", 3.0)
    assert difference(near, near, "fd").verdict == "tied"
    assert difference(near, far, "fd").verdict == "better"
    assert difference(far, near, "fd").verdict == "worse"
    assert difference(valued("a", 1.0, better="higher"), valued("b", 3.0, better="higher"), "fd").verdict == "worse"


def test_without_an_error_there_is_no_verdict() -> None:
    found = difference(valued("a", 1.0, None), valued("b", 3.0), "fd")
    assert (found.error, found.p, found.verdict) == (None, None, "unknown")


def test_the_spread_over_seeds_and_the_sampling_error_stand_apart() -> None:
    found = difference(repeated("a", [1.0, 2.0, 3.0]), repeated("b", [5.0, 5.5, 6.0]), "fd")
    assert found.value == pytest.approx(-3.5)
    assert found.training_error == pytest.approx(np.sqrt(1 / 3 + 0.25 / 3))
    assert found.sampling_error == pytest.approx(np.sqrt(2) * 0.01)
    assert found.error == pytest.approx(found.training_error)
    assert found.degrees == pytest.approx((1 + 0.25) ** 2 / (1 / 2 + 0.0625 / 2))  # Welch


def test_a_spread_that_is_small_by_chance_does_not_hide_the_sampling_error() -> None:
    found = difference(repeated("a", [1.0, 1.001], 0.2), repeated("b", [1.5, 1.501], 0.2), "fd")
    assert found.error == pytest.approx(found.sampling_error)
    assert found.verdict == "tied"


def test_paired_samples_cancel_what_they_share() -> None:
    reference, base = normal(0), normal(1, shift=0.3)
    other = base["embedding"] + 0.05 * np.random.default_rng(2).standard_normal(base["embedding"].shape)
    moved = type(base).of(embedding=other)
    ours, theirs = scored("a", base, reference, "fd"), scored("b", moved, reference, "fd")
    paired, apart = difference(ours, theirs, "fd", paired=True), difference(ours, theirs, "fd")
    assert paired.error is not None
    assert apart.error is not None
    assert paired.error < apart.error / 3


def test_paired_sides_without_a_common_seed_are_refused() -> None:
    with pytest.raises(InputError, match="no seed in common"):
        difference(valued("a", 1.0, seed=1), valued("b", 1.0, seed=2), "fd", paired=True)


def test_holm_multiplies_the_smallest_most_and_never_falls() -> None:
    assert adjusted([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert adjusted([0.5, 0.9]) == [1.0, 1.0]
    assert adjusted([]) == []


def test_ranks_are_intervals_and_ties_overlap() -> None:
    results = [valued("best", 1.0), valued("second", 2.0), valued("also", 2.05), valued("last", 9.0)]
    ranks = {row.name: (row.first, row.last) for row in leaderboard(results, "fd")}
    assert ranks == {"best": (1, 1), "second": (2, 3), "also": (2, 3), "last": (4, 4)}


def test_rank_intervals_hold_the_true_ranks_in_simulation() -> None:
    truth = np.array([0.0, 0.0, 0.3, 1.0])
    rng, missed = np.random.default_rng(0), 0
    for _ in range(200):
        results = [valued(str(at), mean + 0.1 * rng.standard_normal()) for at, mean in enumerate(truth)]
        rows = {row.name: row for row in leaderboard(results, "fd")}
        for at, mean in enumerate(truth):
            least, most = 1 + (truth < mean).sum(), (truth <= mean).sum()
            row = rows[str(at)]
            missed += not ((row.first or 0) <= least and most <= (row.last or 0))
    assert missed <= 20  # of 200 boards, 5 % may miss


def test_rank_intervals_without_verdicts_are_whole() -> None:
    assert rank_intervals(["a", "b"], []) == {"a": (1, 2), "b": (1, 2)}


def test_the_best_stands_first_whichever_way_is_better() -> None:
    for better, first in (("lower", "a"), ("higher", "b")):
        rows = leaderboard([valued("a", 1.0, better=better), valued("b", 2.0, better=better)], "fd")  # type: ignore[arg-type]
        assert rows[0].name == first


def test_a_standing_tells_mean_spread_and_error_apart() -> None:
    (row,) = leaderboard(repeated("a", [1.0, 2.0, 3.0], 0.06), "fd@x")
    assert (row.mean, row.spread, row.seeds, row.first, row.last) == (2.0, 1.0, 3, 1, 1)
    assert row.error == pytest.approx(0.06)
    low, high = row.interval or (0, 0)
    assert high - low == pytest.approx(2 * 4.302653 * 1 / np.sqrt(3), rel=1e-3)


def test_the_newest_result_of_a_seed_counts() -> None:
    old = valued("a", 1.0, created="2026-01-01T00:00:00+00:00")
    new = valued("a", 2.0, created="2026-02-01T00:00:00+00:00")
    (row,) = leaderboard([new, old], "fd")
    assert (row.mean, row.seeds) == (2.0, 1)


def test_budgets_of_one_name_are_rows_of_their_own() -> None:
    quick = valued("a", 3.0, training=TrainingRecord("quick", 0))
    assert [row.name for row in leaderboard([valued("a", 1.0), quick], "fd")] == ["a (full)", "a (quick)"]


def test_a_metric_without_a_better_direction_ranks_nothing() -> None:
    with pytest.raises(UsageError, match="Neither more nor less of entropy@x"):
        leaderboard([result("a", Score("entropy", 1.0, 0.1))], "entropy")


def test_an_unknown_metric_is_guessed() -> None:
    with pytest.raises(UsageError, match="did you mean 'fd'"):
        leaderboard([valued("a", 1.0)], "fdx")


RESIZED = {"x": "x,resize=clean,weights=abc"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"extractors": RESIZED}, "x resize"),
        ({"extractors": {"x": "x,resize=tf,weights=def"}}, "x weights"),
        ({"metrics": ("FrechetDistance(view='logits')",)}, "metric FrechetDistance"),
        ({"benchmark": "x@2"}, "benchmark"),
        ({"generated": SampleSet("b", 500, "b")}, "count"),
        ({"benchmark": None}, "benchmark"),
    ],
)
def test_the_field_that_differs_is_named(change: dict[str, object], field: str) -> None:
    ours, theirs = valued("a", 1.0), valued("b", 1.0, **change)
    assert field in differing_fields([ours, theirs])
    assert ours.protocol_fingerprint != theirs.protocol_fingerprint
    with pytest.raises(InputError, match=f"{field}.*--allow-mixed"):
        require_comparable([ours, theirs])


def test_training_seeds_names_and_days_may_differ() -> None:
    require_comparable([valued("a", 1.0, seed=1), valued("b", 1.0, seed=2, created="2030-01-01", device="cuda")])


def test_draws_that_follow_no_recipe_need_one_seed() -> None:
    free = [valued("a", 1.0, seed=seed, benchmark=None, training=None) for seed in (0, 1)]
    assert set(differing_fields(free)) == {"seed"}


def test_a_metric_that_only_one_has_is_no_difference() -> None:
    more = valued("b", 1.0, metrics=("FrechetDistance(view='embedding')", "KernelDistance()"))
    require_comparable([valued("a", 1.0), more])


def test_mixed_results_stand_below_and_unranked() -> None:
    results = [valued("a", 2.0), valued("b", 3.0), valued("other", 1.0, extractors=RESIZED)]
    with pytest.raises(InputError, match="x resize: tf"):
        leaderboard(results, "fd")
    rows = leaderboard(results, "fd", allow_mixed=True)
    assert [(row.name, row.ranked) for row in rows] == [("a", True), ("b", True), ("other", False)]
    assert compare(*results, allow_mixed=True).differences[-1].verdict == "unknown"


def test_compare_takes_files_results_and_lists_of_seeds(tmp_path: Path) -> None:
    valued("a", 1.0).append(tmp_path / "a.jsonl")
    found = compare(tmp_path / "a.jsonl", valued("a", 2.0), repeated("c", [1.0, 1.1]))
    assert list(found.subjects) == ["a", "a (2)", "c"]
    assert len(found.differences) == 3


def test_compare_scores_what_is_not_scored() -> None:
    rng = np.random.default_rng(0)
    reference, near, far = (rng.integers(low, 256, (60, 8, 8, 3), dtype=np.uint8) for low in (0, 0, 120))
    found = compare(near, far, reference=reference, features="pixels,size=4", metrics=None, progress=False)
    assert found["fd"].verdict == "better"


def test_the_correction_spans_all_that_is_compared() -> None:
    subjects = valued("a", 1.0), valued("b", 1.3), valued("c", 1.3)
    lone = difference(*subjects[:2], "fd")
    assert lone.verdict == "better"
    found = compare(*subjects).differences[0]
    assert found.adjusted == pytest.approx(3 * (lone.p or 0))
    assert found.verdict == "tied"


def test_one_subject_is_no_comparison() -> None:
    with pytest.raises(UsageError, match="two subjects"):
        compare(valued("a", 1.0))


def test_a_guests_score_without_parts_still_compares() -> None:
    ours = result("a", Score("own", 1.0, 0.1, "lower"))
    theirs = result("b", Score("own", 1.0, 0.1, "lower", influence=Influence(())))
    assert difference(ours, theirs, "own").error == pytest.approx(0.1 * np.sqrt(2))
