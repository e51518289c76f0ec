"""The classes of images in a folder or an archive: from ``dataset.json``, or else from the names of the folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from genbench.array_types import Int64
from genbench.errors import InputError
from genbench.sources.file_names import natural_order
from genbench.sources.label_arrays import numbers_of_classes

DATASET_JSON = "dataset.json"
"""Name of the file in which StyleGAN and EDM store the classes: ``{"labels": [["00000/img0.png", 3], ...]}``."""

MOST_CLASSES = 1 << 16
"""Maximum number of classes of a ``dataset.json`` that get names."""


class Classes(NamedTuple):
    """The classes of images."""

    names: tuple[str, ...] | None = None
    """The name of class k is ``names[k]``; None if there are no classes or they have no names."""
    labels: Int64 | None = None
    """int64 [N], or None if there are no classes."""
    notes: tuple[str, ...] = ()
    """Sentences for people, about classes that cannot be used."""
    read: tuple[str, ...] = ()
    """The file that the classes were read from, if it is not the folders that give them."""


def find_classes(name: str, files: Sequence[str], others: Iterable[str], read: Callable[[str], bytes]) -> Classes:
    """Return the classes of image ``files`` of a folder or archive ``name``.

    ``others`` are the names of its other files, and ``read`` returns the bytes of one of them. Raises InputError if
    there is a ``dataset.json`` of another format.
    """
    # dataset.json lies at the top, or in the one folder that holds everything
    plain = [_without_dot(file) for file in files]
    for other in sorted(others, key=len):
        folder, found, rest = _without_dot(other).rpartition(DATASET_JSON)
        if found and not rest and (not folder or folder.endswith("/")) and all(x.startswith(folder) for x in plain):
            labels = _read_labels(name, other, read)
            if labels is not _ABSENT:
                found_classes = _classes_of_json(name, [file[len(folder) :] for file in plain], labels)
                return found_classes._replace(read=(other,))
            note = f"{DATASET_JSON} has no labels in the format of StyleGAN and EDM; the classes are the folders"
            return classes_of_folders(plain)._replace(notes=(note,))
    return classes_of_folders(plain)


def classes_of_folders(files: Sequence[str]) -> Classes:
    """Return the classes by folder names, in natural order.

    If all files lie in folders, the first-level folders are the classes. A single folder around all others is skipped.
    """
    paths = [name.split("/") for name in files]
    # go down while all files lie in the same folder and in folders below it
    level = 0
    while all(len(parts) > level + 2 for parts in paths) and len({parts[level] for parts in paths}) == 1:
        level += 1
    if not all(len(parts) > level + 1 for parts in paths):
        return Classes()
    # number the folders in natural order
    names = tuple(sorted({parts[level] for parts in paths}, key=natural_order))
    number = {name: index for index, name in enumerate(names)}
    return Classes(names, np.array([number[parts[level]] for parts in paths], np.int64))


def classes_of_values(column: str, values: Sequence[Any], names: Any = None) -> Classes:
    """Return the classes of a column of whole numbers, which may have names, or of texts, in natural order.

    For other values the classes are None, with a note: test splits often hold -1.
    """
    # texts are classes unless they are many, as captions
    if values and all(isinstance(value, str) for value in values):
        names = sorted(set(values), key=natural_order)
        numbers = {name: number for number, name in enumerate(names)}
        values = [numbers[value] for value in values] if len(names) <= MOST_CLASSES else [None]
    # lists of several lengths make no array
    labels = None
    with suppress(ValueError, TypeError):
        labels = numbers_of_classes(np.asarray(values))
    if labels is None:
        return Classes(notes=(f"{column} holds no whole numbers from 0 on, so there are no classes",))
    usable = isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)
    return Classes(tuple(names) if usable else None, labels, (), (column,))


_ABSENT = object()
"""Stands for the labels of a ``dataset.json`` that has none, not even null."""


def _read_labels(name: str, file: str, read: Callable[[str], bytes]) -> Any:
    """Return the entry ``labels`` of a ``dataset.json``."""
    try:
        content = json.loads(read(file))
    except (InputError, ValueError, RecursionError) as error:
        raise InputError(f"{name}: {DATASET_JSON} cannot be read ({error}); fix or remove it.") from error
    return content.get("labels", _ABSENT) if isinstance(content, dict) else _ABSENT


def _classes_of_json(name: str, files: Sequence[str], pairs: Any) -> Classes:
    """Return the classes by ``pairs`` of [name, class]."""
    try:
        label_of: dict[str, Any] = {_without_dot(file): label for file, label in pairs or ()}
        labels = [label_of[file] for file in files if file in label_of]
        # labels of several numbers, such as attributes, are no classes
        if any(isinstance(label, (list, tuple)) for label in labels):
            return Classes(notes=(f"{DATASET_JSON} holds labels of several numbers each, so there are no classes",))
        numbers = [_class_number(label) for label in labels]
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{name}: {DATASET_JSON} does not have the format of StyleGAN and EDM ({error}); fix or remove it."
        ) from error
    # null or an empty list instead of pairs means that there are no classes
    if not pairs:
        return Classes(notes=(f"{DATASET_JSON} says that there are no classes",))
    if len(numbers) < len(files):
        missing = f"{len(files) - len(numbers):,} of {len(files):,} images"
        return Classes(notes=(f"{DATASET_JSON} has no label for {missing}, so there are no classes",))
    # a class has its number as name
    names = tuple(map(str, range(max(numbers) + 1))) if max(numbers) < MOST_CLASSES else None
    return Classes(names, np.array(numbers, np.int64))


def _class_number(label: Any) -> int:
    # a float that is a whole number is a class, too, and so is its text
    try:
        number = int(label)
        is_class = (not isinstance(label, float) or label == number) and 0 <= number < 1 << 62
    except (TypeError, ValueError, OverflowError):
        is_class = False
    if not is_class:
        raise ValueError(f"the label {json.dumps(label)[:40]} is no class; expected a whole number from 0 on")
    return number


def _without_dot(name: str) -> str:
    # ./a/b.png is the same as a/b.png
    return "/".join(part for part in name.split("/") if part != ".")
