"""The gate: what fails, what passes, what is undecided, and how it says so."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as xml

import numpy as np
import pytest

from genbench.comparison.gate import Check, gate
from genbench.errors import InputError, UsageError
from genbench.plugs.contracts import Influence, Score
from genbench.results import Result
from genbench.tables.gate_report import gate_badge, gate_junit, gate_markdown, gate_text, outcome_of
from tests.helpers.compared import repeated, result, valued

BASELINE = [valued("a", 10.0)]


def checked(value: float, error: float = 0.1, **options: object) -> Check:
    (check,) = gate([valued("a", value, error)], BASELINE, **options)  # type: ignore[arg-type]
    return check


def test_a_regression_beyond_chance_fails() -> None:
    assert checked(11.0).outcome == "failed"


def test_what_is_better_or_equal_passes() -> None:
    assert checked(10.0).outcome == checked(9.0).outcome == "passed"


def test_what_its_error_explains_is_undecided_and_says_how_many_samples_would_decide() -> None:
    check = checked(10.1)
    assert check.outcome == "undecided"
    # 1.645 errors must fit into the difference of .1: (1.645 * .1414 / .1)^2 * 1,000 samples, rounded up to two digits
    assert check.decided_by == "about 5,500 samples a side (1,000 now) would decide"


def test_a_reference_that_is_too_small_is_named() -> None:
    shared = [Influence((0.01, -0.01) * 16, tuple(sign * np.roll([1.0, -1.0] * 16, 0))) for sign in (0.05, -0.05)]
    ours, theirs = (
        result("a", Score("fid", value, 0.3, "lower", influence=parts))
        for value, parts in zip((10.3, 10.0), shared, strict=True)
    )
    (check,) = gate([ours], [theirs])
    assert check.outcome == "undecided"
    assert "the reference is too small" in check.decided_by


def test_undecided_seeds_ask_for_more_seeds() -> None:
    (check,) = gate(repeated("a", [10.0, 10.4, 10.8]), repeated("a", [9.8, 10.1, 10.4]))
    assert check.outcome == "undecided"
    assert "training seeds a side (3 now)" in check.decided_by


@pytest.mark.parametrize(
    ("allowed", "outcome"), [("5%", "passed"), ("4%", "undecided"), ("1%", "failed"), (0.5, "passed")]
)
def test_what_is_allowed_is_a_number_or_a_share_of_the_baseline(allowed: str | float, outcome: str) -> None:
    assert checked(10.5, max_increase=allowed).outcome == outcome


def test_where_higher_is_better_falling_is_worse() -> None:
    before, after = valued("a", 10.0, better="higher"), valued("a", 9.0, better="higher")
    assert gate([after], [before])[0].outcome == "failed"
    assert gate([before], [after])[0].outcome == "passed"


def test_many_checks_of_one_model_rarely_fail_by_chance() -> None:
    rng, failed = np.random.default_rng(0), 0
    for _ in range(200):
        ours, theirs = (
            result("a", *(Score(f"m{at}", value, 1.0, "lower") for at, value in enumerate(rng.standard_normal(5))))
            for _ in range(2)
        )
        failed += outcome_of(gate([ours], [theirs], metrics=[f"m{at}@x" for at in range(5)])) == "failed"
    assert failed <= 20  # 5 % of 200 are 10


def test_subjects_meet_by_name_and_single_ones_in_any_case() -> None:
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
        checked(10.0, max_increase=wrong)


@pytest.fixture
def checks() -> list[Check]:
    def both(*values: float) -> list[Result]:
        return [result(f"<{at}>|", Score("fid", value, 0.1, "lower")) for at, value in enumerate(values)]

    return gate(both(10.0, 10.1, 12.0), both(10.0, 10.0, 10.0))


def test_the_lines_say_outcome_values_and_remedy(checks: list[Check]) -> None:
    passed, undecided, failed = gate_text(checks).splitlines()
    assert passed.startswith("passed")
    assert undecided.startswith("undecided")
    assert "samples a side" in undecided
    assert failed.startswith("failed     <2>|, fd@x: 10 -> 12, worse by 2.00 ± 0.14 (allowed 0, p < .0001")


def test_junit_counts_cases_and_failures(checks: list[Check]) -> None:
    suite = xml.fromstring(gate_junit(checks).split("\n", 1)[1])[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert [case.get("classname") for case in suite] == ["<0>|", "<1>|", "<2>|"]
    assert [len(case.findall("failure")) for case in suite] == [0, 0, 1]


def test_the_summary_is_a_table_whose_rows_have_the_headings_cells(checks: list[Check]) -> None:
    lines = [line for line in gate_markdown(checks).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {10}
    assert gate_markdown(checks).startswith("### genbench gate: failed")


def test_the_badge_is_an_image_with_a_name(checks: list[Check]) -> None:
    badge = xml.fromstring(gate_badge(checks))
    assert badge.tag.endswith("svg")
    assert badge.get("aria-label") == "fd@x: 10 failed"


def test_files_are_read(tmp_path: Path) -> None:
    BASELINE[0].append(tmp_path / "base.jsonl")
    valued("a", 12.0).append(tmp_path / "new.jsonl")
    assert outcome_of(gate(tmp_path / "new.jsonl", str(tmp_path / "base.jsonl"))) == "failed"
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match="holds no result"):
        gate(tmp_path / "empty.jsonl", tmp_path / "base.jsonl")
