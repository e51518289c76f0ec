"""Test ``genbench gate``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import run


@pytest.mark.parametrize(("result", "code"), [("bad.jsonl", 1), ("near.jsonl", 0), ("old.jsonl", 0)])
def test_the_exit_code_is_1_if_the_gate_fails(files: Path, result: str, code: int) -> None:
    assert run("gate", result, "--against", "old.jsonl").exit_code == code


def test_the_gate_writes_its_files_and_appends_to_the_summary(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("before\n")
    words = ("--junit", "ci/gate.xml", "--badge", "badge.svg", "--max-increase", "2%", "--confidence", "99%")
    assert run("gate", "bad.jsonl", "--against", "old.jsonl", *words).exit_code == 1
    assert Path("ci/gate.xml").read_text().startswith("<?xml")
    assert Path("badge.svg").read_text().startswith("<svg")
    assert Path("summary.md").read_text().startswith("before\n### genbench gate: failed")


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
    assert outcome.exit_code == 1
    assert "passed" in outcome.stdout
    assert "a_file/gate cannot be written" in outcome.stderr
