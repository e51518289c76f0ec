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
from genbench.scoring.options import Options
from genbench.scoring.sides import open_sides
from genbench.sources.memory import ArraySource
from genbench.sources.stream import StreamSource


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))


IMAGES = np.random.default_rng(0).integers(0, 256, (7, 3, 6, 8), dtype=np.uint8)


def rows(source: Source, size: int = 3) -> np.ndarray:
    return np.concatenate([batch.data for batch in source.batches(size) if not isinstance(batch.data, list)])


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


def _endless(batch: np.ndarray = IMAGES) -> Iterator[np.ndarray]:
    """Yield the same batch; a fault of the reader ends the test instead of filling the disk."""
    for _ in range(1000):
        yield batch
    raise AssertionError("1,000 batches were read")


class _Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[torch.Tensor]:
        for batch in _endless():
            yield from torch.from_numpy(batch)


class _Claiming(_Endless):
    def __len__(self) -> int:
        return 7


class _Longer(list[Any]):
    """A list that gives more than its length says."""

    def __iter__(self) -> Iterator[Any]:
        return _endless()


@pytest.mark.parametrize(
    "stream",
    [_endless, lambda: DataLoader(_Endless(), batch_size=5), lambda: DataLoader(_Claiming(), batch_size=5)],
)
def test_a_score_reads_an_endless_stream_only_as_far_as_its_count(stream: Any) -> None:
    sides = open_sides(stream(), Options(reference=IMAGES, count=9, features="pixels,size=4"))
    assert np.array_equal(rows(sides.generated), IMAGES[[0, 1, 2, 3, 4, 5, 6, 0, 1]])


def test_a_stream_of_known_length_gives_a_random_subset() -> None:
    sides = open_sides([IMAGES[:4], IMAGES[4:]], Options(reference=IMAGES, count=3, features="pixels,size=4"))
    expected = open_sides(IMAGES, Options(reference=IMAGES, count=3, features="pixels,size=4"))
    assert np.array_equal(rows(sides.generated), rows(expected.generated))


def test_a_short_stream_has_too_few_samples() -> None:
    with pytest.raises(InputError, match="holds 7 samples, but 9 are asked for"):
        open_sides(iter([IMAGES]), Options(reference=IMAGES, count=9, features="pixels,size=4"))


@pytest.mark.parametrize("limit", ["MOST_ROWS", "MOST_BYTES"])
def test_an_endless_stream_without_a_count_is_refused(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"genbench.sources.stream.{limit}", 50)
    for stream in (_endless(), _Longer([IMAGES])):
        with pytest.raises(InputError, match=r"no end is known; say how many to use with count=N"):
            len(StreamSource(stream))


def test_a_stream_fills_only_a_part_of_the_free_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10 * IMAGES.nbytes}))
    with pytest.raises(InputError, match=r"does not fit into the temporary folder .*too little space is free"):
        len(StreamSource(_endless(), count=1000))
    with pytest.raises(InputError, match=r"has given 56 samples"):
        len(StreamSource(_endless()))


def test_a_stream_that_failed_is_not_continued() -> None:
    source = StreamSource(iter([IMAGES, IMAGES[..., :4], IMAGES]))
    for _ in range(2):
        with pytest.raises(InputError, match="batch 1 holds samples of shape"):
            len(source)


@pytest.mark.parametrize("labels", [np.eye(7), np.arange(7.0), np.arange(7)[:, None]])
def test_classes_of_batches_may_be_floats_a_column_or_one_hot(labels: np.ndarray) -> None:
    source = StreamSource([(IMAGES, labels)])
    assert source.labels is not None
    assert source.labels.tolist() == list(range(7))


def test_classes_of_another_number_of_samples_are_an_error() -> None:
    with pytest.raises(InputError, match="batch 0 holds 7 samples, but 6 classes"):
        len(StreamSource([(IMAGES, np.arange(6))]))


@pytest.mark.parametrize(
    ("batches", "unused"),
    [
        ([(IMAGES, np.zeros((7, 40)))], 7),
        ([(IMAGES, np.arange(7) / 2), (IMAGES, np.arange(7))], 14),
        ([(IMAGES, np.arange(7)), IMAGES], 7),
    ],
)
def test_labels_that_are_no_classes_are_told(batches: Any, unused: int) -> None:
    source = StreamSource(batches)
    assert (source.labels, source.left_out) == (None, {"labels that are no classes": unused})


def test_a_stream_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spool"))
    (tmp_path / "spool").mkdir()
    source = StreamSource([IMAGES])
    del source
    assert not list((tmp_path / "spool").iterdir())


def test_a_stream_of_float_images_needs_a_range() -> None:
    with pytest.raises(InputError, match=r"batch 0 .*declare it with StreamSource\("):
        len(StreamSource([IMAGES / 255]))
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
        (iter(["text"]), "batch 0 is of type str"),
        (iter([()]), "batch 0 is of type NoneType"),
        (iter([np.array(3)]), "shape"),
        ([IMAGES, np.zeros((2, 3))], r"batch 1 holds samples of shape .3. as floats"),
        ([IMAGES, np.zeros((2, 3, 6, 8))], r"batch 1 holds images as float64"),
        ([IMAGES, IMAGES.astype(bool)], "batch 1 .* as booleans, but earlier batches hold .* as integers"),
        (iter([]), "gives no samples"),
        ([np.zeros((2, 4, 6, 6), np.uint8)], "neither 1 nor 3 channels"),
        ([np.full((2, 4, 6, 3), np.nan)], "NaN in row 0"),
    ],
)
def test_a_stream_of_other_objects_is_refused(batches: Any, message: str) -> None:
    with pytest.raises(GenbenchError, match=message):
        len(StreamSource(batches, range="0..1" if "NaN" in message else None))


def test_the_error_for_a_stream_of_single_samples_suggests_a_dataloader() -> None:
    class OneByOne(IterableDataset[Any]):
        def __iter__(self) -> Iterator[torch.Tensor]:
            return iter(torch.from_numpy(IMAGES))

    with pytest.raises(InputError, match="put a DataLoader around"):
        len(StreamSource(OneByOne()))


def test_an_error_names_the_batch_at_which_a_stream_raised() -> None:
    def broken() -> Iterator[np.ndarray]:
        yield IMAGES
        raise RuntimeError("out of ideas")

    with pytest.raises(PlugError, match="raised at batch 1: RuntimeError: out of ideas"):
        len(StreamSource(broken()))


def test_a_full_disk_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(InputError, match=r"No space left on device\); set TMPDIR"):
        len(StreamSource([IMAGES]))
