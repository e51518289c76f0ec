"""Reference statistics in files: what pytorch-fid, ADM and EDM write, and our own; in and out, nothing executed."""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genbench.errors import InputError
from genbench.features import Array, Features, Moments, read_features
from genbench.fingerprints import content_hash
from genbench.locations import written_whole

LARGEST = 1 << 33
"""Bytes of an unpacked covariance beyond which a file is refused: 32,768 dimensions in float64."""

SPACES = {"fid": "inception", "fd_dinov2": "dinov2-vit-l-14"}
"""The names of EDM2's statistics and the extractors that made them."""


def read_reference(path: str | os.PathLike[str], *, space: str = "fid") -> Moments | Features | None:
    """Return the statistics or features in a file, or None where it is none of these and should be opened as samples.

    ``.npz`` with ``mu`` and ``sigma`` (pytorch-fid, clean-fid, ADM, ``write_statistics``), EDM's ``.pkl`` (read without
    executing it; ``space`` chooses among several), ``.safetensors`` of ``Features.save``. Raises InputError for a file
    that is one of these but is damaged, unsafe or no mean and covariance.
    """
    file = Path(path).expanduser()
    kind = file.suffix.lower()
    if kind not in (".npz", ".pkl", ".pickle", ".safetensors"):
        return None
    if not file.is_file():
        raise InputError(f"{file}: no such file; check the path.")
    if kind == ".safetensors":
        return read_features(file)
    if kind == ".npz":
        return _from_npz(file) if {"mu", "sigma"} <= _keys(file) else None
    return _from_pickle(file, space)


def has_images(path: str | os.PathLike[str]) -> bool:
    """Whether a statistics file holds the samples, too, as ADM's reference batches do (``arr_0``)."""
    file = Path(path).expanduser()
    return file.suffix.lower() == ".npz" and file.is_file() and "arr_0" in _keys(file)


def write_statistics(moments: Moments, path: str | os.PathLike[str]) -> None:
    """Write ``mu`` and ``sigma`` (float64) as the .npz that pytorch-fid reads, and where they come from.

    ``read_reference`` restores name, count, extractor, identity and fingerprint from the entry ``genbench``. The same
    moments give the same bytes. Raises InputError where the file cannot be written.
    """
    about = {
        "source": moments.name,
        "count": moments.count,
        "extractor": moments.extractor,
        "identity": moments.identity,
        "fingerprint": moments.fingerprint,
    }
    with written_whole(Path(path).expanduser()) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            mu=np.asarray(moments.mean, np.float64),
            sigma=np.asarray(moments.covariance, np.float64),
            genbench=np.array(json.dumps(about)),
        )


def _keys(file: Path) -> set[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except PermissionError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); check its permissions.") from error
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{file} cannot be read as an .npz ({error}); make or copy it again.") from error


def _from_npz(file: Path) -> Moments:
    try:
        with zipfile.ZipFile(file) as archive:
            size = max(archive.getinfo(f"{key}.npy").file_size for key in ("mu", "sigma"))
        if size > LARGEST:
            raise InputError(f"{file} would unpack to {size:,} bytes, like a decompression bomb; make it again.")
        with np.load(file, allow_pickle=False) as arrays:
            mu, sigma = arrays["mu"], arrays["sigma"]
            about = json.loads(str(arrays["genbench"])) if "genbench" in arrays.files else {}
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise InputError(
            f"{file} cannot be read ({error}); wanted mu [D] and sigma [D, D] as plain numbers, as "
            "np.savez(path, mu=mu, sigma=sigma) writes them."
        ) from error
    if not isinstance(about, dict):
        raise InputError(f"{file} has an entry 'genbench' that genbench did not write; make the file again.")
    return _moments(file, mu, sigma, about)


def _moments(file: Path, mu: Any, sigma: Any, about: Mapping[str, Any]) -> Moments:
    mean, covariance = _numbers(file, "mu", mu, 1), _numbers(file, "sigma", sigma, 2)
    count = about.get("count")
    moments = Moments(
        mean,
        covariance,
        count if isinstance(count, int) else None,
        str(about.get("source") or file),
        str(about.get("extractor", "")),
        str(about.get("identity", "")),
        str(about.get("fingerprint") or content_hash(file.read_bytes())),
    )
    largest = float(np.abs(covariance).max())
    if float(np.abs(covariance - covariance.T).max()) > 1e-6 * largest or float(covariance.diagonal().min()) < 0:
        raise InputError(f"{file}: sigma is not symmetric with variances of 0 or more, so it is no covariance.")
    return moments


def _numbers(file: Path, key: str, found: Any, axes: int) -> Array:
    array = np.asarray(found)
    if array.dtype.kind != "f" or array.ndim != axes or array.size == 0:
        shape = ("[D]", "[D, D]")[axes - 1]
        raise InputError(
            f"{file}: {key} has dtype {array.dtype} and shape {list(array.shape)}; wanted floats of shape {shape}."
        )
    return array.astype(np.float64)


def _from_pickle(file: Path, space: str) -> Moments:
    found = _unpickled(file)
    about: dict[str, Any] = {}
    if isinstance(found, dict) and "mu" not in found:
        found, about = _nested(file, found, space)
    if not isinstance(found, dict) or not {"mu", "sigma"} <= set(found):
        raise InputError(f"{file} holds no mu and sigma; wanted statistics as EDM writes them, or an .npz.")
    return _moments(file, found["mu"], found["sigma"], about)


def _nested(file: Path, found: dict[Any, Any], space: str) -> tuple[Any, dict[str, Any]]:
    spaces = [name for name, value in found.items() if isinstance(value, dict) and "mu" in value]
    chosen = space if space in spaces or len(spaces) != 1 else spaces[0]
    if chosen not in spaces:
        known = ", ".join(map(str, spaces)) or "nothing of that kind"
        raise InputError(f"{file} has no statistics called {space!r}; it holds {known}.")
    return found[chosen], {"extractor": SPACES.get(chosen, "")}


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
