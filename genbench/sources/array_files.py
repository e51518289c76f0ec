"""Samples in a NumPy file: an .npy, or the unnamed arrays of an .npz."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import numpy as np

from genbench.array_types import Array, Int64
from genbench.errors import InputError
from genbench.files.fingerprints import FilePart, FileStamp, are_unchanged, cached_hashes, file_stamp
from genbench.sources.file_names import is_path_with_suffix, printable, require_file
from genbench.sources.label_arrays import checked_names, class_labels, is_one_hot
from genbench.sources.memory import ArraySource
from genbench.sources.npy_files import FileRows, JoinedRows, NpyHeader, StoredRows, open_rows
from genbench.sources.npz_members import NpzMembers
from genbench.sources.zip_archive import open_zip

LABEL_KEYS = ("labels", "label", "classes", "targets", "y")
"""Names of arrays that hold the classes."""

STATISTICS_KEYS = frozenset({"mu", "sigma", "mu_s", "sigma_s", "genbench"})
"""Names of arrays of statistics, which belong to a reference of ADM."""


class ArrayFile(ArraySource):
    """An array in a file: rows are read from disk on demand, and their hash is cached."""

    opened: FileStamp | None
    """The stamp of the file before it was opened."""
    key = ""
    """The name of the array, if the file has others that may be samples."""

    def __init__(
        self,
        path: Path,
        array: StoredRows,
        *,
        name: str,
        range: str | None,
        slices: str | None,
        labels: Array | None = None,
    ) -> None:
        self.path, self._slices = path, f"slices={slices}," if slices else ""
        self._declare = self._declare.replace("range=", f"{self._slices}range=")
        super().__init__(array, range=range, labels=labels, name=name, slices=slices)
        # the record needs what the path does not say, to open the same slices again
        if slices is not None:
            self.name = f"{name},slices={slices}" + (f",range={range}" if range else "")

    def digest(self, start: int, stop: int) -> str:
        """Return the hash of ArraySource for these rows; an unchanged file is not read again."""
        # the layout is part of the key, because the same bytes give other samples in another layout
        rows = f"rows {start}:{stop} {self._slices}{self.layout}{self.key}"
        part = FilePart(self.path, rows, self.opened)
        hash_rows = super().digest
        self._hashed: dict[Path, FileStamp | None] = {}
        (content,) = cached_hashes([part], lambda _: hash_rows(start, stop), seen=self._hashed, workers=1)
        return str(content)

    def unchanged(self) -> bool:
        """Return whether the file surely stayed the same since the last ``digest``."""
        return are_unchanged(self._hashed)


class Npy(ArrayFile):
    """Images, points or slices of volumes in an .npy file, as ArraySource accepts them.

    Pickled objects are never loaded.
    """

    _declare = "npy,path={name},range={range}"

    def __init__(self, path: str | os.PathLike[str], *, range: str | None = None, slices: str | None = None) -> None:
        file = Path(path).expanduser().absolute()
        name = printable(path)
        # report a missing file before the system does
        require_file(Path(path).expanduser())
        self.opened = file_stamp(file)
        super().__init__(file, _npy_rows(name, file), name=name, range=range, slices=slices)

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is a path that ends in .npy."""
        return is_path_with_suffix(subject, ".npy")


