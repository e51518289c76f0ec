"""Cached hashes of file contents: a file that has not changed on disk is not read again."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from genbench.files.folder_paths import cache_root

SETTLED_NS = 2_000_000_000
"""Minimum age of a file, in nanoseconds. A younger file may change again without a change of mtime: never cached."""

HASHES_PER_COMMIT = 1024
"""Number of hashes between two writes to the database: the work that a killed process loses."""


class FilePart(NamedTuple):
    """A file, or a named part of a file: a member of an archive, some rows of an array."""

    path: Path
    name: str = ""


def cached_hashes(
    parts: Sequence[FilePart], compute: Callable[[int], str | None], *, workers: int | None = None
) -> list[str | None]:
    """Return the content hash of each part: the cached one if path, size and mtime are unchanged, else ``compute(i)``.

    ``compute`` runs in threads. It returns None for a part that cannot be read; None is returned, but not cached.
    Several processes may call this function at the same time. Without a usable cache, every hash is computed.
    """
    keys = _cache_keys(parts)
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


_Key = tuple[bytes, str, int, int]  # path (bytes, because a file name may be invalid text), part name, size, mtime_ns


def _cache_keys(parts: Sequence[FilePart]) -> list[_Key | None]:
    """Return the key of each part, or None if its hash must not be cached."""
    now = time.time_ns()
    # many parts may lie in one file, so read the metadata of each file once
    stats: dict[Path, tuple[bytes, int, int] | None] = {}
    keys: list[_Key | None] = []
    for path, name in parts:
        if path not in stats:
            stats[path] = None
            with suppress(OSError):
                stat = os.stat(path)
                if now - stat.st_mtime_ns > SETTLED_NS:
                    stats[path] = (os.fsencode(os.path.abspath(path)), stat.st_size, stat.st_mtime_ns)
        known = stats[path]
        keys.append(None if known is None else (known[0], name, known[1], known[2]))
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
            # the hash is valid only for this size and time
            sql = "SELECT hash FROM contents WHERE path = ? AND part = ? AND size = ? AND mtime_ns = ?"
            row = self._connection.execute(sql, key).fetchone()
            return None if row is None else str(row[0])
        return None

    def add(self, hashes: Iterable[tuple[_Key | None, str | None]]) -> None:
        if self._connection is None:
            return
        # skip parts that must not be cached or cannot be read
        rows = [(*key, content) for key, content in hashes if key is not None and content is not None]
        with suppress(sqlite3.Error), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?)", rows)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # wait up to 10 seconds for another process that writes
    connection = sqlite3.connect(path, timeout=10)
    try:
        # write-ahead logging lets other processes read while one writes
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS contents (path BLOB, part TEXT, size INTEGER, mtime_ns INTEGER, hash TEXT, "
            "PRIMARY KEY (path, part)) WITHOUT ROWID"
        )
        connection.commit()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
