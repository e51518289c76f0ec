"""Samples in the memory of a Python program: arrays, tensors and data sets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from genbench.array_types import Array, Int64
from genbench.errors import InputError
from genbench.files.fingerprints import content_hash
from genbench.plugs.contracts import Batch
from genbench.sources.array_layout import layout_of
from genbench.sources.batch_ranges import batch_rows
from genbench.sources.decoding import Unreadable, to_rgb
from genbench.sources.threaded import ThreadedSource

PIECE_BYTES = 1 << 24
"""Maximum bytes of a large array that are processed at a time."""


class ArraySource:
    """Images or points in an array or tensor.

    Images are uint8 [N, H, W, 3], [N, 3, H, W], [N, H, W, 1], [N, 1, H, W] or [N, H, W], or float with the same shapes
    and a declared ``range``, ``"0..1"`` or ``"-1..1"``. Points are float [N, D]. Raises InputError for other arrays,
    for NaN, and for values outside of the range.
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
        self.layout = layout_of(name, tuple(array.shape), dtype_of(array), range=range, declare=self._declare)
        self.labels = _check_labels(name, labels, len(self))
        # check all values now, because an error after an hour of extraction would be too late
        if dtype_of(array).kind == "f":
            for first, rows in self._pieces(0, len(self)):
                self.layout.data(rows, first)

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield rows ``start`` to ``stop`` in order, at most ``size`` at a time."""
        return map(self._batch, batch_rows(self.name, len(self), size, start, stop))

    def digest(self, start: int, stop: int) -> str:
        """Return a hash of the bytes of these rows, their dtype, shape and layout."""
        # arrays with equal bytes but another dtype or shape must have other hashes
        header = f"array {dtype_of(self._array).str} {tuple(self._array.shape[1:])} {self.layout}\n"
        return content_hash(header.encode(), *(rows.tobytes() for _, rows in self._pieces(start, stop)))

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is a numpy array or a torch tensor."""
        return isinstance(subject, (np.ndarray, torch.Tensor))

    def _batch(self, rows: range) -> Batch:
        # convert only the rows of this batch
        data = self.layout.data(to_numpy(self._array[rows.start : rows.stop]), rows.start)
        label = None if self.labels is None else torch.from_numpy(self.labels[rows.start : rows.stop].copy())
        return Batch(torch.arange(rows.start, rows.stop), data, label)

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[int, Array]]:
        # pieces of whole rows, at least one row
        row_bytes = int(np.prod(self._array.shape[1:], dtype=np.int64)) * dtype_of(self._array).itemsize
        step = max(1, PIECE_BYTES // row_bytes)
        for first in np.arange(start, stop, step).tolist():
            yield first, to_numpy(self._array[first : min(first + step, stop)])


def to_numpy(rows: Array | torch.Tensor) -> Array:
    """Return an array or tensor as a numpy array; bfloat16, which numpy lacks, becomes float32."""
    if isinstance(rows, np.ndarray):
        return rows
    # tensors with gradients or on a device
    rows = rows.detach().cpu()
    return np.asarray((rows.float() if rows.dtype == torch.bfloat16 else rows).numpy())


def dtype_of(array: Array | torch.Tensor) -> np.dtype[Any]:
    """Return the dtype that ``to_numpy`` gives."""
    return array.dtype if isinstance(array, np.ndarray) else to_numpy(torch.empty(0, dtype=array.dtype)).dtype


def _check_labels(name: str, labels: npt.ArrayLike | None, length: int) -> Int64 | None:
    if labels is None:
        return None
    array = np.asarray(labels)
    if array.shape != (length,) or array.dtype.kind not in "iu":
        raise InputError(
            f"{name} has labels of shape {list(array.shape)} and dtype {array.dtype}; expected {length} whole numbers."
        )
    return array.astype(np.int64)


class DatasetSource(ThreadedSource):
    """A ``torch.utils.data.Dataset``, or any sequence, of images or (image, class, ...).

    An image is a Pillow image, or uint8 [3, H, W], [1, H, W], [H, W, 3], [H, W, 1] or [H, W], or float with the same
    shapes and a declared ``range``, ``"0..1"`` or ``"-1..1"``. A float [D] is a point. Items are fetched in a single
    thread, because few data sets are thread-safe.
    """

    def __init__(self, dataset: Any, *, range: str | None = None, name: str | None = None) -> None:
        self.name = name or type(dataset).__name__
        self.workers = 1
        self._dataset = dataset
        self._range = range
        # torchvision's data sets have all classes in ``targets``
        targets = getattr(dataset, "targets", None)
        if targets is not None and np.shape(targets) == (len(self),) and np.asarray(targets).dtype.kind in "iu":
            self.labels = np.asarray(targets, np.int64)
        if not len(self):
            raise InputError(f"{self.name} holds no samples.")

    def __len__(self) -> int:
        return len(self._dataset)

    def place(self, row: int) -> str:
        """Return the number of the item."""
        return f"item {row}"

    def load(self, row: int) -> tuple[torch.Tensor, int | None]:
        """Return one item and its class. Raises Unreadable if the data set raises, InputError for other items."""
        try:
            item = self._dataset[row]
        except Exception as error:  # user code can raise any exception; the likely cause is a corrupt file
            raise Unreadable(f"{type(error).__name__}: {error}") from error
        # an item is an image, or a tuple of an image, its class and more
        image, label = (
            (item[0], item[1] if len(item) > 1 else None) if isinstance(item, (tuple, list)) else (item, None)
        )
        return self._image(image, row), _class_number(label)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object has a length and items by number, as a Dataset and a list of images have."""
        if not may_be_samples(subject) or not hasattr(subject, "__getitem__") or not hasattr(subject, "__len__"):
            return False
        # a list of batches is a stream
        return not (isinstance(subject, (list, tuple)) and _holds_batches(subject))

    def _image(self, image: Any, row: int) -> torch.Tensor:
        name = f"{self.name} item {row}"
        # Pillow images are decoded by the same rule as image files
        if isinstance(image, Image.Image):
            try:
                return to_rgb(image)
            except Unreadable:
                raise
            except Exception as error:
                raise Unreadable(f"{type(error).__name__}: {error}") from error
        if not isinstance(image, (np.ndarray, torch.Tensor)):
            raise InputError(
                f"{name} is of type {type(image).__name__}; expected a Pillow image, an array or a tensor, alone or as "
                "(image, class)."
            )
        # make a batch of one; [H, W] becomes [1, H, W, 1], because [1, H, W] is ambiguous
        array = to_numpy(image)[None]
        array = array[..., None] if array.ndim == 3 else array
        declare = "DatasetSource(dataset, range='0..1') or '-1..1'"
        layout = layout_of(name, array.shape, array.dtype, range=self._range, declare=declare)
        return layout.data(array, row)[0]


def _class_number(label: Any) -> int | None:
    # scalars of torch and numpy become Python integers
    if isinstance(label, (torch.Tensor, np.ndarray, np.generic)) and np.ndim(label) == 0:
        label = label.item()
    return label if isinstance(label, int) and not isinstance(label, bool) else None


def may_be_samples(subject: object) -> bool:
    """Return whether an object may be a collection of samples: no path, array, network, sampler or source."""
    # types that other plugs accept
    others = (str, bytes, os.PathLike, Mapping, np.ndarray, torch.Tensor, torch.nn.Module, type)
    return not isinstance(subject, others) and not hasattr(subject, "sample") and not hasattr(subject, "batches")


def _holds_batches(items: list[Any] | tuple[Any, ...]) -> bool:
    # the first item shows whether these are batches [N, D] or [N, ., ., .], or single images
    first = items[0] if items else None
    if isinstance(first, (tuple, list)) and first:
        first = first[0]
    return isinstance(first, (np.ndarray, torch.Tensor)) and first.ndim in (2, 4)
