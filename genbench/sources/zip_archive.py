"""A zip archive of images."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from genbench.errors import InputError, described
from genbench.files.fingerprints import FilePart, file_stamp
from genbench.sources.archive_members import BOMB_RATIO, BOMB_SIZE, visible_members
from genbench.sources.class_labels import find_classes
from genbench.sources.decoding import Unreadable
from genbench.sources.file_names import (
    count_by_extension,
    is_path_with_suffix,
    no_images_message,
    printable,
    require_file,
)
from genbench.sources.image_formats import EXTENSIONS, LARGEST_FILE, suffix, unread_kind
from genbench.sources.threaded import EncodedImages

_END_MARK, _END_BYTES = b"PK\x05\x06", 22 + (1 << 16)
"""The first bytes of the record at the end of an archive, and the largest size of that record with its comment."""


class Zip(EncodedImages):
    """A zip of images, in natural order. ``dataset.json`` of EDM, or else the folders in it, give the classes.

    Nothing is unpacked to disk. Raises InputError for member names that lead out of the archive, decompression bombs
    and encrypted members.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().absolute()
        self.name = printable(path)
        self._opened = file_stamp(self.path)
        self._archive = open_zip(Path(path).expanduser())
        # images in natural order, and the other members
        listed = ((member.filename, member) for member in self._archive.infolist())
        members, left_out = visible_members(self.name, listed)
        self._images = [member for name, member in members.items() if suffix(name) in EXTENSIONS]
        others = {name: member for name, member in members.items() if suffix(name) not in EXTENSIONS}
        if not self._images:
            raise InputError(no_images_message(self.name, "zip", others))
        # check the members before anything is unpacked
        _refuse_bombs(self.name, self._images)
        self.files = tuple(member.filename for member in self._images)
        """Names of the images in the archive."""
        # read the classes last, because dataset.json must match the names of the images
        found = find_classes(self.name, self.files, others, lambda name: self._read_member(others[name]))
        self.class_names, self.labels, self.notes, read = found
        # a member that gives the classes is used
        self.left_out = dict(left_out - Counter(map(unread_kind, read)))
        self.ignored = count_by_extension(other for other in others if other not in read)
        """Number of members that are not used, by extension."""

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is a path that ends in .zip."""
        return is_path_with_suffix(subject, ".zip")

    def __len__(self) -> int:
        return len(self.files)

    def place(self, row: int) -> str:
        """Return the name of the image in the archive."""
        return printable(self.files[row])

    def read(self, row: int) -> bytes:
        """Return the bytes of one member. Raises Unreadable if it is damaged."""
        return self._read_member(self._images[row])

    def part(self, row: int) -> FilePart:
        """Return the member of the archive."""
        return FilePart(self.path, self.files[row], self._opened)

    def _read_member(self, member: zipfile.ZipInfo) -> bytes:
        try:
            return self._archive.read(member)
        except Exception as error:  # for damaged bytes each method of compression raises its own types
            raise Unreadable(f"damaged in the archive: {described(error)}") from error


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip archive. Raises InputError if it is missing, not readable, not a zip, or two joined ones."""
    require_file(path)
    try:
        archive = zipfile.ZipFile(path)
        joined = _follows_another(path, archive)
    except PermissionError as error:
        raise InputError(f"{printable(path)} cannot be read ({error.strerror}); check its permissions.") from error
    except Exception as error:  # damaged bytes can raise any exception
        raise InputError(
            f"{printable(path)} cannot be read as a zip archive ({error}); make or copy it again."
        ) from error
    if joined:
        archive.close()
        raise InputError(
            f"{printable(path)} holds another archive before the last one, which alone would be read; unpack both, and "
            "pack them together."
        )
    return archive


def _follows_another(path: Path, archive: zipfile.ZipFile) -> bool:
    """Whether the end of another archive lies before the first member, as after ``cat a.zip b.zip``."""
    first = min((member.header_offset for member in archive.infolist()), default=archive.start_dir)
    # most archives begin with their first member, those that unpack themselves with a program
    if first <= 0:
        return False
    with path.open("rb") as file:
        file.seek(max(0, first - _END_BYTES))
        return _END_MARK in file.read(min(first, _END_BYTES))


def _refuse_bombs(name: str, images: Sequence[zipfile.ZipInfo]) -> None:
    for member in images:
        size = member.file_size
        if size > LARGEST_FILE or size > max(BOMB_SIZE, BOMB_RATIO * member.compress_size):
            raise InputError(
                f"{name}: {member.filename} would unpack from {member.compress_size:,} to {size:,} bytes, like a "
                "decompression bomb; remove it from the archive."
            )
        # the first flag bit of a zip member means encryption
        if member.flag_bits & 1:
            raise InputError(f"{name}: {member.filename} is encrypted; unpack it and give the folder.")
