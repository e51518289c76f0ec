"""The files of a data set that is split into shards: one file, a folder of them, a list, or a range of numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from genbench.errors import InputError, UsageError, did_you_mean
from genbench.sources.file_names import natural_order, printable, require_file
from genbench.sources.image_formats import EXTENSIONS, hidden_kind, suffix

Shards = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""One file or folder, a text with a range of numbers such as ``{000..012}``, or a list of files."""

PARQUET, TAR = (".parquet",), (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
"""The ends of the names of shards, in lower case."""

LMDB_FILE = "data.mdb"
"""The file in the folder of an LMDB database."""

MOST_SHARDS = 1 << 20
"""Largest number of files of a range."""

_NUMBERS = re.compile(r"\{(\d+)\.\.(\d+)\}")
_SHARD_NUMBER = re.compile(r"[-_.]?\d+(-of-\d+)?$")


def are_shards(subject: object, suffixes: tuple[str, ...]) -> bool:
    """Return whether an object is the path of a shard, a list of such paths, or a folder with shards and no images."""
    # a list
    if isinstance(subject, (list, tuple)):
        return bool(subject) and all(
            isinstance(path, (str, os.PathLike)) and _ends_with(path, suffixes) for path in subject
        )
    if not isinstance(subject, (str, os.PathLike)):
        return False
    if not os.path.isdir(subject):
        return _ends_with(subject, suffixes)
    # the first image decides, so that a large folder of images is not walked through
    found = False
    for name in _visible_files(Path(subject)):
        if suffix(name) in EXTENSIONS:
            return False
        found = found or _ends_with(name, suffixes)
    return found


def shard_files(shards: Shards, suffixes: tuple[str, ...], split: str | None = None) -> list[Path]:
    """Return the files of a data set, in natural order; those of a list keep their order.

    ``split`` chooses those of a folder that are called ``train-00000-of-00002.parquet``, ``train_0.parquet`` or
    ``train/0.parquet``. Raises InputError for a missing file, a folder without shards, and a folder of several splits
    without a chosen one; UsageError for an unknown split and for a wrong range.
    """
    # a folder, a file, or a range of files
    if isinstance(shards, (str, os.PathLike)):
        root = Path(shards).expanduser()
        if root.is_dir():
            return _chosen_files(root, suffixes, split)
        shards = [root] if root.exists() else _expanded(os.fspath(root))
    if split is not None:
        raise UsageError(f"{shards_name(shards)} is no folder, so leave out split={split}.")
    # every file must be there before the first one is read
    files = [Path(path).expanduser() for path in shards]
    for file in files:
        require_file(file)
    return files


def shards_name(shards: Shards) -> str:
    """Return the name of a data set for messages."""
    if isinstance(shards, (str, os.PathLike)):
        return printable(shards)
    more = f" and {len(shards) - 1:,} more" if len(shards) > 1 else ""
    return f"{printable(shards[0])}{more}"


def _ends_with(path: str | os.PathLike[str], suffixes: tuple[str, ...]) -> bool:
    return os.fsdecode(path).lower().endswith(suffixes)


def _visible_files(root: Path) -> Iterator[str]:
    """Yield the names of all files in a folder that are not hidden, relative to it and with forward slashes."""
    for folder, folders, files in os.walk(root):
        # hidden folders are not walked through
        folders[:] = [name for name in folders if hidden_kind([name]) is None]
        relative = os.path.relpath(folder, root).replace(os.sep, "/")
        for name in files:
            if hidden_kind([name]) is None:
                yield name if relative == "." else f"{relative}/{name}"


def _chosen_files(root: Path, suffixes: tuple[str, ...], split: str | None) -> list[Path]:
    """Return the shards of one split of a folder."""
    names = sorted((name for name in _visible_files(root) if _ends_with(name, suffixes)), key=natural_order)
    if not names:
        raise InputError(f"{printable(root)} holds no {suffixes[0]} file; check the path.")
    split_of = {name: _split_name(name, suffixes) for name in names}
    splits = sorted(set(split_of.values()))
    # two splits together would be no set that anybody knows
    if split is None and len(splits) > 1:
        options = ", ".join(splits[:8]) + (", ..." if len(splits) > 8 else "")
        raise InputError(
            f"{printable(root)} holds shards of several sets ({options}); choose one with "
            f"{suffixes[0][1:]},path={printable(root)},split={splits[0]}."
        )
    if split is not None and split not in splits:
        raise UsageError(f"{printable(root)} has no split {split!r}{did_you_mean(split, splits)}")
    return [root / name for name in names if split in (None, split_of[name])]


def _split_name(name: str, suffixes: tuple[str, ...]) -> str:
    """Return the name of a shard without its number, or else the name of its folder."""
    # train-00000-of-00002.parquet and train_3.parquet are train, and so is train/0.parquet
    folder, _, file = name.rpartition("/")
    stem = next(file[: -len(end)] for end in suffixes if file.lower().endswith(end))
    return _SHARD_NUMBER.sub("", stem) or folder.rpartition("/")[2]


def _expanded(text: str) -> list[str]:
    """Return the texts that a range of numbers stands for: ``x-{08..10}.tar`` is three files."""
    found = _NUMBERS.search(text)
    if found is None:
        return [text]
    # a mistyped number must not make a list that fills the memory
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + MOST_SHARDS:
        raise UsageError(f"{found[0]} is no range of shards; write the lower number first, as in {{000..012}}.")
    return [f"{text[: found.start()]}{n:0{len(found[1])}}{text[found.end() :]}" for n in range(first, last + 1)]
