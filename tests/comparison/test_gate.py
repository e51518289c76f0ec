"""Test the gate: which changes pass, are undecided or fail, and the reports about them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as xml

import numpy as np
import pytest

from genbench.comparison.gate import gate
from genbench.comparison.gate_checks import Check
from genbench.errors import InputError, UsageError
from genbench.plugs.contracts import Influence, Score
from genbench.results import Result
from genbench.tables.gate_report import gate_badge, gate_junit, gate_markdown, gate_text, outcome_of
from tests.helpers.compared import repeated, result, valued

BASELINE = [valued("a", 10.0)]


def check_of(value: float, error: float = 0.1, **options: object) -> Check:
    (check,) = gate([valued("a", value, error)], BASELINE, **options)  # type: ignore[arg-type]
    return check


def test_a_regression_beyond_chance_fails() -> None:
    assert check_of(11.0).outcome == "failed"


def test_a_better_or_equal_result_passes() -> None:
    assert check_of(10.0).outcome == check_of(9.0).outcome == "passed"


def test_a_change_within_its_error_is_undecided_and_the_needed_number_of_samples_is_named() -> None:
    check = check_of(10.1)
    assert check.outcome == "undecided"
    # 1.645 errors must be smaller than .1: (1.645 * .1414 / .1)^2 * 1,000 samples, rounded up to two digits
    assert check.decided_by == "about 5,500 samples per subject (1,000 now) would decide"


def test_a_reference_that_is_too_small_is_named() -> None:
    influences = [Influence((0.01, -0.01) * 16, tuple(sign * np.roll([1.0, -1.0] * 16, 0))) for sign in (0.05, -0.05)]
    candidate, baseline = (
        result("a", Score("fid", value, 0.3, "lower", influence=influence))
        for value, influence in zip((10.3, 10.0), influences, strict=True)
    )
    (check,) = gate([candidate], [baseline])
    assert check.outcome == "undecided"
    assert "the reference is too small" in check.decided_by


def test_an_undecided_check_of_several_seeds_asks_for_more_seeds() -> None:
    (check,) = gate(repeated("a", [10.0, 10.4, 10.8]), repeated("a", [9.8, 10.1, 10.4]))
    assert check.outcome == "undecided"
    assert "training seeds per subject (3 now)" in check.decided_by


@pytest.mark.parametrize(
    ("allowed", "outcome"), [("5%", "passed"), ("4%", "undecided"), ("1%", "failed"), (0.5, "passed")]
)
def test_the_allowed_increase_is_a_number_or_a_percentage_of_the_baseline(allowed: str | float, outcome: str) -> None:
    assert check_of(10.5, max_increase=allowed).outcome == outcome


def test_a_lower_value_is_worse_if_higher_is_better() -> None:
    before, after = valued("a", 10.0, better="higher"), valued("a", 9.0, better="higher")
    assert gate([after], [before])[0].outcome == "failed"
    assert gate([before], [after])[0].outcome == "passed"


def test_many_checks_of_one_model_rarely_fail_by_chance() -> None:
    rng, failed = np.random.default_rng(0), 0
    for _ in range(200):
        candidate, baseline = (
            result("a", *(Score(f"m{number}", value, 1.0, "lower") for number, value in enumerate(values)))
            for values in rng.standard_normal((2, 5))
        )
        failed += outcome_of(gate([candidate], [baseline], metrics=[f"m{number}@x" for number in range(5)])) == "failed"
    assert failed <= 20  # 5 % of 200 are 10


def test_subjects_are_matched_by_name_and_single_subjects_always_match() -> None:
    assert len(gate([valued("new", 1.0)], [valued("old", 1.0)])) == 1
    several = [valued("a", 1.0), valued("b", 1.0)]
    assert [check.difference.a for check in gate([valued("b", 1.0)], several)] == ["b"]
    with pytest.raises(InputError, match="no name is in both"):
        gate([valued("c", 1.0)], several)


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

    return gate(results(10.0, 10.1, 12.0), results(10.0, 10.0, 10.0))


def test_each_line_has_the_outcome_the_values_and_the_remedy(checks: list[Check]) -> None:
    passed, undecided, failed = gate_text(checks).splitlines()
    assert passed.startswith("passed")
    assert undecided.startswith("undecided")
    assert "samples per subject" in undecided
    assert failed.startswith("failed     <2>|, fd@x: 10 -> 12, worse by 2.00 ± 0.14 (allowed 0, p < .0001")


def test_junit_counts_cases_and_failures(checks: list[Check]) -> None:
    suite = xml.fromstring(gate_junit(checks).split("\n", 1)[1])[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert [case.get("classname") for case in suite] == ["<0>|", "<1>|", "<2>|"]
    assert [len(case.findall("failure")) for case in suite] == [0, 0, 1]


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
