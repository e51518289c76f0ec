"""Read and write files of reference statistics: those of pytorch-fid, ADM, EDM and genbench. No code in them is run."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genbench.array_types import Array
from genbench.errors import InputError, described
from genbench.features.features import Features, Moments, read_features
from genbench.features.file_record import FileRecord
from genbench.features.moments import require_matching
from genbench.features.npz_entries import Header, npz_array, npz_header, npz_text
from genbench.features.safe_pickle import array_of, unpickle_arrays
from genbench.files.array_headers import header_fault
from genbench.files.atomic_write import atomic_write
from genbench.files.fingerprints import cached_file_hash

NEGATIVE_SHARE = 1e-5
"""Eigenvalues of sigma down to minus this share of its largest entry count as rounding errors of float32."""

STATISTICS_EXTENSIONS = (".npz", ".pkl", ".pickle", ".safetensors")
"""Extensions of files that may hold statistics or features, in lower case."""

VIEW_SUFFIXES = {"embedding": "", "spatial": "_s"}
"""The views whose moments an .npz may hold, and what follows mu and sigma in their names."""

EXTRACTORS_OF_EDM2 = {"fid": "inception", "fd_dinov2": "dinov2-vit-l-14"}
"""The names of the statistics in a file of EDM2, and the extractors that they were made with."""


def read_reference(
    path: str | os.PathLike[str], *, name: str = "fid", dimension: int | None = None, kind: str = ""
) -> Moments | Features | None:
    """Return the statistics or features in a file, or None if the file holds neither, so that it may hold samples.

    The function reads ``.npz`` files with ``mu`` and ``sigma`` (pytorch-fid, clean-fid, ADM, ``write_statistics``). In
    them, ``mu_s`` and ``sigma_s`` are the moments of the view ``spatial``, if they are there. It also reads EDM's
    ``.pkl`` files (``name`` chooses among several statistics), and ``.safetensors`` files of ``Features.save``.
    ``dimension`` is the length of the embedding that they will be compared with, if it is known. ``kind``
    replaces the extension of a file that has another one. Raises InputError if such a file is missing, damaged or
    unsafe, holds no valid mean and covariance, or has another dimension; shapes are compared before the arrays are
    read.
    """
    # the extension decides the format
    file = Path(path).expanduser()
    kind = (kind or file.suffix).lower()
    if kind not in STATISTICS_EXTENSIONS:
        return None
    if not file.is_file():
        raise InputError(f"{file}: no such file; check the path.")
    if kind == ".safetensors":
        return read_features(file)
    if kind == ".npz":
        return _from_npz(file, dimension) if {"mu", "sigma"} <= _entry_names(file) else None
    return _from_pickle(file, name, dimension)


def has_images(path: str | os.PathLike[str]) -> bool:
    """Return whether a statistics file also holds the samples (``arr_0``), as ADM's reference batches do."""
    file = Path(path).expanduser()
    return file.suffix.lower() == ".npz" and file.is_file() and "arr_0" in _entry_names(file)


