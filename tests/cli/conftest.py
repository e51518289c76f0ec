"""Fixtures of the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.compared import valued

CLEAN = {"x": "x,resize=clean,weights=abc"}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of 20 PNG images of 16 x 16 pixels."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(20):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(tmp_path / "images" / f"{number}.png")
    return tmp_path / "images"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with files of results: old, bad and near, and clean, which follows another protocol."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.chdir(tmp_path)
    valued("old", 10.0).append(Path("old.jsonl"))
    valued("bad", 12.0).append(Path("bad.jsonl"))
    valued("near", 10.1).append(Path("near.jsonl"))
    valued("clean", 10.0, extractors=CLEAN).append(Path("clean.jsonl"))
    return tmp_path
