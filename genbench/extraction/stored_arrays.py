"""Files of arrays in the store: each states its address and a checksum, and may also lie in a remote folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from genbench.array_types import Array
from genbench.errors import InputError
from genbench.files.checked_arrays import read_arrays, write_arrays
from genbench.files.remote_folder import RemoteFolder

RECORD = "genbench.store"
"""The entry of a file's metadata that states its address and what is no array."""


def find_arrays(
    path: Path, address: str, remote: RemoteFolder | None
) -> tuple[dict[str, Array], dict[str, Any]] | None:
    """Return the arrays and the record of a file, fetched if need be; None if missing or damaged."""
    # the file here comes first, so a store that is complete needs no network
    found = read_checked(path, address)
    if found is not None or remote is None:
        return found
    remote.fetch_once(path)
    return read_checked(path, address)


def store_arrays(
    path: Path, arrays: Mapping[str, Array], record: Mapping[str, Any], remote: RemoteFolder | None
) -> None:
    """Write a file, and start to send it. Raises InputError if it cannot be written."""
    write_arrays(path, arrays, RECORD, record)
    if remote is not None:
        remote.send(path)


def read_checked(path: Path, address: str) -> tuple[dict[str, Array], dict[str, Any]] | None:
    """Return the arrays and the record of a file, or None if it is missing, damaged or has another address."""
    # the address tells a block from another one that was copied to its place
    try:
        arrays, record = read_arrays(path, RECORD)
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


class FileArrays(Mapping[str, Array]):
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


class DerivedArrays(MutableMapping[str, Mapping[str, Array]]):
    """Named groups of arrays in a folder, one file per group."""

    def __init__(self, folder: Path, origin: str, remote: RemoteFolder | None = None) -> None:
        self._folder = folder
        self._remote = remote
        self._listed = False
        self._origin = origin
        self._unwritten: dict[str, Mapping[str, Array]] = {}

    def __getitem__(self, key: str) -> Mapping[str, Array]:
        if key in self._unwritten:
            return self._unwritten[key]
        path, address = self._path(key), address_of(self._origin, key)
        # a remote folder is asked once for all its files, which are few
        if self._remote is not None and not self._listed and not path.exists():
            self._listed = True
            with suppress(InputError):
                self._remote.fetch(self._remote.sizes(self._folder))
        found = read_checked(path, address)
        if found is None:
            raise KeyError(key)
        return found[0]

    def __setitem__(self, key: str, arrays: Mapping[str, Array]) -> None:
        # without a writable folder, the arrays are kept in memory; one that cannot be sent stays here
        try:
            store_arrays(self._path(key), arrays, {"address": address_of(self._origin, key)}, self._remote)
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
        return self._folder / f"{short_hash(key)}.safetensors"


def address_of(*parts: str) -> str:
    # the lengths are part of it, because other parts could give the same joined text
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
