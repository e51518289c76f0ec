"""The output of an extractor: Features (rows by view), and the file of Features."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array, Float64, Int64
from genbench.errors import InputError, PlugError
from genbench.features.file_record import FileRecord
from genbench.features.moments import Moments
from genbench.files.checked_arrays import read_arrays, write_arrays
from genbench.files.folder_paths import cache_root

__all__ = ["Features", "Moments", "read_features"]

IN_MEMORY_BYTES = 1 << 30
"""A view of more bytes than this is stored in a memory-mapped file when all its rows are needed at once."""

_RECORD = "genbench.features"
"""The entry of a features file's metadata that holds the record."""

_RECORDED = ("name", "extractor", "identity", "fingerprint", "modes", "mode_names", "skipped", "class_names", "levels",
             "label_rule")  # fmt: skip
ROW_COLUMNS = ("label", "hashes", "volume", "plane")
"""The fields of Features that hold one whole number for each row, if they are known."""


@dataclass(frozen=True, eq=False)
class Features:
    """The views that one extractor computed from one source: rows in the order of the source, stored in blocks."""

    blocks: Sequence[Mapping[str, Array]]
    """Each block maps a view to its rows: embedding float32 [n, D], logits float32 [n, C], mode int64 [n], ..."""
    name: str = ""
    """The source's name."""
    extractor: str = ""
    """The extractor's name."""
    identity: str = ""
    """The extractor's identity (weights, preprocessing); empty if unknown."""
    fingerprint: str = ""
    """Content hash of the source; empty if unknown."""
    modes: int | None = None
    """Number of values that the view ``mode`` can take; None if the extractor does not state it."""
    mode_names: tuple[str, ...] | None = None
    """Name of each mode: ``mode`` k means ``mode_names[k]``; None if the extractor does not name them."""
    skipped: int = 0
    """Number of samples that were left out because they could not be decoded."""
    label: Int64 | None = None
    """int64 [N], the class of each row; None if the source does not know it."""
    class_names: tuple[str, ...] | None = None
    """Name of each class: ``label`` k means ``class_names[k]``; None if the classes have no names."""
    label_rule: str = ""
    """How the classes were requested of a sampler, one of ``LABEL_RULES``; empty if they were not."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """What the source holds and does not use: the number of things by their plural name, ``{"hidden files": 2}``."""
    levels: tuple[int, int] | None = None
    """Lowest and highest pixel value (0..255) of all images; None for points, and if unknown."""
    hashes: Int64 | None = None
    """int64 [N], content hash of each decoded sample, by which copies are recognised; None if unknown."""
    volume: Int64 | None = None
    """int64 [N], the volume that each row is a slice of, whose rows are not independent; None for other samples."""
    plane: Int64 | None = None
    """int64 [N], the plane of each slice, a position in ``PLANES``."""
    cache: MutableMapping[str, Mapping[str, Array]] = field(default_factory=dict, repr=False)
    """Where ``derived`` stores its arrays: in memory, or in the store on disk."""
    _arrays: dict[str, Array] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(*, name: str = "arrays", modes: int | None = None, **views: npt.ArrayLike) -> Features:
        """Make Features of arrays: ``Features.of(embedding=x)``.

        Raises PlugError if the views are empty or differ in length.
        """
        # every view has one row per sample
        arrays = {view: np.asarray(rows) for view, rows in views.items()}
        if len({len(rows) for rows in arrays.values()}) != 1 or not len(next(iter(arrays.values()))):
            raise PlugError(f"The views of {name!r} need the same number of rows, at least one.")
        return Features([arrays], name=name, modes=modes, fingerprint=_hash_arrays(arrays))

    def __len__(self) -> int:
        return self._length

    @cached_property
    def _length(self) -> int:
        # cached, because counting reads one view of every block from disk
        return sum(len(block[next(iter(block))]) for block in self.blocks)

    @property
    def views(self) -> tuple[str, ...]:
        """The names of the views, sorted."""
        return tuple(sorted(self.blocks[0])) if self.blocks else ()

    def each(self, view: str) -> Iterator[Array]:
        """Yield the rows of a view block by block, for computations that hold only one block in memory."""
        if view not in self.views:
            raise PlugError(f"The extractor {self.extractor!r} gives {', '.join(self.views)}, but {view!r} is needed.")
        for block in self.blocks:
            yield block[view]

    def chunks(self, view: str, size: int = 1024) -> Iterator[Array]:
        """Yield the rows of a view, ``size`` at a time: blocks may be too small for fast products, or large.

        By default the products of a part stay near the cache, and the next part gets the same memory.
        """
        waiting: list[Array] = []
        for block in self.each(view):
            for start in range(0, len(block), size):
                # join small blocks, split large ones
                waiting.append(block[start : start + size])
                rows = sum(map(len, waiting))
                if rows >= size:
                    joined = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
                    yield joined[:size]
                    waiting = [joined[size:]] if rows > size else []
        if waiting:
            yield waiting[0] if len(waiting) == 1 else np.concatenate(waiting)

    def __getitem__(self, view: str) -> Array:
        """Return all rows of a view as one cached array [N, ...]. Raises PlugError if there is no such view."""
        if view not in self._arrays:
            self._arrays[view] = self._concatenated(view)
        return self._arrays[view]

    def _concatenated(self, view: str) -> Array:
        first = next(self.each(view))
        if len(self.blocks) == 1:
            return np.asarray(first)
        # allocate once and copy block by block: np.concatenate would hold all rows twice
        shape = (len(self), *first.shape[1:])
        large = len(self) * first[:1].nbytes > IN_MEMORY_BYTES
        rows = _file_backed_array(shape, first.dtype) if large else np.empty(shape, first.dtype)
        start = 0
        for block in self.each(view):
            rows[start : start + len(block)] = block
            start += len(block)
        return rows

    def moments(self, view: str = "embedding") -> Moments:
        """Return the mean and covariance (ddof 1) of a view in float64. Raises InputError for fewer than two rows."""
        # computed once per source and extractor, because a covariance of large features takes seconds
        arrays = self.derived(f"moments of {view}", lambda: _mean_and_covariance(self, view))
        mean, covariance = arrays["mean"], arrays["covariance"]
        origin = (self.name, self.extractor, self.identity, self.fingerprint)
        return Moments(mean, covariance, len(self), *origin, view=view)

    def derived(self, key: str, make: Callable[[], Mapping[str, Array]]) -> Mapping[str, Array]:
        """Return arrays that ``make`` computes from these features (moments, bins, radii), cached under ``key``."""
        with suppress(KeyError):
            return self.cache[key]
        self.cache[key] = make()
        return self.cache[key]

    def save(self, path: Path) -> None:
        """Write all rows to one safetensors file for ``read_features``. Raises InputError if that is impossible."""
        # everything that is no array goes into one record
        record = {name: getattr(self, name) for name in _RECORDED}
        arrays = {view: self[view] for view in self.views}
        # labels and hashes are further columns, under names that no view has
        columns: dict[str, str] = {}
        for name in ROW_COLUMNS:
            column = getattr(self, name)
            if column is not None:
                columns[name] = next(free for free in (name + "_" * k for k in count()) if free not in arrays)
                arrays[columns[name]] = column
        write_arrays(path, arrays, _RECORD, record | {"left_out": dict(self.left_out), "columns": columns})


def _file_backed_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array in an unnamed temporary file: the system can write its pages to disk and free the memory.

    Without a folder that has space for the file, the array is in memory.
    """
    size = math.prod(shape) * dtype.itemsize
    for folder in (cache_root(), Path(tempfile.gettempdir())):
        with suppress(OSError):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                # the mapping stays valid after the file is closed and removed
                with tempfile.TemporaryFile(dir=folder) as file:
                    file.truncate(size)
                    # reserve the space, because a full disk kills a process that writes to a mapping
                    if hasattr(os, "posix_fallocate"):
                        os.posix_fallocate(file.fileno(), 0, size)
                    return np.memmap(file, dtype, "r+", shape=shape)
    return np.empty(shape, dtype)


