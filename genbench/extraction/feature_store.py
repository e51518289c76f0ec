"""The content-addressed store of Features: blocks of rows on disk, made once, found again by what is in the samples.

A block's address is (extractor identity, content hash of its samples). A killed run therefore resumes where it was,
a changed file costs one block, two processes that write the same block write the same bytes, and nothing in the
store can be stale. Blocks are safetensors files, written whole or not at all; nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from genbench.arrays import Array
from genbench.files.atomic_write import atomic_write

PARTS = ("features", "derived")
"""The folders of a store. Beside them lie the remembered fingerprints, and in the default place the weights."""


@dataclass(frozen=True)
class Shelf:
    """What the store holds of one extractor."""

    extractor: str
    identity: str
    blocks: int
    size_bytes: int
    path: Path


@dataclass(frozen=True)
class Store:
    """Blocks of features under ``root``."""

    root: Path

    def find(self, identity: str, digest: str) -> Mapping[str, Array] | None:
        """Return the block at that address, or None; a damaged file counts as absent and is removed."""
        path = self._shelf(identity) / digest[:2] / f"{digest}.safetensors"
        return _opened(path) if path.exists() else None

    def keep(
        self, identity: str, digest: str, views: Mapping[str, Array], *, extractor: str = ""
    ) -> Mapping[str, Array]:
        """Write a block and return it as ``find`` would. Raises InputError where the disk refuses."""
        shelf = self._shelf(identity)
        about = shelf / "about.json"
        if not about.exists():
            with atomic_write(about) as temporary:
                temporary.write_text(json.dumps({"extractor": extractor, "identity": identity}))
        path = shelf / digest[:2] / f"{digest}.safetensors"
        _write(path, views)
        return _OpenedBlock(path, tuple(views))

    def beside(self, identity: str, fingerprint: str) -> MutableMapping[str, Mapping[str, Array]]:
        """Return a mapping, kept on disk, for what is derived from the features of one whole source."""
        return _Derived(self.root / "derived" / _short(identity + fingerprint))

    def shelves(self) -> Iterator[Shelf]:
        """Yield what is kept, one extractor at a time."""
        for about in sorted(self.root.glob("features/*/about.json")):
            try:
                record = json.loads(about.read_text())
            except ValueError:  # damaged: its blocks are still found by content
                record = {"extractor": "unknown", "identity": about.parent.name}
            sizes = [path.stat().st_size for path in about.parent.glob("??/*.safetensors")]
            yield Shelf(record["extractor"], record["identity"], len(sizes), sum(sizes), about.parent)

    def size_bytes(self) -> int:
        """Return the bytes of all features and of what was derived from them."""
        kept = (path for part in PARTS for path in (self.root / part).rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in kept)

    def clear(self) -> None:
        """Remove all features and what was derived from them."""
        for part in PARTS:
            shutil.rmtree(self.root / part, ignore_errors=True)

    def _shelf(self, identity: str) -> Path:
        return self.root / "features" / _short(identity)


class _OpenedBlock(Mapping[str, Array]):
    """A block on disk; a view is read when asked for and not kept."""

    def __init__(self, path: Path, views: tuple[str, ...]) -> None:
        self._path = path
        self._views = views

    def __getitem__(self, view: str) -> Array:
        from safetensors import safe_open

        if view not in self._views:
            raise KeyError(view)
        with safe_open(self._path, framework="np") as file:
            rows: Array = file.get_tensor(view)
        return rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)


class _Derived(MutableMapping[str, Mapping[str, Array]]):
    """Named arrays in a folder, one file a name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, key: str) -> Mapping[str, Array]:
        path = self._path(key)
        block = _opened(path) if path.exists() else None
        if block is None:
            raise KeyError(key)
        return {name: block[name] for name in block}

    def __setitem__(self, key: str, arrays: Mapping[str, Array]) -> None:
        _write(self._path(key), arrays)

    def __delitem__(self, key: str) -> None:
        self._path(key).unlink()

    def __iter__(self) -> Iterator[str]:
        raise TypeError("derived arrays are found by name only")

    def __len__(self) -> int:
        return len(list(self._folder.glob("*.safetensors")))

    def _path(self, key: str) -> Path:
        return self._folder / f"{_short(key)}.safetensors"


def _opened(path: Path) -> _OpenedBlock | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return _OpenedBlock(path, tuple(file.keys()))
    except (SafetensorError, OSError):
        path.unlink(missing_ok=True)
        return None


def _write(path: Path, arrays: Mapping[str, Array]) -> None:
    import numpy as np
    from safetensors.numpy import save

    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
