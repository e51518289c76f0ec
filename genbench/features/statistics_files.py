"""Reference statistics in files: what pytorch-fid, ADM and EDM write, and our own; in and out, nothing executed."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genbench.arrays import Array
from genbench.errors import InputError
from genbench.features.features import Features, Moments, read_features
from genbench.features.safe_pickle import _unpickled
from genbench.files.atomic_write import atomic_write
from genbench.files.fingerprints import content_hash

LARGEST = 1 << 33
"""Bytes of an unpacked covariance beyond which a file is refused: 32,768 dimensions in float64."""

SPACES = {"fid": "inception", "fd_dinov2": "dinov2-vit-l-14"}
"""The names of EDM2's statistics and the extractors that made them."""


def read_reference(path: str | os.PathLike[str], *, name: str = "fid") -> Moments | Features | None:
    """Return the statistics or features in a file, or None where it is none of these and should be opened as samples.

    ``.npz`` with ``mu`` and ``sigma`` (pytorch-fid, clean-fid, ADM, ``write_statistics``), EDM's ``.pkl`` (read without
    executing it; ``name`` chooses among several), ``.safetensors`` of ``Features.save``. Raises InputError for a file
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
    return _from_pickle(file, name)


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
    with atomic_write(Path(path).expanduser()) as temporary, temporary.open("wb") as file:
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


def _from_pickle(file: Path, name: str) -> Moments:
    found = _unpickled(file)
    about: dict[str, Any] = {}
    if isinstance(found, dict) and "mu" not in found:
        found, about = _nested(file, found, name)
    if not isinstance(found, dict) or not {"mu", "sigma"} <= set(found):
        raise InputError(f"{file} holds no mu and sigma; wanted statistics as EDM writes them, or an .npz.")
    return _moments(file, found["mu"], found["sigma"], about)


def _nested(file: Path, found: dict[Any, Any], name: str) -> tuple[Any, dict[str, Any]]:
    spaces = [name for name, value in found.items() if isinstance(value, dict) and "mu" in value]
    chosen = name if name in spaces or len(spaces) != 1 else spaces[0]
    if chosen not in spaces:
        known = ", ".join(map(str, spaces)) or "nothing of that kind"
        raise InputError(f"{file} has no statistics called {name!r}; it holds {known}.")
    return found[chosen], {"extractor": SPACES.get(chosen, "")}
