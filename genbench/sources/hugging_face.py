"""The data sets of Hugging Face's library ``datasets``: its objects in a Python program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from genbench.array_types import Array
from genbench.errors import GenbenchError, InputError, PlugError, UsageError, described, did_you_mean
from genbench.files.fingerprints import FilePart
from genbench.plugs.contracts import Source
from genbench.sources.class_labels import Classes, classes_of_values
from genbench.sources.decoding import Unreadable
from genbench.sources.folder import Files, read_regular_file
from genbench.sources.memory import DatasetSource, class_number, is_of_datasets
from genbench.sources.parquet import LABEL_NAMES, likely_column
from genbench.sources.spooled_values import SpooledValues, spool_values
from genbench.sources.threaded import EncodedImages

MOST_STREAMED = 1_000_000
"""A stream that gives more samples than this is taken to be endless."""


def hugging_face(dataset: Any, image: str | None = None, label: str | None = None, range: str | None = None) -> Source:
    """Return the images of a ``datasets.Dataset`` or ``IterableDataset``, with their classes.

    The encoded bytes are read, so the pixels are those of the same files in a folder. A data set with a transform gives
    what the transform returns: Pillow images or arrays; float arrays need a ``range``. ``image`` and ``label`` choose
    columns. An IterableDataset is read once, to its end or to as many samples as are scored. Raises InputError for a
    data set of several splits or without images, UsageError for columns that do not exist.
    """
    if isinstance(dataset, Mapping):
        splits = ", ".join(dataset)
        raise InputError(f"The data set holds the splits {splits}; give one, as in dataset['{next(iter(dataset))}'].")
    # a stream may not know its columns before it is read
    features = dict(dataset.features or {})
    if not features:
        raise InputError(
            "The data set does not say what its columns hold; make it with features=datasets.Features({'image': "
            "datasets.Image()})."
        )
    for chosen in (image, label):
        if chosen is not None and chosen not in features:
            raise UsageError(f"The data set has no column {chosen!r}{did_you_mean(chosen, features)}")
    # columns that datasets decodes as images
    declared = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    column = image or likely_column(declared, declared or features)
    if column is None:
        raise InputError(f"The data set holds several columns ({', '.join(features)}); choose one with image=COLUMN.")
    label = label or next((name for name in LABEL_NAMES if name in features), None)
    transformed = (getattr(dataset, "format", None) or {}).get("type") == "custom"
    if column not in declared or transformed:
        return _Items(dataset, column, label, range)
    if range is not None:
        raise UsageError(f"The column {column!r} holds encoded images, so leave out range={range}.")
    encoded = dataset.cast_column(column, type(features[column])(decode=False))
    if not hasattr(dataset, "__len__"):
        return _StreamedImages(encoded, column, label, getattr(features.get(label or ""), "names", None))
    return _stored_images(encoded.with_format(None), column, label, features)


hugging_face.accepts = is_of_datasets  # type: ignore[attr-defined]


def _stored_images(dataset: Any, column: str, label: str | None, features: Mapping[str, Any]) -> Source:
    """Return the images of a data set of known length: files, or bytes in its tables."""
    if not len(dataset):
        raise InputError("The data set holds no samples.")
    name = _name_of(dataset)
    values = list(dataset.select_columns([label])[:][label]) if label is not None else []
    classes = classes_of_values(label, values, getattr(features[label], "names", None)) if label else Classes()
    # an image folder stays where it is; a row with bytes or without an image ends the search
    images = dataset.select_columns([column])
    paths = list(takewhile(bool, (_path_of(row[column]) for row in images)))
    if len(paths) == len(images):
        source: Files | _StoredImages = Files(
            name, [str(Path(path).absolute()) for path in paths], labels=classes.labels
        )
    else:
        source = _StoredImages(name, images, column)
        source.labels = classes.labels
    source.class_names, source.notes = classes.names, classes.notes
    return source


def _name_of(dataset: Any) -> str:
    split = getattr(dataset, "split", None)
    name = getattr(getattr(dataset, "info", None), "dataset_name", None) or "datasets"
    return f"{name}[{split}]" if split else str(name)


def _path_of(value: Any) -> str:
    """Return the path of an image that is only in a file; otherwise an empty text."""
    return value["path"] or "" if value and value["bytes"] is None else ""


def _bytes_of(value: Any) -> bytes:
    """Return the bytes of an image that datasets has not decoded."""
    data, path = (value or {}).get("bytes"), (value or {}).get("path")
    if data is not None:
        return bytes(data)
    if path is None:
        raise Unreadable("holds no image")
    return read_regular_file(Path(path))


class _ImagesWithoutFiles(EncodedImages):
    """Encoded images that are in no file of the user's, and that never change."""

    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    _column: str

    def place(self, row: int) -> str:
        """Return the column and the number of the row."""
        return f"{self._column}[{row}]"

    def part(self, row: int) -> FilePart:
        """Return no file: hashes are not cached."""
        return FilePart(Path())

    def unchanged(self) -> bool:
        """Return True."""
        return True

    def content_hashes(self, start: int, stop: int) -> list[str | None]:
        """Return the hash of the bytes of each image, None for those that cannot be read."""
        hash_row = self._hash_row(start)
        return [hash_row(index) for index in range(stop - start)]


