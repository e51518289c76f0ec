"""Images in an HDF5 file: in one array, or as encoded files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genbench.errors import InputError, UsageError, described, did_you_mean
from genbench.files.fingerprints import FilePart
from genbench.sources.array_files import LABEL_KEYS, ArrayFile
from genbench.sources.class_labels import Classes, classes_of_folders, classes_of_values
from genbench.sources.decoding import Unreadable
from genbench.sources.file_names import is_path_with_suffix, natural_order, printable
from genbench.sources.hdf5_datasets import Hdf5File, Hdf5Rows
from genbench.sources.image_formats import LARGEST_FILE
from genbench.sources.label_arrays import class_labels
from genbench.sources.threaded import EncodedImages

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")
"""Ends of the names of HDF5 files, in lower case."""

IMAGE_KEYS = ("images", "imgs", "image", "img", "x", "data")
"""Names of data sets of images, the likely ones first; others are found if they are the only one."""


def hdf5(
    path: str | os.PathLike[str],
    images: str | None = None,
    labels: str | None = None,
    range: str | None = None,
    slices: str | None = None,
) -> Hdf5Array | Hdf5Images:
    """Return the images in an HDF5 file: an array [N, ...] of images, a list of encoded images, or one for each key.

    ``images`` names the data set, or the group whose data sets are encoded images; by default it is called ``images``,
    ``imgs`` or similar. ``labels`` names the classes, whole numbers or texts; by default they are called ``labels`` or
    similar. ``range`` and ``slices`` are those of an .npy. Raises InputError for files that are damaged, cut short,
    without images or with several sets of them.
    """
    # find the images, and check them before anything is read
    file = Hdf5File(Path(path).expanduser())
    chosen = _image_keys(file, images)
    for key in chosen:
        file.check(key)
    # one array of numbers, or encoded images
    first = file.datasets[chosen[0]]
    if len(chosen) == 1 and first.dtype.kind in "biuf" and not file.is_single_file(chosen[0]):
        found = _classes_beside(file, chosen, labels, len(first) if first.shape else 0)
        return Hdf5Array(file, chosen[0], found, range=range, slices=slices)
    if range is not None or slices is not None:
        raise UsageError(f"{file.name} holds encoded images, so leave out range and slices.")
    # classes beside the images come before those of folders in the keys
    encoded = Hdf5Images(file, chosen)
    found = _classes_beside(file, chosen, labels, len(encoded))
    if found.labels is not None or encoded.labels is None:
        encoded.labels, encoded.class_names, encoded.notes = found.labels, found.names, found.notes
    return encoded


def _is_hdf5_path(subject: object) -> bool:
    return any(is_path_with_suffix(subject, suffix) for suffix in HDF5_SUFFIXES)


hdf5.accepts = _is_hdf5_path  # type: ignore[attr-defined]


class Hdf5Array(ArrayFile):
    """Images or points in an array of an HDF5 file, as ArraySource accepts them."""

    _declare = "hdf5,path={name},range={range}"

    def __init__(self, file: Hdf5File, key: str, classes: Classes, *, range: str | None, slices: str | None) -> None:
        # the key is part of the cached hash, because a file may hold several arrays
        self.opened, self.key = file.opened, f" of {key}"
        rows = Hdf5Rows(f"{file.name}: {key}", file.datasets[key])
        super().__init__(file.path, rows, name=file.name, range=range, slices=slices, labels=classes.labels)
        self.class_names, self.notes = classes.names, classes.notes


class Hdf5Images(EncodedImages):
    """Encoded images in an HDF5 file: the rows of one data set, or one data set for each image."""

    notes: tuple[str, ...] = ()

    def __init__(self, file: Hdf5File, keys: Sequence[str]) -> None:
        self.name = file.name
        self._file, self._keys = file, sorted(keys, key=natural_order)
        # one data set with a row for each image, or a data set for each
        self._rows = len(file.datasets[keys[0]]) if len(keys) == 1 and file.is_encoded(keys[0]) else None
        self.class_names, self.labels = None, None
        if self._rows is None:
            self.class_names, self.labels, *_ = classes_of_folders(self._keys)
        if not len(self):
            raise InputError(f"{file.name}: {keys[0]} holds no images.")

    def __len__(self) -> int:
        return len(self._keys) if self._rows is None else self._rows

    def place(self, row: int) -> str:
        """Return the path of the data set in the file, with the number of the row if it has several."""
        return printable(self._keys[row] if self._rows is None else f"{self._keys[0]}[{row}]")

    def read(self, row: int) -> bytes:
        """Return the bytes of one image. Raises Unreadable if they are damaged."""
        # the whole data set, or one row of it
        dataset = self._file.datasets[self._keys[row if self._rows is None else 0]]
        try:
            if self._rows is None and dataset.size * dataset.dtype.itemsize > LARGEST_FILE:
                raise Unreadable("more bytes than any image has")
            value: Any = dataset[() if self._rows is None else row]
        except Unreadable:
            raise
        except Exception as error:  # damaged bytes can raise any exception
            raise Unreadable(f"damaged in the file: {described(error)}") from error
        return value if isinstance(value, bytes) else np.asarray(value).tobytes()

    def part(self, row: int) -> FilePart:
        """Return the value in the file."""
        return FilePart(self._file.path, self.place(row), self._file.opened)


def _image_keys(file: Hdf5File, chosen: str | None) -> list[str]:
    """Return the data sets that hold the images: one of many rows, or one for each image."""
    # what the user names
    keys = list(file.datasets)
    if chosen is not None:
        # a data set, or all in a group
        inside = [key for key in keys if key == chosen or key.startswith(f"{chosen.strip('/')}/")]
        if not inside:
            raise UsageError(f"{file.name} holds nothing called {chosen!r}{did_you_mean(chosen, keys)}")
        return inside
    # what has the usual name, or is the only one
    other = [key for key in keys if key.rpartition("/")[2].lower() not in LABEL_KEYS]
    sets = [key for key in keys if (file.is_encoded(key) and key in other) or _is_image_array(file.datasets[key])]
    named = [key for name in IMAGE_KEYS for key in sets if key.rpartition("/")[2].lower() == name]
    if named or len(sets) == 1:
        return named[:1] or sets
    # one data set for each image; classes are no images
    single = [key for key in other if file.is_single_file(key)]
    if single and not sets:
        return single
    # no images, or several sets of them
    listed = ", ".join(keys[:8]) + (", ..." if len(keys) > 8 else "")
    if not sets:
        raise InputError(f"{file.name} holds no images ({listed or 'it is empty'}); expected an array [N, H, W, 3].")
    raise InputError(
        f"{file.name} holds several arrays ({listed}); choose one with hdf5,path={file.name},images={sets[0]}."
    )


def _is_image_array(dataset: Any) -> bool:
    shape = dataset.shape or ()
    return dataset.dtype.kind in "biuf" and (len(shape) > 2 or (len(shape) == 2 and dataset.dtype.kind == "f"))


def _classes_beside(file: Hdf5File, images: Sequence[str], chosen: str | None, length: int) -> Classes:
    """Return the classes beside the images. Raises InputError if the chosen ones are no classes of these images."""
    if chosen is not None and chosen not in file.datasets:
        raise UsageError(f"{file.name} holds nothing called {chosen!r}{did_you_mean(chosen, file.datasets)}")
    # beside an array called a/images they are a/labels
    folder = images[0].rpartition("/")[0] if len(images) == 1 else ""
    beside = [f"{folder}/{name}" if folder else name for name in LABEL_KEYS]
    key = chosen or next((key for key in beside if key in file.datasets and key not in images), None)
    if key is None:
        return Classes()
    # classes are small, so they are read at once
    file.check(key)
    dataset = file.datasets[key]
    values = Hdf5Rows(f"{file.name}: {key}", dataset)[0 : len(dataset) if dataset.shape else 0]
    # texts are bytes in UTF-8
    listed = [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values.tolist()]
    classes = classes_of_values(key, listed)
    # vectors of attributes are no classes, but a choice must be right
    if chosen is None and classes.labels is None:
        return classes
    found = class_labels(f"{file.name}: {key}", values if classes.labels is None else classes.labels, length)
    return classes._replace(labels=found)
