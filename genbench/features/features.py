"""What an extractor saw: Features (rows by view) and Moments (count, mean, covariance), and their own file."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genbench.arrays import Array, Float64, Int64
from genbench.errors import InputError, PlugError
from genbench.files.atomic_write import atomic_write
from genbench.files.folders import cache_root

IN_MEMORY_BYTES = 1 << 30
"""From this size on, all rows of a view at once lie in a file that is mapped into memory."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance of an embedding: all that a Frechet distance needs."""

    mean: Float64
    """float64 [D]"""
    covariance: Float64
    """float64 [D, D], ddof 1"""
    count: int | None = None
    """How many rows made it; None where the file does not say."""
    name: str = ""
    extractor: str = ""
    identity: str = ""
    """The extractor's identity; empty where the file does not say."""
    fingerprint: str = ""

    def __post_init__(self) -> None:
        size = self.mean.shape[0] if self.mean.ndim == 1 else -1
        if self.covariance.shape != (size, size):
            raise InputError(
                f"{self.name or 'The statistics'}: a mean of shape {self.mean.shape} and a covariance of shape "
                f"{self.covariance.shape} do not belong together; wanted [D] and [D, D]."
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise InputError(f"{self.name or 'The statistics file'} holds NaN or infinity; make it again.")


@dataclass(frozen=True, eq=False)
class Features:
    """Rows of one source in the views of one extractor, in the source's order, in blocks."""

    blocks: Sequence[Mapping[str, Array]]
    """Each block maps a view to its rows: embedding float32 [n, D], logits float32 [n, C], mode int64 [n], ..."""
    name: str = ""
    """The source's name."""
    extractor: str = ""
    """The extractor's name."""
    identity: str = ""
    """The extractor's identity (weights, preprocessing); empty where unknown."""
    fingerprint: str = ""
    """Content hash of the source; empty where unknown."""
    modes: int | None = None
    """How many modes the view ``mode`` can take, where the extractor says."""
    skipped: int = 0
    """How many samples were left out because they could not be decoded."""
    label: Int64 | None = None
    """int64 [N], the class of each row, where the source knows it."""
    cache: MutableMapping[str, Mapping[str, Array]] = field(default_factory=dict, repr=False)
    """Where ``derived`` keeps what it made: in memory, or beside the features on disk."""
    _rows: dict[str, Array] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(*, name: str = "arrays", modes: int | None = None, **views: npt.ArrayLike) -> Features:
        """Make Features of arrays at hand: ``Features.of(embedding=x)``.

        Raises PlugError where the views differ in length or are empty.
        """
        arrays = {view: np.asarray(rows) for view, rows in views.items()}
        if len({len(rows) for rows in arrays.values()}) != 1 or not len(next(iter(arrays.values()))):
            raise PlugError(f"The views of {name!r} need the same number of rows, at least one.")
        return Features([arrays], name=name, modes=modes, fingerprint=_hash_arrays(arrays))

    def __len__(self) -> int:
        if "" not in self._rows:  # counted once: a block on disk is opened for it
            self._rows[""] = np.array(sum(len(block[next(iter(block))]) for block in self.blocks))
        return int(self._rows[""])

    @property
    def views(self) -> tuple[str, ...]:
        """The names of the views, sorted."""
        return tuple(sorted(self.blocks[0])) if self.blocks else ()

    def each(self, view: str) -> Iterator[Array]:
        """Yield the rows of a view block by block, for work that needs no more memory than one block."""
        if view not in self.views:
            raise PlugError(f"The extractor {self.extractor!r} gives {', '.join(self.views)}, but {view!r} is wanted.")
        for block in self.blocks:
            yield block[view]

    def __getitem__(self, view: str) -> Array:
        """Return all rows of a view as one array; made once. Raises PlugError for a view that is not there."""
        if view not in self._rows:
            self._rows[view] = self._gathered(view)
        return self._rows[view]

    def _gathered(self, view: str) -> Array:
        first = next(self.each(view))
        if len(self.blocks) == 1:
            return np.asarray(first)
        shape = (len(self), *first.shape[1:])
        large = len(self) * first[:1].nbytes > IN_MEMORY_BYTES
        rows = _mapped(shape, first.dtype) if large else np.empty(shape, first.dtype)
        start = 0
        for block in self.each(view):
            rows[start : start + len(block)] = block
            start += len(block)
        return rows

    def moments(self, view: str = "embedding") -> Moments:
        """Return the mean and covariance (ddof 1) of a view in float64; needs two rows at least."""
        found = self.derived(f"moments of {view}", lambda: _moments(self, view))
        return Moments(
            found["mean"], found["covariance"], len(self), self.name, self.extractor, self.identity, self.fingerprint
        )

    def derived(self, key: str, make: Callable[[], Mapping[str, Array]]) -> Mapping[str, Array]:
        """Return arrays made from these features (moments, bins, radii): made once and kept under ``key``."""
        if key not in self.cache:
            self.cache[key] = make()
        return self.cache[key]

    def save(self, path: Path) -> None:
        """Write all rows to one safetensors file that ``read_features`` reads. Raises InputError where it cannot."""
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        about = {name: getattr(self, name) for name in ("name", "extractor", "identity", "fingerprint", "modes")}
        views = {view: np.ascontiguousarray(self[view]) for view in self.views}
        if self.label is not None:
            views["label"] = self.label
        with atomic_write(path) as temporary:
            try:
                save_file(
                    views, temporary, {"genbench.features.features": json.dumps(about | {"skipped": self.skipped})}
                )
            except SafetensorError as error:  # its way of saying that the disk is full
                raise OSError(str(error)) from error


def _mapped(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array in a file without a name, which the system may write out and drop from memory."""
    root = cache_root()
    if root is not None:
        root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=root) as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def read_features(path: Path) -> Features:
    """Read a file that ``Features.save`` wrote. Raises InputError where it is something else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {})["genbench.features.features"])
            views = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(
            f"{path} is not a features file of genbench ({error}); make one with "
            f"`genbench stats SAMPLES --out {path.stem}.safetensors`."
        ) from error
    label = views.pop("label", None)
    return Features([views], label=label, **about)


def _moments(features: Features, view: str) -> dict[str, Array]:
    count = len(features)
    if count < 2:
        raise InputError(f"{features.name} holds {count} sample; a covariance needs at least 2.")
    total = sum(block.sum(axis=0, dtype=np.float64) for block in features.each(view))
    mean: Float64 = np.asarray(total / count)
    scatter = np.zeros((mean.size, mean.size))
    for block in features.each(view):
        centred = block.astype(np.float64) - mean
        scatter += centred.T @ centred
    return {"mean": mean, "covariance": scatter / (count - 1)}


def _hash_arrays(arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256()
    for view in sorted(arrays):
        digest.update(f"{view} {arrays[view].dtype} {arrays[view].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[view]).tobytes())
    return digest.hexdigest()
