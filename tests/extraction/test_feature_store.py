"""The content-addressed store of features."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

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


def test_the_other_columns_of_a_block_are_no_views_even_if_views_have_their_names(tmp_path: Path) -> None:
    views = VIEWS | {"offset": np.array([7.0, 8.0]), "hashes": np.array([0.5, 0.25])}
    hashes = np.array([-5, 6])
    written = Block(views, np.array([0, 2]), hashes, (3, 250), {"further frames": 4})
    for block in (Store(tmp_path).put("net@1", "abcd", written), Store(tmp_path).find("net@1", "abcd")):
        assert block is not None
        assert block.offset is not None
        assert block.hashes is not None
        assert (block.offset.tolist(), block.hashes.tolist()) == ([0, 2], [-5, 6])
        assert (block.levels, dict(block.left_out)) == ((3, 250), {"further frames": 4})
        assert {name: rows.tolist() for name, rows in block.views.items()} == {
            name: rows.tolist() for name, rows in views.items()
        }


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

    def full(arrays: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    with pytest.raises(InputError, match="No space left on device"):
        store.put("net@1", "ef01", Block(VIEWS))
    monkeypatch.undo()
    assert store.find("net@1", "ef01") is None
    assert store.find("net@1", "abcd") is not None
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()].count("abcd.safetensors") == 1
    assert not list(tmp_path.rglob(".*"))


def test_a_block_with_any_flipped_bit_counts_as_missing(tmp_path: Path) -> None:
    Store(tmp_path).put("net@1", "abcd", Block(VIEWS, None, np.array([1, 2]), (0, 255)))
    (path,) = tmp_path.glob("features/*/ab/*.safetensors")
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        block = Store(tmp_path).find("net@1", "abcd")
        # a few bits are free: spaces after the header, and letters of the file's own checksum in upper case
        assert block is None or (block.levels == (0, 255) and np.array_equal(block.views["mode"], VIEWS["mode"]))
        assert block is None or np.array_equal(block.views["embedding"], VIEWS["embedding"])


@pytest.mark.parametrize(("identity", "digest"), [("net@1", "abff"), ("net@2", "abcd")])
def test_a_block_of_other_samples_or_another_extractor_counts_as_missing(
    tmp_path: Path, identity: str, digest: str
) -> None:
    store = Store(tmp_path)
    for address in (("net@1", "abcd"), (identity, digest)):
        store.put(*address, Block(VIEWS))
    first, second = tmp_path.glob("features/*/ab/*.safetensors")
    first.write_bytes(second.read_bytes())
    found = [store.find("net@1", "abcd") is not None, store.find(identity, digest) is not None]
    assert sorted(found) == [False, True]


def test_a_block_without_checksum_counts_as_missing(tmp_path: Path) -> None:
    Store(tmp_path).put("net@1", "abcd", Block(VIEWS))
    (path,) = tmp_path.glob("features/*/ab/*.safetensors")
    save_file(VIEWS, path)
    assert Store(tmp_path).find("net@1", "abcd") is None


def test_a_block_that_is_removed_while_it_is_used_is_an_error_with_its_path(tmp_path: Path) -> None:
    block = Store(tmp_path).put("net@1", "abcd", Block(VIEWS))
    Store(tmp_path).clear()
    with pytest.raises(InputError, match=r"abcd\.safetensors was removed or changed"):
        block.views["embedding"]


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


def test_derived_arrays_with_a_flipped_bit_or_of_another_name_count_as_missing(tmp_path: Path) -> None:
    derived = Store(tmp_path).derived("net@1", "content")
    derived["moments"], derived["bins"] = {"mean": np.ones(3)}, {"mean": np.zeros(3)}
    first, second = sorted(tmp_path.glob("derived/*/*.safetensors"))
    content = bytearray(first.read_bytes())
    first.write_bytes(second.read_bytes())
    content[-1] ^= 1
    second.write_bytes(content)
    assert "moments" not in derived
    assert "bins" not in derived


def test_the_store_lists_its_extractors_and_clear_removes_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("net@1", "abcd", Block(VIEWS), extractor="net")
    store.put("net@1", "abce", Block(VIEWS), extractor="net")
    (stored,) = store.extractors()
    assert (stored.extractor, stored.blocks) == ("net", 2)
    assert 0 < stored.size_bytes <= store.size_bytes()
    store.clear()
    assert not list(store.extractors())
