"""The content-addressed store of features."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from genbench.errors import InputError
from genbench.extraction.feature_store import Block, Store

VIEWS = {"embedding": np.arange(6, dtype=np.float32).reshape(2, 3), "mode": np.array([1, 2])}


def test_a_block_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    Store(tmp_path).put("net@1", "abcd", Block(VIEWS))
    block = Store(tmp_path).find("net@1", "abcd")
    assert block is not None
    assert block.offset is None
    assert {view: rows.tolist() for view, rows in block.views.items()} == {
        view: rows.tolist() for view, rows in VIEWS.items()
    }


def test_the_offset_of_a_block_is_an_entry_of_its_file_and_no_view(tmp_path: Path) -> None:
    Store(tmp_path).put("net@1", "abcd", Block(VIEWS, np.array([0, 2])))
    (path,) = tmp_path.glob("features/*/ab/*.safetensors")
    assert sorted(load_file(path)) == ["embedding", "mode", "offset"]
    block = Store(tmp_path).find("net@1", "abcd")
    assert block is not None
    assert block.offset is not None
    assert block.offset.tolist() == [0, 2]
    assert sorted(block.views) == ["embedding", "mode"]


def test_another_extractor_does_not_find_the_block(tmp_path: Path) -> None:
    Store(tmp_path).put("net@1", "abcd", Block(VIEWS))
    assert Store(tmp_path).find("net@2", "abcd") is None


def test_a_damaged_block_is_removed_and_counts_as_missing(tmp_path: Path) -> None:
    Store(tmp_path).put("net@1", "abcd", Block(VIEWS))
    (path,) = tmp_path.glob("features/*/ab/*.safetensors")
    path.write_bytes(path.read_bytes()[:-5])
    assert Store(tmp_path).find("net@1", "abcd") is None
    assert not path.exists()


def test_a_full_disk_leaves_no_incomplete_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.put("net@1", "abcd", Block(VIEWS))

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        store.put("net@1", "ef01", Block(VIEWS))
    monkeypatch.undo()
    assert store.find("net@1", "ef01") is None
    assert store.find("net@1", "abcd") is not None
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()].count("abcd.safetensors") == 1
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write to every folder")
def test_an_error_names_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        Store(tmp_path).put("net@1", "abcd", Block(VIEWS))


def test_derived_arrays_are_stored_on_disk(tmp_path: Path) -> None:
    Store(tmp_path).derived("net@1", "content")["moments"] = {"mean": np.ones(3)}
    derived = Store(tmp_path).derived("net@1", "content")
    assert derived["moments"]["mean"].tolist() == [1, 1, 1]
    assert "other" not in derived


def test_the_store_lists_its_extractors_and_clear_removes_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("net@1", "abcd", Block(VIEWS), extractor="net")
    store.put("net@1", "abce", Block(VIEWS), extractor="net")
    (stored,) = store.extractors()
    assert (stored.extractor, stored.blocks) == ("net", 2)
    assert 0 < stored.size_bytes <= store.size_bytes()
    store.clear()
    assert not list(store.extractors())
