"""Samples in a NumPy file: an .npy, or ``arr_0`` of an .npz."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from genbench.array_types import Array
from genbench.errors import InputError
from genbench.files.fingerprints import FilePart, FileStamp, cached_hashes, file_stamp, settled_stamp
from genbench.sources.file_names import is_path_with_suffix, printable, require_file
from genbench.sources.memory import ArraySource
from genbench.sources.zip_archive import open_zip


class _ArrayFile(ArraySource):
    """An array in a file: rows are read from disk on demand, and their hash is cached."""

    opened: FileStamp | None
    """The stamp of the file before it was opened."""

    def __init__(self, path: Path, name: str, array: Array, *, range: str | None, labels: Array | None = None) -> None:
        super().__init__(array, range=range, labels=labels, name=name)
        self.path = path

    def digest(self, start: int, stop: int) -> str:
        """Return the hash of ArraySource for these rows; an unchanged file is not read again."""
        # the layout is part of the key, because the same bytes give other samples in another layout
        part = FilePart(self.path, f"rows {start}:{stop} {self.layout}", self.opened)
        (content,) = cached_hashes([part], lambda _: super(_ArrayFile, self).digest(start, stop), workers=1)
        return str(content)

    def stamp(self, start: int, stop: int) -> str | None:
        """Return a text that changes when the file changes; None if the file is too young to tell."""
        return settled_stamp([self.path])


class Npy(_ArrayFile):
    """Images or points in an .npy file, as ArraySource accepts them. Pickled objects are never loaded."""

    _declare = "npy,path={name},range=0..1 (or -1..1)"

    def __init__(self, path: str | os.PathLike[str], *, range: str | None = None) -> None:
        file = Path(path).expanduser()
        # report a missing file before numpy does
        require_file(file)
        self.opened = file_stamp(file)
        super().__init__(file, printable(path), _map_array(printable(path), file), range=range)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is a path that ends in .npy."""
        return is_path_with_suffix(subject, ".npy")


class Npz(_ArrayFile):
    """Images in ``arr_0`` of an .npz file, as ADM writes it, with classes in ``arr_1``.

    An uncompressed file is memory-mapped; a compressed one is unpacked once to a temporary file. Pickled objects are
    never loaded.
    """

    _declare = "npz,path={name},range=0..1 (or -1..1)"

    def __init__(self, path: str | os.PathLike[str], *, range: str | None = None) -> None:
        file = Path(path).expanduser()
        name = printable(path)
        self.opened = file_stamp(file)
        # read arr_0, and arr_1 if it exists
        with open_zip(file) as archive:
            keys = [member.removesuffix(".npy") for member in archive.namelist()]
            if "arr_0" not in keys:
                raise InputError(_no_arr_0_message(name, keys))
            array = _read_member(name, file, archive, "arr_0.npy")
            labels = _read_member(name, file, archive, "arr_1.npy") if "arr_1" in keys else None
        # ADM stores classes in arr_1, but other tools may store something else there
        if labels is not None and (labels.dtype.kind not in "iu" or labels.shape != array.shape[:1]):
            labels = None
        super().__init__(file, name, array, range=range, labels=labels)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is a path that ends in .npz."""
        return is_path_with_suffix(subject, ".npz")


def _no_arr_0_message(name: str, keys: list[str]) -> str:
    # users often confuse the two kinds of .npz files
    if {"mu", "sigma"} <= set(keys):
        return f"{name} is a statistics file (mu, sigma), not samples; give it to --reference."
    return (
        f"{name} holds {', '.join(sorted(keys)) or 'nothing'}; expected arr_0, uint8 [N, H, W, 3], as "
        "np.savez(path, images) writes it."
    )


def _read_member(name: str, path: Path, archive: zipfile.ZipFile, key: str) -> Array:
    """Return an array of an .npz without loading it into memory."""
    member = archive.getinfo(key)
    try:
        # an uncompressed and unencrypted member is a plain .npy within the file
        if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
            return _map_array(name, path, _data_offset(path, member), member.file_size)
        return _unpack(name, archive, member)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{name}: {key} is damaged ({error}); make or copy the file again.") from error


def _data_offset(path: Path, member: zipfile.ZipInfo) -> int:
    """Return the position of an uncompressed member's bytes in the file."""
    # the bytes follow the local header, whose name and extra field can differ from those of the central directory
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("no local header")
    name_length, extra_length = struct.unpack("<HH", header[26:30])
    return int(member.header_offset + 30 + name_length + extra_length)


def _unpack(name: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """Return a compressed member as a memory-mapped array in a temporary file."""
    folder = tempfile.gettempdir()
    # check the free space before the slow unpacking
    if member.file_size > shutil.disk_usage(folder).free:
        raise InputError(
            f"{name} unpacks to {member.file_size:,} bytes, more than is free in {folder}; set TMPDIR to a folder with "
            "more space."
        )
    try:
        # the system removes an unnamed temporary file even if the process is killed
        with tempfile.TemporaryFile(prefix="genbench-") as file:
            # check the header before the slow unpacking
            with archive.open(member) as packed:
                _read_header(name, packed)
            with archive.open(member) as packed:
                shutil.copyfileobj(packed, file, 1 << 20)
            file.flush()
            return _map_open_file(name, file, 0, member.file_size)
    except OSError as error:
        raise InputError(
            f"{name} cannot be unpacked to {folder} ({error.strerror or error}); set TMPDIR to a folder with more "
            "space."
        ) from error


def _map_array(name: str, path: Path, start: int = 0, size: int | None = None) -> Array:
    """Return the memory-mapped array of an .npy file, or of the ``size`` bytes of a file from ``start`` on."""
    try:
        with path.open("rb") as file:
            return _map_open_file(name, file, start, path.stat().st_size if size is None else size)
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror or error}); check its permissions.") from error


def _map_open_file(name: str, file: IO[bytes], start: int, size: int) -> Array:
    # the header is followed directly by the data
    file.seek(start)
    shape, fortran, dtype = _read_header(name, file)
    offset = file.tell()
    # Python integers, because a hostile header could overflow int64
    expected = int(np.prod(shape, dtype=object)) * dtype.itemsize
    available = size - (offset - start)
    if available < expected:
        raise InputError(
            f"{name} is cut short: it holds {available:,} of the {expected:,} bytes of the array; copy it again."
        )
    if expected == 0:
        return np.empty(shape, dtype)
    return np.memmap(file, dtype, "r", offset, shape, "F" if fortran else "C")


def _read_header(name: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    # numpy has one reader per version of the format; version 3 is only needed for names of record fields
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        shape, fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    except (ValueError, KeyError) as error:
        raise InputError(f"{name} is not a .npy array ({error}); write it with numpy.save.") from error
    if dtype.hasobject:
        raise InputError(f"{name} holds pickled Python objects, which are never loaded; save it as a uint8 array.")
    return shape, fortran, dtype
