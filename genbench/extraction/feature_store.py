"""The content-addressed store of Features: blocks of rows on disk, computed once and found by the samples' contents.

The address of a block is (extractor identity, content hash of its samples). Each optional view that an extractor was
asked for has a block of its own, at another address. Therefore a killed run resumes where it
stopped, a changed file costs one block, two processes that write the same block write the same bytes, and no block can
be stale. Blocks are safetensors files, written atomically; nothing is ever unpickled. Each file states its address and
a checksum; a file with another address or with changed bytes counts as missing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from genbench.array_types import Array, Int64
from genbench.errors import InputError
from genbench.files.atomic_write import atomic_write
from genbench.files.checked_arrays import read_arrays, write_arrays
from genbench.files.folder_paths import cache_root

STORE_FOLDERS = ("features", "derived")
"""The subfolders of a store. The same root also holds the fingerprints and, by default, the weights."""

_RECORD = "genbench.store"
"""The entry of a file's metadata that states its address and what is no array."""

_VIEW = "view."
"""Views have this prefix in a block's file, so that no view has the name of another column."""


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

    def __len__(self) -> int:
        # counting reads one view
        return len(next(iter(self.views.values()))) if self.hashes is None else len(self.hashes)


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

    @staticmethod
    def default() -> Store | None:
        """Return the store in the user's folder; None if GENBENCH_CACHE=off disables it."""
        root = cache_root()
        return None if root is None else Store(root)

    def find(self, identity: str, digest: str, added: Sequence[str] = ()) -> Block | None:
        """Return the block at an address, or None; a damaged file, or that of another block, counts as missing.

        ``added`` are optional views that the block must have as well.
        """
        block = self._find(identity, digest)
        for view in added:
            own = None if block is None else self._find(_identity_with(identity, view), digest)
            # without one of the views the whole block is missing
            if block is None or own is None or len(own) != len(block):
                return None
            block = _with_views_of(block, own)
        return block

    def _find(self, identity: str, digest: str) -> Block | None:
        path = self._block_path(identity, digest)
        found = _read_checked(path, _address(identity, digest))
        if found is None:
            return None
        # views are read from disk on demand; the other columns are small and always needed
        columns, record = found
        names = tuple(name.removeprefix(_VIEW) for name in columns if name.startswith(_VIEW))
        try:
            lowest, highest = record["levels"] or (None, None)
            levels = None if lowest is None or highest is None else (int(lowest), int(highest))
            left_out = {str(thing): int(count) for thing, count in record["left_out"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):  # written by another version
            return None
        views = _FileArrays(dict.fromkeys(names, path), _VIEW)
        return Block(views, columns.get("offset"), columns.get("hashes"), levels, left_out)

    def put(self, identity: str, digest: str, block: Block, *, extractor: str = "", added: Sequence[str] = ()) -> Block:
        """Write a block and return it as ``find`` would. Raises InputError if it cannot be written.

        ``added`` are the optional views among its views. If the other views are stored already, they stay as they are.
        """
        usual = {view: rows for view, rows in block.views.items() if view not in added}
        stored = self._find(identity, digest) if added else None
        # a block of another length is replaced
        stored = stored if stored is not None and len(stored) == len(block) else None
        written = stored or self._put(identity, digest, replace(block, views=usual), extractor)
        # each optional view in a block of its own, so that the others are found by whoever does not need it
        for view in added:
            own = replace(block, views={view: block.views[view]})
            written = _with_views_of(
                written, self._put(_identity_with(identity, view), digest, own, f"{extractor}: {view}")
            )
        return written

    def _put(self, identity: str, digest: str, block: Block, extractor: str) -> Block:
        about = self._extractor_folder(identity) / "about.json"
        # a readable note for `genbench cache list`; the folder name is only a hash
        if not about.exists():
            with atomic_write(about) as temporary:
                temporary.write_text(json.dumps({"extractor": extractor, "identity": identity}))
        # the other columns are stored beside the views
        columns = {f"{_VIEW}{view}": rows for view, rows in block.views.items()}
        if block.offset is not None:
            columns["offset"] = block.offset
        if block.hashes is not None:
            columns["hashes"] = block.hashes
        record = {"address": _address(identity, digest), "levels": block.levels, "left_out": dict(block.left_out)}
        path = self._block_path(identity, digest)
        write_arrays(path, columns, _RECORD, record)
        return replace(block, views=_FileArrays(dict.fromkeys(block.views, path), _VIEW))

    def derived(self, identity: str, fingerprint: str) -> MutableMapping[str, Mapping[str, Array]]:
        """Return a mapping on disk for the arrays that are derived from the features of one source."""
        # one folder per pair of extractor and source
        return _DerivedArrays(self.root / "derived" / _short_hash(identity + fingerprint), identity + fingerprint)

    def extractors(self) -> Iterator[StoredExtractor]:
        """Yield the size of the stored blocks of each extractor."""
        for about in sorted(self.root.glob("features/*/about.json")):
            try:
                record = json.loads(about.read_text())
                name, identity = str(record["extractor"]), str(record["identity"])
            except (OSError, ValueError, KeyError, TypeError):  # damaged; its blocks are still found by content
                name, identity = "unknown", about.parent.name
            # blocks lie one level below, in folders of two hexadecimal digits
            sizes = [path.stat().st_size for path in about.parent.glob("??/*.safetensors")]
            yield StoredExtractor(name, identity, len(sizes), sum(sizes), about.parent)

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
    """Arrays in files, each read from disk whenever it is accessed."""

    def __init__(self, files: Mapping[str, Path], prefix: str) -> None:
        self.files = files
        """The file of each array, by the array's name."""
        self._prefix = prefix

    def __getitem__(self, name: str) -> Array:
        from safetensors import SafetensorError, safe_open

        path = self.files[name]
        # nothing is kept in memory, so features can be larger than the memory
        try:
            with safe_open(path, framework="np") as file:
                rows: Array = file.get_tensor(self._prefix + name)
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"{path} was removed or changed while it was used ({error}); start the same command again."
            ) from error
        return rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def _with_views_of(block: Block, other: Block) -> Block:
    """Return a block of the store with the views of another one of the same samples."""
    assert isinstance(block.views, _FileArrays)
    assert isinstance(other.views, _FileArrays)
    return replace(block, views=_FileArrays({**block.views.files, **other.views.files}, _VIEW))


