"""The arrays of an .npz file: which are samples, classes, names of classes, or not used."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genbench.errors import InputError
from genbench.sources.array_files import Npy, Npz

Save = Callable[..., None]


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


def images(count: int = 5, seed: int = 0, size: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, 8, 3), dtype=np.uint8)


def opened(path: Path, *arrays: Any, save: Save = np.savez, **named: Any) -> Npz:
    save(path / "x.npz", *arrays, **named)
    return Npz(path / "x.npz")


def rows(source: Npz, size: int = 2) -> np.ndarray:
    return np.concatenate([batch.data for batch in source.batches(size)])  # type: ignore[misc]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_unnamed_arrays_of_one_shape_follow_one_another(tmp_path: Path, save: Save) -> None:
    parts = [images(5), images(1, seed=1), images(7, seed=2)]
    source = opened(tmp_path, *parts, save=save)
    assert len(source) == 13
    assert np.array_equal(rows(source, size=4), np.concatenate(parts).transpose(0, 3, 1, 2))
    assert source.left_out == {}


def test_arrays_are_joined_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    parts = [images(1, seed=seed) for seed in range(12)]
    assert np.array_equal(rows(opened(tmp_path, *parts)), np.concatenate(parts).transpose(0, 3, 1, 2))


def test_joined_arrays_have_the_digest_of_one_array(tmp_path: Path) -> None:
    whole = opened(tmp_path, images(12)).digest(0, 12)
    assert opened(tmp_path, images(12)[:5], images(12)[5:]).digest(0, 12) == whole


@pytest.mark.parametrize("other", [images(size=4), images().astype(np.float32), np.zeros((2, 3, 4, 5, 6))])
def test_arrays_of_unlike_samples_are_refused_by_name(tmp_path: Path, other: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"x\.npz holds arr_0, uint8 \[5, 6, 8, 3\], and arr_1, .* not samples of one"):
        opened(tmp_path, images(), other)


def test_points_of_another_dimension_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"arr_0, float64 \[5, 2\], and arr_1, float64 \[5, 3\]"):
        opened(tmp_path, np.full((5, 2), 0.5), np.full((5, 3), 0.5))


@pytest.mark.parametrize(
    "labels",
    [
        np.array([2, 0, 1, 1, 0]),
        np.array([2.0, 0, 1, 1, 0]),
        np.array([[2], [0], [1], [1], [0]], np.uint8),
        np.eye(3)[[2, 0, 1, 1, 0]],
        np.eye(3, dtype=bool)[[2, 0, 1, 1, 0]],
    ],
)
@pytest.mark.parametrize("key", [None, "labels", "y"])
def test_classes_of_every_form_are_whole_numbers(tmp_path: Path, labels: np.ndarray, key: str | None) -> None:
    source = opened(tmp_path, images(), labels) if key is None else opened(tmp_path, images(), **{key: labels})
    assert source.labels is not None
    assert source.labels.dtype == np.int64
    assert source.labels.tolist() == [2, 0, 1, 1, 0]
    assert source.left_out == {}


def test_one_hot_classes_of_points_are_not_taken_for_points(tmp_path: Path) -> None:
    source = opened(tmp_path, np.full((4, 2), 0.5), np.eye(2)[[0, 1, 1, 0]])
    assert (len(source), list(source.labels)) == (4, [0, 1, 1, 0])  # type: ignore[arg-type]


def test_classes_beside_each_array_are_joined(tmp_path: Path) -> None:
    source = opened(tmp_path, images(2), np.array([3, 4]), images(3), np.array([5, 6, 7]))
    assert (len(source), list(source.labels)) == (5, [3, 4, 5, 6, 7])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "labels", [np.arange(4), np.array([0, 0.5, 1, 2, 3]), np.array([0, 1, np.nan, 0, 0]), -np.arange(5)]
)
@pytest.mark.parametrize("key", [None, "labels"])
def test_classes_of_wrong_length_or_value_are_an_error(tmp_path: Path, labels: np.ndarray, key: str | None) -> None:
    with pytest.raises(InputError, match=rf"x\.npz: {key or 'arr_1'} has shape .* expected 5 whole numbers"):
        opened(tmp_path, images(), **{key or "arr_1": labels})


def test_the_names_of_classes_are_read(tmp_path: Path) -> None:
    for names in (np.array(["cat", "dog"]), np.array([b"cat", b"dog"])):
        source = opened(tmp_path, images(), labels=[0, 1, 1, 0, 1], class_names=names)
        assert source.class_names == ("cat", "dog")
        assert source.left_out == {}


DAMAGED_LETTERS = np.array([0xFFFFFFFF, 0x80], np.uint32).view("<U1")


@pytest.mark.parametrize("names", [np.array(["cat"]), np.array([0, 1]), np.array("cat"), DAMAGED_LETTERS])
def test_names_that_do_not_fit_to_the_classes_are_an_error(tmp_path: Path, names: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"class_names has shape .* one for each class from 0 to 1"):
        opened(tmp_path, images(), labels=[0, 1, 1, 0, 1], class_names=names)


def test_other_arrays_are_counted(tmp_path: Path) -> None:
    latents = np.full((5, 64), 0.5)
    assert opened(tmp_path, images(), latents, captions=np.array(["a"] * 5)).left_out == {"further arrays": 2}


def test_statistics_beside_the_samples_are_not_counted(tmp_path: Path) -> None:
    source = opened(tmp_path, images(), mu=np.zeros(4), sigma=np.eye(4), mu_s=np.zeros(4), sigma_s=np.eye(4))
    assert (len(source), source.left_out, source.labels) == (5, {}, None)


def test_objects_beside_the_samples_are_never_loaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="never loaded"):
        opened(tmp_path, images(), labels=np.array([0, 1, None, 1, 0], object))
    assert opened(tmp_path, images(), notes=np.array([None], object)).left_out == {"further arrays": 1}


def test_a_stored_array_with_a_wrong_checksum_is_an_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images())
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[600] ^= 1
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"arr_0 is damaged .its checksum is wrong"):
        Npz(tmp_path / "x.npz")


def test_an_array_with_a_damaged_name_is_an_error(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", images())
    content = bytearray((tmp_path / "x.npz").read_bytes())
    # the directory says that names are UTF-8, and the name before the array is not
    content[content.index(b"PK\x01\x02") + 9] |= 0x08
    content[30] = 0xFF
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match="arr_0 is damaged"):
        Npz(tmp_path / "x.npz")


def test_arrays_that_later_ones_replace_are_counted(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images(3))
    np.save(tmp_path / "later.npy", images(4))
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.write(tmp_path / "later.npy", "arr_0.npy")
    source = Npz(tmp_path / "x.npz")
    assert (len(source), source.left_out) == (4, {"arrays replaced by later ones": 1})


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_only_array_of_points_is_taken_under_any_name(tmp_path: Path, dtype: Any) -> None:
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(dtype)
    ids = np.array(["a", 2, None, "b", "c"], dtype=object)
    np.savez(tmp_path / "x.npz", ids=ids, embeddings=x, y=np.arange(5), rate=np.float32(16))
    source = Npz(tmp_path / "x.npz")
    (batch,) = source.batches(9)
    assert not isinstance(batch.data, list)
    assert np.array_equal(batch.data, x.astype(np.float32))
    assert source.labels is not None
    assert source.labels.tolist() == [0, 1, 2, 3, 4]
    assert source.left_out == {"further arrays": 2}


def test_two_arrays_of_points_without_arr_0_are_ambiguous(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros((5, 3)), b=np.zeros((5, 3)))
    with pytest.raises(InputError, match=r"holds a, b; expected arr_0, .* or one float array \[N, D\]"):
        Npz(tmp_path / "x.npz")


def test_embeddings_of_parts_are_told_to_be_averaged(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(5, 12, 8)))
    with pytest.raises(InputError, match=r"embeddings of parts \[N, T, D\], give their means x\.mean\(axis=1\)"):
        Npy(tmp_path / "x.npy")
