"""Images in Parquet files, as Hugging Face stores data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from genbench.errors import InputError, UsageError, did_you_mean
from genbench.files.fingerprints import FilePart
from genbench.sources.class_labels import Classes, classes_of_values
from genbench.sources.parquet_columns import ParquetFile
from genbench.sources.shards import PARQUET, Shards, are_shards, shard_files, shards_name
from genbench.sources.threaded import EncodedImages

IMAGE_NAMES = ("image", "img", "images", "jpg", "png", "webp", "bytes", "image_bytes")
"""Names of columns of images, the likely ones first; others are found if they are the only column of bytes."""

LABEL_NAMES = ("label", "labels", "class", "classes", "target", "targets", "cls", "y", "fine_label")
"""Names of columns of classes, the likely ones first."""


def likely_column(declared: Sequence[str], columns: Iterable[str]) -> str | None:
    """Return the column that is declared as image, has a usual name or is the only one; None if that is not one."""
    columns = list(columns)
    named = [name for name in IMAGE_NAMES if name in columns]
    return next((names[0] for names in (declared, named[:1], columns) if len(names) == 1), None)


class Parquet(EncodedImages):
    """The encoded images in a column of Parquet files: a file, a folder of shards, or a list.

    A column of images holds bytes, or structs of ``bytes`` and ``path`` as Hugging Face writes them. If there are
    several, ``image`` chooses one. ``label`` names the column of classes, whole numbers or texts; by default it is
    called ``label``, ``class`` or similar. ``split`` chooses shards of a folder by their names. Row groups are unpacked
    to a temporary file when they are needed. Raises InputError for files that are damaged or cut short, UsageError for
    columns that do not exist.
    """

    def __init__(
        self, path: Shards, *, image: str | None = None, label: str | None = None, split: str | None = None
    ) -> None:
        # open all files, so that a damaged one is told at once
        self.name = shards_name(path)
        self._files = [ParquetFile(file) for file in shard_files(path, PARQUET, split)]
        self._ends = np.cumsum([len(file) for file in self._files])
        if not len(self):
            raise InputError(f"{self.name} holds no rows.")
        # the images
        self._columns = [_image_column(file, image) for file in self._files]
        for file, column in zip(self._files, self._columns, strict=True):
            file.check_sizes(column)
        # the classes; other columns are not used
        labels = [_label_column(file, label) for file in self._files]
        self.class_names, self.labels, self.notes, read = _classes_of_column(self._files, labels)
        chosen = {self._columns[0].partition(".")[0], *read}
        self.ignored = Counter(f"column {name}" for name in self._files[0].schema.names if name not in chosen)
        """The other columns, each counted once."""

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether an object is the path of a Parquet file, a list of these, or a folder of them."""
        return are_shards(subject, PARQUET)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def place(self, row: int) -> str:
        """Return the file, the column and the number of the row in the file."""
        file, column, local = self._find(row)
        return f"{file.name}: {column.removesuffix('.bytes')}[{local}]"

    def read(self, row: int) -> bytes:
        """Return the bytes of one image. Raises Unreadable if they are missing or damaged."""
        file, column, local = self._find(row)
        return file.value(column, local)

    def part(self, row: int) -> FilePart:
        """Return the value in the file."""
        file, column, local = self._find(row)
        return FilePart(file.path, f"{column}[{local}]", file.opened)

    def _find(self, row: int) -> tuple[ParquetFile, str, int]:
        shard = int(np.searchsorted(self._ends, row, side="right"))
        return self._files[shard], self._columns[shard], row - (int(self._ends[shard - 1]) if shard else 0)


def _image_column(file: ParquetFile, chosen: str | None) -> str:
    """Return the column of bytes that holds the images: ``image.bytes`` or ``image``."""
    found = {field.name: column for field in file.schema if (column := _column_of_bytes(field)) is not None}
    # what the user names
    if chosen is not None:
        if chosen not in found:
            raise UsageError(f"{file.name} has no column of images {chosen!r}{did_you_mean(chosen, found)}")
        return found[chosen]
    declared = [name for name, feature in file.features.items() if feature.get("_type") == "Image" and name in found]
    likely = likely_column(declared, found)
    if likely is not None:
        return found[likely]
    # no images, or several columns of them
    if not found:
        raise InputError(
            f"{file.name} holds no column of encoded images, only {', '.join(file.schema.names[:8])}; expected bytes, "
            "or structs of bytes and path."
        )
    raise InputError(
        f"{file.name} holds several columns of bytes ({', '.join(found)}); choose one with "
        f"parquet,path={file.name},image={next(iter(found))}."
    )


def _column_of_bytes(field: Any) -> str | None:
    """Return the path of the bytes in a column, or None if there are none."""
    binary = ("binary", "large_binary", "binary_view")
    if str(field.type) in binary:
        return str(field.name)
    # Hugging Face stores the bytes beside the path that they came from
    inner = {child.name: str(child.type) for child in field.type} if str(field.type).startswith("struct<") else {}
    return f"{field.name}.bytes" if inner.get("bytes") in binary else None


def _label_column(file: ParquetFile, chosen: str | None) -> str | None:
    """Return the name of the column of classes, or None if there is none."""
    names = file.schema.names
    if chosen is not None and chosen not in names:
        raise UsageError(f"{file.name} has no column {chosen!r}{did_you_mean(chosen, names)}")
    # the usual names come first, because a data set may have several columns of classes
    declared = [name for name, feature in file.features.items() if feature.get("_type") == "ClassLabel"]
    usual = [name for name in LABEL_NAMES if name in names]
    return chosen or next((name for name in (*usual, *declared) if name in names), None)


def _classes_of_column(files: list[ParquetFile], columns: list[str | None]) -> Classes:
    """Return the classes of all rows, if all files have the column."""
    column = columns[0]
    if column is None or set(columns) != {column}:
        return Classes()
    # texts must be known from all files before they get numbers
    values = [value for file in files for value in file.column(column).to_pylist()]
    return classes_of_values(column, values, files[0].features.get(column, {}).get("names"))
