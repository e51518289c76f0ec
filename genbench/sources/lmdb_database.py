"""Encoded images in an LMDB database, as LSUN's."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

from genbench.errors import InputError, described
from genbench.files.fingerprints import FilePart, FileStamp, file_stamp
from genbench.sources.class_labels import classes_of_folders
from genbench.sources.decoding import Unreadable
from genbench.sources.file_names import is_path_with_suffix, natural_order, printable, require_file
from genbench.sources.image_formats import LARGEST_FILE
from genbench.sources.optional_libraries import optional_library
from genbench.sources.shards import LMDB_FILE
from genbench.sources.threaded import EncodedImages

NOT_IMAGES = frozenset({b"length", b"len", b"size", b"num-samples", b"num_samples", b"__len__", b"__keys__", b"meta"})
"""Keys of entries that say something about the database, such as the number of its images."""


class Lmdb(EncodedImages):
    """The encoded images in an LMDB database, in the natural order of their keys. Nothing is unpickled.

    Every value is an image, except those of a few usual keys such as ``length``; with ``prefix`` only the values whose
    keys begin with it. Folders in the keys are the classes. Raises InputError for a database that is damaged, cut
    short or without images.
    """

    def __init__(self, path: str | os.PathLike[str], *, prefix: str = "") -> None:
        # a folder with the file, or the file itself
        self.name = printable(path)
        root = Path(path).expanduser()
        self._database = _shared_database(self.name, root / LMDB_FILE if root.is_dir() else root)
        # the keys of images, and the others
        keys = self._database.keys()
        chosen = [key for key in keys if key.startswith(prefix.encode()) and key not in NOT_IMAGES]
        if not chosen:
            raise InputError(f"{self.name} holds {len(keys):,} entries, but no image; check the path and the prefix.")
        # bytes that are no valid text stay different from each other
        named = {key.decode(errors="surrogateescape"): key for key in chosen}
        self.files = tuple(sorted(named, key=natural_order))
        """The keys as texts."""
        self._keys = [named[name] for name in self.files]
        # keys may look like the paths of files
        self.class_names, self.labels, self.notes, _ = classes_of_folders(self.files)
        self.left_out = {"other entries": len(keys) - len(chosen)} if len(chosen) < len(keys) else {}

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is the path of a database: a folder with data.mdb, or a file .mdb or .lmdb."""
        if isinstance(subject, (str, os.PathLike)) and os.path.isdir(subject):
            return (Path(subject) / LMDB_FILE).is_file()
        return any(is_path_with_suffix(subject, suffix) for suffix in (".mdb", ".lmdb"))

    def __len__(self) -> int:
        return len(self.files)

    def place(self, row: int) -> str:
        """Return the key of the image."""
        return printable(self.files[row])

    def read(self, row: int) -> bytes:
        """Return the bytes of one image. Raises Unreadable if the entry is damaged or very large."""
        return self._database.value(self._keys[row])

    def part(self, row: int) -> FilePart:
        """Return the entry of the database."""
        return FilePart(self._database.path, self.files[row], self._database.opened)


class _Database:
    """An open database. The library maps the file into memory, so a file that is too short would kill the process."""

    def __init__(self, name: str, path: Path, opened: FileStamp | None) -> None:
        self.name, self.path, self.opened = name, path, opened
        library = optional_library("lmdb", extra="lmdb")
        # without a lock file, because the folder may be read-only
        try:
            self._environment: Any = library.open(
                str(path), subdir=False, readonly=True, lock=False, readahead=False, create=False
            )
            self._least_bytes = (self._environment.info()["last_pgno"] + 1) * self._environment.stat()["psize"]
        except Exception as error:  # damaged bytes can raise any exception
            # the library has no error of its own for this
            if "already open" in str(error):
                raise InputError(_open_message(name, path)) from error
            raise InputError(
                f"{name} is no LMDB database ({described(error)}); check the path, or copy it again."
            ) from error
        weakref.finalize(self, self._environment.close)
        self._require_whole()

    def keys(self) -> list[bytes]:
        """Return all keys, in the order of the database."""
        try:
            with self._environment.begin() as reading:
                return [bytes(key) for key in reading.cursor().iternext(keys=True, values=False)]
        except Exception as error:  # damaged bytes can raise any exception
            raise InputError(f"{self.name} is damaged ({described(error)}); copy it again.") from error

    def value(self, key: bytes) -> bytes:
        # the file may have become shorter since it was opened
        self._require_whole()
        try:
            with self._environment.begin(buffers=True) as reading:
                # the size is known before the value is copied
                found = reading.get(key)
                if found is not None and len(found) <= LARGEST_FILE:
                    return bytes(found)
        except Exception as error:  # damaged bytes can raise any exception
            raise Unreadable(f"damaged in the database: {described(error)}") from error
        raise Unreadable(
            "not in the database any more" if found is None else f"{len(found):,} bytes, more than any image"
        )

    def _require_whole(self) -> None:
        size = os.stat(self.path).st_size
        if size < self._least_bytes:
            raise InputError(
                f"{self.name} is cut short: it has {size:,} of {self._least_bytes:,} bytes; copy it again."
            )


_open_databases: weakref.WeakValueDictionary[tuple[Path, FileStamp | None], _Database] = weakref.WeakValueDictionary()
"""The library opens a file only once in a process, and samples and reference may lie in one."""


def _open_message(name: str, path: Path) -> str:
    """Return why a database that is open in this process cannot be opened once more."""
    if any(other == path for other, _ in _open_databases):
        return f"{name} has changed since this program opened it; run the program again, or delete its older samples."
    return f"{name} is already open in this program; close that environment first (environment.close())."


def _shared_database(name: str, path: Path) -> _Database:
    # a file that was replaced is another database
    require_file(path)
    path = path.resolve()
    key = path, file_stamp(path)
    database = _open_databases.get(key)
    if database is None:
        database = _open_databases[key] = _Database(name, *key)
    return database
