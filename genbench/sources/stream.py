"""Samples from an iterable of batches: a DataLoader, a generator, a list of arrays."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count as count_from
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from genbench.array_types import Array, Int64
from genbench.errors import GenbenchError, InputError, PlugError, described
from genbench.plugs.contracts import Batch
from genbench.plugs.tensors import is_of_torch, is_tensor, to_numpy
from genbench.sources.array_layout import Layout, extremes, layout_of
from genbench.sources.label_arrays import numbers_of_classes
from genbench.sources.memory import ArraySource, DatasetSource, dtype_of, may_be_samples
from genbench.sources.npy_files import FileReader, FileRows, NpyHeader

if TYPE_CHECKING:
    import torch

MOST_ROWS, MOST_BYTES = 1_000_000, 1 << 34
"""A stream of unknown length that gives more samples or bytes than this is taken to be endless."""

DISK_SHARE = 0.8
"""Part of the free space of the temporary folder that a stream may fill."""


class StreamSource:
    """An iterable of batches: a DataLoader, a generator, a list of arrays, each ``x`` or ``(x, classes, ...)``.

    The iterable is read once, when its samples are first needed, to its end or to ``count`` samples. It is read into a
    temporary file that the system removes with the process, so the source has a length and random access, and does not
    fill the memory. Batches have a layout that ArraySource accepts, and all samples have the same shape. Raises
    InputError for other batches and for a stream without end, PlugError if the iterable raises.
    """

    def __init__(
        self, stream: Iterable[Any], *, range: str | None = None, count: int | None = None, name: str | None = None
    ) -> None:
        self.name = name or f"stream of {type(stream).__name__}"
        self._stream, self._range, self._count = stream, range, count
        self._source: ArraySource | GenbenchError | None = None  # the samples, or why there are none

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is an iterable of batches: a DataLoader, a generator, a list of batches."""
        return may_be_samples(subject) and hasattr(subject, "__iter__") and not DatasetSource.accepts(subject)

    def read_at_most(self, count: int) -> None:
        """Read only the first ``count`` samples if the stream has no known length; call it before anything is read."""
        if self._count is None and _length(self._stream) is None:
            self._count = count

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def labels(self) -> Int64 | None:
        """int64 [N], the class of each sample, if all batches have classes."""
        return self._samples.labels

    @property
    def left_out(self) -> Mapping[str, int]:
        """What the batches hold and is not used."""
        return self._samples.left_out

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield rows ``start`` to ``stop`` in order, at most ``size`` at a time."""
        return self._samples.batches(size, start, stop)

    def digest(self, start: int, stop: int) -> str:
        """Return the hash that ArraySource gives for these rows."""
        return self._samples.digest(start, stop)

    @property
    def _samples(self) -> ArraySource:
        # a stream that failed is not continued, because samples would be missing
        if self._source is None:
            try:
                self._source = self._read()
            except GenbenchError as error:
                self._source = error
        # the same error again, instead of a part of the samples
        if isinstance(self._source, GenbenchError):
            raise self._source
        return self._source

    def _read(self) -> ArraySource:
        """Copy all batches to an unnamed temporary file, which stays open while its rows are needed."""
        with tempfile.TemporaryFile(prefix="genbench-") as file:
            spool = _Spool(self.name, file, self._range)
            length = _length(self._stream) or 0
            # stop as soon as there are enough samples, because the next batch may not exist or may be slow
            for step, item in enumerate(_iterate(self.name, self._stream)):
                spool.endless = self._count is None and step >= length
                spool.add(step, item, None if self._count is None else self._count - spool.rows)
                if spool.rows == self._count:
                    break
            return spool.finish()


def _length(stream: Any) -> int | None:
    """Return the number of batches of a stream, or None if it is not known."""
    # the length of an IterableDataset is only a claim, also for a DataLoader of it
    if is_of_torch(getattr(stream, "dataset", stream), "torch.utils.data", "IterableDataset"):
        return None
    try:
        return len(stream)
    except Exception:  # a method __len__ may raise anything
        return None


def _iterate(name: str, stream: Iterable[Any]) -> Iterator[Any]:
    # next() in a try block, so that an error of the iterable names the batch
    iterator: Iterator[Any] | None = None
    for step in count_from():
        try:
            iterator = iter(stream) if iterator is None else iterator
            item = next(iterator)
        except StopIteration:
            return
        except Exception as error:
            raise PlugError(f"{name} raised at batch {step}: {described(error)}.") from error
        yield item


class _SpooledSource(ArraySource):
    """Samples whose values were checked when they were written."""

    def _check_values(self) -> None: ...


class _Spool:
    """Writes batches to a file, in the format of Batch.data."""

    endless = False
    """Whether the stream may go on for ever, so that it must stop at the limits."""

    def __init__(self, name: str, file: IO[bytes], range: str | None) -> None:
        self.rows = 0
        self._name, self._file, self._range = name, file, range
        # most bytes that are written
        free = shutil.disk_usage(tempfile.gettempdir()).free
        self._allowed = int(free * DISK_SHARE)
        # what the first batch decides
        self._format: tuple[tuple[int, ...], np.dtype[Any], str] | None = None
        self._layout: Layout | None = None
        # smallest and largest value, and the classes so far
        self._dtype, self._least, self._most = np.dtype(np.uint8), math.inf, -math.inf
        self._labels: list[Int64 | None] = []
        self._unused_labels = 0

    def add(self, step: int, item: Any, limit: int | None) -> None:
        """Append at most ``limit`` samples of batch number ``step``."""
        # convert the samples to the format of Batch.data
        data, label = self._split_item(step, item)
        layout = self._layout_of(step, data)
        values = to_numpy(data[:limit])
        rows = layout.data(values, self.rows)
        # all samples must have the shape and kind of numbers of the first batch
        kinds = {"u": "integers", "i": "integers", "f": "floats", "b": "booleans"}
        given = rows.shape[1:], rows.dtype, kinds[values.dtype.kind]
        if self._format is not None and given != self._format:
            raise InputError(
                f"{self._name}: batch {step} holds samples of shape {list(given[0])} as {given[2]}, but earlier "
                f"batches hold {list(self._format[0])} as {self._format[2]}; make all samples of a stream alike."
            )
        self._format, self._layout, self._dtype = given, self._layout or layout, values.dtype
        least, most = extremes(values)
        self._least, self._most = min(self._least, least), max(self._most, most)
        self._write_rows(rows)
        self._labels.append(None if label is None else label[: len(rows)])
        self.rows += len(rows)

    def finish(self) -> ArraySource:
        """Return the samples and their classes."""
        if self._format is None or self._layout is None:
            raise InputError(f"{self._name} gives no samples.")
        # the values of all batches together show whether the range can be right
        replace(self._layout, name=self._name).refuse_unlikely_range(self._dtype, self._least, self._most)
        self._file.flush()
        shape, dtype, _ = self._format
        rows = FileRows(FileReader(self._name, self._file), NpyHeader((self.rows, *shape), False, dtype), 0)
        # classes are kept only if every batch has them
        labels = [label for label in self._labels if label is not None]
        complete = len(labels) == len(self._labels)
        source = _SpooledSource(rows, labels=np.concatenate(labels) if complete else None, name=self._name)
        unused = self._unused_labels + (0 if complete else sum(map(len, labels)))
        source.left_out = {"labels that are no classes": unused} if unused else {}
        return source

    def _split_item(self, step: int, item: Any) -> tuple[Array | torch.Tensor, Int64 | None]:
        """Return the samples of a batch and its classes int64 [N], or None if its second element holds no classes."""
        # a DataLoader gives tuples (samples, classes, ...)
        data, second = (*item, None, None)[:2] if isinstance(item, (tuple, list)) else (item, None)
        if not (isinstance(data, np.ndarray) or is_tensor(data)):
            raise InputError(
                f"{self._name}: batch {step} is of type {type(data).__name__}; expected an array or tensor, alone or "
                "as (images, classes)."
            )
        array = to_numpy(second) if is_tensor(second) else second
        if not isinstance(array, np.ndarray) or array.ndim not in (1, 2):
            return data, None
        # classes of other samples are a mistake; other numbers beside the samples, such as latents, are not used
        label = numbers_of_classes(array)
        if label is not None and len(label) != len(data):
            raise InputError(
                f"{self._name}: batch {step} holds {len(data)} samples, but {len(label)} classes; give each sample one."
            )
        self._unused_labels += len(array) if label is None else 0
        return data, label

    def _layout_of(self, step: int, data: Array | torch.Tensor) -> Layout:
        # three axes are one image or a batch of gray images; a stream must not guess
        if data.ndim == 3:
            raise InputError(
                f"{self._name}: batch {step} has shape {list(data.shape)}; expected batches [N, 3, H, W] or "
                "[N, H, W, 3] (put a DataLoader around a data set, or give gray images a channel axis)."
            )
        # the other shapes are checked as for arrays
        return layout_of(
            f"{self._name}, batch {step}",
            tuple(data.shape),
            dtype_of(data),
            range=self._range,
            declare="StreamSource(batches, range='{range}')",
            first_rows=lambda: to_numpy(data),
        )

    def _write_rows(self, rows: Array) -> None:
        written = self.rows * rows[0].nbytes + rows.nbytes
        # an endless stream must not fill the disk
        if self.endless and (self.rows > MOST_ROWS or written > min(MOST_BYTES, self._allowed)):
            raise InputError(
                f"{self._name} has given {self.rows:,} samples ({written / 1e9:.3g} GB), and no end is known; say how "
                "many to use with count=N."
            )
        try:
            if written > self._allowed:
                raise OSError(28, "too little space is free")
            self._file.write(rows.tobytes())
        except OSError as error:
            raise InputError(
                f"{self._name} does not fit into the temporary folder {tempfile.gettempdir()} "
                f"({error.strerror or error}); set TMPDIR to a folder with more "
                "space, or use fewer samples with count=N."
            ) from error
