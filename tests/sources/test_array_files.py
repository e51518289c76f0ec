"""Samples in .npz and .npy files: valid, damaged and hostile files."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genbench.errors import InputError, UsageError
from genbench.plugs import registry
from genbench.plugs.contracts import Source
from genbench.sources.array_files import Npy, Npz
from genbench.sources.memory import ArraySource


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


def images(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 6, 8, 3), dtype=np.uint8)


def rows(source: Source, size: int = 2) -> np.ndarray:
    return np.concatenate([batch.data for batch in source.batches(size) if not isinstance(batch.data, list)])


def settle(path: Path) -> None:
    then = time.time() - 3600
    os.utime(path, (then, then))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arr_0_of_an_npz_holds_images_and_arr_1_their_classes(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "x.npz", images(), np.arange(5))
    source = registry.open_accepted(("sources",), tmp_path / "x.npz")
    assert isinstance(source, Npz)
    assert np.array_equal(rows(source), images().transpose(0, 3, 1, 2))
    assert source.labels is not None
    assert source.labels.tolist() == [0, 1, 2, 3, 4]
    labels = [batch.label for batch in source.batches(3)]
    assert [label.tolist() for label in labels if label is not None] == [[0, 1, 2], [3, 4]]


def test_an_npz_is_memory_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "x.npz", images())
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    assert len(rows(Npz(tmp_path / "x.npz"))) == 5


def test_a_compressed_and_an_uncompressed_npz_have_the_same_digest(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images())
    np.savez_compressed(tmp_path / "y.npz", images())
    np.save(tmp_path / "z.npy", images())
    digests = {Npz(tmp_path / "x.npz").digest(0, 5), Npz(tmp_path / "y.npz").digest(0, 5)}
    assert digests == {Npy(tmp_path / "z.npy").digest(0, 5)}


@pytest.mark.usefixtures("settled")
def test_an_unchanged_npy_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", images())
    settle(tmp_path / "x.npy")
    first = Npy(tmp_path / "x.npy").digest(0, 5)
    monkeypatch.setattr(ArraySource, "digest", lambda *_: pytest.fail("read again"))
    assert Npy(tmp_path / "x.npy").digest(0, 5) == first


def test_the_error_for_an_npz_without_arr_0_lists_its_entries(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", samples=images(), z=np.zeros(3))
    with pytest.raises(InputError, match="holds samples, z; expected arr_0"):
        Npz(tmp_path / "x.npz")


def test_the_error_for_a_statistics_file_points_to_the_option_reference(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", mu=np.zeros(3), sigma=np.eye(3))
    with pytest.raises(InputError, match=r"statistics file .* --reference"):
        Npz(tmp_path / "x.npz")


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("kind", [Npy, Npz])
@pytest.mark.parametrize("shape", [(2,), (2, 2, 2, 3)])
def test_pickled_objects_are_refused_and_not_run(tmp_path: Path, kind: Any, shape: tuple[int, ...]) -> None:
    hostile = np.full(shape, None, object)
    hostile.flat[0] = Payload(tmp_path / "ran")
    path = tmp_path / f"x.{kind.__name__.lower()}"
    (np.save if kind is Npy else np.savez)(path, hostile)
    with pytest.raises(InputError, match="never loaded"):
        kind(path)
    assert not (tmp_path / "ran").exists()


def test_records_that_hold_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(2, [("a", object), ("b", float)]))
    with pytest.raises(InputError, match="never loaded"):
        Npy(tmp_path / "x.npy")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_npz_is_an_error(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "x.npz", images())
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[data.index(b"arr_0") + 30 : data.index(b"arr_0") + 60] = bytes(30)
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.npz"):
        Npz(tmp_path / "x.npz")


def test_an_npz_that_does_not_fit_into_the_temporary_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "x.npz", images())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(InputError, match="set TMPDIR"):
        Npz(tmp_path / "x.npz")


@pytest.mark.parametrize("axes", ["NHWC", "NCHW", "gray NHW", "gray NHWC", "gray NCHW", "Fortran"])
def test_every_layout_of_images_is_read(tmp_path: Path, axes: str) -> None:
    colour = images()
    gray = colour[..., 0]
    stored = {
        "NHWC": colour,
        "NCHW": colour.transpose(0, 3, 1, 2),
        "gray NHW": gray,
        "gray NHWC": gray[..., None],
        "gray NCHW": gray[:, None],
        "Fortran": np.asfortranarray(colour),
    }[axes]
    np.save(tmp_path / "x.npy", stored)
    expected = np.stack([gray] * 3, axis=1) if axes.startswith("gray") else colour.transpose(0, 3, 1, 2)
    assert np.array_equal(rows(Npy(tmp_path / "x.npy")), expected)


@pytest.mark.parametrize(("range", "low"), [("0..1", 0.0), ("-1..1", -1.0)])
def test_floats_with_a_declared_range_become_uint8(tmp_path: Path, range: str, low: float) -> None:
    np.save(tmp_path / "x.npy", (images() / 255 * (1 - low) + low).astype(np.float32))
    source = registry.load("sources", f"npy,path={tmp_path / 'x.npy'},range={range}")
    assert np.array_equal(rows(source), images().transpose(0, 3, 1, 2))


def test_the_error_for_floats_without_a_range_shows_how_to_declare_it(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 4, 3)))
    np.savez(tmp_path / "x.npz", np.zeros((2, 4, 4, 3)))
    for kind in ("npy", "npz"):
        path = tmp_path / f"x.{kind}"
        with pytest.raises(InputError, match=f"float64.*declare it with {kind},path={path},range=0..1"):
            registry.open_accepted(("sources",), path)


def test_an_unknown_range_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 4, 3)))
    with pytest.raises(UsageError, match=r"'0-255' is not of the form LOW\.\.HIGH"):
        Npy(tmp_path / "x.npy", range="0-255")


@pytest.mark.parametrize(("range", "values"), [("0..255", [0.0, 51.0, 255.0]), ("-2..3", [-2.0, -1.0, 3.0])])
def test_a_range_may_have_any_limits(tmp_path: Path, range: str, values: list[float]) -> None:
    np.save(tmp_path / "x.npy", np.array(values).repeat(12).reshape(3, 2, 2, 3))
    (batch,) = Npy(tmp_path / "x.npy", range=range).batches(3)
    assert batch.data[:, 0, 0, 0].tolist() == [0, 51, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_range_is_advised_for_values_that_are_not_finite(tmp_path: Path, value: float) -> None:
    np.save(tmp_path / "x.npy", np.full((4, 8, 8, 3), value, np.float32))
    with pytest.raises(InputError, match="holds NaN or infinity; leave such samples out"):
        Npy(tmp_path / "x.npy")


def test_the_error_for_nan_names_the_row(tmp_path: Path) -> None:
    floats = np.zeros((9, 4, 4, 3), np.float32)
    floats[7, 1, 2, 0] = np.nan
    np.save(tmp_path / "x.npy", floats)
    with pytest.raises(InputError, match=r"x\.npy holds NaN in row 7"):
        Npy(tmp_path / "x.npy", range="0..1")


@pytest.mark.parametrize(("range", "value"), [("0..1", -0.5), ("0..1", 1.5), ("-1..1", 255.0), ("0..1", np.inf)])
def test_the_error_for_a_value_out_of_range_names_the_row(tmp_path: Path, range: str, value: float) -> None:
    floats = np.zeros((9, 4, 4, 3), np.float32)
    floats[3, 0, 0, 1] = value
    np.save(tmp_path / "x.npy", floats)
    with pytest.raises(InputError, match=f"holds {value:g} in row 3, but the declared range is {range}"):
        Npy(tmp_path / "x.npy", range=range)


def test_a_rounding_error_outside_of_the_range_is_accepted(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((2, 4, 4, 3), 1.0000001, np.float32))
    assert rows(Npy(tmp_path / "x.npy", range="0..1")).min() == 255


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 4, 4, 4), np.uint8), r"neither 1 nor 3 channels \(drop alpha"),
        (np.zeros((2, 5, 4, 7), np.uint8), "neither 1 nor 3 channels"),
        (np.zeros((4, 3, 4, 3), np.uint8), "is ambiguous"),
        (np.zeros((8, 8, 3), np.uint8), "one image or several"),
        (np.zeros((4, 4), np.uint8), "expected .N, H, W, 3."),
        (np.zeros(4, np.uint8), "expected .N, H, W, 3."),
        (np.zeros((2, 4, 4, 3), complex), "complex128; expected images as uint8"),
        (np.zeros((0, 4, 4, 3), np.uint8), "no samples"),
    ],
)
def test_the_error_for_other_arrays_states_the_shape_or_dtype(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(InputError, match=message):
        Npy(tmp_path / "x.npy")


def test_float_rows_are_points(tmp_path: Path) -> None:
    points = np.random.default_rng(0).standard_normal((7, 2))
    np.save(tmp_path / "x.npy", points)
    points_read = rows(Npy(tmp_path / "x.npy"))
    assert points_read.dtype == np.float32
    assert np.array_equal(points_read, points.astype(np.float32))


def test_a_truncated_npy_is_an_error(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", images())
    data = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(data[:-10])
    with pytest.raises(InputError, match="cut short"):
        Npy(tmp_path / "x.npy")


@pytest.mark.parametrize("data", [b"", b"text", b"\x93NUMPY\x01\x00\x10\x00import os       "])
def test_a_file_that_is_not_an_npy_is_an_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(InputError, match=r"is not a \.npy array"):
        Npy(tmp_path / "x.npy")


def test_a_missing_npy_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        Npy(tmp_path / "x.npy")
