"""Samples that a Python program has at hand: arrays, tensors, data sets, and iterables of batches."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import count as count_from
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from genbench.arrays import Array
from genbench.errors import InputError, PlugError
from genbench.files.fingerprints import content_hash
from genbench.plugs.contracts import Batch
from genbench.sources.array_layout import Layout, layout_of
from genbench.sources.decoding import ThreadedSource, Unreadable, pixels
from genbench.sources.windows import windows

BLOCK_BYTES = 1 << 24
"""How much of a large array is looked at at once."""


class ArraySource:
    """Images or points in an array or tensor.

    uint8 [N, H, W, 3], [N, 3, H, W], [N, H, W, 1], [N, 1, H, W] or [N, H, W]; the same in float with ``range`` declared
    as ``"0..1"`` or ``"-1..1"``; float [N, D] are points. Raises InputError for anything else, NaN, and values outside
    of the range.
    """

    skip_corrupt = False
    workers: int | None = None
    _declare = "ArraySource(x, range='0..1') or '-1..1'"

    def __init__(
        self,
        array: Array | torch.Tensor,
        *,
        range: str | None = None,
        labels: npt.ArrayLike | None = None,
        name: str = "array",
    ) -> None:
        self.name = name
        self._array = array
        self.layout = layout_of(name, tuple(array.shape), _dtype(array), range=range, declare=self._declare)
        self.labels = _labels(name, labels, len(self))
        if _dtype(array).kind == "f":
            for first, rows in self._blocks(0, len(self)):
                self.layout.data(rows, first)

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield rows ``start`` to ``stop`` in order, at most ``size`` at a time."""
        return map(self._batch, windows(self.name, len(self), size, start, stop))

    def digest(self, start: int, stop: int) -> str:
        """Return a hash of the bytes of those rows, their shape and how they are read."""
        about = f"array {_dtype(self._array).str} {tuple(self._array.shape[1:])} {self.layout}\n"
        return content_hash(about.encode(), *(rows.tobytes() for _, rows in self._blocks(start, stop)))

    @staticmethod
    def accepts(subject: object) -> bool:
        """Whether it is a numpy array or a torch tensor."""
        return isinstance(subject, (np.ndarray, torch.Tensor))

    def _batch(self, rows: range) -> Batch:
        data = self.layout.data(_numpy(self._array[rows.start : rows.stop]), rows.start)
        label = None if self.labels is None else torch.from_numpy(self.labels[rows.start : rows.stop].copy())
        return Batch(torch.arange(rows.start, rows.stop), data, label)

    def _blocks(self, start: int, stop: int) -> Iterator[tuple[int, Array]]:
        row_bytes = int(np.prod(self._array.shape[1:], dtype=np.int64)) * _dtype(self._array).itemsize
        step = max(1, BLOCK_BYTES // row_bytes)
        for first in np.arange(start, stop, step).tolist():
            yield first, _numpy(self._array[first : min(first + step, stop)])


def _numpy(rows: Array | torch.Tensor) -> Array:
    if isinstance(rows, np.ndarray):
        return rows
    rows = rows.detach().cpu()
    return np.asarray((rows.float() if rows.dtype == torch.bfloat16 else rows).numpy())


def _dtype(array: Array | torch.Tensor) -> np.dtype[Any]:
    return array.dtype if isinstance(array, np.ndarray) else _numpy(torch.empty(0, dtype=array.dtype)).dtype


def _labels(name: str, labels: npt.ArrayLike | None, length: int) -> Array | None:
    if labels is None:
        return None
    found = np.asarray(labels)
    if found.shape != (length,) or found.dtype.kind not in "iu":
        raise InputError(
            f"{name} has labels of shape {list(found.shape)} and dtype {found.dtype}; wanted {length} whole numbers."
        )
    return found.astype(np.int64)


class DatasetSource(ThreadedSource):
    """A ``torch.utils.data.Dataset``, or any sequence, of images or (image, class, ...).

    An image is a Pillow image, or uint8 [3, H, W], [1, H, W], [H, W, 3], [H, W, 1] or [H, W]; float where ``range`` is
    declared as ``"0..1"`` or ``"-1..1"``; float [D] is a point. Items are fetched in one thread, since few data sets
    can stand more.
    """

    def __init__(self, dataset: Any, *, range: str | None = None, name: str | None = None) -> None:
        self.name = name or type(dataset).__name__
        self.workers = 1
        self._dataset = dataset
        self._range = range
        targets = getattr(dataset, "targets", None)
        if targets is not None and np.shape(targets) == (len(self),) and np.asarray(targets).dtype.kind in "iu":
            self.labels = np.asarray(targets, np.int64)
        if not len(self):
            raise InputError(f"{self.name} holds no samples.")

    def __len__(self) -> int:
        return len(self._dataset)

    def place(self, row: int) -> str:
        """Return the row's number."""
        return f"item {row}"

    def load(self, row: int) -> tuple[torch.Tensor, int | None]:
        """Fetch one item. Raises Unreadable where the data set raises, InputError where it gives something else."""
        try:
            item = self._dataset[row]
        except Exception as error:  # a guest's code may raise anything; a corrupt file is the likely cause
            raise Unreadable(f"{type(error).__name__}: {error}") from error
        image, label = (
            (item[0], item[1] if len(item) > 1 else None) if isinstance(item, (tuple, list)) else (item, None)
        )
        return self._image(image, row), _class(label)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Whether it has a length and gives items by number, as a Dataset and a list of images do."""
        if not _is_data(subject) or not hasattr(subject, "__getitem__") or not hasattr(subject, "__len__"):
            return False
        return not (isinstance(subject, (list, tuple)) and _holds_batches(subject))

    def _image(self, image: Any, row: int) -> torch.Tensor:
        name = f"{self.name} item {row}"
        if isinstance(image, Image.Image):
            try:
                return pixels(image)
            except Unreadable:
                raise
            except Exception as error:
                raise Unreadable(f"{type(error).__name__}: {error}") from error
        if not isinstance(image, (np.ndarray, torch.Tensor)):
            raise InputError(
                f"{name} is of type {type(image).__name__}; wanted a Pillow image, an array or a tensor, alone or as "
                "(image, class)."
            )
        array = _numpy(image)[None]
        array = array[..., None] if array.ndim == 3 else array  # [1, H, W] is gray, not three axes of a batch
        declare = "DatasetSource(dataset, range='0..1') or '-1..1'"
        layout = layout_of(name, array.shape, array.dtype, range=self._range, declare=declare)
        return layout.data(array, row)[0]


def _class(label: Any) -> int | None:
    if isinstance(label, (torch.Tensor, np.ndarray, np.generic)) and np.ndim(label) == 0:
        label = label.item()
    return label if isinstance(label, int) and not isinstance(label, bool) else None


def _is_data(subject: object) -> bool:
    """Whether it may be data at all: no path, no array, no network, no sampler, no source."""
    others = (str, bytes, os.PathLike, Mapping, np.ndarray, torch.Tensor, torch.nn.Module, type)
    return not isinstance(subject, others) and not hasattr(subject, "sample") and not hasattr(subject, "batches")


def _holds_batches(items: list[Any] | tuple[Any, ...]) -> bool:
    first = items[0] if items else None
    if isinstance(first, (tuple, list)) and first:
        first = first[0]
    return isinstance(first, (np.ndarray, torch.Tensor)) and first.ndim in (2, 4)


class StreamSource(ArraySource):
    """An iterable of batches: a DataLoader, a generator, a list of arrays, each ``x`` or ``(x, classes, ...)``.

    It is read once, to its end or to ``count`` samples, into a temporary file that the system removes with the
    process; so it has a length, any row can be had, and memory stays flat. Batches are as ArraySource wants them, all
    of one sample shape. Raises InputError where they are not, PlugError where the iterable raises.
    """

    def __init__(
        self, stream: Iterable[Any], *, range: str | None = None, count: int | None = None, name: str | None = None
    ) -> None:
        name = name or f"stream of {type(stream).__name__}"
        with tempfile.TemporaryFile(prefix="genbench-") as file:
            spool = _Spool(name, file, range)
            for step, item in enumerate(_items(name, stream)):
                spool.add(step, item, None if count is None else count - spool.rows)
                if spool.rows == count:
                    break
            array, labels = spool.finished()
        super().__init__(array, labels=labels, name=name)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Whether it can be iterated and is none of the others: a DataLoader, a generator, a list of batches."""
        return _is_data(subject) and hasattr(subject, "__iter__") and not DatasetSource.accepts(subject)


def _items(name: str, stream: Iterable[Any]) -> Iterator[Any]:
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
    """Batches on their way into one file, already as Batch.data wants them."""

    def __init__(self, name: str, file: IO[bytes], range: str | None) -> None:
        self.rows = 0
        self._name, self._file, self._range = name, file, range
        self._shape: tuple[int, ...] = ()
        self._dtype: np.dtype[Any] = np.dtype(np.uint8)
        self._labels: list[Array] | None = []

    def add(self, step: int, item: Any, room: int | None) -> None:
        data, label = self._parted(step, item)
        rows = self._layout(step, data).data(_numpy(data[:room]), self.rows).numpy()
        if self.rows and (rows.shape[1:], rows.dtype) != (self._shape, self._dtype):
            raise InputError(
                f"{self._name}: batch {step} holds samples of shape {list(rows.shape[1:])}, but those before it "
                f"{list(self._shape)}; one stream has one size."
            )
        self._shape, self._dtype = rows.shape[1:], rows.dtype
        self._write(rows)
        if label is None or len(label) < len(rows):
            self._labels = None
        elif self._labels is not None:
            self._labels.append(label[: len(rows)])
        self.rows += len(rows)

    def finished(self) -> tuple[Array, Array | None]:
        if not self.rows:
            raise InputError(f"{self._name} gives no samples.")
        self._file.flush()
        array = np.memmap(self._file, self._dtype, "r", shape=(self.rows, *self._shape))
        return array, np.concatenate(self._labels) if self._labels else None

    def _parted(self, step: int, item: Any) -> tuple[Array | torch.Tensor, Array | None]:
        data, label = item, None
        if isinstance(item, (tuple, list)) and item:
            data = item[0]
            if len(item) > 1 and isinstance(item[1], (np.ndarray, torch.Tensor)):
                label = _numpy(item[1])
        if not isinstance(data, (np.ndarray, torch.Tensor)):
            raise InputError(
                f"{self._name}: batch {step} is of type {type(data).__name__}; wanted an array or tensor, alone or as "
                "(images, classes)."
            )
        return data, label if label is not None and label.ndim == 1 and label.dtype.kind in "iu" else None

    def _layout(self, step: int, data: Array | torch.Tensor) -> Layout:
        if data.ndim == 3:
            raise InputError(
                f"{self._name}: batch {step} has shape {list(data.shape)}; wanted batches [N, 3, H, W] or [N, H, W, 3] "
                "(put a DataLoader around a data set, or give gray images a channel axis)."
            )
        declare = "StreamSource(batches, range='0..1') or '-1..1'"
        name = f"{self._name}, batch {step}"
        return layout_of(name, tuple(data.shape), _dtype(data), range=self._range, declare=declare)

    def _write(self, rows: Array) -> None:
        try:
            self._file.write(rows.tobytes())
        except OSError as error:
            raise InputError(
                f"{self._name} does not fit into the temporary folder {tempfile.gettempdir()} "
                f"({error.strerror or error}); set TMPDIR to one with more space."
            ) from error
