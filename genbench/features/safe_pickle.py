"""Read arrays from a pickle file without executing anything in it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from genbench.arrays import Array
from genbench.errors import InputError


def _unpickled(file: Path) -> Any:
    try:
        with file.open("rb") as stream:
            return _ArraysOnly(stream).load()
    except InputError:
        raise
    except Exception as error:  # what damaged or hostile bytes raise has no end
        raise InputError(
            f"{file} cannot be read as plain arrays ({type(error).__name__}: {error}); make an .npz of it with "
            "np.savez(path, mu=mu, sigma=sigma) where you trust it."
        ) from error


class _ArraysOnly(pickle.Unpickler):
    """Unpickles numpy arrays of numbers, and nothing else.

    Not even numpy's own functions are called: what stands for them below makes arrays from bytes and checks what it is
    given. They are made anew for each file, so that one file cannot change them for the next.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._file = stream.name
        self._allowed = _stand_ins()

    def find_class(self, module: str, name: str) -> Any:
        key = f"{module.replace('numpy._core', 'numpy.core')}.{name}"
        if key not in self._allowed:
            raise InputError(
                f"{self._file} wants to run {module}.{name}, so it was not opened: a pickle can run anything; make an "
                ".npz of it with np.savez(path, mu=mu, sigma=sigma) where you trust it."
            )
        return self._allowed[key]


def _stand_ins() -> dict[str, Callable[..., Any] | type]:
    class NdArray:
        """Only named, never made."""

        __slots__ = ()

    def dtype(code: Any, *_: Any) -> _Dtype:
        return _Dtype(code)

    def reconstruct(*_: Any) -> _Blank:
        return _Blank()

    def frombuffer(raw: Any, kind: Any, shape: Any, order: Any) -> Array:
        return _array(raw, kind, shape, order == "F")

    def scalar(kind: Any, raw: Any) -> Any:
        return _array(raw, kind, (), False)[()]

    def encode(text: str, code: str) -> bytes:  # how protocols before 3 write bytes
        return text.encode("latin1")

    return {
        "_codecs.encode": encode,
        "numpy.ndarray": NdArray,
        "numpy.dtype": dtype,
        "numpy.core.multiarray._reconstruct": reconstruct,
        "numpy.core.multiarray.scalar": scalar,
        "numpy.core.numeric._frombuffer": frombuffer,
    }


class _Dtype:
    __slots__ = ("code", "order")

    def __init__(self, code: Any) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[<>=|]?(f[248]|[iu][1248]|b1)", code):
            raise ValueError(f"an array of {code!r} is not one of numbers")
        self.code, self.order = code.lstrip("<>=|"), code[0] if code[0] in "<>" else "="

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]


class _Blank:
    """An array that waits for its contents."""

    __slots__ = ("array",)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, raw = state
        self.array = _array(raw, kind, shape, bool(fortran))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self.array if dtype is None else self.array.astype(dtype)


def _array(raw: Any, kind: Any, shape: Any, fortran: bool) -> Array:
    if not isinstance(raw, (bytes, bytearray)) or not isinstance(kind, _Dtype):
        raise ValueError("an array without bytes or dtype")
    flat = np.frombuffer(bytes(raw), np.dtype(kind.order + kind.code))
    return flat.reshape(tuple(int(size) for size in shape), order="F" if fortran else "C")
