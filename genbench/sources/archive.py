"""Samples in one file: a zip of images, an .npz with ``arr_0``, an .npy."""

from __future__ import annotations

import json
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import IO, Any

import numpy as np

from genbench.arrays import Array
from genbench.errors import InputError
from genbench.files.fingerprints import FilePart, cached_hashes
from genbench.sources.decoding import EXTENSIONS, EncodedImages, Unreadable, is_hidden, printable
from genbench.sources.folder import classes_of, natural, no_images, suffix
from genbench.sources.memory import ArraySource

LARGEST_MEMBER = 1 << 30
"""Bytes of one unpacked image beyond which an archive is refused as a bomb."""

BOMB_RATIO, BOMB_SIZE = 200, 1 << 26
"""So many times smaller when packed, and at least so many bytes unpacked: a bomb, too."""


class Zip(EncodedImages):
    """A zip of images, in natural order; folders inside, or EDM's ``dataset.json``, give the classes.

    Nothing is written to disk. Raises InputError for names that lead out of the archive, members that unpack to far
    more than they hold, and encrypted members.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        self.name = printable(path)
        self._archive = _opened(self.path)
        found = sorted(_members(self.name, self._archive), key=lambda member: natural(member.filename))
        self._images = [member for member in found if suffix(member.filename) in EXTENSIONS]
        others = (suffix(member.filename) for member in found)
        self.ignored = Counter(other or "no extension" for other in others if other not in EXTENSIONS)
        """How many members are no images, by extension."""
        if not self._images:
            raise InputError(no_images(self.name, "zip", self.ignored))
        _refuse_bombs(self.name, self._images)
        self.files = tuple(member.filename for member in self._images)
        """The images' paths inside."""
        self.classes, self.labels = self._classes(found)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Whether it is a path that ends in .zip."""
        return _has_suffix(subject, ".zip")

    def __len__(self) -> int:
        return len(self.files)

    def place(self, row: int) -> str:
        """Return the name inside."""
        return printable(self.files[row])

    def read(self, row: int) -> bytes:
        """Return the bytes of one member. Raises Unreadable."""
        try:
            return self._archive.read(self._images[row])
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise Unreadable(f"damaged in the archive: {error}") from error

    def part(self, row: int) -> FilePart:
        """Return the member of the archive."""
        return FilePart(self.path, self.files[row])

    def _classes(self, found: list[zipfile.ZipInfo]) -> tuple[tuple[str, ...], Array | None]:
        about = next((member for member in found if member.filename == "dataset.json"), None)
        if about is None or about.file_size > LARGEST_MEMBER:
            return classes_of(self.files)
        try:
            pairs = json.loads(self._archive.read(about))["labels"]
            number = {name: int(label) for name, label in pairs or ()}
        except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.name}: dataset.json is not as EDM writes it ({error}); mend or remove it."
            ) from error
        if not set(self.files) <= set(number):
            return (), None
        labels = np.array([number[name] for name in self.files], np.int64)
        return tuple(str(label) for label in sorted(set(labels.tolist()))), labels


def _opened(path: Path) -> zipfile.ZipFile:
    _require_file(path)
    try:
        return zipfile.ZipFile(path)
    except PermissionError as error:
        raise InputError(f"{printable(path)} cannot be read ({error.strerror}); check its permissions.") from error
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{printable(path)} cannot be read as a zip archive ({error}); make or copy it again."
        ) from error


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{printable(path)}: no such file; check the path.")


def _members(name: str, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    for member in archive.infolist():
        path = PureWindowsPath(member.filename)  # it also knows forward slashes
        if path.is_absolute() or path.drive or path.root or ".." in path.parts:
            raise InputError(f"{name} holds {member.filename!r}, a path that leads out of the archive; pack it again.")
    return [m for m in archive.infolist() if not m.is_dir() and not is_hidden(m.filename.split("/"))]


def _refuse_bombs(name: str, images: Sequence[zipfile.ZipInfo]) -> None:
    for member in images:
        size = member.file_size
        if size > LARGEST_MEMBER or size > max(BOMB_SIZE, BOMB_RATIO * member.compress_size):
            raise InputError(
                f"{name}: {member.filename} would unpack from {member.compress_size:,} to {size:,} bytes, like a "
                "decompression bomb; remove it from the archive."
            )
        if member.flag_bits & 1:
            raise InputError(f"{name}: {member.filename} is encrypted; unpack it and give the folder.")


class _ArrayFile(ArraySource):
    """An array in a file: rows are read as they are wanted, and their hash is cached_hashes."""

    def __init__(self, path: Path, name: str, array: Array, *, range: str | None, labels: Array | None = None) -> None:
        super().__init__(array, range=range, labels=labels, name=name)
        self.path = path

    def digest(self, start: int, stop: int) -> str:
        """Return ArraySource's hash of those rows; an unchanged file is not read again."""
        part = FilePart(self.path, f"rows {start}:{stop} {self.layout}")
        (hash,) = cached_hashes([part], lambda _: super(_ArrayFile, self).digest(start, stop), workers=1)
        return str(hash)


