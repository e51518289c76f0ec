"""The names of files: their order, and the messages about them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from genbench.errors import InputError
from genbench.sources.image_formats import EXTENSIONS, suffix


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


def no_images_message(name: str, kind: str, others: Iterable[str]) -> str:
    """Return the error message for a folder or archive (``kind``) without images: which files it holds instead."""
    expected = ", ".join(sorted(extension[1:] for extension in EXTENSIONS))
    ignored = count_by_extension(others)
    if not ignored:
        return f"{name} is an empty {kind}; expected images ({expected})."
    # list at most eight extensions, the most frequent first
    counts = ", ".join(f"{extension} {count:,}" for extension, count in ignored.most_common(8))
    files = "1 file" if ignored.total() == 1 else f"{ignored.total():,} files"
    return f"{name} holds {files}, but no image ({counts}); expected {expected}."


def count_by_extension(names: Iterable[str]) -> Counter[str]:
    """Return the number of files by extension."""
    return Counter(suffix(name) or "no extension" for name in names)
