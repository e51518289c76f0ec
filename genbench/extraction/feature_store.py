"""The content-addressed store of Features: blocks of rows on disk, computed once and found by the samples' contents.

The address of a block is (extractor identity, content hash of its samples). Each optional view that an extractor was
asked for has a block of its own, at another address. Therefore a killed run resumes where it
stopped, a changed file costs one block, two processes that write the same block write the same bytes, and no block can
be stale. Blocks are safetensors files, written atomically; nothing is ever unpickled. Each file states its address and
a checksum; a file with another address or with changed bytes counts as missing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from genbench.array_types import Array, Int64
from genbench.extraction.stored_arrays import (
    DerivedArrays,
    FileArrays,
    address_of,
    find_arrays,
    short_hash,
    store_arrays,
)
from genbench.files.atomic_write import atomic_write
from genbench.files.folder_paths import cache_root
from genbench.files.remote_folder import RemoteFolder, shared_folder

STORE_FOLDERS = ("features", "derived")
"""The subfolders of a store. The same root also holds the fingerprints and, by default, the weights."""

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


HashedBlocks = tuple[list[Block], str]
"""The block of each extractor at one place of a source, and the content hash of its samples."""


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
    """Blocks of features under ``root``, which are copies of those in a remote folder if there is one."""

    root: Path
    remote: RemoteFolder | None = None
    """Where other machines find the blocks; its local copies lie in ``root``."""

    @staticmethod
    def default() -> Store | None:
        """Return the store in the user's folder; None if GENBENCH_CACHE=off disables it."""
        root = cache_root()
        return None if root is None else Store(root, shared_folder("GENBENCH_CACHE", root))

    @property
    def shown(self) -> str:
        """The place of the store, for messages."""
        return str(self.root) if self.remote is None else self.remote.shown

    def fetch(self, identity: str, digests: Sequence[str], added: Sequence[str] = ()) -> None:
        """Fetch the blocks that are in the remote folder only, many at a time, so that ``find`` need not wait."""
        if self.remote is not None:
            self.remote.fetch(self._paths(identity, digests, added))

    def holds(self, identity: str, digests: Sequence[str], added: Sequence[str] = ()) -> list[bool]:
        """Return whether each block is here or in the remote folder. Blocks are neither fetched nor checked there."""
        here = [self.find(identity, digest, added) is not None for digest in digests] if self.remote is None else []
        if self.remote is None:
            return here
        paths = self._paths(identity, digests, added)
        absent = set(self.remote.missing([path for path in paths if not path.exists()]))
        return [absent.isdisjoint(self._paths(identity, [digest], added)) for digest in digests]

    def share(self, identity: str, digests: Sequence[str], added: Sequence[str] = ()) -> None:
        """Send the blocks here that the remote folder lacks, and wait until all are sent. Raises InputError."""
        if self.remote is None:
            return
        # blocks that were found here may have been removed there
        self.remote.flush()
        self.remote.send_missing(self._paths(identity, digests, added))
        self.remote.flush()
        if self.remote.failure is not None:
            raise self.remote.failure

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
        found = find_arrays(path, address_of(identity, digest), self.remote)
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
        views = FileArrays(dict.fromkeys(names, path), _VIEW)
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
            if self.remote is not None:
                self.remote.send(about)
        # the other columns are stored beside the views
        columns = {f"{_VIEW}{view}": rows for view, rows in block.views.items()}
        if block.offset is not None:
            columns["offset"] = block.offset
        if block.hashes is not None:
            columns["hashes"] = block.hashes
        record = {"address": address_of(identity, digest), "levels": block.levels, "left_out": dict(block.left_out)}
        path = self._block_path(identity, digest)
        store_arrays(path, columns, record, self.remote)
        return replace(block, views=FileArrays(dict.fromkeys(block.views, path), _VIEW))

    def derived(self, identity: str, fingerprint: str) -> MutableMapping[str, Mapping[str, Array]]:
        """Return a mapping on disk for the arrays that are derived from the features of one source."""
        # one folder per pair of extractor and source
        folder = self.root / "derived" / short_hash(identity + fingerprint)
        return DerivedArrays(folder, identity + fingerprint, self.remote)

    def extractors(self) -> Iterator[StoredExtractor]:
        """Yield the size of the blocks of each extractor. Raises InputError if the remote folder is out of reach."""
        # files here, and those of the remote folder
        sizes = self._sizes() | ({} if self.remote is None else self.remote.sizes(self.root / "features"))
        by_folder: dict[Path, list[int]] = {}
        for path, size in sizes.items():
            # blocks lie one level below, in folders of two hexadecimal digits
            if path.suffix == ".safetensors" and path.parents[2] == self.root / "features":
                by_folder.setdefault(path.parents[1], []).append(size)
        abouts = {folder: folder / "about.json" for folder in sorted(by_folder)}
        if self.remote is not None:
            self.remote.fetch(abouts.values())
        for folder, about in abouts.items():
            try:
                record = json.loads(about.read_text())
                name, identity = str(record["extractor"]), str(record["identity"])
            except (OSError, ValueError, KeyError, TypeError):  # damaged; its blocks are still found by content
                name, identity = "unknown", folder.name
            yield StoredExtractor(name, identity, len(by_folder[folder]), sum(by_folder[folder]), folder)

    def size_bytes(self) -> int:
        """Return the size of all features and derived arrays in ``root``, in bytes."""
        return sum(self._sizes().values())

    def _sizes(self) -> dict[Path, int]:
        """Return the size in bytes of each file of features and derived arrays in ``root``."""
        # other folders under the root, such as the weights, do not count
        files = (path for name in STORE_FOLDERS for path in (self.root / name).rglob("*") if path.is_file())
        return {path: path.stat().st_size for path in files}

    def remote_size(self) -> int:
        """Return the size of all features and derived arrays in the remote folder, in bytes. Raises InputError."""
        assert self.remote is not None
        return sum(size for name in STORE_FOLDERS for size in self.remote.sizes(self.root / name).values())

    def clear(self, *, remote: bool = False) -> None:
        """Remove all features and derived arrays in ``root``, or those in the remote folder. Raises InputError."""
        for name in STORE_FOLDERS:
            if remote and self.remote is not None:
                self.remote.clear(self.root / name)
            else:
                shutil.rmtree(self.root / name, ignore_errors=True)

    def _paths(self, identity: str, digests: Sequence[str], added: Sequence[str]) -> list[Path]:
        """Return the files of blocks, with those of their optional views."""
        identities = [identity, *(_identity_with(identity, view) for view in added)]
        return [self._block_path(each, digest) for digest in digests for each in identities]

    def _extractor_folder(self, identity: str) -> Path:
        return self.root / "features" / short_hash(identity)

    def _block_path(self, identity: str, digest: str) -> Path:
        # subfolders of two hexadecimal digits keep the folders small
        return self._extractor_folder(identity) / digest[:2] / f"{digest}.safetensors"


def _with_views_of(block: Block, other: Block) -> Block:
    """Return a block of the store with the views of another one of the same samples."""
    assert isinstance(block.views, FileArrays)
    assert isinstance(other.views, FileArrays)
    return replace(block, views=FileArrays({**block.views.files, **other.views.files}, _VIEW))


def added_views(extractor: object) -> tuple[str, ...]:
    """Return the optional views that an extractor was asked for; most extractors have none."""
    return tuple(getattr(extractor, "added_views", ()))


def _identity_with(identity: str, view: str) -> str:
    # the identity of the extractor itself stays, because results record it
    return f"{identity}, optional view {view}"
