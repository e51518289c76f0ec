"""Samples from an iterable of batches: a DataLoader, a generator, a list of arrays."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import count as count_from
from typing import IO, Any

import numpy as np
import torch

from genbench.array_types import Array
from genbench.errors import InputError, PlugError
from genbench.sources.array_layout import Layout, layout_of
from genbench.sources.memory import ArraySource, DatasetSource, dtype_of, may_be_samples, to_numpy


class StreamSource(ArraySource):
    """An iterable of batches: a DataLoader, a generator, a list of arrays, each ``x`` or ``(x, classes, ...)``.

    The iterable is read once, to its end or to ``count`` samples, into a temporary file that the system removes with
    the process. Therefore the source has a length and random access, and does not fill the memory. Batches have a
    layout that ArraySource accepts, and all samples have the same shape. Raises InputError for other batches, PlugError
    if the iterable raises.
    """

    def __init__(
        self, stream: Iterable[Any], *, range: str | None = None, count: int | None = None, name: str | None = None
    ) -> None:
        name = name or f"stream of {type(stream).__name__}"
        # copy all batches to an unnamed temporary file, which stays mapped after it is closed
        with tempfile.TemporaryFile(prefix="genbench-") as file:
            spool = _Spool(name, file, range)
            for step, item in enumerate(_iterate(name, stream)):
                spool.add(step, item, None if count is None else count - spool.rows)
                if spool.rows == count:
                    break
            array, labels = spool.finish()
        super().__init__(array, labels=labels, name=name)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is an iterable of batches: a DataLoader, a generator, a list of batches."""
        return may_be_samples(subject) and hasattr(subject, "__iter__") and not DatasetSource.accepts(subject)


def _iterate(name: str, stream: Iterable[Any]) -> Iterator[Any]:
    # next() in a try block, so that an error of the iterable names the batch
    iterator = iter(stream)
    for step in count_from():
        try:
            item = next(iterator)
        except StopIteration:
            return
        except Exception as error:
            raise PlugError(f"{name} raised at batch {step}: {type(error).__name__}: {error}") from error
        yield item


class _Spool:
    """Writes batches to a file, in the format of Batch.data."""

    def __init__(self, name: str, file: IO[bytes], range: str | None) -> None:
        self.rows = 0
        self._name, self._file, self._range = name, file, range
        self._shape: tuple[int, ...] = ()
        self._dtype: np.dtype[Any] = np.dtype(np.uint8)
        self._labels: list[Array] | None = []  # None after a batch without classes

    def add(self, step: int, item: Any, limit: int | None) -> None:
        """Append at most ``limit`` samples of batch number ``step``."""
        # convert the samples to the format of Batch.data
        data, label = self._split_item(step, item)
        rows = self._layout_of(step, data).data(to_numpy(data[:limit]), self.rows).numpy()
        # all samples must have the shape and dtype of the first batch
        if self.rows and (rows.shape[1:], rows.dtype) != (self._shape, self._dtype):
            raise InputError(
                f"{self._name}: batch {step} holds samples of shape {list(rows.shape[1:])}, but earlier batches hold "
                f"{list(self._shape)}; make all samples of a stream the same size."
            )
        self._shape, self._dtype = rows.shape[1:], rows.dtype
        self._write_rows(rows)
        # classes are kept only if every batch has them
        if label is None or len(label) < len(rows):
            self._labels = None
        elif self._labels is not None:
            self._labels.append(label[: len(rows)])
        self.rows += len(rows)

    def finish(self) -> tuple[Array, Array | None]:
        """Return the memory-mapped samples and their classes."""
        if not self.rows:
            raise InputError(f"{self._name} gives no samples.")
        self._file.flush()
        array = np.memmap(self._file, self._dtype, "r", shape=(self.rows, *self._shape))
        return array, np.concatenate(self._labels) if self._labels else None

    def _split_item(self, step: int, item: Any) -> tuple[Array | torch.Tensor, Array | None]:
        """Return the samples of a batch and its classes int64 [N], or None if its second element holds no classes."""
        # a DataLoader gives tuples (samples, classes, ...)
        data, label = item, None
        if isinstance(item, (tuple, list)) and item:
            data = item[0]
            if len(item) > 1 and isinstance(item[1], (np.ndarray, torch.Tensor)):
                label = to_numpy(item[1])
        if not isinstance(data, (np.ndarray, torch.Tensor)):
            raise InputError(
                f"{self._name}: batch {step} is of type {type(data).__name__}; expected an array or tensor, alone or "
                "as (images, classes)."
            )
        return data, label if label is not None and label.ndim == 1 and label.dtype.kind in "iu" else None

    def _layout_of(self, step: int, data: Array | torch.Tensor) -> Layout:
        # three axes are one image or a batch of gray images; a stream must not guess
        if data.ndim == 3:
            raise InputError(
                f"{self._name}: batch {step} has shape {list(data.shape)}; expected batches [N, 3, H, W] or "
                "[N, H, W, 3] (put a DataLoader around a data set, or give gray images a channel axis)."
            )
        # the other shapes are checked as for arrays
        declare = "StreamSource(batches, range='0..1') or '-1..1'"
        name = f"{self._name}, batch {step}"
        return layout_of(name, tuple(data.shape), dtype_of(data), range=self._range, declare=declare)

    def _write_rows(self, rows: Array) -> None:
        try:
            self._file.write(rows.tobytes())
        except OSError as error:
            raise InputError(
                f"{self._name} does not fit into the temporary folder {tempfile.gettempdir()} "
                f"({error.strerror or error}); set TMPDIR to a folder with more space."
            ) from error
