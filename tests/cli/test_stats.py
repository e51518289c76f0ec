"""Test ``genbench stats``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import run


def test_statistics_are_written_and_read_back(images: Path, tmp_path: Path) -> None:
    outcome = run("stats", images, "--features", "pixels,size=8", "--out", tmp_path / "s.npz")
    assert outcome.exit_code == 0, outcome.output
    outcome = run("score", "--samples", images, "--reference", tmp_path / "s.npz", "--features", "pixels,size=8",
                "--metrics", "fd", "--json")  # fmt: skip
    assert json.loads(outcome.stdout)["scores"][0]["value"] == pytest.approx(0, abs=1e-6)
