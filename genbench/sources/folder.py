"""Folders of image files, and lists of image files."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from genbench.array_types import Int64
from genbench.errors import InputError
from genbench.files.fingerprints import FilePart
from genbench.sources.class_labels import find_classes
from genbench.sources.decoding import Unreadable
from genbench.sources.file_names import count_by_extension, no_images_message, printable
from genbench.sources.folder_walk import list_folder
from genbench.sources.image_formats import LARGEST_FILE, unread_kind
from genbench.sources.shards import LMDB_FILE, PARQUET, TAR, are_shards
from genbench.sources.threaded import EncodedImages


class Files(EncodedImages):
    """Image files in a given order."""

    def __init__(self, name: str, files: Sequence[str], *, root: Path | None = None, labels: Int64 | None = None):
        self.name = name
        self.files = tuple(files)
        """Paths of the images, relative to the root."""
        self.root = root or Path()
        # the files stay the same if a guest changes the working folder between two reads
        self._folder = self.root.absolute()
        self.labels = labels
        self.class_names: tuple[str, ...] | None = None
        self.notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    def place(self, row: int) -> str:
        """Return the path of the file."""
        return printable(self.root / self.files[row])

    def read(self, row: int) -> bytes:
        """Return the bytes of one file. Raises Unreadable if it cannot be read."""
        return read_regular_file(self._folder / self.files[row])

    def part(self, row: int) -> FilePart:
        """Return the file itself."""
        return FilePart(self._folder / self.files[row])


class Folder(Files):
    """All images in a folder, at any depth, in natural order (``img2`` before ``img10``).

    ``dataset.json`` of StyleGAN gives the classes. Without it, if all images lie in subfolders, the first-level
    subfolders are the classes. Hidden files are ignored, and each file counts once, however many links lead to it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        root = Path(path).expanduser()
        _require_folder(root)
        # the files, without those that are hidden or already counted
        images, others, self.left_out = list_folder(root)
        if not images:
            raise InputError(no_images_message(printable(path), "folder", others))
        # the classes come from dataset.json or from the folders
        super().__init__(printable(path), images, root=root)
        found = find_classes(self.name, images, others, lambda name: read_regular_file(root / name))
        self.class_names, self.labels, self.notes, read = found
        # a file that gives the classes is used
        self.left_out = dict(Counter(self.left_out) - Counter(map(unread_kind, read)))
        self.ignored = count_by_extension(name for name in others if name not in read)
        """Number of files that are not used, by extension."""

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is the path of a folder, but not of a database or of shards without images."""
        if not isinstance(subject, (str, os.PathLike)) or not os.path.isdir(subject):
            return False
        return not (Path(subject) / LMDB_FILE).is_file() and not are_shards(subject, PARQUET + TAR)


def read_regular_file(path: Path) -> bytes:
    """Return the bytes of a file. Raises Unreadable if it cannot be read, is very large, or is a device or pipe."""
    try:
        facts = os.stat(path)
        # opening a pipe would wait for its other end, and reading a device would not end
        if not stat.S_ISREG(facts.st_mode):
            raise Unreadable("a device, pipe or socket, not a file")
        if facts.st_size > LARGEST_FILE:
            raise Unreadable(f"{facts.st_size:,} bytes, more than any image has ({LARGEST_FILE:,} at most)")
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}") from error


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
