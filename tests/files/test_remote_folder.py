"""Files by name at an address: weights and statistics."""

from __future__ import annotations

import hashlib
from itertools import count
from pathlib import Path

import fsspec
import numpy as np
import pytest

from genbench.errors import MissingWeightsError
from genbench.extractors.weights import Weights, find_weights
from genbench.features.named_statistics import copy_here
from genbench.features.published_statistics import NamedStatistics
from genbench.files.folder_paths import cache_root, statistics_root, weights_root
from tests.helpers.file_server import serving

CONTENT = b"weights of a network"
NUMBERS = count()


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set all folders to an address that no other test uses, and return it."""
    address = f"memory://files-{next(NUMBERS)}"
    for variable in ("GENBENCH_CACHE", "GENBENCH_WEIGHTS", "GENBENCH_STATISTICS"):
        monkeypatch.setenv(variable, address)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return address


def published(url: str = "http://127.0.0.1:9/weights.pt") -> Weights:
    return Weights("weights.pt", (url,), hashlib.sha256(CONTENT).hexdigest(), 1, "net")


def test_each_address_has_its_own_local_folder(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cache_root()
    assert first == weights_root() == statistics_root()
    monkeypatch.setenv("GENBENCH_CACHE", f"{address}-2")
    assert cache_root() != first


def test_weights_are_fetched_from_an_address(address: str) -> None:
    fsspec.filesystem("memory").pipe_file(f"{address}/weights.pt", CONTENT)
    assert find_weights(published()).read_bytes() == CONTENT


def test_other_weights_at_the_address_count_as_missing(address: str) -> None:
    fsspec.filesystem("memory").pipe_file(f"{address}/weights.pt", CONTENT[:-1])
    with pytest.raises(MissingWeightsError, match="cannot be downloaded"):
        find_weights(published())
    assert not (weights_root() / "weights.pt").exists()


def test_weights_that_were_downloaded_are_sent_to_the_address(address: str) -> None:
    with serving({"/weights.pt": CONTENT}) as server:
        find_weights(published(server.url("/weights.pt")))
    assert fsspec.filesystem("memory").cat_file(f"{address}/weights.pt") == CONTENT


def test_statistics_by_name_are_fetched_from_an_address(address: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "real.npz", mu=np.zeros(3), sigma=np.eye(3))
    content = (tmp_path / "real.npz").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    statistics = NamedStatistics("mine", urls=("http://127.0.0.1:9/real.npz",), sha256=digest)
    assert copy_here(statistics) is None
    fsspec.filesystem("memory").pipe_file(f"{address}/mine/real.npz", content)
    found = copy_here(statistics)
    assert found is not None
    assert found == (statistics_root() / "mine" / "real.npz", digest)
