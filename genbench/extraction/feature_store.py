"""The content-addressed store of Features: blocks of rows on disk, computed once and found by the samples' contents.

The address of a block is (extractor identity, content hash of its samples). Therefore a killed run resumes where it
stopped, a changed file costs one block, two processes that write the same block write the same bytes, and no block can
be stale. Blocks are safetensors files, written atomically; nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from genbench.array_types import Array, Int64
from genbench.files.atomic_write import atomic_write

STORE_FOLDERS = ("features", "derived")
"""The subfolders of a store. The same root also holds the fingerprints and, by default, the weights."""

_OFFSET = "offset"
"""The entry of a block's file that holds ``Block.offset``; all other entries are views."""


@dataclass(frozen=True, eq=False)
class Block:
    """The views of some consecutive samples of a source."""

    views: Mapping[str, Array]
    """Each view has n rows: embedding float32 [n, D], mode int64 [n], ..."""
    offset: Int64 | None = None
    """int64 [n], the position of each row among the samples; None if no sample was left out as corrupt."""
    hashes: Int64 | None = None
    """int64 [n], content hash of each decoded sample."""
    levels: tuple[int, int] | None = None
    """Lowest and highest pixel value (0..255); None for points."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """What the decoder did not use, see ``Batch.left_out``."""


@dataclass(frozen=True)
class StoredExtractor:
    """The size of all blocks of one extractor."""

    extractor: str
    identity: str
    blocks: int
    size_bytes: int
    path: Path


@dataclass(frozen=True)
class Store:
    """Blocks of features under ``root``."""

    root: Path

    def find(self, identity: str, digest: str) -> Block | None:
        """Return the block at an address, or None; a damaged file is removed and counts as missing."""
        path = self._block_path(identity, digest)
        entries = _open_arrays(path) if path.exists() else None
        if entries is None:
            return None
        # views are read from disk on demand; the offset is small and always needed
        views = _FileArrays(path, tuple(name for name in entries if name != _OFFSET))
        return Block(views, entries.get(_OFFSET))

    def put(self, identity: str, digest: str, block: Block, *, extractor: str = "") -> Block:
        """Write a block and return it as ``find`` would. Raises InputError if it cannot be written."""
        about = self._extractor_folder(identity) / "about.json"
        # a readable note for `genbench cache list`; the folder name is only a hash
        if not about.exists():
            with atomic_write(about) as temporary:
                temporary.write_text(json.dumps({"extractor": extractor, "identity": identity}))
        # the offset is stored beside the views
        path = self._block_path(identity, digest)
        offset = {} if block.offset is None else {_OFFSET: block.offset}
        _write_arrays(path, {**block.views, **offset})
        return Block(_FileArrays(path, tuple(block.views)), block.offset)

    def derived(self, identity: str, fingerprint: str) -> MutableMapping[str, Mapping[str, Array]]:
        """Return a mapping on disk for the arrays that are derived from the features of one source."""
        # one folder per pair of extractor and source
        return _DerivedArrays(self.root / "derived" / _short_hash(identity + fingerprint))

    def extractors(self) -> Iterator[StoredExtractor]:
        """Yield the size of the stored blocks of each extractor."""
        for about in sorted(self.root.glob("features/*/about.json")):
            try:
                record = json.loads(about.read_text())
            except ValueError:  # the file is damaged; its blocks are still found by content
                record = {"extractor": "unknown", "identity": about.parent.name}
            # blocks lie one level below, in folders of two hexadecimal digits
            sizes = [path.stat().st_size for path in about.parent.glob("??/*.safetensors")]
            yield StoredExtractor(record["extractor"], record["identity"], len(sizes), sum(sizes), about.parent)

    def size_bytes(self) -> int:
        """Return the size of all features and derived arrays, in bytes."""
        # other folders under the root, such as the weights, do not count
        files = (path for name in STORE_FOLDERS for path in (self.root / name).rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files)

    def clear(self) -> None:
        """Remove all features and derived arrays."""
        for name in STORE_FOLDERS:
            shutil.rmtree(self.root / name, ignore_errors=True)

    def _extractor_folder(self, identity: str) -> Path:
        return self.root / "features" / _short_hash(identity)

    def _block_path(self, identity: str, digest: str) -> Path:
        # subfolders of two hexadecimal digits keep the folders small
        return self._extractor_folder(identity) / digest[:2] / f"{digest}.safetensors"


class _FileArrays(Mapping[str, Array]):
    """Arrays in a file, each read from disk whenever it is accessed."""

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self._path = path
        self._names = names

    def __getitem__(self, name: str) -> Array:
        from safetensors import safe_open

        if name not in self._names:
            raise KeyError(name)
        # nothing is kept in memory, so features can be larger than the memory
        with safe_open(self._path, framework="np") as file:
            rows: Array = file.get_tensor(name)
        return rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _DerivedArrays(MutableMapping[str, Mapping[str, Array]]):
    """Named groups of arrays in a folder, one file per group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, key: str) -> Mapping[str, Array]:
        path = self._path(key)
        arrays = _open_arrays(path) if path.exists() else None
        if arrays is None:
            raise KeyError(key)
        return dict(arrays)

    def __setitem__(self, key: str, arrays: Mapping[str, Array]) -> None:
        _write_arrays(self._path(key), arrays)

    def __delitem__(self, key: str) -> None:
        self._path(key).unlink()

    def __iter__(self) -> Iterator[str]:
        # file names are hashes of the keys, so the keys cannot be listed
        raise TypeError("the keys of derived arrays cannot be listed")

    def __len__(self) -> int:
        return len(list(self._folder.glob("*.safetensors")))

    def _path(self, key: str) -> Path:
        return self._folder / f"{_short_hash(key)}.safetensors"


def _open_arrays(path: Path) -> _FileArrays | None:
    from safetensors import SafetensorError, safe_open

    # read only the names; a damaged file is removed and will be computed again
    try:
        with safe_open(path, framework="np") as file:
            return _FileArrays(path, tuple(file.keys()))
    except (SafetensorError, OSError):
        path.unlink(missing_ok=True)
        return None


def _write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    from safetensors.numpy import save

    # safetensors needs contiguous arrays
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
