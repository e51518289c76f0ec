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
