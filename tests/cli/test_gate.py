"""Test ``genbench gate``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.commands import refused, run
from tests.helpers.compared import valued


@pytest.mark.parametrize(
    ("result", "code"), [("bad.jsonl", 1), ("near.jsonl", 0), ("old.jsonl", 0), ("middle.jsonl", 3)]
)
def test_the_exit_code_is_1_if_the_gate_fails_and_3_if_it_is_undecided(files: Path, result: str, code: int) -> None:
    valued("middle", 11.0).append(Path("middle.jsonl"))
    assert run("gate", result, "--against", "old.jsonl").exit_code == code


@pytest.mark.parametrize(("mapped", "code"), [("pass", 0), ("fail", 1)])
def test_an_undecided_gate_can_be_mapped(files: Path, mapped: str, code: int) -> None:
    valued("middle", 11.0).append(Path("middle.jsonl"))
    assert run("gate", "middle.jsonl", "--against", "old.jsonl", "--undecided", mapped).exit_code == code
    assert run("gate", "bad.jsonl", "--against", "old.jsonl", "--undecided", mapped).exit_code == 1


def test_a_problem_with_the_input_has_exit_code_4_and_a_mistyped_name_2(files: Path) -> None:
    assert run("gate", "no.jsonl", "--against", "old.jsonl").exit_code == 4
    Path("broken.jsonl").write_text("{}\n")
    assert run("gate", "broken.jsonl", "--against", "old.jsonl").exit_code == 4
    assert run("gate", "near.jsonl", "--against", "old.jsonl", "--metric", "nothing").exit_code == 2
    assert run("gate", "near.jsonl", "--against", "old.jsonl", "--max-increase", "20").exit_code == 2
    assert run("compare", "no.jsonl", "old.jsonl").exit_code == 1


def test_the_gate_writes_its_files_and_appends_to_the_summary(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("before\n")
    words = ("--junit", "ci/gate.xml", "--badge", "badge.svg", "--max-increase", "2%", "--confidence", "99%")
    assert run("gate", "bad.jsonl", "--against", "old.jsonl", *words).exit_code == 1
    assert Path("ci/gate.xml").read_text().startswith("<?xml")
    assert Path("badge.svg").read_text().startswith("<svg")
    assert Path("summary.md").read_text().startswith("before\n### genbench gate: failed")


def test_a_badge_with_the_ending_json_is_an_endpoint_for_shields(files: Path) -> None:
    run("gate", "near.jsonl", "--against", "old.jsonl", "--badge", "badge.json")
    assert json.loads(Path("badge.json").read_text())["schemaVersion"] == 1


def test_the_format_github_prints_annotations(files: Path) -> None:
    outcome = run("gate", "bad.jsonl", "--against", "old.jsonl", "--format", "github")
    assert outcome.exit_code == 1
    assert outcome.stdout.startswith("::error title=genbench gate failed::bad, fd@x: 10 -> 12, worse by")
    assert outcome.stdout.count("\n") == 1


@pytest.mark.parametrize("by_option", [True, False])
def test_a_summary_that_cannot_be_written_is_a_notice(
    files: Path, by_option: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a_file").write_text("")
    words = ["--summary", "a_file/summary.md"] if by_option else []
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "a_file/summary.md")
    outcome = run("gate", "old.jsonl", "--against", "old.jsonl", *words)
    assert outcome.exit_code == 0
    assert "The summary is missing: a_file/summary.md cannot be written" in outcome.stderr
    assert "passed" in outcome.stdout


@pytest.mark.parametrize("option", ["--junit", "--badge"])
def test_a_file_that_cannot_be_written_is_an_error_after_the_verdict(files: Path, option: str) -> None:
    Path("a_file").write_text("")
    outcome = run("gate", "old.jsonl", "--against", "old.jsonl", option, "a_file/gate")
    assert outcome.exit_code == 4
    assert "passed" in outcome.stdout
    assert "a_file/gate cannot be written" in outcome.stderr


def test_the_gate_prints_the_warnings_of_what_it_scores(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, high in (("real", 256), ("dark", 9)):
        np.save(tmp_path / f"{name}.npy", rng.integers(0, high, (40, 8, 8, 3), dtype=np.uint8))
    options = ("--samples", tmp_path / "dark.npy", "--reference", tmp_path / "real.npy", "--metrics", "fd")
    how = (*options, "--features", "pixels,size=4", "--quiet")
    run("score", *how, "--to", tmp_path / "base.jsonl")
    outcome = run("gate", *how, "--against", tmp_path / "base.jsonl")
    assert outcome.exit_code in (0, 1, 3), outcome.output
    assert outcome.stderr.count("nearly black") == 1
    assert "nearly black" not in outcome.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--to", "x.jsonl"),
        ("--metrics", "fd"),
        ("--count", "10"),
        ("--name", "x"),
        ("--benchmark", "digits"),
        ("--reference", "digits"),
        ("--seed", "0"),
        ("--no-cache",),
        ("--until", "decided"),
        ("--max-count", "none"),
    ],
)
def test_an_option_of_scoring_beside_a_result_is_refused(files: Path, words: tuple[str, ...]) -> None:
    outcome = run("gate", "near.jsonl", "--against", "old.jsonl", *words)
    assert outcome.exit_code == 2
    assert f"{words[0]}: RESULT is scored already" in outcome.stderr
    assert not Path("x.jsonl").exists()


def test_quiet_is_allowed_beside_a_result(files: Path) -> None:
    assert run("gate", "near.jsonl", "--against", "old.jsonl", "--quiet").exit_code == 0


def test_the_output_fits_80_columns_and_json_has_the_numbers(files: Path) -> None:
    words = ("gate", "near.jsonl", "--against", "old.jsonl")
    text = run(*words).stdout
    assert all(len(line) <= 80 for line in text.splitlines()), text
    found = json.loads(run(*words, "--format", "json").stdout)
    assert found["outcome"] == text.split()[0]
    (check,) = found["checks"]
    assert (check["baseline"], check["now"]) == pytest.approx((10.0, 10.1))
    assert check["worse_by"] == pytest.approx(0.1)
    assert check["error"] > 0


def test_a_subject_that_could_not_be_compared_is_refused_before_it_is_scored(files: Path) -> None:
    made = ("--reference", "digits,split=test", "--features", "pixels,size=8", "--metrics", "fd")
    assert run("score", "digits,split=train", *made, "--to", "base.jsonl").exit_code == 0
    words = ("gate", "--samples", "digits,split=train", "--against", "base.jsonl")
    assert "no metric 'nosuch'" in refused(*words, *made, "--metric", "nosuch", code=2)
    message = refused(*words, *made, "--count", "100", code=4)
    assert "the count 100, and the baseline digits,split=train in base.jsonl has 898" in message
    message = refused(*words, *made[:3], "pixels,size=4", *made[4:], code=4)
    assert "the features pixels,size=4" in message


def test_a_dry_run_prints_the_cost_and_gates_nothing(files: Path) -> None:
    made = ("--reference", "digits,split=test", "--features", "pixels,size=8", "--metrics", "fd")
    assert run("score", "digits,split=train", *made, "--to", "base.jsonl").exit_code == 0
    outcome = run("gate", "--samples", "digits,split=train", "--against", "base.jsonl", *made, "--dry-run")
    assert outcome.exit_code == 0
    assert "memory" in outcome.stdout
    assert "passed" not in outcome.stdout