class Npz(ArrayFile):
    """Samples in ``arr_0`` of an .npz file, as ADM writes it, and in further unnamed arrays of the same shape.

    Without ``arr_0``, the samples are the points in the only float array [N, D], whatever its name. The rows of
    ``arr_0``, ``arr_1``, ... follow one another. An unnamed array of one whole number per sample, or of
    one-hot rows, holds the classes; so does one that is called ``labels``. ``class_names`` holds their names, as texts.
    Other named arrays are counted in ``left_out``. An uncompressed file is read in place; a compressed one is unpacked
    once to a temporary file. Pickled objects are never loaded. Raises InputError if the samples have several shapes, or
    if the classes do not fit to the samples.
    """

    _declare = "npz,path={name},range={range}"

    def __init__(self, path: str | os.PathLike[str], *, range: str | None = None, slices: str | None = None) -> None:
        file = Path(path).expanduser().absolute()
        name = printable(path)
        self.opened = file_stamp(file)
        with open_zip(Path(path).expanduser()) as archive, NpzMembers(name, file, archive) as members:
            contents = _NpzContents(name, members)
            parts = [members.rows(key) for key in contents.samples]
            array = parts[0] if len(parts) == 1 else JoinedRows(parts)
            labels = contents.labels(array.shape[0] if array.shape else 0)
            class_names = contents.class_names(labels)
        super().__init__(file, array, name=name, range=range, slices=slices, labels=labels)
        self.class_names = class_names
        # arrays of the file that are neither samples nor classes are told
        unused = set(members.keys) - contents.used - STATISTICS_KEYS
        left_out = {"further arrays": len(unused), "arrays replaced by later ones": members.replaced}
        self.left_out = {thing: count for thing, count in left_out.items() if count}

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is a path that ends in .npz."""
        return is_path_with_suffix(subject, ".npz")


class _NpzContents:
    """What the arrays of an .npz file are: samples, classes, names of classes, or none of these."""

    def __init__(self, name: str, members: NpzMembers) -> None:
        self._name, self._members = name, members
        self.samples = [self._first()]
        """The keys of the arrays of samples."""
        self._classes: list[str] = []
        # numpy calls unnamed arrays arr_0, arr_1, ...
        unnamed = [key for key in members.keys if re.fullmatch(r"arr_[1-9][0-9]*", key)]
        for key in sorted(unnamed, key=lambda key: int(key[4:])):
            self._sort_in(key)
        self.used = {*self.samples}
        """The keys of all arrays that are used."""

    def _first(self) -> str:
        """Return the key of the first samples. Raises InputError if there are none."""
        keys = self._members.keys
        if "arr_0" in keys:
            return "arr_0"
        # programs that write embeddings give them a name of their own
        others = [key for key in keys if key not in STATISTICS_KEYS and key not in LABEL_KEYS]
        points = [key for key in others if self._is_points(key)]
        if len(points) != 1:
            raise InputError(_no_samples_message(self._name, keys))
        return points[0]

    def _is_points(self, key: str) -> bool:
        # identifiers beside the embeddings may be pickled
        with suppress(InputError):
            header = self._members.header(key)
            return len(header.shape) == 2 and header.dtype.kind == "f"
        return False

    def _sort_in(self, key: str) -> None:
        # more samples have the form of the first ones
        first, header = self._members.header(self.samples[0]), self._members.header(key)
        axes = len(header.shape)
        if (header.dtype, header.shape[1:]) == (first.dtype, first.shape[1:]) and axes > 1:
            # one-hot rows have the form of points
            one_hot = axes == 2 and is_one_hot(self._members.small(key))
            (self._classes if one_hot else self.samples).append(key)
        elif axes in (1, 2) and header.dtype.kind in "biuf" and self._may_be_classes(key, header, first):
            self._classes.append(key)
        elif header.dtype.kind in "biuf" and (axes > 2 or (axes == 2 and len(first.shape) == 2)):
            raise InputError(
                f"{self._name} holds {self.samples[0]}, {first}, and {key}, {header}, which are not samples of one "
                "shape and dtype; write one file for each, or give other arrays a name (np.savez(path, images, "
                "other=...))."
            )

    def _may_be_classes(self, key: str, header: NpyHeader, first: NpyHeader) -> bool:
        # vectors of attributes or latents beside the samples are no classes, but a column always is
        if len(header.shape) == 1 or header.shape[1] == 1:
            return True
        return header.shape[0] == first.shape[0] and is_one_hot(self._members.small(key))

    def labels(self, length: int) -> Int64 | None:
        """Return the class of each sample, or None. Raises InputError if there are classes of other samples."""
        # an array with the name of classes comes first; the file may hold classes of every array of samples
        named = [key for key in LABEL_KEYS if key in self._members.keys]
        keys = named[:1] or self._classes
        arrays = [self._members.small(key) for key in keys]
        if not arrays:
            return None
        self.used.update(keys[:1])
        # classes beside each array of samples are joined in the same way as the samples
        if len(arrays) > 1 and sum(map(len, arrays)) == length:
            self.used.update(keys)
            pairs = zip(keys, arrays, strict=True)
            return np.concatenate([class_labels(f"{self._name}: {key}", array, len(array)) for key, array in pairs])
        return class_labels(f"{self._name}: {keys[0]}", arrays[0], length)

    def class_names(self, labels: Int64 | None) -> tuple[str, ...] | None:
        """Return the names of the classes, or None. Raises InputError if they do not fit to the classes."""
        if labels is None or "class_names" not in self._members.keys:
            return None
        self.used.add("class_names")
        return checked_names(f"{self._name}: class_names", self._members.small("class_names"), labels)


def _no_samples_message(name: str, keys: list[str]) -> str:
    # users often confuse the two kinds of .npz files
    if {"mu", "sigma"} <= set(keys):
        return f"{name} is a statistics file (mu, sigma), not samples; give it to --reference."
    return (
        f"{name} holds {', '.join(sorted(keys)) or 'nothing'}; expected arr_0, uint8 [N, H, W, 3], as "
        "np.savez(path, images) writes it, or one float array [N, D]."
    )


def _npy_rows(name: str, path: Path) -> FileRows:
    try:
        with path.open("rb") as file:
            return open_rows(name, file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror or error}); check its permissions.") from error
