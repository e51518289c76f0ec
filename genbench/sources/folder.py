"""Folders of image files, and lists of image files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from genbench.array_types import Int64
from genbench.errors import InputError
from genbench.files.fingerprints import FilePart
from genbench.sources.decoding import Unreadable
from genbench.sources.file_names import (
    EXTENSIONS,
    classes_of,
    is_hidden,
    natural_order,
    no_images_message,
    printable,
    suffix,
)
from genbench.sources.threaded import EncodedImages


class Files(EncodedImages):
    """Image files in a given order."""

    def __init__(self, name: str, files: Sequence[str], *, root: Path | None = None, labels: Int64 | None = None):
        self.name = name
        self.files = tuple(files)
        """Paths of the images, relative to the root."""
        self.root = root or Path()
        self.labels = labels

    def __len__(self) -> int:
        return len(self.files)

    def place(self, row: int) -> str:
        """Return the path of the file."""
        return printable(self.root / self.files[row])

    def read(self, row: int) -> bytes:
        """Return the bytes of one file. Raises Unreadable if it cannot be read."""
        try:
            return (self.root / self.files[row]).read_bytes()
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror or error}") from error

    def part(self, row: int) -> FilePart:
        """Return the file itself."""
        return FilePart(self.root / self.files[row])


class Folder(Files):
    """All images in a folder, at any depth, in natural order (``img2`` before ``img10``).

    If all images lie in subfolders, the first-level subfolders are the classes. Hidden files are ignored.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        root = Path(path).expanduser()
        _require_folder(root)
        # the order of a folder listing differs between systems, so sort it
        names = sorted(_walk(root), key=natural_order)
        files = [name for name in names if suffix(name) in EXTENSIONS]
        self.ignored = Counter(suffix(name) or "no extension" for name in names if suffix(name) not in EXTENSIONS)
        """Number of files that are not images, by extension."""
        if not files:
            raise InputError(no_images_message(printable(path), "folder", self.ignored))
        # the labels come from the folders
        self.classes, labels = classes_of(files)
        super().__init__(printable(path), files, root=root, labels=labels)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is the path of a folder."""
        return isinstance(subject, (str, os.PathLike)) and os.path.isdir(subject)


def _require_folder(root: Path) -> None:
    if root.is_dir():
        return
    if root.exists():
        raise InputError(f"{printable(root)} is a file; expected a folder of images.")
    # show which part of the path is right
    parent = next((folder for folder in root.parents if folder.is_dir()), Path())
    raise InputError(
        f"{printable(root)}: no such folder; {printable(parent.absolute())} exists, but not the rest of the path."
    )


def _walk(root: Path) -> Iterable[str]:
    """Yield all files that are not hidden, relative to the root, with forward slashes."""
    # each folder to visit comes with the real paths of the folders above it
    waiting: list[tuple[str, tuple[str, ...]]] = [("", (os.path.realpath(root),))]
    while waiting:
        relative, above = waiting.pop()
        for entry in _entries(root / relative):
            if is_hidden([entry.name]):
                continue
            name = f"{relative}/{entry.name}" if relative else entry.name
            if os.path.isdir(entry.path):
                # following a link to a folder above would never end
                real = os.path.realpath(entry.path)
                if real not in above:
                    waiting.append((name, (*above, real)))
            # keep broken links: reading them raises an error, but dropping them would silently change the samples
            elif os.path.isfile(entry.path) or entry.is_symlink():
                yield name


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        # scandir reads the file types together with the names
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(
            f"The folder {printable(folder)} cannot be read ({error.strerror or error}); check its permissions."
        ) from error
