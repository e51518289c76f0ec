"""The members of an archive: which of them count, and which are hostile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PureWindowsPath
from typing import TypeVar

from genbench.errors import InputError
from genbench.sources.file_names import natural_order
from genbench.sources.image_formats import EXTENSIONS, hidden_kind, suffix, unread_kind

BOMB_RATIO, BOMB_SIZE = 200, 1 << 26
"""What unpacks to more than BOMB_SIZE bytes and BOMB_RATIO times its packed size is a decompression bomb."""

Member = TypeVar("Member")


def visible_members(name: str, members: Iterable[tuple[str, Member]]) -> tuple[dict[str, Member], Counter[str]]:
    """Return the members of an archive that are not hidden, and the number of those that are not read, by kind.

    The members are sorted by name, in natural order. Raises InputError for a path that leads out of the archive.
    """
    visible: dict[str, Member] = {}
    left_out: Counter[str] = Counter()
    for filename, member in members:
        # PureWindowsPath understands backslashes, drives and forward slashes
        path = PureWindowsPath(filename)
        if path.is_absolute() or path.drive or path.root or ".." in path.parts:
            raise InputError(f"{name} holds {filename!r}, a path that leads out of the archive; pack it again.")
        hidden = hidden_kind(filename.split("/"))
        if filename.endswith("/"):
            continue
        if hidden:
            left_out[hidden] += 1
            continue
        # when an archive is unpacked, a later member replaces an earlier one of the same name
        left_out["members replaced by later ones"] += filename in visible
        visible[filename] = member
    left_out.update(unread_kind(member) for member in visible if suffix(member) not in EXTENSIONS)
    return {filename: visible[filename] for filename in sorted(visible, key=natural_order)}, +left_out
