"""The data sets in an HDF5 file, read some rows at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from genbench.array_types import Array
from genbench.errors import InputError, described
from genbench.files.fingerprints import FileStamp, file_stamp
from genbench.sources.archive_members import BOMB_RATIO, BOMB_SIZE
from genbench.sources.file_names import printable, require_file
from genbench.sources.image_formats import LARGEST_FILE
from genbench.sources.optional_libraries import optional_library

MOST_DEPTH = 16
"""Depth of groups in groups that are looked at."""

CHUNK_CACHE = 1 << 26
"""Bytes of unpacked chunks that the library keeps, so that a chunk of many rows is unpacked once."""


class Hdf5File:
    """An open HDF5 file. Links to other files are not followed, and nothing is unpickled.

    Raises InputError if the file is missing, damaged or cut short.
    """

    def __init__(self, path: Path) -> None:
        # report a missing file before a missing library
        require_file(path)
        self.library = optional_library("h5py", extra="hdf5")
        self.path, self.name = path.absolute(), printable(path)
        self.opened: FileStamp | None = file_stamp(self.path)
        try:
            # the file stays open while an array of it is used
            self._file: Any = self.library.File(path, "r", rdcc_nbytes=CHUNK_CACHE)
            self.datasets: dict[str, Any] = dict(self._found(self._file, ""))
            """The data sets at any depth, by their path in the file."""
        except Exception as error:  # damaged bytes can raise any exception
            raise InputError(
                f"{self.name} is no whole HDF5 file ({described(error)}); copy it again, or close its writer."
            ) from error

    def _found(self, group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        for key in group:
            # soft and external links may lead out of the file or in a circle
            if not isinstance(group.get(key, getlink=True), self.library.HardLink):
                continue
            # named types are neither data sets nor groups
            item = group[key]
            if isinstance(item, self.library.Dataset):
                yield f"{prefix}{key}", item
            elif isinstance(item, self.library.Group) and prefix.count("/") < MOST_DEPTH:
                yield from self._found(item, f"{prefix}{key}/")

    def is_encoded(self, key: str) -> bool:
        """Return whether each row of a data set holds the bytes of a file: a list of uint8, or a text of bytes."""
        # h5py has Python objects for lists and texts of any length
        dataset = self.datasets[key]
        element = self.library.check_vlen_dtype(dataset.dtype)
        is_text = self.library.check_string_dtype(dataset.dtype) is not None and dataset.dtype.kind == "O"
        return len(dataset.shape or ()) == 1 and (is_text or (element is not None and np.dtype(element).itemsize == 1))

    def is_single_file(self, key: str) -> bool:
        """Return whether a data set holds the bytes of one file: uint8 [bytes], or one opaque value."""
        # opaque values are how h5py stores np.void
        dataset = self.datasets[key]
        one_row = len(dataset.shape or ()) == 1 and dataset.dtype in (np.uint8, np.int8)
        return one_row or (dataset.shape == () and dataset.dtype.kind == "V")

    def check(self, key: str) -> None:
        """Raise InputError if a data set lies in other files, or says that it holds far more than the file can."""
        dataset = self.datasets[key]
        # other files may be any files of this computer
        name = f"{self.name}: {key}"
        if dataset.is_virtual or dataset.external:
            raise InputError(f"{name} lies in other files, which are not opened; copy it into one file.")
        # values that were never written take no space, but would fill the memory
        size, stored = math.prod(dataset.shape or ()) * dataset.dtype.itemsize, dataset.id.get_storage_size()
        if size > max(BOMB_SIZE, BOMB_RATIO * stored):
            raise InputError(
                f"{name} would unpack from {stored:,} to {size:,} bytes, like a decompression bomb; write it without "
                "compression if it is right."
            )
        # a chunk is unpacked as a whole
        chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
        if chunk > LARGEST_FILE:
            raise InputError(f"{name} has chunks of {chunk:,} bytes, which do not fit; write it with smaller chunks.")


class Hdf5Rows:
    """The rows of a data set of numbers, as StoredRows."""

    def __init__(self, name: str, dataset: Any) -> None:
        self.shape: tuple[int, ...] = tuple(dataset.shape)
        self.dtype: np.dtype[Any] = np.dtype(dataset.dtype)
        self._name, self._dataset = name, dataset

    def __getitem__(self, rows: slice) -> Array:
        """Return the rows ``start`` to ``stop``. Raises InputError if they are damaged."""
        try:
            return np.asarray(self._dataset[rows])
        except Exception as error:  # damaged bytes can raise any exception
            raise InputError(f"{self._name} is damaged ({described(error)}); copy the file again.") from error
