"""Samples in the memory of a Python program: arrays, tensors and data sets."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from genbench.array_types import Array, Int64
from genbench.errors import InputError, described
from genbench.files.fingerprints import content_hash
from genbench.plugs.contracts import Batch
from genbench.plugs.tensors import is_of_torch, is_tensor, to_numpy
from genbench.sources.array_layout import extremes, layout_of
from genbench.sources.batch_ranges import batch_rows
from genbench.sources.decoding import Unreadable, to_rgb
from genbench.sources.label_arrays import class_labels, numbers_of_classes
from genbench.sources.npy_files import StoredRows
from genbench.sources.shards import PARQUET, TAR, are_shards
from genbench.sources.threaded import ThreadedSource
from genbench.sources.volume_planes import planes_of, volumes_and_planes

if TYPE_CHECKING:
    import torch

PIECE_BYTES = 1 << 24
"""Maximum bytes of a large array that are processed at a time."""


class ArraySource:
    """Images or points in an array or tensor.

    Images are uint8 [N, H, W, 3], [N, 3, H, W], [N, H, W, 1], [N, 1, H, W] or [N, H, W]; bool with the same shapes,
    where True is white; or other numbers with the same shapes and a declared ``range`` such as ``"-1..1"``. Points are
    float [N, D]. ``labels`` are whole numbers [N] or [N, 1], or one-hot rows [N, K]. Volumes [N, D, H, W] are read as
    gray slices: with ``slices="axial"`` the D slices [H, W] of each volume, with ``"three"`` then also the H coronal
    slices [D, W] and the W sagittal ones [D, H] of each. Raises InputError for other arrays, for NaN, for values
    outside of the range, and for a range that cannot be right; UsageError for other ``slices``.
    """

    skip_corrupt = False
    workers: int | None = None
    class_names: tuple[str, ...] | None = None
    left_out: Mapping[str, int] = MappingProxyType({})
    volume: Int64 | None = None
    """int64 [N], the volume that each row is a slice of; None for other samples."""
    plane: Int64 | None = None
    """int64 [N], the plane of each slice, a position in ``PLANES``."""
    _declare = "ArraySource(x, range='{range}')"

    def __init__(
        self,
        array: Array | torch.Tensor | StoredRows,
        *,
        range: str | None = None,
        labels: npt.ArrayLike | None = None,
        name: str = "array",
        slices: str | None = None,
    ) -> None:
        self.name = name
        # slices of these would fail, or give values that are not meant to be seen
        if is_tensor(array) and str(array.layout) != "torch.strided":
            to_numpy(array)
        if np.ma.is_masked(array):
            raise InputError(f"{name} holds masked values; fill them with .filled(value) or leave out their rows.")
        # the slices of each plane are an array of their own, because volumes need not be cubes
        planes = None if slices is None else planes_of(name, _stored(array), slices)
        self._arrays: Sequence[Array | torch.Tensor | StoredRows] = planes or [array]
        self._starts = np.cumsum([0, *(rows.shape[0] for rows in self._arrays)] if array.shape else [0, 0]).tolist()
        self.layout = layout_of(
            name,
            tuple(self._arrays[0].shape),
            dtype_of(array),
            range=range,
            declare=self._declare,
            first_rows=lambda: next(self._pieces(0, self._starts[1]))[1],
        )
        labels = None if labels is None else class_labels(f"{name}: labels", np.asarray(labels), int(array.shape[0]))
        self.labels: Int64 | None = labels
        if planes is not None:
            self.volume, self.plane = volumes_and_planes(planes)
            self.labels = None if labels is None else labels[self.volume]
        self._check_values()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield rows ``start`` to ``stop`` in order, at most ``size`` at a time."""
        ranges = batch_rows(self.name, len(self), size, start, stop)
        return (self._batch(part, rows) for each in ranges for part, rows in self._parts(each.start, each.stop))

    def digest(self, start: int, stop: int) -> str:
        """Return a hash of the bytes of these rows, their dtype, shape and layout."""
        # arrays with equal bytes but another dtype or shape must have other hashes
        return content_hash(*self._contents(start, stop))

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is a numpy array or a torch tensor."""
        return isinstance(subject, np.ndarray) or is_tensor(subject)

    def _contents(self, start: int, stop: int) -> Iterator[bytes]:
        for part, rows in self._parts(start, stop):
            array, first = self._arrays[part], self._starts[part]
            yield f"array {dtype_of(array).str} {tuple(array.shape[1:])} {self.layout}\n".encode()
            yield from (piece.tobytes() for _, piece in self._pieces(first + rows.start, first + rows.stop))

    def _check_values(self) -> None:
        """Raise InputError if a value or the range is wrong, because an error after hours would be too late."""
        dtype = dtype_of(self._arrays[0])
        # the smallest and the largest value show whether the range can be right
        least, most = math.inf, -math.inf
        # the slices of one plane hold all values
        for first, rows in self._pieces(0, self._starts[1]):
            low, high = extremes(rows)
            least, most = min(least, low), max(most, high)
            # all values of uint8 are valid, and the first rows show that they are no masks of 0 and 1
            if dtype == np.uint8 and self.layout.range is None:
                if most > 1:
                    return
            elif dtype != np.bool_:
                self.layout.data(rows, first)
        self.layout.refuse_unlikely_range(dtype, least, most)

    def _batch(self, part: int, rows: range) -> Batch:
        # convert only the rows of this batch
        first, stop = (self._starts[part] + row for row in (rows.start, rows.stop))
        data = self.layout.data(to_numpy(self._arrays[part][rows.start : rows.stop]), first)
        label = None if self.labels is None else self.labels[first:stop].copy()
        return Batch(np.arange(first, stop, dtype=np.int64), data, label)

    def _parts(self, start: int, stop: int) -> Iterator[tuple[int, range]]:
        """Yield the number of each array that holds some of the rows ``start`` to ``stop``, and its own rows."""
        for part, (first, end) in enumerate(pairwise(self._starts)):
            if max(start, first) < min(stop, end):
                yield part, range(max(start, first) - first, min(stop, end) - first)

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[int, Array]]:
        # pieces of whole rows, at least one row; narrow values are converted to wider ones
        for part, rows in self._parts(start, stop):
            array = self._arrays[part]
            value_bytes = max(4, dtype_of(array).itemsize)
            step = max(1, PIECE_BYTES // (int(np.prod(array.shape[1:], dtype=np.int64)) * value_bytes))
            for first in rows[::step]:
                yield self._starts[part] + first, to_numpy(array[first : min(first + step, rows.stop)])


def dtype_of(array: Array | torch.Tensor | StoredRows) -> np.dtype[Any]:
    """Return the dtype that ``to_numpy`` gives."""
    return to_numpy(array.new_empty(0)).dtype if is_tensor(array) else array.dtype


def _stored(array: Array | torch.Tensor | StoredRows) -> Array | StoredRows:
    return to_numpy(array) if is_tensor(array) else array


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
        if not len(self):
            raise InputError(f"{self.name} holds no samples.")
        # torchvision's data sets have all classes in ``targets``; those of some are boxes or captions
        self.left_out: dict[str, int] = {}
        targets = getattr(dataset, "targets", None)
        if targets is not None:
            self.labels = _classes_of_targets(targets, len(self))
            self.left_out = {"labels that are no classes": len(self)} if self.labels is None else {}

    def __len__(self) -> int:
        return len(self._dataset)

    def place(self, row: int) -> str:
        """Return the number of the item."""
        return f"item {row}"

    def load(self, row: int) -> tuple[Array, int | None]:
        """Return one item and its class. Raises Unreadable if the data set raises, InputError for other items."""
        try:
            item = self._dataset[row]
        except Exception as error:  # user code can raise any exception; the likely cause is a corrupt file
            raise Unreadable(described(error)) from error
        # an item is an image, or a tuple of an image, its class and more
        image, label = (*item, None, None)[:2] if isinstance(item, (tuple, list)) else (item, None)
        return self._image(image, row), class_number(label)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object has a length and items by number, as a Dataset and a list of images have."""
        if not may_be_samples(subject) or not hasattr(subject, "__getitem__") or not hasattr(subject, "__len__"):
            return False
        # an IterableDataset with a length inherits a method __getitem__ that only raises
        if is_of_torch(subject, "torch.utils.data", "IterableDataset"):
            return False
        # a list of batches is a stream
        return not (isinstance(subject, (list, tuple)) and _holds_batches(subject))

    def _image(self, image: Any, row: int) -> Array:
        name = f"{self.name} item {row}"
        # Pillow images are decoded by the same rule as image files
        if isinstance(image, Image.Image):
            try:
                return to_rgb(image)
            except Unreadable:
                raise
            except Exception as error:
                raise Unreadable(described(error)) from error
        if not (isinstance(image, np.ndarray) or is_tensor(image)):
            raise InputError(
                f"{name} is of type {type(image).__name__}; expected a Pillow image, an array or a tensor, alone or as "
                "(image, class)."
            )
        # make a batch of one; [H, W] becomes [1, H, W, 1], because [1, H, W] is ambiguous
        array = to_numpy(image)[None]
        array = array[..., None] if array.ndim == 3 else array
        declare = "DatasetSource(dataset, range='{range}')"
        layout = layout_of(name, array.shape, array.dtype, range=self._range, declare=declare, first_rows=lambda: array)
        one: Array = layout.data(array, row)[0]
        return one