def added_views(extractor: object) -> tuple[str, ...]:
    """Return the optional views that an extractor was asked for; most extractors have none."""
    return tuple(getattr(extractor, "added_views", ()))


def _identity_with(identity: str, view: str) -> str:
    # the identity of the extractor itself stays, because results record it
    return f"{identity}, optional view {view}"


class _DerivedArrays(MutableMapping[str, Mapping[str, Array]]):
    """Named groups of arrays in a folder, one file per group."""

    def __init__(self, folder: Path, origin: str) -> None:
        self._folder = folder
        self._origin = origin
        self._unwritten: dict[str, Mapping[str, Array]] = {}

    def __getitem__(self, key: str) -> Mapping[str, Array]:
        if key in self._unwritten:
            return self._unwritten[key]
        found = _read_checked(self._path(key), _address(self._origin, key))
        if found is None:
            raise KeyError(key)
        return found[0]

    def __setitem__(self, key: str, arrays: Mapping[str, Array]) -> None:
        # without a writable folder, the arrays are kept in memory
        try:
            write_arrays(self._path(key), arrays, _RECORD, {"address": _address(self._origin, key)})
        except InputError:
            self._unwritten[key] = {name: np.ascontiguousarray(array) for name, array in arrays.items()}

    def __delitem__(self, key: str) -> None:
        self._unwritten.pop(key, None)
        self._path(key).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[str]:
        # file names are hashes of the keys, so the keys cannot be listed
        raise TypeError("the keys of derived arrays cannot be listed")

    def __len__(self) -> int:
        return len(list(self._folder.glob("*.safetensors")))

    def _path(self, key: str) -> Path:
        return self._folder / f"{_short_hash(key)}.safetensors"


def _read_checked(path: Path, address: str) -> tuple[dict[str, Array], dict[str, Any]] | None:
    """Return the arrays and the record of a file, or None if it is missing, damaged or has another address."""
    # the address tells a block from another one that was copied to its place
    try:
        arrays, record = read_arrays(path, _RECORD)
        if isinstance(record, dict) and record.get("address") == address:
            return arrays, record
    except OSError:  # missing, or not readable
        return None
    except ValueError:
        pass
    # a damaged file is removed and will be computed again; in a read-only store it stays
    with suppress(OSError):
        path.unlink(missing_ok=True)
    return None


def _address(*parts: str) -> str:
    # the lengths are part of it, because other parts could give the same joined text
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
