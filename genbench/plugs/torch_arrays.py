"""Read the tensors in a file of ``torch.save`` as NumPy arrays, without torch and without running any code in it."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from genbench.array_types import Array
from genbench.features.pickle_check import check_opcodes

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""The first object in files that torch before 1.6 wrote."""

_DTYPES = {"Float": "<f4", "Double": "<f8", "Half": "<f2", "Long": "<i8", "Int": "<i4"}
"""The dtype of each kind of storage that weights have, by the start of its name in torch."""


def torch_arrays(path: Path) -> dict[str, Array]:
    """Return the state dict in a file of ``torch.save``; the arrays are views of the file, which is mapped.

    Raises any exception for files of other kinds, programs, and tensors that are not contiguous or of rare dtypes.
    """
    state, places = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
    # some publishers wrap the state dict, as in {"model": state}
    if len(state) == 1 and isinstance(next(iter(state.values())), Mapping):
        state = next(iter(state.values()))
    # a change of an array would not reach the file
    content = np.memmap(path, np.uint8, "c")
    return {str(name): _view_of(content, tensor, places) for name, tensor in state.items()}


class _StoredNumbers(NamedTuple):
    """Numbers of one dtype in the file, which tensors are views of."""

    dtype: np.dtype[Any]
    key: str
    length: int


class _StoredTensor(NamedTuple):
    """A contiguous view of a storage."""

    storage: _StoredNumbers
    start: int
    shape: tuple[int, ...]


def _view_of(content: Array, tensor: Any, places: Mapping[str, int]) -> Array:
    """Return a tensor as a view of the file's bytes."""
    if not isinstance(tensor, _StoredTensor):
        raise ValueError("not a plain state dict")
    storage, count = tensor.storage, int(np.prod(tensor.shape, dtype=np.int64))
    if not 0 <= tensor.start <= tensor.start + count <= storage.length:
        raise ValueError("a tensor beyond its storage")
    # the place of the tensor in the file, in bytes
    start = places[storage.key] + tensor.start * storage.dtype.itemsize
    # slicing checks that the file is long enough
    return content[start : start + count * storage.dtype.itemsize].view(storage.dtype).reshape(tensor.shape)


def _read_zip(path: Path) -> tuple[Any, dict[str, int]]:
    """Return the object in an archive of torch, and the place of each storage in the file."""
    # an archive of torch is one folder, whose name is that of the file when it was written
    places = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        if "constants.pkl" in names:
            raise ValueError("a TorchScript program")
        if "byteorder" in names and archive.read(names["byteorder"]) != b"little":
            raise ValueError("another order of bytes")
        for short, name in names.items():
            if short.startswith("data/"):
                member = archive.getinfo(name)
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError("a compressed storage")
                # the bytes follow a header of 30 bytes, the name and an extra field, whose lengths are in the header
                file.seek(member.header_offset + 26)
                lengths = np.frombuffer(file.read(4), "<u2")
                places[short.removeprefix("data/")] = member.header_offset + 30 + int(lengths.sum())
        # the object itself is small: its tensors only name their storages
        content = archive.read(names["data.pkl"])
    check_opcodes(content)
    return _TensorsOnly(io.BytesIO(content)).load(), places


def _read_legacy(path: Path) -> tuple[Any, dict[str, int]]:
    """Return the object in a file of torch before 1.6: five pickles, and each storage with its count before it."""
    with path.open("rb") as file:
        if _next_pickle(file) != LEGACY_MAGIC:
            raise ValueError("not a file of torch")
        # version of the format, facts about the machine, the object, and the keys of its storages
        _, system, state, keys = (_next_pickle(file) for _ in range(4))
        if not system["little_endian"]:
            raise ValueError("another order of bytes")
        storages = {
            tensor.storage.key: tensor.storage for tensor in state.values() if isinstance(tensor, _StoredTensor)
        }
        # the storages follow in the order of the keys
        places = {}
        for key in keys:
            if int.from_bytes(file.read(8), "little") != storages[key].length:
                raise ValueError("a storage of another size")
            places[key] = file.tell()
            file.seek(storages[key].length * storages[key].dtype.itemsize, io.SEEK_CUR)
    return state, places


def _next_pickle(file: BinaryIO) -> Any:
    # the check reads up to the end of the pickle, which starts again at the same place
    start = file.tell()
    check_opcodes(file)
    file.seek(start)
    return _TensorsOnly(file).load()


class _TensorsOnly(pickle.Unpickler):
    """Unpickles descriptions of tensors in dicts, and nothing else: no function of torch is called."""

    def find_class(self, module: str, name: str) -> Any:
        # the dict, the tensors in it, and the dtypes of their storages
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            # a function of its own for each file, because a pickle can change the attributes of what it is given
            return lambda *arguments: _rebuilt(*arguments)
        if module == "torch" and name.removesuffix("Storage") in _DTYPES:
            return name.removesuffix("Storage")
        raise ValueError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> _StoredNumbers:
        # what it is (a storage), its kind, key, device and length
        _, kind, key, _, length, *view = pid
        if view not in ([], [None]):
            raise ValueError("a view of a storage")
        return _StoredNumbers(np.dtype(_DTYPES[kind]), str(key), int(length))


def _rebuilt(storage: Any, start: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> _StoredTensor:
    """Return the description of a contiguous tensor."""
    # strides of axes of length 1 mean nothing
    expected = 1
    for size, stride in reversed(list(zip(shape, strides, strict=True))):
        if size != 1 and stride != expected:
            raise ValueError("a tensor that is not contiguous")
        expected *= size
    return _StoredTensor(_StoredNumbers(*storage), int(start), tuple(map(int, shape)))
