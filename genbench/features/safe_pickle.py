"""Read arrays from a pickle file without executing any code in it."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from genbench.array_types import Array
from genbench.errors import InputError, described
from genbench.features.pickle_check import check_opcodes

LARGEST_PICKLE = 1 << 34
"""Maximum bytes of a pickle; a larger file is refused."""

COPIES = 4
"""Arrays may be made of as many bytes as this many times the size of the file; writers of pickles need one copy."""


def unpickle_arrays(file: Path) -> Any:
    """Return the contents of a pickle file: arrays, numbers and text in lists and dicts.

    The memory and the time that this takes are bounded by the size of the file. Raises InputError if the file is
    damaged, larger than LARGEST_PICKLE, or needs any other class or function.
    """
    try:
        if file.stat().st_size > LARGEST_PICKLE:
            raise ValueError(f"it has more than {LARGEST_PICKLE:,} bytes")
        content = file.read_bytes()
        check_opcodes(content)
        return _ArraysOnly(content, file).load()
    except InputError:
        raise
    except Exception as error:  # damaged or hostile bytes can raise any exception
        raise InputError(
            f"{file} cannot be read as plain arrays ({described(error)[:200]}); if you trust it, convert it to "
            "an .npz with np.savez(path, mu=mu, sigma=sigma)."
        ) from error


def array_of(value: Any, limit: int) -> Array:
    """Return an unpickled array, number, or list of numbers or of lists of numbers, as an array.

    Raises ValueError for lists of more than ``limit`` numbers: a small pickle can name one list many times.
    """
    if isinstance(value, (list, tuple)):
        rows = [row if isinstance(row, (list, tuple)) else (row,) for row in value]
        if sum(map(len, rows)) > limit or any(not isinstance(item, (int, float)) for row in rows for item in row):
            raise ValueError("a list holds something else than numbers, or more numbers than the file has bytes")
    elif not isinstance(value, (np.ndarray, np.generic, _EmptyArray)):
        raise ValueError(f"a {type(value).__name__} is not an array of numbers")
    return np.asarray(value)


class _ArraysOnly(pickle.Unpickler):
    """Unpickles numpy arrays of numbers, and nothing else.

    Even numpy's functions are not called: the replacements below make arrays from bytes and check their arguments. Each
    file gets new replacements, so a file cannot change them for the next file.
    """

    def __init__(self, content: bytes, file: Path) -> None:
        super().__init__(io.BytesIO(content))
        self._file = file
        self._allowed = _replacements(_Budget(COPIES * len(content)))

    def find_class(self, module: str, name: str) -> Any:
        # numpy 2 renamed numpy.core to numpy._core
        key = f"{module.replace('numpy._core', 'numpy.core')}.{name}"
        if key not in self._allowed:
            wanted = " ".join(f"{module}.{name}".split())[:100]
            raise InputError(
                f"{self._file} wants to run {wanted}, so it was not opened, because a pickle can run any code; "
                "if you trust it, make an .npz of it with np.savez(path, mu=mu, sigma=sigma)."
            )
        return self._allowed[key]


class _Budget:
    """The bytes that may still be copied: a small pickle can ask for many copies of the same bytes."""

    def __init__(self, size: int) -> None:
        self._left = size

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ValueError("it makes more arrays than it has bytes for")


def _replacements(budget: _Budget) -> dict[str, Callable[..., Any] | type]:
    """Return the replacement of each class and function that a pickled array refers to."""

    class NdArray:
        """The pickle names numpy.ndarray as an argument, but never creates one by it."""

        __slots__ = ()

    def dtype(code: Any, *_: Any) -> _Dtype:
        return _Dtype(code)

    def reconstruct(*_: Any) -> _EmptyArray:
        return _EmptyArray(budget)

    def frombuffer(raw: Any, dtype: Any, shape: Any, order: Any) -> Array:
        return _array_of_bytes(raw, dtype, shape, order == "F", budget)

    def scalar(dtype: Any, raw: Any) -> Any:
        return _array_of_bytes(raw, dtype, (), False, budget)[()]

    def encode(text: str, code: str) -> bytes:  # pickle protocols before 3 write bytes as encoded text
        budget.spend(len(text))
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
            # repr of a hostile object could take forever
            given = repr(code[:20]) if isinstance(code, str) else f"a {type(code).__name__}"
            raise ValueError(f"an array of {given} is not an array of numbers")
        self.code, self.order = code.lstrip("<>=|"), code[0] if code[0] in "<>" else "="

    def __setstate__(self, state: Any) -> None:
        # the byte order is the second entry of a pickled dtype's state
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]


class _EmptyArray:
    """An array whose contents follow in the pickle."""

    __slots__ = ("_budget", "array")

    def __init__(self, budget: _Budget) -> None:
        self.array: Array = np.empty(0)
        self._budget = budget

    def __setstate__(self, state: Any) -> None:
        # the state of a pickled array, after its version
        _, shape, dtype, fortran, raw = state
        self.array = _array_of_bytes(raw, dtype, shape, bool(fortran), self._budget)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self.array if dtype is None else self.array.astype(dtype)


def _array_of_bytes(raw: Any, dtype: Any, shape: Any, fortran: bool, budget: _Budget) -> Array:
    # a hostile file can pass any object
    if not isinstance(raw, (bytes, bytearray)) or not isinstance(dtype, _Dtype):
        raise ValueError("an array without bytes or dtype")
    if not isinstance(shape, tuple) or len(shape) > 8 or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError("an array whose shape is not a tuple of sizes")
    budget.spend(len(raw))
    # frombuffer runs no code of the file, and reshape checks the size
    flat = np.frombuffer(bytes(raw), np.dtype(dtype.order + dtype.code))
    return flat.reshape(shape, order="F" if fortran else "C")
