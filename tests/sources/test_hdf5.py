"""HDF5 files: arrays of images, encoded images in two layouts, and damaged or hostile files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genbench.checks.inspection import inspect_samples
from genbench.errors import InputError, UsageError
from genbench.plugs import registry
from genbench.plugs.contracts import Source
from genbench.sources import hdf5_datasets
from genbench.sources.folder import Folder
from genbench.sources.hdf5 import Hdf5Array, Hdf5Images, hdf5
from genbench.sources.memory import ArraySource
from tests.sources.test_zip_archive import png, rows

h5py = pytest.importorskip("h5py")

STACK = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


def written(path: Path, datasets: dict[str, Any], **how: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file.create_dataset(name, data=data, **how)
    return path


def encoded(*levels: int) -> np.ndarray:
    """Encoded images in an array of arrays of bytes."""
    images = np.empty(len(levels), object)
    images[:] = [np.frombuffer(png(level), np.uint8) for level in levels]
    return images


def levels(source: Source) -> list[int]:
    return [int(level) for level in rows(source)[:, 0, 0, 0]]


@pytest.mark.parametrize("name", ["x.h5", "x.hdf5"])
@pytest.mark.parametrize("how", [{}, {"chunks": (2, 5, 4, 3), "compression": "gzip"}])
def test_an_array_of_images_with_classes_is_read(tmp_path: Path, name: str, how: dict[str, Any]) -> None:
    with h5py.File(tmp_path / name, "w") as file:
        file.create_dataset("imgs", data=STACK.transpose(0, 3, 1, 2) if not how else STACK, **how)
        file["labels"] = np.arange(6, dtype=np.uint8)
        file["latents"] = np.ones((6, 7))
    source = registry.open_accepted(("sources",), str(tmp_path / name))
    assert isinstance(source, Hdf5Array)
    assert np.array_equal(rows(source, 4), STACK.transpose(0, 3, 1, 2))
    assert source.labels is not None
    assert source.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert source.digest(1, 3) == ArraySource(STACK.transpose(0, 3, 1, 2) if not how else STACK).digest(1, 3)
    assert source.digest(1, 3) != source.digest(2, 4)


def test_two_arrays_of_a_file_have_their_own_cached_hashes(tmp_path: Path) -> None:
    path = written(tmp_path / "x.h5", {"a": STACK, "b": 255 - STACK})
    with pytest.raises(InputError, match=r"several arrays \(a, b\); choose one with hdf5,path=.*,images=a"):
        hdf5(path)
    one, two = hdf5(path, images="a"), hdf5(path, images="b")
    assert one.digest(0, 6) != two.digest(0, 6)
    with pytest.raises(UsageError, match="holds nothing called 'c'"):
        hdf5(path, images="c")


def test_floats_need_a_range(tmp_path: Path) -> None:
    path = written(tmp_path / "x.h5", {"images": STACK / np.float32(255)})
    with pytest.raises(InputError, match=r"whose range is not guessed; declare it with hdf5,path=.*,range=0\.\.1"):
        hdf5(path)
    source = registry.load("sources", f"hdf5,path={path},range=0..1")
    assert np.array_equal(rows(source, 6), STACK.transpose(0, 3, 1, 2))


def test_a_row_for_each_encoded_image_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("images", data=encoded(3, 2), dtype=h5py.vlen_dtype(np.uint8))
        file["labels"] = [5, 4]
    source = registry.open_accepted(("sources",), tmp_path / "x.h5")
    assert isinstance(source, Hdf5Images)
    assert levels(source) == [3, 2]
    assert source.labels is not None
    assert source.labels.tolist() == [5, 4]
    assert source.place(1) == "images[1]"


def test_a_data_set_for_each_encoded_image_has_the_hash_of_a_folder(tmp_path: Path) -> None:
    names = {f"cat/{level}.png": level for level in (10, 2)} | {"dog/1.png": 1}
    for name, level in names.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(png(level))
    data = {name: np.frombuffer(png(level), np.uint8) for name, level in names.items()}
    data["dog/1.png"] = np.void(png(1))
    source = hdf5(written(tmp_path / "x.h5", data))
    assert levels(source) == [2, 10, 1]
    assert source.class_names == ("cat", "dog")
    assert source.digest(0, 3) == Folder(tmp_path / "folder").digest(0, 3)
    assert levels(hdf5(tmp_path / "x.h5", images="cat")) == [2, 10]


def test_classes_of_other_images_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.h5", {"images": STACK, "labels": [1, 2]})
    with pytest.raises(InputError, match=r"labels has shape .* expected 6 whole numbers"):
        hdf5(path)
    with pytest.raises(UsageError, match="did you mean 'labels'"):
        hdf5(path, labels="lables")


@pytest.mark.parametrize("images", [STACK, encoded(*range(6))])
def test_negative_labels_are_no_classes(tmp_path: Path, images: np.ndarray) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("images", data=images, dtype=h5py.vlen_dtype(np.uint8) if images.ndim == 1 else None)
        file["labels"] = [-1, -1, 0, 1, 2, -1]
    source = hdf5(tmp_path / "x.h5")
    assert source.labels is None
    assert source.notes == ("labels holds no whole numbers from 0 on, so there are no classes",)
    with pytest.raises(InputError, match="expected 6 whole numbers from 0 on"):
        hdf5(tmp_path / "x.h5", labels="labels")


@pytest.mark.parametrize("dtype", ["S4", None])
def test_texts_are_classes_in_natural_order(tmp_path: Path, dtype: str | None) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["faces"] = STACK
        texts = [text.encode() for text in ("b", "a10", "a9", "b", "b", "é")]
        file.create_dataset("labels", data=texts, dtype=dtype or h5py.string_dtype())
    source = hdf5(tmp_path / "x.h5")
    assert source.labels is not None
    assert source.labels.tolist() == [2, 1, 0, 2, 2, 3]
    assert source.class_names == ("a9", "a10", "b", "é")


def test_attributes_are_no_classes(tmp_path: Path) -> None:
    assert hdf5(written(tmp_path / "x.h5", {"images": STACK, "labels": np.ones((6, 3))})).labels is None


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.h5", {"images": STACK})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"x\.h5 is no whole HDF5 file .*truncated file"):
        hdf5(path)


def test_a_size_that_is_a_lie_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("images", (10**7, 64, 64, 3), np.uint8, chunks=(1, 64, 64, 3))
    with pytest.raises(InputError, match="images would unpack from 0 to 122,880,000,000 bytes"):
        hdf5(tmp_path / "x.h5")


def test_huge_chunks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_datasets, "LARGEST_FILE", 100)
    with pytest.raises(InputError, match="images has chunks of 360 bytes"):
        hdf5(written(tmp_path / "x.h5", {"images": STACK}, chunks=(6, 5, 4, 3)))


def test_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    written(tmp_path / "other.h5", {"images": STACK})
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["images"] = h5py.ExternalLink("other.h5", "images")
        file["circle"] = h5py.SoftLink("/")
    with pytest.raises(InputError, match="holds no images"):
        hdf5(tmp_path / "x.h5")
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file.create_dataset("images", (1, 2, 2, 3), np.uint8, external=[("/etc/passwd", 0, 12)])
    with pytest.raises(InputError, match="images lies in other files"):
        hdf5(tmp_path / "y.h5")


def test_a_file_without_images_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no images \(numbers\); expected an array"):
        hdf5(written(tmp_path / "x.h5", {"numbers": np.arange(5)}))


def test_a_missing_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "x.h5", {"images": STACK})
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(UsageError, match=r"pip install 'genbench\[hdf5\]'"):
        hdf5(path)


def test_inspect_reads_both_layouts(tmp_path: Path) -> None:
    assert inspect_samples(str(written(tmp_path / "x.h5", {"images": STACK}))).sizes == {"4x5": 6}
    data = {"a": np.frombuffer(png(1), np.uint8), "b": np.frombuffer(b"text", np.uint8)}
    report = inspect_samples(str(written(tmp_path / "y.h5", data)))
    assert report.formats == {"PNG": 1}
    assert report.corrupt == ("b (text, not an image)",)
