"""Values of different lengths in a temporary file, which the system removes with the process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from genbench.array_types import Int64
from genbench.errors import InputError
from genbench.sources.decoding import Unreadable
from genbench.sources.npy_files import FileReader

FREE_BYTES = 1 << 28
"""Bytes that stay free in the temporary folder."""


class SpooledValues(NamedTuple):
    """Values, one after the other in a file."""

    reader: FileReader
    ends: Int64
    """int64 [N], the end of each value."""
    missing: frozenset[int]
    """Rows without a value."""
    error: Exception | None
    """Why there are no further values, if their iterable raised."""

    def __len__(self) -> int:
        return len(self.ends)

    def value(self, row: int) -> bytes:
        """Return a value. Raises Unreadable if it is missing."""
        if row in self.missing:
            raise Unreadable("holds no bytes; write the images into the file, not only their paths")
        start = int(self.ends[row - 1]) if row else 0
        return self.reader.read(start, int(self.ends[row]) - start)


def spool_values(name: str, values: Iterable[bytes | None], *, most_bytes: int) -> SpooledValues:
    """Write values to a temporary file, and keep those before the first error.

    Raises InputError if they do not fit into the temporary folder. More than ``most_bytes`` are an error.
    """
    ends: list[int] = []
    missing: set[int] = set()
    error: Exception | None = None
    folder, written = tempfile.gettempdir(), 0
    with tempfile.TemporaryFile(prefix="genbench-") as file:
        try:
            for data in values:
                missing |= {len(ends)} if data is None else set()
                written += file.write(data or b"")
                ends.append(written)
                # values that are stored once and repeated would fill the disk
                if written > most_bytes:
                    raise Unreadable(f"like a decompression bomb, {written:,} bytes and more")
                if len(ends) % 256 == 0 and shutil.disk_usage(folder).free < FREE_BYTES:
                    raise OSError(28, "too little space is free")
            file.flush()
        except OSError as full:
            raise InputError(
                f"{name} does not fit into {folder} ({full.strerror}); set TMPDIR to a larger one."
            ) from full
        except Exception as found:  # damaged bytes can raise any exception
            error = found
            file.flush()
        # the reader has a descriptor of its own
        return SpooledValues(FileReader(name, file), np.array(ends, np.int64), frozenset(missing), error)
