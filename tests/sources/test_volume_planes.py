"""Slices of volumes from arrays and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from genbench.errors import InputError, UsageError
from genbench.plugs.opening import open_source
from genbench.sources.array_files import Npy, Npz
from genbench.sources.memory import ArraySource

SIZES = (5, 6, 7)  # D, H, W


def volumes(count: int = 4, dtype: Any = np.uint8) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (count, *SIZES)).astype(dtype)


def images(source: Any) -> list[np.ndarray[Any, Any]]:
    """Return the gray image [., .] of each row; all three channels are equal."""
    found = []
    for batch in source.batches(3):
        for image in batch.data:
            assert (image == image[:1]).all()
            found.append(image[0])
    return found


def test_axial_slices_are_the_images_along_the_first_axis_of_each_volume() -> None:
    array = volumes()
    found = images(ArraySource(array, slices="axial"))
    assert np.array_equal(np.stack(found), array.reshape(-1, 6, 7))


def test_three_planes_of_a_volume_that_is_no_cube_follow_one_another() -> None:
    array = volumes()
    source = ArraySource(array, slices="three")
    expected = [
        *(array[n, k] for n in range(4) for k in range(5)),
        *(array[n, :, k] for n in range(4) for k in range(6)),
        *(array[n, :, :, k] for n in range(4) for k in range(7)),
    ]
    found = images(source)
    assert len(source) == len(found) == 4 * (5 + 6 + 7)
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert source.volume is not None
    assert source.plane is not None
    assert source.volume[[0, 4, 5, 19, 20, 25, 26]].tolist() == [0, 0, 1, 3, 0, 0, 1]
    assert np.bincount(source.plane).tolist() == [20, 24, 28]


@pytest.mark.parametrize("rows", [(0, 1), (3, 12), (18, 22), (40, 72), (0, 72)])
def test_any_rows_of_a_file_are_those_of_the_whole(tmp_path: Path, rows: tuple[int, int]) -> None:
    np.save(tmp_path / "v.npy", volumes())
    source = Npy(tmp_path / "v.npy", slices="three")
    index = [int(row) for batch in source.batches(4, *rows) for row in batch.index]
    part = [image for batch in source.batches(4, *rows) for image in batch.data[:, 0]]
    whole = images(ArraySource(volumes(), slices="three"))
    assert index == list(range(*rows))
    assert all(np.array_equal(one, whole[row]) for one, row in zip(part, index, strict=True))


@pytest.mark.parametrize("shape", [(4, 1, *SIZES), (4, *SIZES, 1)])
def test_an_axis_of_one_channel_is_dropped(shape: tuple[int, ...]) -> None:
    found = images(ArraySource(volumes().reshape(shape), slices="three"))
    assert all(
        np.array_equal(*pair) for pair in zip(found, images(ArraySource(volumes(), slices="three")), strict=True)
    )


@pytest.mark.parametrize("order", ["C", "F"])
def test_files_of_floats_in_either_order_are_scaled_by_the_declared_range(tmp_path: Path, order: Any) -> None:
    array = volumes()
    np.save(tmp_path / "v.npy", np.asarray(array / 255 * 2 - 1, dtype=np.float32, order=order))
    found = images(open_source(f"{tmp_path}/v.npy,slices=axial,range=-1..1"))
    assert np.array_equal(np.stack(found), array.reshape(-1, 6, 7))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_gives_each_slice_the_class_of_its_volume(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "v.npz", volumes(), labels=np.array([1, 0, 2, 1]))
    source = Npz(tmp_path / "v.npz", slices="three")
    assert source.labels is not None
    assert source.labels.tolist() == [1] * 5 + [0] * 5 + [2] * 5 + [1] * 5 + [1] * 6 + [0] * 6 + [2] * 6 + [1] * 6 + [
        *[1] * 7, *[0] * 7, *[2] * 7, *[1] * 7
    ]  # fmt: skip
    assert np.array_equal(np.stack(images(source)[:20]), volumes().reshape(-1, 6, 7))


def test_only_one_volume_is_read_at_a_time() -> None:
    class Counted:
        shape, dtype = (3, *SIZES), np.dtype(np.uint8)
        asked: ClassVar[list[int]] = []

        def __getitem__(self, rows: slice) -> np.ndarray[Any, Any]:
            self.asked.append(rows.stop - rows.start)
            return volumes(3)[rows]

    source = ArraySource(Counted(), slices="three")
    Counted.asked.clear()
    list(source.batches(2))
    # each plane reads each volume once, and none together with another
    assert Counted.asked == [1] * 9


def test_the_hash_of_axial_slices_is_that_of_the_same_images() -> None:
    assert ArraySource(volumes(), slices="axial").digest(2, 9) == ArraySource(volumes().reshape(-1, 6, 7)).digest(2, 9)


def test_the_hashes_of_a_file_differ_between_its_planes(tmp_path: Path) -> None:
    cube = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 6)).astype(np.uint8)
    np.save(tmp_path / "v.npy", cube)
    source = Npy(tmp_path / "v.npy", slices="three")
    assert len({source.digest(first, first + 12) for first in (0, 12, 24)}) == 3


@pytest.mark.parametrize(
    ("array", "options", "error", "message"),
    [
        (volumes(), {}, InputError, r"channels; .* volumes \[N, D, H, W\] need slices=axial or slices=three"),
        (volumes()[:, None], {}, InputError, "need slices=axial or slices=three"),
        (volumes(), {"slices": "thre"}, UsageError, "no slices=thre, did you mean 'three'"),
        (volumes()[0], {"slices": "axial"}, InputError, r"\[5, 6, 7\], but slices=axial needs volumes .* x\[None\]"),
        (np.zeros((4, 3, *SIZES), np.uint8), {"slices": "three"}, InputError, "of one channel"),
        (volumes(dtype=np.float32), {"slices": "axial"}, InputError, "slices=axial,range=0..255, or save uint8"),
        (np.full((2, *SIZES), np.nan), {"slices": "axial", "range": "0..1"}, InputError, "holds NaN in row 0"),
    ],
)  # fmt: skip
def test_what_is_no_volume_is_told_in_one_sentence(
    tmp_path: Path, array: Any, options: dict[str, str], error: type[Exception], message: str
) -> None:
    np.save(tmp_path / "v.npy", array)
    with pytest.raises(error, match=message):
        Npy(tmp_path / "v.npy", **options)
