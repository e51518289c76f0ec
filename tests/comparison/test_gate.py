"""Test the gate: which changes pass, are undecided or fail, and the reports about them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as xml

import numpy as np
import pytest

from genbench.comparison.estimates import Noise
from genbench.comparison.gate import gate
from genbench.comparison.gate_checks import Check, false_alarms
from genbench.comparison.multiple_testing import Contrast
from genbench.errors import InputError, UsageError
from genbench.metrics.share_intervals import binomial_error
from genbench.plugs.contracts import Influence, Score
from genbench.results import Result, SampleSet
from genbench.tables.gate_report import (
    gate_annotations,
    gate_badge,
    gate_endpoint,
    gate_junit,
    gate_markdown,
    gate_text,
    outcome_of,
)
from tests.helpers.compared import normal, repeated, result, scored, valued

BASELINE = [valued("a", 10.0)]


def check_of(value: float, error: float = 0.1, **options: object) -> Check:
    (check,) = gate([valued("a", value, error)], BASELINE, **options)  # type: ignore[arg-type]
    return check


def test_a_result_is_failed_only_on_evidence_and_passed_only_on_evidence() -> None:
    # the error of the logarithm is .0141, and the margin log(1.1) = .0953
    assert check_of(12.0).outcome == "failed"
    assert check_of(11.2).outcome == "undecided"
    assert check_of(10.8).outcome == "undecided"
    assert check_of(10.3).outcome == check_of(9.0).outcome == "passed"


def test_repeats_with_other_metrics_are_not_training_seeds() -> None:
    again = replace(valued("a", 10.8), metrics=("FrechetDistance(view='embedding')", "KernelDistance(subsets=100)"))
    (once,), (twice,) = gate([valued("a", 10.8)], BASELINE), gate([valued("a", 10.8), again], BASELINE)
    assert (twice.outcome, twice.difference) == (once.outcome, once.difference)


def test_an_improvement_is_said() -> None:
    assert (check_of(9.0).improved, check_of(9.9).improved) == (True, False)
    assert "improved" in gate_text([check_of(9.0)])


def test_a_small_sample_is_undecided_and_the_needed_number_of_samples_is_named() -> None:
    (check,) = gate([valued("a", 10.0, 1.0, benchmark=None)], [valued("b", 10.01, 1.0, benchmark=None)])
    assert check.outcome == "undecided"
    # the error of .141 must fall to log(1.1) / 2.49
    assert check.decided_by == "about 14,000 samples each (1,000 now)"


def test_a_reference_that_is_too_small_is_named() -> None:
    influences = [Influence((0.01, -0.01) * 16, tuple(sign * np.roll([1.0, -1.0] * 16, 0))) for sign in (0.05, -0.05)]
    candidate, baseline = (
        result("a", Score("fid", value, 0.3, "lower", influence=influence))
        for value, influence in zip((10.97, 10.0), influences, strict=True)
    )
    (check,) = gate([candidate], [baseline])
    assert check.outcome == "undecided"
    assert check.decided_by == "a larger reference"


def test_an_undecided_check_of_several_seeds_asks_for_more_seeds() -> None:
    (check,) = gate(repeated("a", [10.0, 10.4, 12.8]), repeated("a", [9.8, 10.1, 12.4]))
    assert check.outcome == "undecided"
    assert "training seeds each (3 now)" in check.decided_by


@pytest.mark.parametrize(
    ("allowed", "outcome"), [("8%", "passed"), ("5%", "undecided"), ("1%", "failed"), (0.8, "passed"), (0, "failed")]
)
def test_the_allowed_increase_is_a_number_or_a_percentage_of_the_baseline(allowed: str | float, outcome: str) -> None:
    assert check_of(10.5, max_increase=allowed).outcome == outcome


def test_a_lower_value_is_worse_if_higher_is_better() -> None:
    before, after = valued("a", 10.0, better="higher"), valued("a", 9.0, better="higher")
    assert gate([after], [before], max_increase="2%")[0].outcome == "failed"
    assert gate([before], [after])[0].outcome == "passed"


def test_many_checks_of_one_model_rarely_fail_by_chance() -> None:
    rng, failed = np.random.default_rng(0), 0
    for _ in range(200):
        candidate, baseline = (
            result("a", *(Score(f"m{number}", 100 + value, 1.0, "lower") for number, value in enumerate(values)))
            for values in rng.standard_normal((2, 5))
        )
        names = [f"m{number}@x" for number in range(5)]
        failed += outcome_of(gate([candidate], [baseline], metrics=names, max_increase=0)) == "failed"
    assert failed <= 20  # 5 % of 200 are 10


def test_at_the_margin_both_wrong_decisions_are_rare() -> None:
    rng, outcomes = np.random.default_rng(0), []
    for _ in range(400):
        now, before = 110 + rng.standard_normal(), 100 + rng.standard_normal()
        (check,) = gate([valued("a", now, 1.0)], [valued("b", before, 1.0)])
        outcomes.append(check.outcome)
    assert outcomes.count("failed") <= 32  # 5 % of 400 are 20
    assert outcomes.count("passed") <= 32


def test_subjects_are_matched_by_name_and_single_subjects_always_match() -> None:
    assert len(gate([valued("new", 1.0)], [valued("old", 1.0)])) == 1
    several = [valued("a", 1.0), valued("b", 1.0)]
    checks = gate([valued("b", 1.0)], several)
    assert [(check.subject, check.outcome) for check in checks] == [("b", "passed"), ("a", "not checked")]
    assert outcome_of(checks) == "passed"
    assert gate_text(checks).splitlines()[-1] == "not checked  a: in the baseline, without a new result"
    with pytest.raises(InputError, match="no name is in both"):
        gate([valued("c", 1.0)], several)


def test_a_missing_and_a_new_subject_are_undecided_and_named() -> None:
    checks = gate([valued(name, 1.0) for name in "abn"], [valued(name, 1.0) for name in "abc"])
    assert [(check.subject, check.outcome) for check in checks][2:] == [("n", "undecided"), ("c", "undecided")]
    assert outcome_of(checks) == "undecided"
    assert "c: it is in the baseline and has no new result" in gate_text(checks)
    assert xml.fromstring(gate_junit(checks).split("\n", 1)[1])[0].get("skipped") == "2"
    assert gate_markdown(checks).count("\n| ") == 5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_result_that_is_not_finite_fails_and_such_a_baseline_is_refused(value: float) -> None:
    assert check_of(value).outcome == "failed"
    assert "not a finite number" in gate_text([check_of(value)])
    with pytest.raises(InputError, match=r"baseline's fd@x of b is not a finite number"):
        gate([valued("a", 1.0)], [valued("b", value)])


def test_without_an_error_nothing_passes_and_a_large_excess_fails() -> None:
    assert check_of(1000.0, None).outcome == "failed"
    assert check_of(10.1, None).outcome == "undecided"
    assert "there is no error" in gate_text([check_of(10.1, None)])


def test_a_score_that_the_result_lacks_is_an_error() -> None:
    lacking = result("a", Score("is", 9.0, 0.1, "higher"))
    with pytest.raises(InputError, match="a has no fd@x"):
        gate([lacking], BASELINE)


def test_contradicting_directions_are_refused() -> None:
    with pytest.raises(InputError, match=r"direction of fd@x: higher \(new\), lower \(a\)"):
        gate([valued("new", 12.0, better="higher")], BASELINE)


def test_the_same_samples_pass_and_are_recognised() -> None:
    (check,) = gate(BASELINE, BASELINE, max_increase=0)
    assert (check.outcome, check.reason) == ("passed", "the same samples")


def test_copies_of_one_sample_set_count_once() -> None:
    copies = [valued("a", 10.5, 0.3, seed=seed, generated=SampleSet("a", 1000, "copy")) for seed in range(5)]
    assert gate(copies, BASELINE)[0].difference.seeds == (1, 1)  # type: ignore[union-attr]


def test_paired_samples_decide_where_independent_ones_do_not() -> None:
    reference, base = normal(0), normal(1, shift=0.3)
    moved = type(base).of(embedding=base["embedding"] + 0.01 * normal(2)["embedding"])
    a, b = scored("a", moved, reference, "fd"), scored("b", base, reference, "fd")
    assert gate([a], [b])[0].outcome == "undecided"
    assert gate([a], [b], paired=True)[0].outcome == "passed"


def test_a_relative_margin_near_0_is_refused() -> None:
    near = [valued("a", 0.1, 0.1)]
    with pytest.raises(UsageError, match="not clearly above 0; give a number in the unit of the score, for example"):
        gate([valued("b", 0.2, 0.1)], near, max_increase="2%")
    # two standard errors of the baseline are suggested, and what was not typed is not called an option
    with pytest.raises(UsageError, match=r'^the default allowance, 10 %, .* --max-increase "0.2 units", or'):
        gate([valued("b", 0.2, 0.1)], near)
    assert gate([valued("b", 0.2, 0.1)], near, max_increase=0.9)[0].outcome == "passed"


def test_a_number_that_is_more_than_the_whole_score_needs_its_unit() -> None:
    with pytest.raises(UsageError, match="write 20% for a share of it, or '20 units'"):
        check_of(10.0, max_increase=20)
    assert check_of(10.0 + 1e-9, max_increase="20 units").outcome == "passed"


def test_the_rate_of_false_alarms_is_that_of_theory() -> None:
    # without an allowance 5 % of runs fail on average, and 25 % against an unlucky baseline of equal size
    equal = Contrast(0.0, ((Noise(1.0, np.inf), 1.0), (Noise(1.0, np.inf), -1.0)), np.zeros(32))
    alarms = false_alarms(equal, 0.0, 0.95)
    assert alarms.average == pytest.approx(0.05, abs=1e-3)
    assert alarms.unlucky == pytest.approx(0.25, abs=0.01)
    assert alarms.in_many_runs == pytest.approx(0.34, abs=0.02)
    # an allowance of one error of the result: .9 %
    assert false_alarms(equal, 1.0, 0.95).average == pytest.approx(0.009, abs=1e-3)
    assert "False alarms: a model exactly as good as the baseline would fail in" in gate_text([check_of(10.01)])


def test_another_protocol_is_refused() -> None:
    with pytest.raises(InputError, match="x resize"):
        gate([valued("a", 1.0, extractors={"x": "x,resize=clean,weights=abc"})], BASELINE)


def test_the_benchmark_chooses_the_metric() -> None:
    scores = Score("is", 9.0, 0.1, "higher"), Score("fid", 3.0, 0.1, "lower")
    (check,) = gate([result("a", *scores, benchmark="digits@1")], [result("a", *scores, benchmark="digits@1")])
    assert check.difference.metric == "fd@x"


@pytest.mark.parametrize("wrong", ["two", "-1", "nan", "2%%"])
def test_a_wrong_bound_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="--max-increase"):
        check_of(10.0, max_increase=wrong)


@pytest.fixture
def checks() -> list[Check]:
    def results(*values: float) -> list[Result]:
        return [result(f"<{number}>|", Score("fid", value, 0.1, "lower")) for number, value in enumerate(values)]

    return gate(results(10.0, 10.8, 12.0), results(10.01, 10.0, 10.0))


def test_each_line_has_the_outcome_the_values_and_the_remedy(checks: list[Check]) -> None:
    passed, _, undecided, _, failed = gate_text(checks).splitlines()
    assert passed.startswith("passed ")
    assert undecided.startswith("undecided ")
    assert "runs each with other seeds would decide" in undecided
    assert failed.startswith(
        "failed       <2>|, fd@x: 10 -> 12, worse by 2.00 ± 0.14, at least worse by 1.75 (allowed 1, 10 %"
    )


def test_junit_counts_cases_and_failures(checks: list[Check]) -> None:
    suite = xml.fromstring(gate_junit(checks).split("\n", 1)[1])[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert [case.get("classname") for case in suite] == ["<0>|", "<1>|", "<2>|"]
    assert [len(case.findall("failure")) for case in suite] == [0, 0, 1]


def test_an_undecided_case_of_junit_is_skipped_with_its_reason(checks: list[Check]) -> None:
    case = xml.fromstring(gate_junit(checks).split("\n", 1)[1])[0][1]
    (skipped,) = case
    assert skipped.tag == "skipped"
    assert skipped.get("message", "").startswith("undecided: <1>|, fd@x: 10 -> ")
    assert skipped.get("message", "").endswith("runs each with other seeds would decide")


def test_junit_shares_the_time_of_scoring_among_the_checks_of_a_subject() -> None:
    both = [replace(valued(name, 1.0), seconds=3.0) for name in ("a", "b")]
    first, second = gate(both, [valued(name, 1.0) for name in ("a", "b")])
    suites = xml.fromstring(gate_junit([first, second, replace(second, metric="other")]))
    assert [case.get("time") for case in suites[0]] == ["3.000", "1.500", "1.500"]
    assert suites.get("time") == suites[0].get("time") == "6.000"


def test_annotations_name_the_worst_first_and_stay_on_one_line(checks: list[Check]) -> None:
    lines = gate_annotations([replace(check, subject="100%\n::x, y") for check in checks]).splitlines()
    assert [line.split("title=")[0] for line in lines] == ["::error ", "::warning ", "::notice "]
    assert lines[0].startswith("::error title=genbench gate failed::100%25 ::x, y, fd@x: 10 -> 12")


def test_an_endpoint_for_shields_says_what_the_badge_says(checks: list[Check]) -> None:
    fields = json.loads(gate_endpoint(checks))
    assert fields == {"schemaVersion": 1, "label": "fd@x", "message": "10 failed", "color": "#c62828"}


def test_every_row_of_the_summary_has_as_many_cells_as_the_heading(checks: list[Check]) -> None:
    lines = [line for line in gate_markdown(checks).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {10}
    assert gate_markdown(checks).startswith("### genbench gate: failed")


def test_the_badge_is_an_image_with_a_name(checks: list[Check]) -> None:
    badge = xml.fromstring(gate_badge(checks))
    assert badge.tag.endswith("svg")
    assert badge.get("aria-label") == "fd@x: 10 failed"


def test_the_gate_reads_files(tmp_path: Path) -> None:
    BASELINE[0].append(tmp_path / "base.jsonl")
    valued("a", 12.0).append(tmp_path / "new.jsonl")
    assert outcome_of(gate(tmp_path / "new.jsonl", str(tmp_path / "base.jsonl"))) == "failed"
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match="holds no result"):
        gate(tmp_path / "empty.jsonl", tmp_path / "base.jsonl")


def test_the_same_samples_with_another_score_are_judged_by_the_score() -> None:
    samples = SampleSet("a", 1000, "copy")
    old, new = (valued("a", value, 0.1, generated=samples) for value in (10.0, 500.0))
    assert gate([new], [old])[0].outcome == "failed"
    rounded = valued("a", 10.0001, 0.1, generated=samples)
    assert gate([rounded], [old], max_increase=0)[0].reason == "the same samples"


def test_a_share_of_1_counts_its_error_once() -> None:
    count = 10_000
    perfect = [
        result(name, Score("high_quality", 1.0, binomial_error(1.0, count), "higher"),
               generated=SampleSet(name, count, name))
        for name in ("a", "b")
    ]  # fmt: skip
    (check,) = gate(perfect[:1], perfect[1:], max_increase="0.02 units")
    # half a row on the scale of the logit: a standard deviation of 2**.5 for each side
    assert check.difference is not None
    assert check.difference.shift_error == pytest.approx(2, rel=1e-3)
    assert check.outcome == "passed"


def test_a_failure_gives_the_lower_bound_and_other_checks_the_upper_one() -> None:
    assert "worse by 2.00 ± 0.14, at least worse by 1.75" in gate_text([check_of(12.0)])
    assert "at most worse by 0.539" in gate_text([check_of(10.3)])


def test_the_table_says_whether_a_difference_is_worse_or_better() -> None:
    assert "| 2.00 ± 0.14 worse |" in gate_markdown([check_of(12.0)])
    assert "| 0.21 ± 0.14 better |" in gate_markdown([check_of(9.79)])
