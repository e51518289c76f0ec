"""Arrays in .npy format whose rows are read from a file when they are needed."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Sequence
from typing import IO, Any, NamedTuple, Protocol

import numpy as np

from genbench.array_types import Array
from genbench.errors import InputError
from genbench.files.array_headers import header_fault

WINDOW_BYTES = 1 << 24
"""Bytes of an array in Fortran order that are read at once, because the values of a row are scattered over the file."""

_READ_BYTES = 1 << 30  # the system reads at most 2 GiB per call


class StoredRows(Protocol):
    """An array whose rows are not in memory."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, rows: slice) -> Array:
        """Return the rows ``start`` to ``stop``; the array may be read-only."""
        ...


class NpyHeader(NamedTuple):
    """What the header of an array says."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def size_bytes(self) -> int:
        """Size of the values in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


def read_header(name: str, file: IO[bytes]) -> NpyHeader:
    """Read the header of an array from the position of ``file``; the values follow it.

    Raises InputError for other data, for impossible shapes, and for arrays of Python objects, which are never loaded.
    """
    # numpy has one reader per version of the format; version 3 is only needed for names of record fields
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        header = NpyHeader(*readers[np.lib.format.read_magic(file)](file))
    except OSError:
        raise
    except Exception as error:  # numpy's parser raises many kinds of exceptions if the text of the header is damaged
        raise InputError(f"{name} is not a .npy array ({header_fault(error)}); write it with numpy.save.") from error
    # objects are pickled, and a pickle can run any code
    if header.dtype.hasobject:
        raise InputError(f"{name} holds pickled Python objects, which are never loaded; save it as a uint8 array.")
    # numpy reads these headers, but such arrays cannot exist or have no bytes
    if min(header.shape, default=0) < 0 or header.dtype.itemsize == 0:
        raise InputError(f"{name} is not a .npy array (its header says {header}); write it with numpy.save.")
    return header


class FileReader:
    """Reads bytes at any position of an open file, also from several threads and processes.

    A memory map would be as fast, but it kills the process if another program shortens the file.
    """

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name = name
        # a duplicate stays open when ``file`` is closed, and is closed when this object is gone
        self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes. Raises InputError if the file has become shorter or cannot be read."""
        pieces: list[bytes] = []
        # one call may return less than it was asked for
        while size:
            try:
                piece = os.pread(self._descriptor, min(size, _READ_BYTES), offset)
            except OSError as error:
                raise InputError(f"{self.name} cannot be read ({error.strerror or error}); copy it again.") from error
            if not piece:
                raise InputError(
                    f"{self.name} became shorter while it was read; run again when no program writes to it."
                )
            pieces.append(piece)
            offset, size = offset + len(piece), size - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class FileRows:
    """The rows of an array whose values begin at ``offset`` of a file."""

    def __init__(self, reader: FileReader, header: NpyHeader, offset: int) -> None:
        self.shape, self.dtype = header.shape, header.dtype
        self._reader, self._fortran, self._offset = reader, header.fortran, offset
        self._window: tuple[range, Array] = range(0), np.empty(0)

    def __getitem__(self, rows: slice) -> Array:
        """Return the rows ``start`` to ``stop``; the array is read-only."""
        first, stop, _ = rows.indices(self.shape[0])
        count = max(0, stop - first)
        if self._fortran and count:
            return self._from_window(first, count)
        # the values of consecutive rows are together
        row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        content = self._reader.read(self._offset + first * row_bytes, count * row_bytes)
        return np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])

    def _from_window(self, first: int, count: int) -> Array:
        # one window serves many batches
        window, values = self._window
        if not (window.start <= first and first + count <= window.stop):
            row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
            length = min(max(count, WINDOW_BYTES // row_bytes), self.shape[0] - first)
            window, values = self._window = range(first, first + length), self._read_columns(first, length)
        return values[first - window.start : first - window.start + count]

    def _read_columns(self, first: int, count: int) -> Array:
        # for each position in a row, the values of all rows are together
        size = self.dtype.itemsize
        starts = [column * self.shape[0] + first for column in range(math.prod(self.shape[1:]))]
        columns = [self._reader.read(self._offset + start * size, count * size) for start in starts]
        return np.frombuffer(b"".join(columns), self.dtype).reshape((count, *self.shape[1:]), order="F")


class JoinedRows:
    """The rows of several arrays of one dtype and sample shape, one array after the other."""

    def __init__(self, parts: Sequence[StoredRows]) -> None:
        self._parts = parts
        # the first row of each part, and the number of all rows
        self._starts = np.cumsum([0, *(part.shape[0] for part in parts)]).tolist()
        self.shape = (self._starts[-1], *parts[0].shape[1:])
        self.dtype = parts[0].dtype

    def __getitem__(self, rows: slice) -> Array:
        """Return the rows ``start`` to ``stop``; the array may be read-only."""
        first, stop, _ = rows.indices(self.shape[0])
        # the share of each array; most batches lie in one
        shares = [
            part[max(0, first - start) : stop - start]
            for part, start in zip(self._parts, self._starts, strict=False)
            if first < start + part.shape[0] and start < stop
        ]
        return shares[0] if len(shares) == 1 else np.concatenate([np.empty((0, *self.shape[1:]), self.dtype), *shares])


def open_rows(name: str, file: IO[bytes], size: int, reader: FileReader | None = None) -> FileRows:
    """Return the array in the ``size`` bytes from the position of ``file`` on.

    ``reader`` reads the file in its place. Raises InputError if the bytes are no array or not all of it.
    """
    start = file.tell()
    header = read_header(name, file)
    # the header is followed directly by the values
    available = size - (file.tell() - start)
    if available < header.size_bytes:
        raise InputError(
            f"{name} is cut short: it holds {available:,} of the {header.size_bytes:,} bytes of the array; copy it "
            "again."
        )
    # numpy.save with an open file writes one array after the other
    if available > header.size_bytes:
        raise InputError(
            f"{name} holds {available - header.size_bytes:,} bytes after its array, {header}, such as further arrays; "
            "write each array to a file of its own, or all to one .npz."
        )
    return FileRows(reader or FileReader(name, file), header, file.tell())
