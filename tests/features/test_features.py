"""All rows of a view as one array, in memory or in a file; and the file of Features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from genbench.errors import InputError
from genbench.features import features
from genbench.features.features import Features, read_features

BLOCKS = [np.arange(12, dtype=np.float32).reshape(4, 3), np.full((2, 3), -1, np.float32)]


def test_many_rows_are_stored_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "IN_MEMORY_BYTES", 50)
    rows = Features([{"embedding": block} for block in BLOCKS])["embedding"]
    assert isinstance(rows, np.memmap)
    assert np.array_equal(rows, np.concatenate(BLOCKS))


def test_few_rows_are_stored_in_memory() -> None:
    rows = Features([{"embedding": block} for block in BLOCKS])["embedding"]
    assert not isinstance(rows, np.memmap)
    assert np.array_equal(rows, np.concatenate(BLOCKS))


def test_a_features_file_keeps_everything(tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    views = {"embedding": rows, "mode": np.array([1, 0]), "label": rows + 1, "hashes": rows + 2}
    record: dict[str, Any] = {
        "name": "mine",
        "extractor": "net",
        "identity": "net@1",
        "fingerprint": "c0ffee",
        "modes": 2,
        "mode_names": ("cats", "dogs"),
        "skipped": 3,
        "class_names": ("cat", "dog"),
        "left_out": {"hidden files": 2},
        "levels": (0, 17),
    }
    label, hashes = np.array([1, 0]), np.array([-3, 4])
    Features([views], label=label, hashes=hashes, **record).save(tmp_path / "x.safetensors")
    read = read_features(tmp_path / "x.safetensors")
    assert {name: getattr(read, name) for name in record} == record
    assert read.label is not None
    assert read.hashes is not None
    assert (read.label.tolist(), read.hashes.tolist()) == (label.tolist(), hashes.tolist())
    assert {view: read[view].tolist() for view in read.views} == {view: views[view].tolist() for view in views}


def test_a_features_file_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    Features.of(embedding=np.ones((4, 3), np.float32)).save(tmp_path / "x.safetensors")
    content = bytearray((tmp_path / "x.safetensors").read_bytes())
    content[-2] ^= 64
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.safetensors .*some bytes have changed"):
        read_features(tmp_path / "x.safetensors")


NAMED = {"name": "mine", "extractor": "net", "identity": "net@1", "fingerprint": "c0ffee"}
ROWS = np.zeros((4, 3), np.float32)


@pytest.mark.parametrize(
    ("record", "arrays", "message"),
    [
        ("null", {"embedding": ROWS}, "metadata are a NoneType"),
        ("[" * 100_000, {"embedding": ROWS}, "nested too deeply"),
        ("{", {"embedding": ROWS}, "Expecting property name"),
        (NAMED | {"name": 3}, {"embedding": ROWS}, "name = '3'; expected a text"),
        (NAMED | {"modes": "many"}, {"embedding": ROWS}, "modes = 'many'"),
        (NAMED | {"modes": True}, {"embedding": ROWS}, "modes = 'True'"),
        (NAMED | {"skipped": -1}, {"embedding": ROWS}, "skipped = '-1'"),
        (NAMED | {"class_names": "ab"}, {"embedding": ROWS}, "expected a list of texts"),
        (NAMED | {"levels": [3]}, {"embedding": ROWS}, r"levels = '\[3\]'"),
        (NAMED | {"levels": [9, 3]}, {"embedding": ROWS}, "levels"),
        (NAMED | {"left_out": {"files": None}}, {"embedding": ROWS}, "an object of counts"),
        (NAMED | {"columns": ["label"]}, {"embedding": ROWS}, "columns"),
        (NAMED, {}, "at least 1"),
        (NAMED, {"embedding": ROWS[:0]}, "at least 1"),
        (NAMED, {"embedding": ROWS, "logits": ROWS[:3]}, "the same length"),
        (NAMED, {"embedding": ROWS[:, 0]}, r"embedding has dtype float32 and shape \[4\]"),
        (NAMED, {"embedding": ROWS + np.float32(np.nan)}, "NaN"),
        (NAMED, {"embedding": ROWS, "mode": ROWS[:, 0]}, "mode has dtype float32"),
        (NAMED | {"modes": 3}, {"mode": np.array([0, 3])}, r"mode lies in 0\.\.3, outside of 0\.\.2"),
        (NAMED, {"embedding": ROWS, "label": np.arange(3)}, r"label has dtype int64 and shape \[3\]"),
        (NAMED, {"embedding": ROWS, "label": np.arange(4) / 2}, "label has dtype float64"),
        (NAMED, {"embedding": ROWS, "label": np.array([0, 1, -1, 0])}, r"label lies in -1\.\.1"),
        (NAMED | {"class_names": ["a", "b"]}, {"embedding": ROWS, "label": np.arange(4)}, r"label lies in 0\.\.3"),
    ],
)
def test_a_features_file_of_wrong_types_or_lengths_is_refused_with_its_path(
    tmp_path: Path, record: Any, arrays: dict[str, Any], message: str
) -> None:
    text = record if isinstance(record, str) else json.dumps(record)
    save_file(arrays, tmp_path / "x.safetensors", {"genbench.features": text})
    with pytest.raises(InputError, match=rf"x\.safetensors is not a features file.*{message}"):
        read_features(tmp_path / "x.safetensors")


def test_without_a_cache_folder_many_rows_are_stored_in_the_folder_of_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(features, "IN_MEMORY_BYTES", 50)
    rows = Features([{"embedding": block} for block in BLOCKS])["embedding"]
    assert isinstance(rows, np.memmap)
    assert np.array_equal(rows, np.concatenate(BLOCKS))


def test_without_any_folder_many_rows_are_stored_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, start: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    monkeypatch.setattr(features, "IN_MEMORY_BYTES", 50)
    rows = Features([{"embedding": block} for block in BLOCKS])["embedding"]
    assert not isinstance(rows, np.memmap)
    assert np.array_equal(rows, np.concatenate(BLOCKS))


def test_a_damaged_features_file_is_refused_in_one_line_or_read_unchanged(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Features.of(embedding=np.ones((4, 3), np.float32), mode=np.arange(4)).save(tmp_path / "good.safetensors")
    plain = (tmp_path / "good.safetensors").read_bytes()
    refused = 0
    for _ in range(200):
        data = bytearray(plain)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(256)
        (tmp_path / "x.safetensors").write_bytes(data)
        try:
            assert np.array_equal(read_features(tmp_path / "x.safetensors")["embedding"], np.ones((4, 3)))
        except InputError as error:
            refused += "x.safetensors" in str(error) and "\n" not in str(error)
    assert refused > 150
