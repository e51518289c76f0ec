"""Read and write files of reference statistics: those of pytorch-fid, ADM, EDM and genbench. No code in them is run."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genbench.array_types import Array
from genbench.errors import InputError
from genbench.features.features import Features, Moments, read_features
from genbench.features.safe_pickle import unpickle_arrays
from genbench.files.atomic_write import atomic_write
from genbench.files.fingerprints import content_hash

NEGATIVE_SHARE = 1e-5
"""Eigenvalues of sigma down to minus this share of its largest entry count as rounding errors of float32."""

LARGEST_COVARIANCE = 1 << 33
"""Maximum bytes of an unpacked covariance (32,768 dimensions in float64); a larger one is refused."""

EXTRACTORS_OF_EDM2 = {"fid": "inception", "fd_dinov2": "dinov2-vit-l-14"}
"""The names of the statistics in a file of EDM2, and the extractors that they were made with."""


def read_reference(path: str | os.PathLike[str], *, name: str = "fid") -> Moments | Features | None:
    """Return the statistics or features in a file, or None if the file holds neither, so that it may hold samples.

    The function reads ``.npz`` files with ``mu`` and ``sigma`` (pytorch-fid, clean-fid, ADM, ``write_statistics``),
    EDM's ``.pkl`` files (``name`` chooses among several statistics), and ``.safetensors`` files of ``Features.save``.
    Raises InputError if such a file is missing, damaged or unsafe, or holds no valid mean and covariance.
    """
    # the extension decides the format
    file = Path(path).expanduser()
    kind = file.suffix.lower()
    if kind not in (".npz", ".pkl", ".pickle", ".safetensors"):
        return None
    if not file.is_file():
        raise InputError(f"{file}: no such file; check the path.")
    if kind == ".safetensors":
        return read_features(file)
    if kind == ".npz":
        return _from_npz(file) if {"mu", "sigma"} <= _entry_names(file) else None
    return _from_pickle(file, name)


def has_images(path: str | os.PathLike[str]) -> bool:
    """Return whether a statistics file also holds the samples (``arr_0``), as ADM's reference batches do."""
    file = Path(path).expanduser()
    return file.suffix.lower() == ".npz" and file.is_file() and "arr_0" in _entry_names(file)


def write_statistics(moments: Moments, path: str | os.PathLike[str]) -> None:
    """Write ``mu`` and ``sigma`` (float64) as an .npz that pytorch-fid can read, together with their provenance.

    ``read_reference`` restores name, count, extractor, identity and fingerprint from the entry ``genbench``. The same
    moments give the same bytes. Raises InputError if the file cannot be written.
    """
    # provenance, as JSON text in a scalar array
    metadata = {
        "source": moments.name,
        "count": moments.count,
        "extractor": moments.extractor,
        "identity": moments.identity,
        "fingerprint": moments.fingerprint,
    }
    # given a path, np.savez would append .npz to it; given an open file, it does not
    with atomic_write(Path(path).expanduser()) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            mu=np.asarray(moments.mean, np.float64),
            sigma=np.asarray(moments.covariance, np.float64),
            genbench=np.array(json.dumps(metadata)),
        )


def _entry_names(file: Path) -> set[str]:
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
            # check the size before anything is unpacked
            size = max(archive.getinfo(f"{key}.npy").file_size for key in ("mu", "sigma"))
        if size > LARGEST_COVARIANCE:
            raise InputError(f"{file} would unpack to {size:,} bytes, like a decompression bomb; make it again.")
        # an entry of pickled objects raises ValueError
        with np.load(file, allow_pickle=False) as arrays:
            mu, sigma = arrays["mu"], arrays["sigma"]
            metadata = json.loads(str(arrays["genbench"])) if "genbench" in arrays.files else {}
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise InputError(
            f"{file} cannot be read ({error}); expected mu [D] and sigma [D, D] as plain numbers, as "
            "np.savez(path, mu=mu, sigma=sigma) writes them."
        ) from error
    if not isinstance(metadata, dict):
        raise InputError(f"{file} has an entry 'genbench' that genbench did not write; make the file again.")
    return _checked_moments(file, mu, sigma, metadata)


def _checked_moments(file: Path, mu: Any, sigma: Any, metadata: Mapping[str, Any]) -> Moments:
    # float64 mean [D] and covariance [D, D]
    mean, covariance = _float_array(file, "mu", mu, 1), _float_array(file, "sigma", sigma, 2)
    count = metadata.get("count")
    # metadata that are missing or of the wrong type become unknown
    moments = Moments(
        mean,
        covariance,
        count if isinstance(count, int) else None,
        str(metadata.get("source") or file),
        str(metadata.get("extractor", "")),
        str(metadata.get("identity", "")),
        str(metadata.get("fingerprint") or content_hash(file.read_bytes())),
    )
    # other tools leave rounding errors in sigma, so symmetry is checked with a tolerance
    largest = float(np.abs(covariance).max())
    if float(np.abs(covariance - covariance.T).max()) > 1e-6 * largest or float(covariance.diagonal().min()) < 0:
        raise InputError(
            f"{file}: sigma is not symmetric with variances of 0 or more, so it is no covariance; make the file again."
        )
    # rounding leaves eigenvalues slightly below 0; if they are not lower, the shifted matrix has a Cholesky factor
    shifted = covariance + NEGATIVE_SHARE * largest * np.eye(len(covariance))
    try:
        np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError as error:
        if largest > 0:
            raise InputError(
                f"{file}: sigma has clearly negative eigenvalues, so it is no covariance; make the file again."
            ) from error
    return moments


def _float_array(file: Path, key: str, value: Any, axes: int) -> Array:
    array = np.asarray(value)
    if array.dtype.kind != "f" or array.ndim != axes or array.size == 0:
        shape = ("[D]", "[D, D]")[axes - 1]
        raise InputError(
            f"{file}: {key} has dtype {array.dtype} and shape {list(array.shape)}; expected floats of shape {shape}."
        )
    return array.astype(np.float64)


def _from_pickle(file: Path, name: str) -> Moments:
    statistics = unpickle_arrays(file)
    metadata: dict[str, Any] = {}
    # EDM writes mu and sigma at the top level; EDM2 writes one dict of them for each extractor
    if isinstance(statistics, dict) and "mu" not in statistics:
        statistics, metadata = _choose_statistics(file, statistics, name)
    if not isinstance(statistics, dict) or not {"mu", "sigma"} <= set(statistics):
        raise InputError(f"{file} holds no mu and sigma; expected statistics as EDM writes them, or an .npz.")
    return _checked_moments(file, statistics["mu"], statistics["sigma"], metadata)


def _choose_statistics(file: Path, contents: dict[Any, Any], name: str) -> tuple[Any, dict[str, Any]]:
    names = [key for key, value in contents.items() if isinstance(value, dict) and "mu" in value]
    # a file with only one entry leaves no choice
    chosen = name if name in names or len(names) != 1 else names[0]
    if chosen not in names:
        known = ", ".join(map(str, names)) or "no statistics"
        raise InputError(f"{file} has no statistics called {name!r}; it holds {known}.")
    return contents[chosen], {"extractor": EXTRACTORS_OF_EDM2.get(chosen, "")}
