"""Samples from an iterable of batches."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from genbench.errors import GenbenchError, InputError, PlugError
from genbench.plugs.contracts import Source
from genbench.sources.memory import ArraySource
from genbench.sources.stream import StreamSource


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))


IMAGES = np.random.default_rng(0).integers(0, 256, (7, 3, 6, 8), dtype=np.uint8)


def rows(source: Source, size: int = 3) -> np.ndarray:
    return np.concatenate(
        [batch.data.numpy() for batch in source.batches(size) if isinstance(batch.data, torch.Tensor)]
    )


def test_a_stream_is_read_once_and_gives_its_batches_repeatedly() -> None:
    def batches() -> Iterator[np.ndarray]:
        yield IMAGES[:2]
        yield IMAGES[2:]

    source = StreamSource(batches())
    for _ in range(2):
        assert np.array_equal(rows(source), IMAGES)
    assert np.array_equal(next(source.batches(2, 4)).data, IMAGES[4:6])
    assert source.digest(0, 7) == ArraySource(IMAGES).digest(0, 7)


def test_a_stream_keeps_the_classes_of_its_batches() -> None:
    loader = DataLoader(TensorDataset(torch.from_numpy(IMAGES), torch.arange(7)), batch_size=2)
    source = StreamSource(loader)
    assert source.labels is not None
    assert source.labels.tolist() == list(range(7))


def test_a_count_limits_an_endless_stream() -> None:
    def endless() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        while True:
            yield IMAGES[:4], np.arange(4)

    source = StreamSource(endless(), count=6)
    assert np.array_equal(rows(source), IMAGES[[0, 1, 2, 3, 0, 1]])
    assert source.labels is not None
    assert source.labels.tolist() == [0, 1, 2, 3, 0, 1]


def test_a_stream_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spool"))
    (tmp_path / "spool").mkdir()
    source = StreamSource([IMAGES])
    del source
    assert not list((tmp_path / "spool").iterdir())


def test_a_stream_of_float_images_needs_a_range() -> None:
    with pytest.raises(InputError, match=r"batch 0 .*declare it with StreamSource\("):
        StreamSource([IMAGES / 255])
    assert np.array_equal(rows(StreamSource([IMAGES / 255], range="0..1")), IMAGES)


def test_a_stream_can_hold_points() -> None:
    points = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    assert np.array_equal(rows(StreamSource([points, points])), np.concatenate([points, points]))


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([IMAGES, IMAGES[..., :4]], "batch 1 holds samples of shape"),
        (iter(IMAGES), "put a DataLoader around"),
        (iter([3]), "batch 0 is of type int"),
        (iter([]), "gives no samples"),
        ([np.zeros((2, 4, 6, 6), np.uint8)], "neither 1 nor 3 channels"),
        ([np.full((2, 4, 6, 3), np.nan)], "NaN in row 0"),
    ],
)
def test_a_stream_of_other_objects_is_refused(batches: Any, message: str) -> None:
    with pytest.raises(GenbenchError, match=message):
        StreamSource(batches, range="0..1" if "NaN" in message else None)


def test_the_error_for_a_stream_of_single_samples_suggests_a_dataloader() -> None:
    class OneByOne(IterableDataset[Any]):
        def __iter__(self) -> Iterator[torch.Tensor]:
            return iter(torch.from_numpy(IMAGES))

    with pytest.raises(InputError, match="put a DataLoader around"):
        StreamSource(OneByOne())


def test_an_error_names_the_batch_at_which_a_stream_raised() -> None:
    def broken() -> Iterator[np.ndarray]:
        yield IMAGES
        raise RuntimeError("out of ideas")

    with pytest.raises(PlugError, match="raised at batch 1: RuntimeError: out of ideas"):
        StreamSource(broken())


def test_a_full_disk_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(InputError, match=r"No space left on device\); set TMPDIR"):
        StreamSource([IMAGES])
