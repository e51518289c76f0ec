"""Fixtures for all tests: each test gets empty folders for the cache and the weights."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("GENBENCH_WEIGHTS", str(tmp_path_factory.mktemp("weights")))


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data next to the checkout; a test that needs it is skipped if it is missing."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data is missing")
    return folder
