"""The columns of a Parquet file: bytes that are read on demand, and classes."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from genbench.errors import InputError, described
from genbench.files.fingerprints import FileStamp, file_stamp
from genbench.sources.archive_members import BOMB_RATIO, BOMB_SIZE
from genbench.sources.decoding import Unreadable
from genbench.sources.file_names import printable
from genbench.sources.optional_libraries import optional_library
from genbench.sources.spooled_values import SpooledValues, spool_values

COLUMN_BYTES = 1 << 24
"""Bytes of a column that are in memory at a time, unless a single value is larger."""

GROUPS_KEPT, ROWS_KEPT = 64, 2048
"""Row groups that stay unpacked: as many as hold ROWS_KEPT rows, two at least and GROUPS_KEPT at most."""


class ParquetFile:
    """A Parquet file. Raises InputError if it is cut short, damaged, or says that it holds more than it can."""

    def __init__(self, path: Path) -> None:
        parquet = optional_library("pyarrow.parquet", extra="parquet")
        self.path, self.name = path.absolute(), printable(path)
        self.opened: FileStamp | None = file_stamp(self.path)
        try:
            # without a memory map, so that a file that becomes shorter does not kill the process
            self._file: Any = parquet.ParquetFile(path, memory_map=False, pre_buffer=False, buffer_size=1 << 20)
            self.schema: Any = self._file.schema_arrow
        except Exception as error:  # damaged bytes can raise any exception
            raise InputError(
                f"{self.name} is no whole Parquet file ({described(error)}); copy it again, or close its writer."
            ) from error
        # the counts in the footer must fit to each other and to the size of the file
        self._metadata = self._file.metadata
        counts = [self._metadata.row_group(group).num_rows for group in range(self._metadata.num_row_groups)]
        self.group_ends = np.cumsum(np.array(counts, np.int64))
        """int64 [groups], the row after the last one of each row group."""
        if min(counts, default=0) < 0 or sum(counts) != self._metadata.num_rows or len(self) > 1000 * self._size:
            raise self._lie(f"{self._metadata.num_rows:,} rows in groups of {sum(counts):,}")
        self._unpacked: OrderedDict[tuple[str, int], SpooledValues] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self.group_ends[-1]) if len(self.group_ends) else 0

    @property
    def _size(self) -> int:
        return self.opened.size if self.opened else 0

    @property
    def features(self) -> dict[str, Any]:
        """What Hugging Face's ``datasets`` stores about the columns: the names of classes, which hold images."""
        try:
            text = (self.schema.metadata or {}).get(b"huggingface", b"{}")
            features = json.loads(text)["info"]["features"]
            return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}

    def value(self, column: str, row: int) -> bytes:
        """Return a value of a column of bytes. Raises Unreadable if it is missing or damaged."""
        # threads ask for rows of the same few groups
        group = int(np.searchsorted(self.group_ends, row, side="right"))
        first = int(self.group_ends[group - 1]) if group else 0
        with self._lock:
            unpacked = self._unpacked.get((column, group))
            if unpacked is None:
                unpacked = self._unpacked[column, group] = self._unpack(column, group)
                self._forget()
            self._unpacked.move_to_end((column, group))
        # what was read before damage stays readable
        if row - first >= len(unpacked):
            raise Unreadable(str(unpacked.error or "the file holds fewer rows than it says"))
        return unpacked.value(row - first)

    def column(self, name: str) -> Any:
        """Return a column of numbers or texts in memory, as an array of pyarrow. Raises InputError if it is damaged."""
        try:
            values = self._file.read(columns=[name], use_threads=False).column(0)
        except Exception as error:  # damaged bytes can raise any exception
            raise InputError(f"{self.name}: {name} is damaged ({described(error)}); copy the file again.") from error
        # the footer may say anything
        if len(values) != len(self):
            raise self._lie(f"{len(self):,} rows, and {name} holds {len(values):,}")
        return values

    def check_sizes(self, column: str) -> None:
        """Raise InputError if the file cannot hold what it says of a column, or unpacks to far more than its size."""
        for group in range(len(self.group_ends)):
            # sizes in the footer decide how much memory the library asks for
            packed, unpacked = self._sizes(column, group)
            if packed < 0 or packed > self._size:
                raise self._lie(f"{packed:,} bytes of {column}")
            if unpacked > max(BOMB_SIZE, BOMB_RATIO * packed):
                raise InputError(
                    f"{self.name}: {column} would unpack from {packed:,} to {unpacked:,} bytes, like a decompression "
                    "bomb; write it without compression if it is right."
                )

    def _sizes(self, column: str, group: int) -> tuple[int, int]:
        """Return the packed and the unpacked bytes of a column in a row group."""
        chunks = self._metadata.row_group(group)
        for index in range(chunks.num_columns):
            chunk = chunks.column(index)
            if chunk.path_in_schema == column:
                return chunk.total_compressed_size, chunk.total_uncompressed_size
        raise InputError(f"{self.name} has no column {column!r} in row group {group}; copy the file again.")

    def _lie(self, claim: str) -> InputError:
        return InputError(
            f"{self.name} says that it holds {claim}, which cannot be in {self._size:,} bytes; copy it again."
        )

    def _forget(self) -> None:
        """Close the row groups that were used least recently."""
        # two groups at least, because a batch may lie in two
        kept = list(self._unpacked.values())
        while len(kept) > GROUPS_KEPT or (len(kept) > 2 and sum(map(len, kept)) > ROWS_KEPT):
            self._unpacked.popitem(last=False)
            kept.pop(0)

    def _unpack(self, column: str, group: int) -> SpooledValues:
        """Write the values of a row group to a temporary file, some rows at a time."""
        _, size = self._sizes(column, group)
        folder = tempfile.gettempdir()
        if size > shutil.disk_usage(folder).free:
            raise InputError(f"{self.name} needs {size:,} bytes in {folder}; set TMPDIR to a folder with more space.")
        return spool_values(self.name, self._iterate(column, group), most_bytes=max(BOMB_SIZE, BOMB_RATIO * size))

    def _iterate(self, column: str, group: int) -> Iterator[bytes | None]:
        """Yield the values of a row group."""
        rows = self._metadata.row_group(group).num_rows
        _, size = self._sizes(column, group)
        step = max(1, min(256, COLUMN_BYTES * rows // max(1, size)))
        try:
            for batch in self._file.iter_batches(step, row_groups=[group], columns=[column], use_threads=False):
                # the bytes of HF's images lie within a column of structs
                values = batch.column(0)
                for value in values.field(0) if hasattr(values, "field") else values:
                    yield value.as_py()
        except Exception as error:  # damaged bytes can raise any exception, such as OSError
            raise Unreadable(f"damaged in the file: {described(error)}") from error