def read_features(path: Path) -> Features:
    """Read a file that ``Features.save`` wrote. Raises InputError if it is another file, damaged or contradictory."""
    try:
        # files of older versions have no checksum
        arrays, record = read_arrays(path, _RECORD, unchecked=True)
        fields = FileRecord(record)
        # labels and hashes are columns beside the views
        names = fields.texts_by_name("columns") if "columns" in fields else {"label": "label"}
        columns: dict[str, Any] = {name: arrays.pop(names[name]) for name in ROW_COLUMNS if names.get(name) in arrays}
        features = Features(
            [arrays],
            name=fields.text("name"),
            extractor=fields.text("extractor"),
            identity=fields.text("identity"),
            fingerprint=fields.text("fingerprint"),
            modes=fields.optional_count("modes"),
            mode_names=fields.optional_texts("mode_names"),
            skipped=fields.optional_count("skipped") or 0,
            class_names=fields.optional_texts("class_names"),
            label_rule=fields.text("label_rule"),
            left_out=fields.counts_by_name("left_out"),
            levels=fields.optional_range("levels"),
            **columns,
        )
        _require_consistent(features)
    except (ValueError, OSError) as error:
        raise InputError(
            f"{path} is not a features file of genbench ({error}); make one with "
            f"`genbench stats SAMPLES --out {path.stem}.safetensors`."
        ) from error
    return features


