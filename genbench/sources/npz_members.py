"""The arrays of an .npz file, none of which is loaded into memory."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from genbench.array_types import Array
from genbench.errors import InputError
from genbench.files.fingerprints import FilePart, cached_hashes, file_stamp
from genbench.sources.npy_files import FileReader, FileRows, NpyHeader, open_rows, read_header

LARGEST_SMALL_ARRAY = 1 << 28
"""Maximum bytes of an array that is loaded into memory: classes and their names."""


class NpzMembers:
    """The arrays of an open .npz file by key. An uncompressed array is read in place, a compressed one is unpacked.

    Arrays are unpacked to one temporary file, which the system removes with the process, even if it is killed.
    """

    def __init__(self, name: str, path: Path, archive: zipfile.ZipFile) -> None:
        self._name, self._path, self._archive = name, path, archive
        self._opened = file_stamp(path)
        # numpy reads the last of several arrays of one name
        arrays = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        self._members = {member.filename.removesuffix(".npy"): member for member in arrays}
        self.replaced = len(arrays) - len(self._members)
        """Number of arrays that a later one of the same name replaces."""
        self._unpacked: IO[bytes] | None = None
        self._readers: dict[bool, FileReader] = {}  # of the archive and of the temporary file

    def __enter__(self) -> NpzMembers:
        return self

    def __exit__(self, *_: object) -> None:
        # the arrays stay readable, because FileReader has a descriptor of its own
        if self._unpacked is not None:
            self._unpacked.close()

    @property
    def keys(self) -> list[str]:
        """The names of the arrays, in the order of the file."""
        return list(self._members)

    def header(self, key: str) -> NpyHeader:
        """Return the dtype and shape of an array. Raises InputError if it is damaged or holds Python objects."""
        with self._errors(key), self._archive.open(self._members[key]) as file:
            return read_header(f"{self._name}: {key}", file)

    def rows(self, key: str) -> FileRows:
        """Return an array whose rows are read on demand. Raises InputError if it is damaged."""
        member = self._members[key]
        with self._errors(key):
            # an uncompressed and unencrypted member is a plain .npy within the file
            if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
                return self._stored(key, member)
            return self._unpack(key, member)

    def small(self, key: str) -> Array:
        """Return an array in memory. Raises InputError if it is damaged or large."""
        # a small file may unpack to a huge array
        size = self.header(key).size_bytes
        if size > LARGEST_SMALL_ARRAY:
            raise InputError(f"{self._name}: {key} unpacks to {size:,} bytes, too many for classes; make it again.")
        rows = self.rows(key)
        return rows[0 : rows.shape[0]] if rows.shape else np.zeros((), rows.dtype)

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except OSError as error:
            raise InputError(
                f"{self._name} cannot be read ({error.strerror or error}); check its permissions."
            ) from error
        except Exception as error:  # for damaged bytes each method of compression raises its own types
            raise InputError(f"{self._name}: {key} is damaged ({error}); make or copy the file again.") from error

    def _stored(self, key: str, member: zipfile.ZipInfo) -> FileRows:
        # all uncompressed arrays share one open file
        with self._path.open("rb") as file:
            file.seek(_data_offset(file, member))
            reader = self._readers.setdefault(False, FileReader(self._name, file))
            self._check_sum(member, file.tell(), reader)
            return open_rows(f"{self._name}: {key}", file, member.file_size, reader)

    def _check_sum(self, member: zipfile.ZipInfo, offset: int, reader: FileReader) -> None:
        """Raise BadZipFile if the bytes of an uncompressed member do not have its CRC-32."""

        def compute(_: int) -> str:
            checksum, end = 0, offset + member.file_size
            for start in range(offset, end, 1 << 20):
                checksum = zlib.crc32(reader.read(start, min(1 << 20, end - start)), checksum)
            return f"{checksum:08x}"

        # an unchanged file is read only once for this
        (found,) = cached_hashes(
            [FilePart(self._path, f"crc32 of {member.filename}", self._opened)], compute, workers=1
        )
        if found != f"{member.CRC:08x}":
            raise zipfile.BadZipFile("its checksum is wrong")

    def _unpack(self, key: str, member: zipfile.ZipInfo) -> FileRows:
        folder = tempfile.gettempdir()
        # check the free space and the header before the slow unpacking
        if member.file_size > shutil.disk_usage(folder).free:
            raise InputError(
                f"{self._name} unpacks to {member.file_size:,} bytes, more than is free in {folder}; set TMPDIR to a "
                "folder with more space."
            )
        self.header(key)
        # the values of all compressed arrays follow one another in one temporary file
        try:
            if self._unpacked is None:
                self._unpacked = tempfile.TemporaryFile(prefix="genbench-")  # noqa: SIM115
            start = self._unpacked.seek(0, 2)
            with self._archive.open(member) as packed:
                shutil.copyfileobj(packed, self._unpacked, 1 << 20)
            self._unpacked.flush()
            self._unpacked.seek(start)
        except OSError as error:
            raise InputError(
                f"{self._name} cannot be unpacked to {folder} ({error.strerror or error}); set TMPDIR to a folder with "
                "more space."
            ) from error
        reader = self._readers.setdefault(True, FileReader(self._name, self._unpacked))
        return open_rows(f"{self._name}: {key}", self._unpacked, member.file_size, reader)


def _data_offset(file: IO[bytes], member: zipfile.ZipInfo) -> int:
    """Return the position of an uncompressed member's bytes in the file."""
    # the bytes follow the local header, whose name and extra field can differ from those of the central directory
    file.seek(member.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("no local header")
    name_length, extra_length = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
    return int(member.header_offset + 30 + name_length + extra_length)
