"""Scoring until the samples decide: looks, outcomes, baselines, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import genbench
from genbench.comparison.sequential import SequentialRecord
from genbench.comparison.sequential_checks import LookedAt
from genbench.errors import InputError, UsageError
from genbench.plugs.registry import load
from genbench.results import Entry, Result, read_results
from genbench.scoring.options import Options
from genbench.scoring.until_decided import DecidedScore, Until, _alike, score_until

RNG = np.random.default_rng(0)
REFERENCE = RNG.standard_normal((3000, 8)).astype(np.float32)


class Shifted:
    """A sampler of Gaussian points, which counts the samples that it was asked for."""

    def __init__(self, shift: float) -> None:
        self.shift, self.drawn = shift, 0

    def sample(self, count: int, seed: int) -> np.ndarray:
        self.drawn += count
        return np.random.default_rng(seed).standard_normal((count, 8)) + self.shift


@pytest.fixture(scope="module")
def baseline() -> Result:
    return genbench.score(Shifted(0.4), reference=REFERENCE, features="points", metrics="fd,kid", count=3000,
                          seed=9, progress=False)  # fmt: skip


def decided(subject: object, against: object, **until: object) -> DecidedScore:
    options = Options(reference=REFERENCE, progress=False, cache=False)
    return score_until(subject, None, options, Until(against, **until))  # type: ignore[arg-type]


def test_a_much_worse_sampler_fails_at_the_first_look_and_is_drawn_no_further(baseline: Result) -> None:
    sampler = Shifted(0.8)
    made = decided(sampler, baseline, max_increase="10%")
    assert made.record.outcome == "failed"
    assert made.result.generated.count == 512
    assert sampler.drawn == 512
    assert made.check is not None
    assert made.check.outcome == "failed"


def test_a_better_sampler_passes_early(baseline: Result) -> None:
    assert decided(Shifted(0.0), baseline, max_increase="10%").record.outcome == "passed"


def test_an_equal_sampler_takes_more_looks_than_a_bad_one(baseline: Result) -> None:
    made = decided(Shifted(0.4), baseline, max_increase="20%")
    assert made.record.outcome in ("passed", "undecided")
    assert len(made.record.looks) > 1
    assert [look.measured.count for look in made.record.looks][:2] == [512, 768]


def test_the_largest_number_ends_the_looks(baseline: Result) -> None:
    made = decided(Shifted(0.4), baseline, max_increase="0.1%", max_count=1000)
    assert made.record.outcome == "undecided"
    assert made.record.looks[-1].measured.count == made.result.generated.count == 1000
    assert made.check is not None
    assert made.check.reason.startswith("still undecided after 3 looks; the limit of 1,000 samples is reached; ")
    assert made.check.reason.endswith(" would decide")
    assert made.check.decided_by in made.check.reason


def test_without_a_largest_number_a_sampler_goes_on_until_it_is_decided(baseline: Result) -> None:
    made = decided(Shifted(0.48), baseline, max_increase="10%", max_count=float("inf"))
    assert made.record.outcome == "failed"
    assert made.record.max_count is None


def test_the_record_is_kept_and_replayed(baseline: Result, tmp_path: Path) -> None:
    made = decided(Shifted(0.8), baseline)
    made.result.append(tmp_path / "new.jsonl")
    (read,) = read_results(tmp_path / "new.jsonl")
    record = SequentialRecord.from_dict(json.loads(json.dumps(read.decision)))
    assert record == made.record
    assert record.replayed() == "failed"


def test_the_samples_do_not_depend_on_the_looks(baseline: Result) -> None:
    made = decided(Shifted(0.4), baseline, max_count=1024, max_increase="0.1%")
    whole = genbench.score(Shifted(0.4), reference=REFERENCE, features="points", metrics="fd,kid", count=1024,
                           progress=False, cache=False)  # fmt: skip
    assert made.result.generated.fingerprint == whole.generated.fingerprint
    name = "fd@points"
    assert made.result[name].value == pytest.approx(whole[name].value, rel=1e-9)


def test_paired_samplers_are_decided_by_fewer_samples() -> None:
    outcomes = {}
    for paired in (False, True):
        made = decided(Shifted(0.41), Shifted(0.4), paired=paired, metric="fd", max_increase="20%", max_count=1024)
        outcomes[paired] = made.record.outcome, made.record.looks[-1].measured.count
    assert outcomes[True][0] == "passed"
    assert outcomes[True][1] <= outcomes[False][1]


def test_rows_of_a_file_are_looked_at_in_random_order(baseline: Result) -> None:
    # the first half is good, the second one bad: the first rows alone would pass
    rows = np.concatenate([Shifted(0.4).sample(1500, 1), Shifted(1.5).sample(1500, 2)]).astype(np.float32)
    made = decided(rows, baseline, max_increase="10%")
    assert made.record.outcome == "failed"
    assert made.record.max_count == 3000


def test_the_benchmark_of_the_baseline_is_used() -> None:
    noise = genbench.score(lambda count, seed: np.random.default_rng(seed).integers(0, 256, (count, 8, 8), np.uint8),
                           "digits", progress=False)  # fmt: skip
    made = score_until("digits,split=train", None, Options(progress=False), Until(noise, max_increase="10%"))
    assert made.record.outcome == "passed"
    assert made.result.benchmark == noise.benchmark


def test_the_baseline_of_a_leaderboard_is_chosen_by_name(baseline: Result) -> None:
    several = [baseline, replace(baseline, name="other", generated=replace(baseline.generated, fingerprint="x"))]
    with pytest.raises(InputError, match=r"holds 2 subjects .*choose one with --name"):
        decided(Shifted(0.4), several)


@pytest.mark.parametrize(
    ("until", "message"),
    [
        ({"metric": "fd", "max_count": 100}, "needs 512 samples at its first look"),
        ({"metric": "kd_subsets"}, "depends on the number of samples"),
        ({"max_count": 100}, "no score that can decide"),
        ({"max_increase": "much"}, "--max-increase must be"),
    ],
)
def test_what_cannot_decide_is_refused(baseline: Result, until: dict[str, object], message: str) -> None:
    with pytest.raises((UsageError, InputError), match=message):
        decided(Shifted(0.4), baseline, **until)


def test_pairing_with_a_file_of_results_is_refused(baseline: Result, tmp_path: Path) -> None:
    baseline.append(tmp_path / "base.jsonl")
    with pytest.raises(UsageError, match="must be scored in the same looks"):
        decided(Shifted(0.4), tmp_path / "base.jsonl", paired=True)


def test_a_baseline_without_errors_cannot_decide(baseline: Result) -> None:
    bare = replace(baseline, scores=tuple(replace(entry, error=None, influence=None) for entry in baseline.scores))
    with pytest.raises(InputError, match="has no error"):
        decided(Shifted(0.4), bare, max_increase="1 units")


def test_a_protocol_that_differs_in_more_than_the_count_is_refused(baseline: Result) -> None:
    options = Options(reference=REFERENCE[:2000], progress=False)
    with pytest.raises(InputError, match="reference"):
        score_until(Shifted(0.4), None, options, Until(baseline))


def test_score_has_the_decision(baseline: Result) -> None:
    result = genbench.score(Shifted(0.8), reference=REFERENCE, until=genbench.Until(baseline), progress=False)
    assert result.decision is not None
    assert result.decision["outcome"] == "failed"


class Interrupted(Shifted):
    """A sampler whose process is interrupted at the fourth call."""

    def sample(self, count: int, seed: int) -> np.ndarray:
        if self.drawn >= 3 * count:
            raise KeyboardInterrupt
        return super().sample(count, seed)


def test_an_interrupted_gate_decides_like_an_undisturbed_one(baseline: Result) -> None:
    rules = Until(baseline, max_increase="0.1%", max_count=1500)
    options = Options(reference=REFERENCE, progress=False)
    with pytest.raises(KeyboardInterrupt):
        score_until(Interrupted(0.4), None, options, rules)
    again = score_until(Shifted(0.4), None, options, rules)
    undisturbed = decided(Shifted(0.4), baseline, max_increase="0.1%", max_count=1500)
    assert again.record == undisturbed.record
    assert len(again.record.looks) > 2


@pytest.mark.parametrize("several", [False, True])
def test_pairing_with_results_is_refused(baseline: Result, several: bool) -> None:
    with pytest.raises(UsageError, match="must be scored in the same looks"):
        decided(Shifted(0.4), [baseline] if several else baseline, paired=True)


@pytest.mark.parametrize("subject", [REFERENCE[:1000] + 0.5, Shifted(0.4)])
def test_pairing_of_sides_that_do_not_match_is_refused(subject: object) -> None:
    with pytest.raises(UsageError, match="equal numbers of samples on both sides"):
        decided(subject, REFERENCE[:900] + 0.5, paired=True, metric="fd")


def test_the_debiased_distance_of_many_dimensions_decides_for_a_baseline_that_grows() -> None:
    real, good, bad = (np.random.default_rng(seed).standard_normal((2800, 270)) for seed in (1, 2, 3))
    options = Options(reference=real, progress=False, cache=False, metrics="fd")
    made = score_until(bad + 0.4, None, options, Until(good + 0.1, metric="fd", max_increase="10%"))
    assert made.record.statistic == "fd_debiased@points"
    assert made.record.outcome == "failed"


def test_a_look_at_a_share_has_the_unit_of_its_own_number_of_samples(baseline: Result) -> None:
    share = Entry("high_quality", "high_quality", 0.9, 0.01, "higher", extractor="points")
    old = replace(baseline, scores=(share,))
    samples = replace(old.generated, count=600, fingerprint="new")
    looked = LookedAt("high_quality", 0.02, 0.95, paired=False, baseline_grows=False)
    _, check = looked.measured(replace(old, generated=samples, seed=3), [old])
    assert check.difference is not None
    assert (check.difference.scale.unit, check.difference.count, check.difference.differs) == (600, 600, ())


def test_the_margin_is_refused_before_anything_is_drawn(baseline: Result) -> None:
    sampler = Shifted(0.4)
    with pytest.raises(UsageError, match="more than the whole"):
        decided(sampler, baseline, max_increase=1e6)
    assert sampler.drawn == 0


def test_the_reference_of_the_baseline_is_named_before_anything_is_drawn(baseline: Result) -> None:
    sampler = Shifted(0.4)
    with pytest.raises(UsageError, match=r"was scored against .*; add --reference"):
        score_until(sampler, None, Options(progress=False), Until(baseline, max_increase="10%"))
    assert sampler.drawn == 0


@pytest.mark.parametrize("max_increase", ["10%", 0])
def test_the_samples_of_the_baseline_pass_as_the_same_samples(max_increase: str | float) -> None:
    rows = Shifted(0.4).sample(1500, 1).astype(np.float32)
    old = genbench.score(rows, reference=REFERENCE, features="points", metrics="fd", progress=False, cache=False)
    made = decided(rows, old, max_increase=max_increase)
    assert made.check is not None
    assert (made.check.outcome, made.check.reason) == ("passed", "the same samples")
    assert made.record.outcome == made.record.replayed() == "passed"


def test_without_a_largest_number_a_baseline_of_few_samples_ends_undecided() -> None:
    few = genbench.score(Shifted(0.4), reference=REFERENCE, features="points", metrics="kid", count=30, seed=9,
                         progress=False, cache=False)  # fmt: skip
    made = decided(Shifted(0.42), few, max_increase="10%", max_count=float("inf"))
    assert made.check is not None
    assert made.record.outcome == "undecided"
    assert "the error of the baseline is too large to decide; score it with more samples" in made.check.reason


@pytest.mark.parametrize(("progress", "lines"), [(None, 1), (False, 0)])
def test_each_look_is_told_on_stderr(
    baseline: Result, progress: bool | None, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options(reference=REFERENCE, progress=progress, cache=False)
    made = score_until(Shifted(0.9), None, options, Until(baseline, max_increase="10%"))
    assert made.check is not None
    assert made.check.reason == "decided at the first look, 512 samples"
    assert capsys.readouterr().err.count("look 1, 512 samples: fd_debiased@points") == lines


def test_the_metric_that_decides_is_found_beside_one_with_another_limit(baseline: Result) -> None:
    options = Options(reference=REFERENCE, metrics="fd,limit=extrapolation,fd", progress=False, cache=False)
    made = score_until(Shifted(0.9), None, options, Until(baseline, metric="fd", max_increase="10%"))
    assert (made.record.statistic, made.record.outcome) == ("fd_debiased@points", "failed")


def test_the_baseline_decides_in_the_features_of_its_score_with_their_options() -> None:
    rng = np.random.default_rng(3)
    real, drawn, worse = (rng.integers(low, 256, (2000, 8, 8, 3), np.uint8) for low in (0, 40, 120))
    options = Options(reference=real, progress=False, cache=False)
    old = genbench.score(drawn, reference=real, features="pixels,size=2", metrics="fd@spectrum,fd", progress=False,
                         cache=False)  # fmt: skip
    made = score_until(worse, None, options, Until(old, "fd@pixels,size=2", max_increase="50%"))
    assert (made.record.statistic, made.record.outcome) == ("fd_debiased@pixels,size=2", "failed")


def test_the_view_that_decides_is_the_one_that_is_looked_at() -> None:
    # both metrics are in the plan, under names that differ in the view only
    metrics = [load("metrics", spec) for spec in ("fid", "fid,view=64")]
    assert not _alike(*metrics)