def write_statistics(moments: Moments, path: str | os.PathLike[str]) -> None:
    """Write ``mu`` and ``sigma`` (float64) as an .npz that pytorch-fid can read, together with their provenance.

    Moments of the view ``spatial`` among ``moments.others`` become ``mu_s`` and ``sigma_s``, as in ADM's files.
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
    # mu and sigma, and those of further views with a suffix
    written = {suffix: moments.of_view(view) for view, suffix in VIEW_SUFFIXES.items()}
    arrays: dict[str, Array] = {
        name + suffix: np.asarray(values, np.float64)
        for suffix, own in written.items()
        if own is not None
        for name, values in (("mu", own.mean), ("sigma", own.covariance))
    }
    arrays["genbench"] = np.array(json.dumps(metadata))
    # given a path, np.savez would append .npz to it; given an open file, it does not
    with atomic_write(Path(path).expanduser()) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _entry_names(file: Path) -> set[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except PermissionError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); check its permissions.") from error
    except Exception as error:  # damaged or hostile bytes can raise any exception
        raise InputError(
            f"{file} cannot be read as an .npz ({described(error)[:200]}); make or copy it again."
        ) from error


def _from_npz(file: Path, dimension: int | None) -> Moments:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            record = FileRecord(json.loads(npz_text(archive, "genbench")) if "genbench.npy" in names else {})
            # the views that both mu and sigma are there of
            views = {view: (f"mu{end}", f"sigma{end}") for view, end in VIEW_SUFFIXES.items()}
            views = {view: keys for view, keys in views.items() if {f"{key}.npy" for key in keys} <= set(names)}
            # compare shapes and dtypes before anything is unpacked
            for view, keys in views.items():
                headers = {key: npz_header(archive, key) for key in keys}
                _require_shapes(file, headers, dimension if view == "embedding" else None)
            # one after the other, because each needs a copy of its sigma
            moments = {
                view: _checked_moments(file, {key: npz_array(archive, key) for key in keys}, record, view)
                for view, keys in views.items()
            }
            return replace(moments.pop("embedding"), others=moments)
    except InputError:
        raise
    except Exception as error:  # damaged or hostile bytes can raise any exception
        raise InputError(
            f"{file} cannot be read ({header_fault(error)[:200]}); expected mu [D] and sigma [D, D] as plain numbers, "
            "as np.savez(path, mu=mu, sigma=sigma) writes them."
        ) from error


def _require_shapes(file: Path, headers: Mapping[str, Header], dimension: int | None) -> None:
    """Raise InputError unless mu is float [D] and sigma is float [D, D], with D = ``dimension`` if that is known.

    ``headers`` are those of the two, by their names in the file.
    """
    for (key, (dtype, shape)), expected in zip(headers.items(), ("[D]", "[D, D]"), strict=True):
        if dtype.kind != "f" or len(shape) != expected.count("D") or 0 in shape:
            raise InputError(
                f"{file}: {key} has dtype {dtype} and shape {list(shape)}; expected floats of shape {expected}."
            )
    (_, mean), (_, covariance) = headers.values()
    size = mean[0]
    require_matching(str(file), mean, covariance)
    if dimension not in (None, size):
        raise InputError(
            f"{file} holds statistics of {size:,} dimensions, but the features of the samples have {dimension:,}; "
            "choose the extractor that the file was made with."
        )


def _checked_moments(file: Path, arrays: Mapping[str, Array], record: FileRecord, view: str = "embedding") -> Moments:
    """Return the moments of a view; ``arrays`` are mu and sigma, by their names in the file."""
    # arrays of a pickle are views of its bytes, which cannot be written
    mean, covariance = (np.require(array, np.float64, "W") for array in arrays.values())
    sigma = list(arrays)[1]
    moments = Moments(
        mean,
        covariance,
        record.optional_count("count"),
        record.text("source") or str(file),
        record.text("extractor"),
        record.text("identity"),
        record.text("fingerprint") or cached_file_hash(file),
        view,
    )
    # other tools leave rounding errors in sigma, so symmetry is checked with a tolerance; by parts, to need less memory
    largest = max(float(covariance.max()), -float(covariance.min()))
    parts = [slice(first, first + 512) for first in range(0, len(covariance), 512)]
    asymmetry = max(float(np.abs(covariance[part] - covariance[:, part].T).max()) for part in parts)
    if asymmetry > 1e-6 * largest or float(covariance.diagonal().min()) < 0:
        raise InputError(
            f"{file}: {sigma} is not symmetric with variances of 0 or more, so it is no covariance; make the file "
            "again."
        )
    # rounding leaves eigenvalues slightly below 0; if they are not lower, the shifted matrix has a Cholesky factor
    shifted = covariance.copy()
    np.fill_diagonal(shifted, shifted.diagonal() + NEGATIVE_SHARE * largest)
    try:
        np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError as error:
        if largest > 0:
            raise InputError(
                f"{file}: {sigma} has clearly negative eigenvalues, so it is no covariance; make the file again."
            ) from error
    return moments


def _from_pickle(file: Path, name: str, dimension: int | None) -> Moments:
    statistics = unpickle_arrays(file)
    record: dict[str, str] = {}
    # EDM writes mu and sigma at the top level; EDM2 writes one dict of them for each extractor
    if isinstance(statistics, dict) and "mu" not in statistics:
        statistics, record = _choose_statistics(file, statistics, name)
    if not isinstance(statistics, dict) or not {"mu", "sigma"} <= set(statistics):
        raise InputError(f"{file} holds no mu and sigma; expected statistics as EDM writes them, or an .npz.")
    # both may be arrays or lists of numbers
    try:
        mu, sigma = (array_of(statistics[key], file.stat().st_size) for key in ("mu", "sigma"))
    except (ValueError, OverflowError) as error:
        raise InputError(f"{file}: mu and sigma are not arrays of numbers ({error}); make the file again.") from error
    _require_shapes(file, {"mu": (mu.dtype, mu.shape), "sigma": (sigma.dtype, sigma.shape)}, dimension)
    return _checked_moments(file, {"mu": mu, "sigma": sigma}, FileRecord(record))


def _choose_statistics(file: Path, contents: dict[Any, Any], name: str) -> tuple[Any, dict[str, str]]:
    names = [key for key, value in contents.items() if isinstance(value, dict) and "mu" in value]
    # a file with only one entry leaves no choice
    chosen = name if name in names or len(names) != 1 else names[0]
    if chosen not in names:
        known = ", ".join(map(str, names))[:200] or "no statistics"
        raise InputError(f"{file} has no statistics called {name!r}; it holds {known}.")
    return contents[chosen], {"extractor": EXTRACTORS_OF_EDM2.get(chosen, "")}