class _StoredImages(_ImagesWithoutFiles):
    """Encoded images in the tables of a data set."""

    def __init__(self, name: str, dataset: Any, column: str) -> None:
        self.name = name
        self._dataset, self._column = dataset, column

    def __len__(self) -> int:
        return len(self._dataset)

    def read(self, row: int) -> bytes:
        """Return the bytes of one image. Raises Unreadable if there are none."""
        return _bytes_of(self._dataset[row][self._column])


class _StreamedImages(_ImagesWithoutFiles):
    """Encoded images of an IterableDataset, which are read once, when they are needed, into a temporary file."""

    def __init__(self, dataset: Any, column: str, label: str | None, names: Any) -> None:
        self.name = f"stream of {_name_of(dataset)}"
        self._dataset, self._column, self._label, self._names = dataset, column, label, names
        self._count: int | None = None
        self._values: SpooledValues | None = None
        self._labels: list[Any] = []

    def read_at_most(self, count: int) -> None:
        """Read only the first ``count`` samples; call it before anything is read."""
        self._count = count

    def __len__(self) -> int:
        return len(self._spooled())

    def read(self, row: int) -> bytes:
        """Return the bytes of one image. Raises Unreadable if there are none."""
        return self._spooled().value(row)

    def _spooled(self) -> SpooledValues:
        """Read the stream, at the first call."""
        if self._values is None:
            found = spool_values(self.name, self._iterate(), most_bytes=1 << 62)
            # a part of the samples would be another set
            if found.error is not None:
                raise PlugError(f"{self.name} raised at sample {len(found)}: {found.error}.") from found.error
            if not len(found):
                raise InputError(f"{self.name} gives no samples.")
            self._values = found
            if self._label is not None:
                classes = classes_of_values(self._label, self._labels, self._names)
                self.labels, self.class_names, self.notes = classes.labels, classes.names, classes.notes
        return self._values

    def _iterate(self) -> Iterator[bytes | None]:
        try:
            for number, item in enumerate(self._dataset):
                if number == self._count:
                    return
                # an endless stream must not fill the disk
                if self._count is None and number >= MOST_STREAMED:
                    raise InputError(f"no end after {number:,} samples; give dataset.take(COUNT)")
                self._labels.append(item.get(self._label))
                image = item[self._column] or {}
                yield _bytes_of(image) if any(image.values()) else None
        except GenbenchError:
            raise
        except Exception as error:  # the code of the data set, and its network
            raise PlugError(described(error)) from error


class _Items(DatasetSource):
    """A data set that gives Pillow images or arrays, in dictionaries."""

    def __init__(self, dataset: Any, column: str, label: str | None, range: str | None) -> None:
        if not hasattr(dataset, "__len__"):
            raise InputError("A stream of arrays has no length; give a DataLoader of it.")
        super().__init__(dataset, range=range, name=_name_of(dataset))
        self._column, self._label = column, label

    def load(self, row: int) -> tuple[Array, int | None]:
        """Return one item and its class. Raises Unreadable if the data set raises, InputError for other items."""
        try:
            item = self._dataset[row]
            image = item[self._column]
        except Exception as error:  # a transform is user code
            raise Unreadable(described(error)) from error
        return self._image(image, row), class_number(item.get(self._label))
