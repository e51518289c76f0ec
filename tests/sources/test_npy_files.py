"""Rows of arrays that are read from a file on demand, and headers that are damaged."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genbench.errors import InputError
from genbench.sources import npy_files
from genbench.sources.array_files import Npy, Npz
from genbench.sources.npy_files import open_rows


def images(count: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 6, 8, 3), dtype=np.uint8)


def opened(array: np.ndarray) -> npy_files.FileRows:
    with tempfile.TemporaryFile() as file:
        np.save(file, array)
        size = file.tell()
        file.seek(0)
        return open_rows("x.npy", file, size)


@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed])
def test_a_file_that_becomes_shorter_while_it_is_read_is_an_error(tmp_path: Path, save: Any) -> None:
    path = tmp_path / ("x.npy" if save is np.save else "x.npz")
    save(path, images())
    source = (Npy if save is np.save else Npz)(path)
    batches = source.batches(8)
    next(batches)
    os.truncate(path, 1000)
    # a compressed file was unpacked before
    if save is np.savez_compressed:
        assert sum(len(batch.data) for batch in batches) == 32
        return
    with pytest.raises(InputError, match=r"x\.np. became shorter while it was read"):
        list(batches)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("start", "stop"), [(0, 40), (3, 9), (7, 7), (38, 99)])
def test_rows_equal_those_of_the_array(order: Any, start: int, stop: int) -> None:
    array = np.asarray(images().astype(np.float32), order=order)
    assert np.array_equal(opened(array)[start:stop], array[start:stop])


def test_rows_in_fortran_order_do_not_depend_on_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.asfortranarray(images())
    monkeypatch.setattr(npy_files, "WINDOW_BYTES", 7 * array[0].nbytes)
    rows = opened(array)
    parts = [rows[start : start + 4] for start in (*range(0, 40, 4), 2)]
    assert np.array_equal(np.concatenate(parts), np.concatenate([array, array[2:6]]))


def _header(text: str) -> bytes:
    body = text.encode()
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body + bytes(64)


@pytest.mark.parametrize(
    "content",
    [
        _header("{'descr': '|u1', 'fortran_order': False, 'shape': (-2, 4, 4, 3)}\n"),
        _header("{'descr': '|u1', 'fortran_order': False, 'shape': (-2, -4, 4, 3)}\n"),
        _header("{'descr': '|S0', 'fortran_order': False, 'shape': (2, 4, 4, 3)}\n"),
        _header("{'descr': '|u1', 'fortran_order': False, 'shape': (2.5, 4)}\n"),
        _header("{'descr': ('|u1', 'x'), 'fortran_order': False, 'shape': (2, 4)}\n"),
        _header("{'descr': [], 'fortran_order': False, 'shape': (2, 4)}\n"),
        _header("{'descr': '<f999', 'fortran_order': False, 'shape': (2, 4)}\n"),
        _header("(" * 9000 + "\n"),
        _header("{'descr': '|u1', 'fortran_order': False, 'shape': (1 + 1, 4)}\n"),
        _header("{'descr': '|u1', 'fortran_order': False, 'shape': (" + "1," * 9000 + ")}\n"),
        _header("{'descr': '|u1', 'fortran_order': 'x', 'shape': (2, 4, 4, 3)\n"),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
        b"\x93NUMPY\x09\x00" + bytes(80),
    ],
)
def test_a_damaged_header_is_an_error(content: bytes) -> None:
    with pytest.raises(InputError, match=r"x\.npy is not a \.npy array") as caught:
        open_rows("x.npy", io.BytesIO(content), len(content))
    assert not any(word in str(caught.value) for word in ("ast.", " at 0x", "allow_pickle"))


def test_a_header_of_more_values_than_the_file_holds_is_an_error() -> None:
    content = _header("{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000000000, 4, 4, 3)}\n")
    with pytest.raises(InputError, match="cut short"):
        open_rows("x.npy", io.BytesIO(content), len(content))


def test_a_second_array_after_the_first_one_is_an_error(tmp_path: Path) -> None:
    with (tmp_path / "x.npy").open("wb") as file:
        np.save(file, images(3))
        np.save(file, images(2))
    with pytest.raises(InputError, match=r"holds 416 bytes after its array, uint8 \[3, 6, 8, 3\]"):
        Npy(tmp_path / "x.npy")


@pytest.mark.parametrize("save", [np.save, np.savez])
def test_another_working_folder_changes_nothing(tmp_path: Path, save: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, folder in enumerate(("first", "second")):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / ("x.npy" if save is np.save else "x.npz"), images()[:8] + number)
    monkeypatch.chdir(tmp_path / "first")
    source = Npy("x.npy") if save is np.save else Npz("x.npz")
    monkeypatch.chdir(tmp_path / "second")
    assert source.path.parent == tmp_path / "first"
    assert np.array_equal(next(source.batches(8)).data, images()[:8].transpose(0, 3, 1, 2))
