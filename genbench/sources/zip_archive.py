"""A zip archive of images."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

import numpy as np

from genbench.array_types import Int64
from genbench.errors import InputError
from genbench.files.fingerprints import FilePart
from genbench.sources.decoding import Unreadable
from genbench.sources.file_names import (
    EXTENSIONS,
    classes_of,
    is_hidden,
    is_path_with_suffix,
    natural_order,
    no_images_message,
    printable,
    require_file,
    suffix,
)
from genbench.sources.threaded import EncodedImages

LARGEST_MEMBER = 1 << 30
"""Maximum bytes of one unpacked image; an archive with a larger one is refused as a decompression bomb."""

BOMB_RATIO, BOMB_SIZE = 200, 1 << 26
"""A member that unpacks to more than BOMB_SIZE bytes and BOMB_RATIO times its packed size is a bomb, too."""


class Zip(EncodedImages):
    """A zip of images, in natural order. Folders in it, or the ``dataset.json`` of EDM, give the classes.

    Nothing is unpacked to disk. Raises InputError for member names that lead out of the archive, decompression bombs
    and encrypted members.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        self.name = printable(path)
        self._archive = open_zip(self.path)
        # images in natural order, and the number of other members by extension
        members = sorted(_visible_members(self.name, self._archive), key=lambda member: natural_order(member.filename))
        self._images = [member for member in members if suffix(member.filename) in EXTENSIONS]
        others = (suffix(member.filename) for member in members)
        self.ignored = Counter(other or "no extension" for other in others if other not in EXTENSIONS)
        """Number of members that are not images, by extension."""
        if not self._images:
            raise InputError(no_images_message(self.name, "zip", self.ignored))
        # check the members before anything is unpacked
        _refuse_bombs(self.name, self._images)
        self.files = tuple(member.filename for member in self._images)
        """Names of the images in the archive."""
        # read the classes last, because dataset.json must match the names of the images
        self.classes, self.labels = self._read_classes(members)

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
        try:
            return self._archive.read(self._images[row])
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise Unreadable(f"damaged in the archive: {error}") from error

    def part(self, row: int) -> FilePart:
        """Return the member of the archive."""
        return FilePart(self.path, self.files[row])

    def _read_classes(self, members: list[zipfile.ZipInfo]) -> tuple[tuple[str, ...], Int64 | None]:
        # without EDM's dataset.json, the folders are the classes
        dataset = next((member for member in members if member.filename.removeprefix("./") == "dataset.json"), None)
        if dataset is None or dataset.file_size > LARGEST_MEMBER:
            return classes_of(self.files)
        try:
            # EDM stores a list of [name, class]
            pairs = json.loads(self._archive.read(dataset))["labels"]
            number = {name: int(label) for name, label in pairs or ()}
        except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.name}: dataset.json does not have the format of EDM ({error}); fix or remove it."
            ) from error
        # EDM writes null instead of pairs if there are no classes
        if not set(self.files) <= set(number):
            return (), None
        labels = np.array([number[name] for name in self.files], np.int64)
        return tuple(str(label) for label in sorted(set(labels.tolist()))), labels


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip archive. Raises InputError if it is missing, not readable or not a zip."""
    require_file(path)
    try:
        return zipfile.ZipFile(path)
    except PermissionError as error:
        raise InputError(f"{printable(path)} cannot be read ({error.strerror}); check its permissions.") from error
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{printable(path)} cannot be read as a zip archive ({error}); make or copy it again."
        ) from error


def _visible_members(name: str, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    for member in archive.infolist():
        # PureWindowsPath understands backslashes, drives and forward slashes
        path = PureWindowsPath(member.filename)
        if path.is_absolute() or path.drive or path.root or ".." in path.parts:
            raise InputError(f"{name} holds {member.filename!r}, a path that leads out of the archive; pack it again.")
    # folders and hidden files are no samples
    return [m for m in archive.infolist() if not m.is_dir() and not is_hidden(m.filename.split("/"))]


def _refuse_bombs(name: str, images: Sequence[zipfile.ZipInfo]) -> None:
    for member in images:
        size = member.file_size
        if size > LARGEST_MEMBER or size > max(BOMB_SIZE, BOMB_RATIO * member.compress_size):
            raise InputError(
                f"{name}: {member.filename} would unpack from {member.compress_size:,} to {size:,} bytes, like a "
                "decompression bomb; remove it from the archive."
            )
        # the first flag bit of a zip member means encryption
        if member.flag_bits & 1:
            raise InputError(f"{name}: {member.filename} is encrypted; unpack it and give the folder.")
