"""Read arrays from a pickle file without executing any code in it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from genbench.array_types import Array
from genbench.errors import InputError


def unpickle_arrays(file: Path) -> Any:
    """Return the contents of a pickle file: arrays, numbers and text in lists and dicts.

    Raises InputError if the file is damaged or needs any other class or function.
    """
    try:
        with file.open("rb") as stream:
            return _ArraysOnly(stream).load()
    except InputError:
        raise
    except Exception as error:  # damaged or hostile bytes can raise any exception
        raise InputError(
            f"{file} cannot be read as plain arrays ({type(error).__name__}: {error}); if you trust it, convert it to "
            "an .npz with np.savez(path, mu=mu, sigma=sigma)."
        ) from error


class _ArraysOnly(pickle.Unpickler):
    """Unpickles numpy arrays of numbers, and nothing else.

    Even numpy's functions are not called: the replacements below make arrays from bytes and check their arguments. Each
    file gets new replacements, so a file cannot change them for the next file.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._file = stream.name
        self._allowed = _replacements()

    def find_class(self, module: str, name: str) -> Any:
        # numpy 2 renamed numpy.core to numpy._core
        key = f"{module.replace('numpy._core', 'numpy.core')}.{name}"
        if key not in self._allowed:
            raise InputError(
                f"{self._file} wants to run {module}.{name}, so it was not opened, because a pickle can run any code; "
                "if you trust it, make an .npz of it with np.savez(path, mu=mu, sigma=sigma)."
            )
        return self._allowed[key]


def _replacements() -> dict[str, Callable[..., Any] | type]:
    """Return the replacement of each class and function that a pickled array refers to."""

    class NdArray:
        """The pickle names numpy.ndarray as an argument, but never creates one by it."""

        __slots__ = ()

    def dtype(code: Any, *_: Any) -> _Dtype:
        return _Dtype(code)

    def reconstruct(*_: Any) -> _EmptyArray:
        return _EmptyArray()

    def frombuffer(raw: Any, dtype: Any, shape: Any, order: Any) -> Array:
        return _array_of_bytes(raw, dtype, shape, order == "F")

    def scalar(dtype: Any, raw: Any) -> Any:
        return _array_of_bytes(raw, dtype, (), False)[()]

    def encode(text: str, code: str) -> bytes:  # pickle protocols before 3 write bytes as encoded text
        return text.encode("latin1")

    # the names that pickles of arrays use, in all protocols and versions of numpy
    return {
        "_codecs.encode": encode,
        "numpy.ndarray": NdArray,
        "numpy.dtype": dtype,
        "numpy.core.multiarray._reconstruct": reconstruct,
        "numpy.core.multiarray.scalar": scalar,
        "numpy.core.numeric._frombuffer": frombuffer,
    }


class _Dtype:
    """A dtype of numbers: floats, integers or booleans."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any) -> None:
        # floats, integers and booleans; "O" (objects) would allow arbitrary contents
        if not isinstance(code, str) or not re.fullmatch(r"[<>=|]?(f[248]|[iu][1248]|b1)", code):
            raise ValueError(f"an array of {code!r} is not an array of numbers")
        self.code, self.order = code.lstrip("<>=|"), code[0] if code[0] in "<>" else "="

    def __setstate__(self, state: Any) -> None:
        # the byte order is the second entry of a pickled dtype's state
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]


class _EmptyArray:
    """An array whose contents follow in the pickle."""

    __slots__ = ("array",)

    def __setstate__(self, state: Any) -> None:
        # the state of a pickled array, after its version
        _, shape, dtype, fortran, raw = state
        self.array = _array_of_bytes(raw, dtype, shape, bool(fortran))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self.array if dtype is None else self.array.astype(dtype)


def _array_of_bytes(raw: Any, dtype: Any, shape: Any, fortran: bool) -> Array:
    # a hostile file can pass any object
    if not isinstance(raw, (bytes, bytearray)) or not isinstance(dtype, _Dtype):
        raise ValueError("an array without bytes or dtype")
    # frombuffer runs no code of the file, and reshape checks the size
    flat = np.frombuffer(bytes(raw), np.dtype(dtype.order + dtype.code))
    return flat.reshape(tuple(int(size) for size in shape), order="F" if fortran else "C")