def _require_consistent(features: Features) -> None:
    """Raise ValueError if views and columns such as labels do not belong together, or hold what no extractor gives."""
    # one row per sample in every view
    (views,) = features.blocks
    lengths = {view: rows.shape[:1] for view, rows in views.items()}
    if len(set(lengths.values())) != 1 or min(lengths.values()) < (1,):
        raise ValueError(f"its views have the lengths {lengths}, but need the same length, at least 1")
    # the shapes and kinds of the contract of extractors
    forms = (("embedding", 2, "fiu"), ("spatial", 2, "fiu"), ("logits", 2, "f"), ("mode", 1, "iu"), ("quality", 1, "b"))
    for view, axes, kinds in forms:
        if view in views and (views[view].ndim != axes or views[view].dtype.kind not in kinds):
            raise ValueError(f"its {view} has dtype {views[view].dtype} and shape {list(views[view].shape)}")
    for view, rows in views.items():
        if rows.dtype.kind not in "biuf" or (rows.dtype.kind == "f" and not np.isfinite(rows).all()):
            raise ValueError(f"its {view} holds NaN, infinity or no numbers")
    for name in ROW_COLUMNS:
        column = getattr(features, name)
        if column is not None and (column.dtype != np.int64 or column.shape != (len(features),)):
            raise ValueError(f"its {name} has dtype {column.dtype} and shape {list(column.shape)}, not int64 [N]")
    # classes are 0, 1, ...; modes and class names limit them
    limits = (("label", features.label, len(features.class_names) if features.class_names else None),)
    for name, values, limit in (*limits, ("mode", views.get("mode"), features.modes)):
        if values is not None and (values.min() < 0 or (limit is not None and values.max() >= limit)):
            raise ValueError(f"its {name} lies in {values.min()}..{values.max()}, outside of 0..{(limit or 0) - 1}")


def _mean_and_covariance(features: Features, view: str) -> dict[str, Array]:
    from scipy.linalg.blas import dsyrk  # not at the top, because many commands read features without any product

    count = len(features)
    if count < 2:
        raise InputError(f"{features.name} holds {count} sample; a covariance needs at least 2.")
    # two passes over the blocks: centring before squaring keeps the covariance accurate
    total = sum(block.sum(axis=0, dtype=np.float64) for block in features.each(view))
    mean: Float64 = np.asarray(total / count)
    scatter = np.zeros((mean.size, mean.size), order="F")
    for rows in features.chunks(view):
        # only the lower triangle, in place
        scatter = dsyrk(1.0, (rows - mean).T, beta=1.0, c=scatter, lower=1, overwrite_c=1)
    covariance = scatter / (count - 1)
    return {"mean": mean, "covariance": covariance + np.tril(covariance, -1).T}


def _hash_arrays(arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256()
    for view in sorted(arrays):
        # dtype and shape too, because equal bytes may stand for different arrays
        digest.update(f"{view} {arrays[view].dtype} {arrays[view].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[view]).tobytes())
    return digest.hexdigest()
