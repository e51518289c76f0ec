"""Test ``genbench plan``."""

from __future__ import annotations

from pathlib import Path

from tests.cli.commands import run


def test_the_command_prints_a_plan_and_json(files: Path) -> None:
    outcome = run("plan", "old.jsonl", "--difference", "5%")
    assert outcome.exit_code == 0
    assert "training seeds a side" in outcome.stdout
    assert '"checkpoint_count"' in run("plan", "old.jsonl", "--json").stdout
    assert run("plan", "no.jsonl").exit_code == 1
