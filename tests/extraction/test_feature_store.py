"""The content-addressed store."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from genbench.errors import InputError
from genbench.extraction.feature_store import Store

VIEWS = {"embedding": np.arange(6, dtype=np.float32).reshape(2, 3), "mode": np.array([1, 2])}


def test_a_block_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    Store(tmp_path).keep("net@1", "abcd", VIEWS)
    found = Store(tmp_path).find("net@1", "abcd")
    assert found is not None
    assert {view: found[view].tolist() for view in found} == {view: VIEWS[view].tolist() for view in VIEWS}


def test_another_extractor_does_not_see_the_block(tmp_path: Path) -> None:
    Store(tmp_path).keep("net@1", "abcd", VIEWS)
    assert Store(tmp_path).find("net@2", "abcd") is None


def test_a_damaged_block_counts_as_absent_and_goes(tmp_path: Path) -> None:
    Store(tmp_path).keep("net@1", "abcd", VIEWS)
    (path,) = tmp_path.glob("features/*/ab/*.safetensors")
    path.write_bytes(path.read_bytes()[:-5])
    assert Store(tmp_path).find("net@1", "abcd") is None
    assert not path.exists()


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.keep("net@1", "abcd", VIEWS)

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        store.keep("net@1", "ef01", VIEWS)
    monkeypatch.undo()
    assert store.find("net@1", "ef01") is None
    assert store.find("net@1", "abcd") is not None
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()].count("abcd.safetensors") == 1
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        Store(tmp_path).keep("net@1", "abcd", VIEWS)


def test_derived_arrays_are_kept_on_disk(tmp_path: Path) -> None:
    Store(tmp_path).beside("net@1", "content")["moments"] = {"mean": np.ones(3)}
    kept = Store(tmp_path).beside("net@1", "content")
    assert kept["moments"]["mean"].tolist() == [1, 1, 1]
    assert "other" not in kept


def test_the_shelves_say_what_is_kept_and_clear_removes_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep("net@1", "abcd", VIEWS, extractor="net")
    store.keep("net@1", "abce", VIEWS, extractor="net")
    (shelf,) = store.shelves()
    assert (shelf.extractor, shelf.blocks) == ("net", 2)
    assert 0 < shelf.size_bytes <= store.size_bytes()
    store.clear()
    assert not list(store.shelves())
