"""Content hashes that are remembered: what has not changed on disk is not read again."""

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

from genbench.files.folders import cache_root

SETTLED_NS = 2_000_000_000
"""A file that changed less than this ago may change again within one tick of its clock, so it is not remembered."""

AT_ONCE = 1024
"""How many hashes are made between two writes to the database: what a killed run has to make again."""


class Part(NamedTuple):
    """A file, or a named part of one (an archive's member, some rows of an array)."""

    path: Path
    name: str = ""


def remembered(
    parts: Sequence[Part], make: Callable[[int], str | None], *, workers: int | None = None
) -> list[str | None]:
    """Return one content hash a part: ``make(i)``, or what it gave when path, size and mtime_ns were the same.

    ``make`` runs in threads; None (it cannot be read) is passed on and not remembered. Two processes may do this at
    once. Where nothing can be kept (no cache folder, a full disk), every hash is made.
    """
    keys = _keys(parts)
    with closing(_Memory()) as memory:
        found: list[str | None] = memory.find(keys)
        missing = [row for row, known in enumerate(found) if known is None]
        with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1)) as pool:
            for first in range(0, len(missing), AT_ONCE):
                some = missing[first : first + AT_ONCE]
                made = list(pool.map(make, some))
                for row, hash in zip(some, made, strict=True):
                    found[row] = hash
                memory.keep((keys[row], hash) for row, hash in zip(some, made, strict=True))
    return found


def content_hash(*pieces: bytes) -> str:
    """Return the sha256 of some bytes, in hexadecimal."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


_Key = tuple[bytes, str, int, int]  # path (bytes: a file name need not be text), part, size, mtime_ns


def _keys(parts: Sequence[Part]) -> list[_Key | None]:
    """Return a key for each part, or None for one whose hash must not be remembered."""
    now = time.time_ns()
    stats: dict[Path, tuple[bytes, int, int] | None] = {}
    keys: list[_Key | None] = []
    for path, name in parts:
        if path not in stats:
            stats[path] = None
            with suppress(OSError):
                about = os.stat(path)
                if now - about.st_mtime_ns > SETTLED_NS:
                    stats[path] = (os.fsencode(os.path.abspath(path)), about.st_size, about.st_mtime_ns)
        known = stats[path]
        keys.append(None if known is None else (known[0], name, known[1], known[2]))
    return keys


class _Memory:
    """The database; where there is none, or it cannot be used, it knows nothing and keeps nothing."""

    def __init__(self) -> None:
        self._database: sqlite3.Connection | None = None
        root = cache_root()
        if root is None:
            return
        path = root / "fingerprints.sqlite"
        try:
            self._database = _opened(path)
        except sqlite3.OperationalError:  # not writable, or busy for long
            return
        except sqlite3.DatabaseError:  # broken: it holds nothing that cannot be made again
            with suppress(OSError, sqlite3.Error):
                for end in ("", "-wal", "-shm"):
                    Path(f"{path}{end}").unlink(missing_ok=True)
                self._database = _opened(path)
        except OSError:
            return

    def find(self, keys: Iterable[_Key | None]) -> list[str | None]:
        return [None if key is None else self._find(key) for key in keys]

    def _find(self, key: _Key) -> str | None:
        if self._database is None:
            return None
        with suppress(sqlite3.Error):
            sql = "SELECT hash FROM contents WHERE path = ? AND part = ? AND size = ? AND mtime_ns = ?"
            row = self._database.execute(sql, key).fetchone()
            return None if row is None else str(row[0])
        return None

    def keep(self, found: Iterable[tuple[_Key | None, str | None]]) -> None:
        if self._database is None:
            return
        rows = [(*key, hash) for key, hash in found if key is not None and hash is not None]
        with suppress(sqlite3.Error), self._database:
            self._database.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?)", rows)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=10)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(
            "CREATE TABLE IF NOT EXISTS contents (path BLOB, part TEXT, size INTEGER, mtime_ns INTEGER, hash TEXT, "
            "PRIMARY KEY (path, part)) WITHOUT ROWID"
        )
        database.commit()
    except sqlite3.Error:
        database.close()
        raise
    return database
