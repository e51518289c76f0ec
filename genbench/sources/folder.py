"""A folder of images, and images wherever they lie."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from genbench.arrays import Array
from genbench.errors import InputError
from genbench.files.fingerprints import FilePart
from genbench.sources.decoding import EXTENSIONS, EncodedImages, Unreadable, is_hidden, printable


class Files(EncodedImages):
    """Image files, in the order given."""

    def __init__(self, name: str, files: Sequence[str], *, root: Path | None = None, labels: Array | None = None):
        self.name = name
        self.files = tuple(files)
        """The images' paths, relative to the root."""
        self.root = root or Path()
        self.labels = labels

    def __len__(self) -> int:
        return len(self.files)

    def place(self, row: int) -> str:
        """Return the file's path."""
        return printable(self.root / self.files[row])

    def read(self, row: int) -> bytes:
        """Return the bytes of one file. Raises Unreadable where that is not allowed."""
        try:
            return (self.root / self.files[row]).read_bytes()
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror or error}") from error

    def part(self, row: int) -> FilePart:
        """Return the file itself."""
        return FilePart(self.root / self.files[row])


class Folder(Files):
    """All images below a folder, at any depth, in natural order (``img2`` before ``img10``).

    Where all of them lie in sub-folders, the first level of these are the classes. Hidden files are left out.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        root = Path(path).expanduser()
        _require_folder(root)
        found = sorted(_walk(root), key=natural)
        files = [name for name in found if suffix(name) in EXTENSIONS]
        self.ignored = Counter(suffix(name) or "no extension" for name in found if suffix(name) not in EXTENSIONS)
        """How many files are no images, by extension."""
        if not files:
            raise InputError(no_images(printable(path), "folder", self.ignored))
        self.classes, labels = classes_of(files)
        super().__init__(printable(path), files, root=root, labels=labels)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Whether it is the path of a folder."""
        return isinstance(subject, (str, os.PathLike)) and os.path.isdir(subject)


def _require_folder(root: Path) -> None:
    if root.is_dir():
        return
    if root.exists():
        raise InputError(f"{printable(root)} is a file; wanted a folder of images.")
    above = next((folder for folder in root.parents if folder.is_dir()), Path())
    raise InputError(f"{printable(root)}: no such folder; {printable(above.absolute())} is there, what follows is not.")


def _walk(root: Path) -> Iterable[str]:
    """Yield the files that are not hidden, relative to the root, with forward slashes."""
    waiting: list[tuple[str, tuple[str, ...]]] = [("", (os.path.realpath(root),))]
    while waiting:
        below, above = waiting.pop()
        for entry in _entries(root / below):
            if is_hidden([entry.name]):
                continue
            name = f"{below}/{entry.name}" if below else entry.name
            if os.path.isdir(entry.path):
                real = os.path.realpath(entry.path)
                if real not in above:  # a link to a folder that holds it would go round for ever
                    waiting.append((name, (*above, real)))
            elif os.path.isfile(entry.path) or entry.is_symlink():
                yield name  # a broken link too: reading it names it, dropping it would change the set in silence


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(
            f"The folder {printable(folder)} cannot be read ({error.strerror or error}); check its permissions."
        ) from error


def suffix(name: str) -> str:
    """Return a file name's extension in lower case: ``.png``."""
    return os.path.splitext(name)[1].lower()


def natural(name: str) -> list[tuple[list[_Piece], str]]:
    """Return a sort key that puts ``img2`` before ``img10``, folder by folder, the same on every system."""
    return [(_numbered(part), part) for part in name.split("/")]


_Piece = str | tuple[int, str]


def _numbered(part: str) -> list[_Piece]:
    # text and numbers take turns, text first, so that like is compared with like; numbers by length, then digits,
    # since int() refuses very long ones
    pieces = re.split(r"([0-9]+)", part.casefold())
    digits = [piece.lstrip("0") if at % 2 else "" for at, piece in enumerate(pieces)]
    return [(len(digits[at]), digits[at]) if at % 2 else piece for at, piece in enumerate(pieces)]


def classes_of(files: Sequence[str]) -> tuple[tuple[str, ...], Array | None]:
    """Return the class names in natural order and int64 [N] labels, or () and None where there are no classes.

    The classes are the first-level folders when all files lie in folders; one that only wraps the others is passed.
    """
    paths = [name.split("/") for name in files]
    level = 0
    while all(len(parts) > level + 2 for parts in paths) and len({parts[level] for parts in paths}) == 1:
        level += 1
    if not all(len(parts) > level + 1 for parts in paths):
        return (), None
    classes = tuple(sorted({parts[level] for parts in paths}, key=natural))
    number = {name: at for at, name in enumerate(classes)}
    return classes, np.array([number[parts[level]] for parts in paths], np.int64)


def no_images(name: str, kind: str, ignored: Counter[str]) -> str:
    """Return the sentence that says what was found instead of images."""
    wanted = ", ".join(sorted(extension[1:] for extension in EXTENSIONS))
    if not ignored:
        return f"{name} is an empty {kind}; wanted images ({wanted})."
    found = ", ".join(f"{extension} {count:,}" for extension, count in ignored.most_common(8))
    files = "1 file" if ignored.total() == 1 else f"{ignored.total():,} files"
    return f"{name} holds {files}, none an image ({found}); wanted {wanted}."
