"""The files in a folder, at any depth, each counted once."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from genbench.errors import InputError
from genbench.sources.file_names import natural_order, printable
from genbench.sources.image_formats import EXTENSIONS, hidden_kind, suffix, unread_kind

_Identity = tuple[int, int]  # device and inode


class Listing(NamedTuple):
    """What lies in a folder. Names are relative to it, with forward slashes."""

    images: tuple[str, ...]
    """Images that can be read, in natural order."""
    others: tuple[str, ...]
    """Other files that are not hidden."""
    left_out: dict[str, int]
    """Number of files that are not read, by kind."""


def list_folder(root: Path) -> Listing:
    """Return the files in a folder. Raises InputError if it or a folder in it cannot be read.

    Links to folders are followed, but each folder and each image counts once, however many links lead to it. A folder
    or file itself comes before links to it.
    """
    walk = _Walk(root)
    # visit what is really in the folder, then the linked folders, then those that are linked from there
    waiting, linked = [""], False
    while waiting:
        for relative in sorted(waiting, key=natural_order):
            walk.visit(relative, linked)
        waiting, linked = walk.take_links(), True
    images = walk.images_once()
    walk.left_out.update(unread_kind(name) for name in walk.others)
    return Listing(images, tuple(walk.others), dict(walk.left_out))


class _Found(NamedTuple):
    name: str
    linked: bool
    """Whether it is a link or was reached through a link."""
    identity: _Identity | None


class _Walk:
    """Visits folders and collects their files."""

    def __init__(self, root: Path) -> None:
        self.others: list[str] = []
        self.left_out: Counter[str] = Counter()
        self._root = root
        self._images: list[_Found] = []
        self._links: list[str] = []
        self._visited: set[_Identity] = set()

    def visit(self, relative: str, linked: bool) -> None:
        """Collect the files in a folder and in all folders in it; linked folders are only noted."""
        waiting = [relative]
        while waiting:
            folder = waiting.pop()
            identity = _identity(self._root / folder)
            if identity in self._visited:
                self.left_out["links to folders already counted"] += 1
                continue
            if identity is not None:
                self._visited.add(identity)
            for entry in _entries(self._root / folder):
                name = f"{folder}/{entry.name}" if folder else entry.name
                if self._is_hidden(entry):
                    continue
                # isdir and not is_dir, because the latter raises for a link to itself
                if not os.path.isdir(entry.path):
                    self._add_file(name, entry, linked)
                elif entry.is_symlink():
                    self._links.append(name)
                else:
                    waiting.append(name)

    def take_links(self) -> list[str]:
        """Return the linked folders that were found since the last call."""
        links, self._links = self._links, []
        return links

    def images_once(self) -> tuple[str, ...]:
        """Return each image once, in natural order, under its own name rather than that of a link to it."""
        self._images.sort(key=lambda found: natural_order(found.name))
        chosen: dict[_Identity, _Found] = {}
        for found in self._images:
            if found.identity is not None:
                first = chosen.setdefault(found.identity, found)
                if first.linked and not found.linked:
                    chosen[found.identity] = found
        # images whose identity is unknown are all kept
        names = tuple(found.name for found in self._images if found.identity is None or chosen[found.identity] is found)
        if len(names) < len(self._images):
            self.left_out["links to files already counted"] = len(self._images) - len(names)
        return names

    def _is_hidden(self, entry: os.DirEntry[str]) -> bool:
        kind = hidden_kind([entry.name])
        if kind is None:
            return False
        # a hidden folder counts by its files, and is not read otherwise
        is_folder = entry.is_dir(follow_symlinks=False)
        count = sum(len(files) for _, _, files in os.walk(entry.path)) if is_folder else 1
        self.left_out.update({kind: count} if count else {})
        return True

    def _add_file(self, name: str, entry: os.DirEntry[str], linked: bool) -> None:
        # keep broken links, devices and pipes: reading them raises an error, but dropping them would be silent
        if suffix(name) in EXTENSIONS:
            self._images.append(_Found(name, linked or entry.is_symlink(), _identity(Path(entry.path))))
        else:
            self.others.append(name)


def _identity(path: Path) -> _Identity | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    # file systems without inodes report 0
    return (stat.st_dev, stat.st_ino) if stat.st_ino else None


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        # scandir reads the file types together with the names
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(
            f"The folder {printable(folder)} cannot be read ({error.strerror or error}); check its permissions."
        ) from error
