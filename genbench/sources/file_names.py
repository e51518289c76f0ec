"""The names of image files in a folder or archive: which are images, their order and their classes."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from genbench.array_types import Int64
from genbench.errors import InputError

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
"""File extensions of images, in lower case."""


def suffix(name: str) -> str:
    """Return the extension of a file name in lower case: ``.png``."""
    return os.path.splitext(name)[1].lower()


def is_path_with_suffix(subject: object, expected: str) -> bool:
    """Return whether an object is a path with that extension, but not a folder."""
    # bytes are data and not a path
    if not isinstance(subject, (str, os.PathLike)) or isinstance(subject, bytes):
        return False
    return suffix(os.fsdecode(subject)) == expected and not os.path.isdir(subject)


def require_file(path: Path) -> None:
    """Raise InputError if there is no such file."""
    if not path.is_file():
        raise InputError(f"{printable(path)}: no such file; check the path.")


def is_hidden(parts: Iterable[str]) -> bool:
    """Return whether a path is hidden from users: ``.name``, macOS's ``._name`` and ``__MACOSX``."""
    return any((part.startswith(".") and part != ".") or part == "__MACOSX" for part in parts)


def printable(path: str | os.PathLike[str]) -> str:
    """Return a path as text that can be printed, even if its bytes are not valid text."""
    # bytes that are not valid text become question marks
    return os.fspath(path).encode(errors="replace").decode()


_Piece = str | tuple[int, str]


def natural_order(name: str) -> list[tuple[list[_Piece], str]]:
    """Return a sort key that puts ``img2`` before ``img10``, folder by folder, the same on every system."""
    return [(_natural_pieces(part), part) for part in name.split("/")]


def _natural_pieces(part: str) -> list[_Piece]:
    # text and numbers alternate, text first, so the same kinds are compared with each other
    pieces = re.split(r"([0-9]+)", part.casefold())
    # numbers are compared by length and then by digits, because int() refuses very long ones
    digits = [piece.lstrip("0") if index % 2 else "" for index, piece in enumerate(pieces)]
    return [(len(digits[index]), digits[index]) if index % 2 else piece for index, piece in enumerate(pieces)]


def classes_of(files: Sequence[str]) -> tuple[tuple[str, ...], Int64 | None]:
    """Return the class names in natural order and int64 [N] labels, or () and None if there are no classes.

    If all files lie in folders, the first-level folders are the classes. A single folder around all others is skipped.
    """
    # ./a/b.png is the same as a/b.png
    paths = [[part for part in name.split("/") if part != "."] for name in files]
    # go down while all files lie in the same folder and in folders below it
    level = 0
    while all(len(parts) > level + 2 for parts in paths) and len({parts[level] for parts in paths}) == 1:
        level += 1
    if not all(len(parts) > level + 1 for parts in paths):
        return (), None
    # number the folders in natural order
    classes = tuple(sorted({parts[level] for parts in paths}, key=natural_order))
    number = {name: index for index, name in enumerate(classes)}
    return classes, np.array([number[parts[level]] for parts in paths], np.int64)


def no_images_message(name: str, kind: str, ignored: Counter[str]) -> str:
    """Return the error message for a folder or archive (``kind``) without images: which files it holds instead."""
    expected = ", ".join(sorted(extension[1:] for extension in EXTENSIONS))
    if not ignored:
        return f"{name} is an empty {kind}; expected images ({expected})."
    # list at most eight extensions, the most frequent first
    counts = ", ".join(f"{extension} {count:,}" for extension, count in ignored.most_common(8))
    files = "1 file" if ignored.total() == 1 else f"{ignored.total():,} files"
    return f"{name} holds {files}, but no image ({counts}); expected {expected}."
