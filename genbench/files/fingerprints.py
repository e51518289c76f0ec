"""Cached hashes of file contents: a file that has not changed on disk is not read again."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from genbench.files.folder_paths import cache_root

SETTLED_NS = 2_000_000_000
"""Minimum age of a file, in nanoseconds. A younger file may change again and keep its times, so it is never cached."""

HASHES_PER_COMMIT = 1024
"""Number of hashes between two writes to the database: the work that a killed process loses."""


class FileStamp(NamedTuple):
    """What tells versions of a file apart without reading it. A program can set mtime back, but not ctime."""

    size: int
    mtime_ns: int
    inode: int
    device: int
    ctime_ns: int

    def is_settled(self) -> bool:
        """Return whether the file is so old that its next change will give another stamp."""
        return time.time_ns() - max(self.mtime_ns, self.ctime_ns) > SETTLED_NS


class FilePart(NamedTuple):
    """A file, or a named part of a file: a member of an archive, some rows of an array."""

    path: Path
    name: str = ""
    opened: FileStamp | None = None
    """The stamp of the file when it was opened, if it stays open: a new file at this path has other contents."""


def file_stamp(path: Path) -> FileStamp | None:
    """Return the stamp of a file, or None if it is missing or not accessible."""
    with suppress(OSError, ValueError):
        stat = os.stat(path)
        return FileStamp(stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_dev, stat.st_ctime_ns)
    return None


def are_unchanged(seen: Mapping[Path, FileStamp | None]) -> bool:
    """Return whether all files are surely the same as ``cached_hashes`` has seen them; False if that cannot be told."""
    return all(stamp is not None and stamp == file_stamp(path) for path, stamp in seen.items())


def cached_hashes(
    parts: Sequence[FilePart],
    compute: Callable[[int], str | None],
    *,
    seen: dict[Path, FileStamp | None] | None = None,
    workers: int | None = None,
) -> list[str | None]:
    """Return the content hash of each part: the cached one if its file has the same stamp, otherwise ``compute(i)``.

    ``compute`` runs in threads. It returns None for a part that cannot be read; None is returned, but not cached.
    ``seen`` gets the stamp of each file before it was read, None for a file that is too young to be known by its stamp.
    Several processes may call this function at the same time. Without a usable cache, every hash is computed.
    """
    seen = {} if seen is None else seen
    keys = _cache_keys(parts, seen)
    with closing(_HashDatabase()) as database:
        hashes = database.find(keys)
        missing = [row for row, known in enumerate(hashes) if known is None]
        with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1)) as pool:
            # commit after each chunk, so that a killed process keeps the finished chunks
            for first in range(0, len(missing), HASHES_PER_COMMIT):
                chunk = missing[first : first + HASHES_PER_COMMIT]
                computed = list(pool.map(compute, chunk))
                for row, content in zip(chunk, computed, strict=True):
                    hashes[row] = content
                database.add((keys[row], content) for row, content in zip(chunk, computed, strict=True))
    return hashes


def content_hash(*pieces: bytes) -> str:
    """Return the sha256 of the concatenated bytes, in hexadecimal."""
    # update the hash piece by piece instead of joining large pieces
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal. Raises OSError if it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def cached_file_hash(path: Path) -> str:
    """Return the sha256 of a file; one that has not changed on disk is not read again. Raises OSError."""
    # the hash of a part has another meaning for other readers of the file
    (found,) = cached_hashes([FilePart(path, "sha256 of the file")], lambda _: file_hash(path))
    return str(found)


_Key = tuple[bytes, bytes, str]  # path and part name (bytes, because names may be invalid text), stamp


def _cache_keys(parts: Sequence[FilePart], seen: dict[Path, FileStamp | None]) -> list[_Key | None]:
    """Return the key of each part, or None if its hash must not be cached."""
    keys: list[_Key | None] = []
    for path, name, opened in parts:
        # many parts may lie in one file, so read the metadata of each file once
        if path not in seen:
            stamp = file_stamp(path)
            # the hash of an open file must not be stored for a file that has replaced it
            known = stamp is not None and stamp.is_settled() and opened in (None, stamp)
            seen[path] = stamp if known else None
        stamp = seen[path]
        if stamp is None:
            keys.append(None)
            continue
        # text, because inodes may be too large for an integer of SQLite
        address = os.fsencode(os.path.abspath(path)), name.encode(errors="surrogatepass")
        keys.append((*address, " ".join(map(str, stamp))))
    return keys


class _HashDatabase:
    """The database of hashes. If it is missing or unusable, it finds nothing and stores nothing."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        root = cache_root()
        if root is None:
            return
        # open the database; every failure means working without it
        path = root / "fingerprints.sqlite"
        try:
            self._connection = _connect(path)
        except sqlite3.OperationalError:  # read-only, or locked by another process for too long
            return
        except sqlite3.DatabaseError:  # damaged: delete it, because every hash can be computed again
            with suppress(OSError, sqlite3.Error):
                for end in ("", "-wal", "-shm"):
                    Path(f"{path}{end}").unlink(missing_ok=True)
                self._connection = _connect(path)
        except OSError:
            return

    def find(self, keys: Iterable[_Key | None]) -> list[str | None]:
        return [None if key is None else self._find(key) for key in keys]

    def _find(self, key: _Key) -> str | None:
        if self._connection is None:
            return None
        with suppress(sqlite3.Error):
            # the hash is valid only for this version of the file
            sql = "SELECT hash FROM stamped_contents WHERE path = ? AND part = ? AND stamp = ?"
            row = self._connection.execute(sql, key).fetchone()
            return row[0] if row and isinstance(row[0], str) else None
        return None

    def add(self, hashes: Iterable[tuple[_Key | None, str | None]]) -> None:
        if self._connection is None:
            return
        # skip parts that must not be cached or cannot be read
        rows = [(*key, content) for key, content in hashes if key is not None and content is not None]
        with suppress(sqlite3.Error), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO stamped_contents VALUES (?, ?, ?, ?)", rows)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # wait up to 10 seconds for another process that writes
    connection = sqlite3.connect(path, timeout=10)
    try:
        # a new format of this table needs a new name, because databases of older versions stay in use
        # write-ahead logging lets other processes read while one writes
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS stamped_contents (path BLOB, part BLOB, stamp TEXT, hash TEXT, "
            "PRIMARY KEY (path, part)) WITHOUT ROWID"
        )
        connection.commit()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
