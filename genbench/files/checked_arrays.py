"""Files of arrays with a record and a checksum, in the format safetensors: nothing is unpickled, damage is noticed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genbench.files.atomic_write import atomic_write

_CHECKSUM = "genbench.checksum"
"""The entry of the metadata that holds the checksum of the record and of all arrays."""


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], key: str, record: Mapping[str, Any]) -> None:
    """Write arrays and a record of JSON values, which becomes the entry ``key`` of the file's metadata.

    Raises InputError if the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    # safetensors stores contiguous arrays of the native byte order
    stored = {name: np.ascontiguousarray(array, array.dtype.newbyteorder("=")) for name, array in arrays.items()}
    text = json.dumps(record)
    with atomic_write(path) as temporary:
        try:
            save_file(stored, temporary, {key: text, _CHECKSUM: _checksum(text, stored)})
        except SafetensorError as error:  # safetensors raises this if the disk is full
            raise OSError(str(error)) from error


def read_arrays(path: Path, key: str, *, unchecked: bool = False) -> tuple[dict[str, NDArray[Any]], Any]:
    """Return the arrays and the record of a file that ``write_arrays`` wrote.

    ``unchecked`` also allows files without a checksum. Raises ValueError with the reason if the file is damaged or
    lacks the entry ``key``, OSError if it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    # copy all arrays into memory, because the checksum needs every byte
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays: dict[str, NDArray[Any]] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError, AttributeError) as error:  # a dtype that numpy lacks raises the last two
        raise ValueError(str(error)) from error
    if key not in metadata:
        raise ValueError(f"its metadata have no entry {key!r}")
    # compare the checksum before anything is used
    if not (unchecked and _CHECKSUM not in metadata) and metadata.get(_CHECKSUM) != _checksum(metadata[key], arrays):
        raise ValueError("its checksum is not that of its contents, so some bytes have changed")
    try:
        return arrays, json.loads(metadata[key])
    except RecursionError as error:
        raise ValueError("its metadata are nested too deeply") from error


def _checksum(text: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    # CRC-32 finds every changed bit at several GB per second; it does not protect against forgery
    total = zlib.crc32(text.encode(errors="replace"))
    for name in sorted(arrays):
        array = arrays[name]
        # names, dtypes and shapes too, because equal bytes may be different arrays
        total = zlib.crc32(f"\n{name} {array.dtype.name} {array.shape}\n".encode(errors="replace"), total)
        total = zlib.crc32(array.reshape(-1).view(np.uint8).data, total)
    return f"{total:08x}"
