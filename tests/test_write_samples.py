"""Samples written to disk are read back unchanged, and a failed export leaves no files."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.array_types import Array
from genbench.derived_sources import Drawn
from genbench.errors import InputError, PlugError, UsageError
from genbench.plugs.contracts import Batch, Source
from genbench.plugs.opening import open_subject
from genbench.sources.memory import ArraySource
from genbench.write_samples import EXPORT_BATCH, write_samples

COUNT = EXPORT_BATCH + 9
ENDINGS = ["", ".zip", ".npz", ".npy"]
FILES = ENDINGS[1:]


class Noise:
    """Uniform images; raises an error at chunk number ``fails_at``."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.left = fails_at

    def sample(self, count: int, seed: int) -> Array:
        if self.left == 0:
            raise ZeroDivisionError("no latent")
        self.left = None if self.left is None else self.left - 1
        return np.random.default_rng(seed).integers(0, 256, (count, 4, 5, 3), np.uint8)


class MixedSizes:
    """Two images of different sizes."""

    name = "mixed"

    def __len__(self) -> int:
        return 2

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        yield Batch(torch.arange(2), [torch.zeros(3, 4, 5, dtype=torch.uint8), torch.ones(3, 6, 7, dtype=torch.uint8)])


def drawn(count: int = COUNT, fails_at: int | None = None) -> Drawn:
    return Drawn(Noise(fails_at), count, 0, "noise")


def rows(source: Source) -> np.ndarray:
    return np.concatenate([batch.data for batch in source.batches(100)])  # type: ignore[misc]


def read(path: Path) -> np.ndarray:
    source = open_subject(path)
    assert isinstance(source, Source)
    return rows(source)


@pytest.mark.parametrize("ending", ENDINGS)
def test_images_are_read_back_unchanged(tmp_path: Path, ending: str) -> None:
    write_samples(drawn(), tmp_path / f"out{ending}")
    assert np.array_equal(read(tmp_path / f"out{ending}"), rows(drawn()))


@pytest.mark.parametrize("ending", [".npz", ".npy"])
def test_points_are_read_back_unchanged(tmp_path: Path, ending: str) -> None:
    points = np.random.default_rng(0).standard_normal((COUNT, 2)).astype(np.float32)
    write_samples(ArraySource(points), tmp_path / f"out{ending}")
    assert np.array_equal(read(tmp_path / f"out{ending}"), points)


def test_an_npz_has_the_format_of_adm(tmp_path: Path) -> None:
    write_samples(drawn(10), tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as archive:
        assert archive.files == ["arr_0"]
        assert (archive["arr_0"].dtype, archive["arr_0"].shape) == (np.uint8, (10, 4, 5, 3))


def test_a_folder_holds_numbered_png_files_and_nothing_else(tmp_path: Path) -> None:
    write_samples(drawn(3), tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["000000.png", "000001.png", "000002.png"]
    assert os.listdir(tmp_path) == ["out"]


def test_a_zip_holds_the_same_files_as_the_folder(tmp_path: Path) -> None:
    write_samples(drawn(3), tmp_path / "out")
    write_samples(drawn(3), tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    assert packed == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize("ending", FILES)
def test_the_same_samples_give_the_same_bytes(tmp_path: Path, ending: str) -> None:
    for name in ("first", "second"):
        write_samples(drawn(5), tmp_path / f"{name}{ending}")
    assert (tmp_path / f"first{ending}").read_bytes() == (tmp_path / f"second{ending}").read_bytes()


@pytest.mark.parametrize("ending", ["", ".zip"])
def test_images_of_different_sizes_keep_their_sizes(tmp_path: Path, ending: str) -> None:
    write_samples(MixedSizes(), tmp_path / f"out{ending}")
    (batch,) = open_subject(tmp_path / f"out{ending}").batches(2)  # type: ignore[union-attr]
    assert [tuple(image.shape) for image in batch.data] == [(3, 4, 5), (3, 6, 7)]


@pytest.mark.parametrize("ending", [".npz", ".npy"])
def test_images_of_different_sizes_cannot_be_written_as_an_array(tmp_path: Path, ending: str) -> None:
    with pytest.raises(InputError, match="different sizes, which no array can hold"):
        write_samples(MixedSizes(), tmp_path / f"out{ending}")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ending", ["", ".zip"])
def test_points_cannot_be_written_as_images(tmp_path: Path, ending: str) -> None:
    with pytest.raises(UsageError, match=r"gives points, not images; write them to a file \.npy"):
        write_samples(ArraySource(np.zeros((5, 2))), tmp_path / f"out{ending}")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failing_sampler_leaves_no_file(tmp_path: Path, ending: str) -> None:
    with pytest.raises(PlugError, match="ZeroDivisionError"):
        write_samples(drawn(fails_at=1), tmp_path / f"out{ending}")
    assert os.listdir(tmp_path) == []


def test_an_empty_folder_is_filled_and_stays_empty_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(PlugError):
        write_samples(drawn(fails_at=1), tmp_path)
    assert os.listdir(tmp_path) == []
    write_samples(drawn(2), tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["000000.png", "000001.png"]


def test_a_folder_that_is_not_empty_is_not_changed(tmp_path: Path) -> None:
    Image.new("RGB", (4, 5)).save(tmp_path / "mine.png")
    with pytest.raises(InputError, match=r"is not empty \(mine\.png, \.\.\.\)"):
        write_samples(drawn(2), tmp_path)
    assert os.listdir(tmp_path) == ["mine.png"]


def test_a_file_of_the_name_of_the_folder_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        write_samples(drawn(2), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_of_the_name_of_the_file_is_an_error_before_sampling(tmp_path: Path) -> None:
    (tmp_path / "out.npz").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_samples(drawn(2, fails_at=0), tmp_path / "out.npz")


def test_an_unknown_extension_is_an_error_before_sampling(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not written as \.png"):
        write_samples(drawn(2, fails_at=0), tmp_path / "out.png")


def test_the_name_of_a_folder_can_contain_a_dot(tmp_path: Path) -> None:
    write_samples(drawn(2), tmp_path / "run-1.5")
    assert len(os.listdir(tmp_path / "run-1.5")) == 2


def test_an_error_names_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_samples(drawn(2), tmp_path / "file" / "out")


def test_a_source_that_skips_samples_cannot_be_written_as_an_array(tmp_path: Path) -> None:
    class Short(ArraySource):
        def __len__(self) -> int:
            return super().__len__() + 1

        def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
            return super().batches(size, 0, len(self) - 1)

    with pytest.raises(InputError, match="gave 5 of 6 samples"):
        write_samples(Short(np.zeros((5, 4, 4, 3), np.uint8)), tmp_path / "out.npy")
    assert os.listdir(tmp_path) == []


def test_the_progress_bar_is_optional(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_samples(drawn(3), tmp_path / "first.npz", progress=True)
    assert "noise -> " in capsys.readouterr().err
    write_samples(drawn(3), tmp_path / "second.npz", progress=False)
    assert capsys.readouterr().err == ""