def _classes_of_targets(targets: Any, length: int) -> Int64 | None:
    try:
        array = to_numpy(targets) if is_tensor(targets) else np.asarray(targets)
    except (ValueError, TypeError, InputError):  # lists of different lengths
        return None
    classes = numbers_of_classes(array)
    return None if classes is None or len(classes) != length else classes


def class_number(label: Any) -> int | None:
    """Return the class that an item of a data set states, or None."""
    # a number, an array or tensor of one number, or a one-hot vector
    if not (is_tensor(label) or isinstance(label, (np.ndarray, np.generic, int, float))):
        return None
    array = to_numpy(label) if is_tensor(label) else np.asarray(label)
    classes = numbers_of_classes(array.reshape(1, -1)) if array.size and array.ndim < 2 else None
    return None if classes is None else int(classes[0])


def may_be_samples(subject: object) -> bool:
    """Return whether an object may be a collection of samples: no path, array, network, sampler or source."""
    # types that other plugs accept
    others = (str, bytes, os.PathLike, Mapping, np.ndarray, type)
    if isinstance(subject, others) or is_tensor(subject) or is_of_torch(subject, "torch.nn", "Module"):
        return False
    if are_shards(subject, PARQUET + TAR) or is_of_datasets(subject):
        return False
    return not hasattr(subject, "sample") and not hasattr(subject, "batches")


def is_of_datasets(subject: object) -> bool:
    """Return whether an object is a data set of Hugging Face's library ``datasets``, which is not imported."""
    names = ("Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")
    return any(kind.__name__ in names and kind.__module__.startswith("datasets.") for kind in type(subject).__mro__)


def _holds_batches(items: list[Any] | tuple[Any, ...]) -> bool:
    # the first item shows whether these are batches [N, D] or [N, ., ., .], or single images
    first = items[0] if items else None
    if isinstance(first, (tuple, list)) and first:
        first = first[0]
    return (isinstance(first, np.ndarray) or is_tensor(first)) and first.ndim in (2, 4)