class Npy(_ArrayFile):
    """Images in an .npy file: what ArraySource takes; points, where it is float [N, D]. Never unpickles."""

    _declare = "npy,path={name},range=0..1 (or -1..1)"

    def __init__(self, path: str | os.PathLike[str], *, range: str | None = None) -> None:
        file = Path(path).expanduser()
        _require_file(file)
        super().__init__(file, printable(path), _mapped(printable(path), file), range=range)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Whether it is a path that ends in .npy."""
        return _has_suffix(subject, ".npy")


class Npz(_ArrayFile):
    """Images in ``arr_0`` of an .npz file, as ADM writes it, and their classes in ``arr_1``. Never unpickles.

    An uncompressed file is mapped; a compressed one is unpacked once to a temporary file.
    """

    _declare = "npz,path={name},range=0..1 (or -1..1)"

    def __init__(self, path: str | os.PathLike[str], *, range: str | None = None) -> None:
        file = Path(path).expanduser()
        name = printable(path)
        with _opened(file) as archive:
            keys = [member.removesuffix(".npy") for member in archive.namelist()]
            if "arr_0" not in keys:
                raise InputError(_no_images_in(name, keys))
            array = _member(name, file, archive, "arr_0.npy")
            labels = _member(name, file, archive, "arr_1.npy") if "arr_1" in keys else None
        if labels is not None and (labels.dtype.kind not in "iu" or labels.shape != array.shape[:1]):
            labels = None  # arr_1 is ADM's place for classes, but a file may keep something else there
        super().__init__(file, name, array, range=range, labels=labels)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Whether it is a path that ends in .npz."""
        return _has_suffix(subject, ".npz")


def _no_images_in(name: str, keys: list[str]) -> str:
    if {"mu", "sigma"} <= set(keys):
        return f"{name} is a statistics file (mu, sigma), not samples; give it to --reference."
    return (
        f"{name} holds {', '.join(sorted(keys)) or 'nothing'}; wanted arr_0, uint8 [N, H, W, 3], as "
        "np.savez(path, images) writes it."
    )


def _has_suffix(subject: object, wanted: str) -> bool:
    if not isinstance(subject, (str, os.PathLike)) or isinstance(subject, bytes):
        return False
    return suffix(os.fsdecode(subject)) == wanted and not os.path.isdir(subject)


def _member(name: str, path: Path, archive: zipfile.ZipFile, key: str) -> Array:
    """Return an array of an .npz without holding it in memory."""
    about = archive.getinfo(key)
    try:
        if about.compress_type == zipfile.ZIP_STORED and not about.flag_bits & 1:
            return _mapped(name, path, _start_of(path, about), about.file_size)
        return _unpacked(name, archive, about)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{name}: {key} is damaged ({error}); make or copy the file again.") from error


def _start_of(path: Path, about: zipfile.ZipInfo) -> int:
    """Return where a stored member's bytes begin: behind its local header, which has its own name and extra field."""
    with path.open("rb") as file:
        file.seek(about.header_offset)
        header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("no local header")
    name_length, extra_length = struct.unpack("<HH", header[26:30])
    return int(about.header_offset + 30 + name_length + extra_length)


def _unpacked(name: str, archive: zipfile.ZipFile, about: zipfile.ZipInfo) -> Array:
    folder = tempfile.gettempdir()
    if about.file_size > shutil.disk_usage(folder).free:
        raise InputError(
            f"{name} unpacks to {about.file_size:,} bytes, more than is free in {folder}; set TMPDIR to a folder with "
            "more space."
        )
    try:
        with tempfile.TemporaryFile(prefix="genbench-") as file:  # gone with the process, whatever ends it
            with archive.open(about) as packed:
                _header(name, packed)  # look before the long work
            with archive.open(about) as packed:
                shutil.copyfileobj(packed, file, 1 << 20)
            file.flush()
            return _mapped_file(name, file, 0, about.file_size)
    except OSError as error:
        raise InputError(
            f"{name} cannot be unpacked to {folder} ({error.strerror or error}); set TMPDIR to one with more space."
        ) from error


def _mapped(name: str, path: Path, start: int = 0, size: int | None = None) -> Array:
    """Return the array of an .npy, or of one inside a file, mapped and not read."""
    try:
        with path.open("rb") as file:
            return _mapped_file(name, file, start, path.stat().st_size if size is None else size)
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror or error}); check its permissions.") from error


def _mapped_file(name: str, file: IO[bytes], start: int, size: int) -> Array:
    file.seek(start)
    shape, fortran, dtype = _header(name, file)
    offset = file.tell()
    wanted = int(np.prod(shape, dtype=object)) * dtype.itemsize
    held = size - (offset - start)
    if held < wanted:
        raise InputError(f"{name} is cut short: {held:,} of {wanted:,} bytes of the array are there; copy it again.")
    if wanted == 0:
        return np.empty(shape, dtype)
    return np.memmap(file, dtype, "r", offset, shape, "F" if fortran else "C")


def _header(name: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        shape, fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    except (ValueError, KeyError) as error:
        raise InputError(f"{name} is not a .npy array ({error}); write it with numpy.save.") from error
    if dtype.hasobject:
        raise InputError(f"{name} holds pickled Python objects, which are never loaded; save it as a uint8 array.")
    return shape, fortran, dtype
