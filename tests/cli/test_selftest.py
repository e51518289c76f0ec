"""Test ``genbench selftest``."""

from __future__ import annotations

from tests.cli.commands import run


def test_selftest_passes() -> None:
    outcome = run("selftest")
    assert outcome.exit_code == 0, outcome.output
    assert "FAIL" not in outcome.stdout
