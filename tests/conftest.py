"""Fixtures for all tests: each test gets empty folders for the cache and the weights."""

from __future__ import annotations

import os
import signal
from itertools import count
from pathlib import Path

import pytest

from genbench.files import fingerprints

# pytest-xdist runs one process for each core: more threads in each of them would only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Under nohup, processes ignore SIGHUP, and so would those that tests start and hang up.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def _folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, count[int]]:
    return tmp_path_factory.mktemp("folders"), count()


@pytest.fixture(autouse=True)
def _own_cache(_folders: tuple[Path, count[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    root, numbers = _folders
    number = next(numbers)
    monkeypatch.setenv("GENBENCH_CACHE", str(root / f"cache-{number}"))
    monkeypatch.setenv("GENBENCH_WEIGHTS", str(root / f"weights-{number}"))
    monkeypatch.setenv("GENBENCH_STATISTICS", str(root / f"statistics-{number}"))


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data next to the checkout; a test that needs it is skipped if it is missing."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data is missing")
    return folder


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file counts as old enough for its hash to be cached."""
    monkeypatch.setattr(fingerprints, "SETTLED_NS", -1)
