"""Read the arrays of an .npz, each after its header and its size were checked."""

from __future__ import annotations

import math
import zipfile
from typing import Any

import numpy as np

from genbench.array_types import Array

LARGEST_ENTRY = 1 << 33
"""Maximum bytes of an unpacked entry (a covariance of 32,768 dimensions in float64); a larger one is refused."""

_BOMB_RATIO, _BOMB_SIZE = 200, 1 << 26
"""An entry that unpacks to more than _BOMB_SIZE bytes and _BOMB_RATIO times its packed size is a bomb, too."""

_LARGEST_TEXT = 1 << 22

Header = tuple[np.dtype[Any], tuple[int, ...]]
"""The dtype and the shape of an array."""


def npz_header(archive: zipfile.ZipFile, key: str) -> Header:
    """Return the dtype and shape of an entry without unpacking it.

    Raises ValueError if the entry is no array, or larger or smaller than its header states, KeyError if it is missing;
    damaged bytes can raise other exceptions.
    """
    member = archive.getinfo(f"{key}.npy")
    # the sizes in the archive's directory limit what is unpacked
    if member.file_size > min(LARGEST_ENTRY, max(_BOMB_SIZE, _BOMB_RATIO * member.compress_size)):
        raise ValueError(f"{key} would unpack to {member.file_size:,} bytes, like a decompression bomb")
    # numpy has one reader per version of the format; version 3 is only needed for names of record fields
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in readers:
            raise ValueError(f"{key} has the unknown format {version}")
        shape, _, dtype = readers[version](stream)
        header_size = stream.tell()
    # a shape may hold anything that a literal of Python can be
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError(f"{key} has the shape {str(shape)[:60]}")
    if dtype.hasobject:
        raise ValueError(f"{key} holds pickled Python objects, which are never loaded")
    # numpy would allocate what the header states
    held, stated = member.file_size - header_size, math.prod(shape) * dtype.itemsize
    if held != stated:
        raise ValueError(f"{key} holds {held:,} bytes of data, but its header states {stated:,}")
    return dtype, shape


def npz_array(archive: zipfile.ZipFile, key: str) -> Array:
    """Return an entry whose header was checked."""
    with archive.open(f"{key}.npy") as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def npz_text(archive: zipfile.ZipFile, key: str) -> str:
    """Return an entry that is a single text. Raises ValueError as ``npz_header`` does, and for other entries."""
    dtype, shape = npz_header(archive, key)
    if dtype.kind != "U" or shape != () or dtype.itemsize > _LARGEST_TEXT:
        raise ValueError(f"{key} has dtype {dtype} and shape {list(shape)}; expected one text")
    return str(npz_array(archive, key))
