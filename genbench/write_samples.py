"""Write the samples of a Source to disk, completely or not at all: a folder or zip of PNG files, an .npz or an .npy."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from genbench.array_types import Array
from genbench.errors import InputError, UsageError
from genbench.files.atomic_write import atomic_write, atomic_write_folder
from genbench.files.progress_bar import Progress, progress_bar
from genbench.plugs.contract_checks import read_batches
from genbench.plugs.contracts import Source

EXPORT_BATCH = 256
"""Number of samples in memory at a time."""

_Rows = Array | list[Array]
"""uint8 [N, H, W, 3], a list of uint8 [H, W, 3] if sizes differ, or float32 [N, D]."""
_IndexedRows = Iterator[tuple[list[int], _Rows]]
"""Batches of rows with their positions in the source."""
_Writer = Callable[[_IndexedRows, Source, Path], None]


def write_samples(source: Source, out: Path, *, progress: bool | None = None) -> None:
    """Write all samples of a source, in its order, in the format of the file extension of ``out``.

    - No extension: a new or empty folder of ``000000.png``, ``000001.png``, ...
    - ``.zip``: the same files in a zip.
    - ``.npz``: ``arr_0`` uint8 [N, H, W, 3], as ADM writes it, or float32 [N, D] for points.
    - ``.npy``: the same array alone.

    The same samples give the same bytes. An existing file is replaced; an interrupted call leaves no file behind.
    ``progress``: whether to show a progress bar on stderr; None shows it only if stderr is a terminal.
    Raises UsageError for another extension, or if points are to be written as images. Raises InputError if ``out`` is
    not empty or cannot be written, or if images of different sizes are to be written as an array.
    """
    write = _choose_writer(out)
    if not len(source):
        raise InputError(f"{source.name} holds no samples.")
    with progress_bar(len(source), f"{source.name} -> {out}", "sample", show=progress) as bar:
        write(_indexed_rows(source, bar), source, out)


def _choose_writer(out: Path) -> _Writer:
    """Return the writer for ``out``; raise every error that can be detected before the samples are drawn."""
    extension = out.suffix.lower()
    # ".5" in a folder called "run-1.5" is no extension
    if extension not in _FILE_WRITERS and extension[1:].isalpha():
        raise UsageError(
            f"{out}: samples are not written as {extension}; give a folder, or a file that ends in .zip, .npz or .npy."
        )
    # a file replaces an existing file, but not a folder
    if extension in _FILE_WRITERS and out.is_dir():
        raise InputError(f"{out} is a folder; name a file in it, or another file.")
    if extension in _FILE_WRITERS:
        return _FILE_WRITERS[extension]
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder that is new or empty.")
    # hidden files do not count, because a reader of the folder ignores them
    visible = sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) if out.is_dir() else []
    if visible:
        raise InputError(f"{out} is not empty ({visible[0]}, ...); name a folder that is new, or empty it.")
    return _write_folder


def _indexed_rows(source: Source, bar: Progress) -> _IndexedRows:
    for batch in read_batches(source, EXPORT_BATCH):
        data = batch.data
        rows = [_channels_last(image) for image in data] if isinstance(data, list) else _channels_last(data)
        yield batch.index.tolist(), rows
        bar.update(len(batch.index))


def _channels_last(data: Array) -> Array:
    # [..., 3, H, W] -> [..., H, W, 3]; points stay as they are
    return np.moveaxis(data, -3, -1) if data.ndim > 2 else data


def _write_folder(batches: _IndexedRows, source: Source, out: Path) -> None:
    with atomic_write_folder(out) as folder:
        for name, png in _encode_pngs(batches, source):
            (folder / name).write_bytes(png)


def _write_zip(batches: _IndexedRows, source: Source, out: Path) -> None:
    with atomic_write(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, png in _encode_pngs(batches, source):
            archive.writestr(_dated_member(name), png)


def _encode_pngs(batches: _IndexedRows, source: Source) -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    for positions, rows in batches:
        for position, image in zip(positions, rows, strict=True):
            if image.ndim != 3:
                raise UsageError(f"{source.name} gives points, not images; write them to a file .npy or .npz.")
            # the position in the source is the file name, so skipped samples leave gaps
            encoded = io.BytesIO()
            Image.fromarray(image).save(encoded, "png")
            yield f"{position:06d}.png", encoded.getvalue()


def _write_npz(batches: _IndexedRows, source: Source, out: Path) -> None:
    with (
        atomic_write(out) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
        # force_zip64, because the size is not known in advance and may exceed 4 GiB
        archive.open(_dated_member("arr_0.npy"), "w", force_zip64=True) as file,
    ):
        _write_array(batches, source, file)


def _write_npy(batches: _IndexedRows, source: Source, out: Path) -> None:
    with atomic_write(out) as temporary, temporary.open("wb") as file:
        _write_array(batches, source, file)


def _write_array(batches: _IndexedRows, source: Source, file: IO[bytes]) -> None:
    """Write an array batch by batch, so that it need not fit into memory."""
    shape: tuple[int, ...] = ()
    written = 0
    for positions, rows in batches:
        # the header declares the shape of the whole array in advance
        shape = shape or (len(source), *rows[0].shape)
        if written == 0:
            header = {"descr": np.lib.format.dtype_to_descr(rows[0].dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
        # batches of different sizes come as lists
        if any(row.shape != shape[1:] for row in rows):
            raise InputError(
                f"{source.name} has images of different sizes, which no array can hold; write a folder or .zip."
            )
        file.write(np.ascontiguousarray(rows).tobytes())
        written += len(positions)
    # corrupt samples that were skipped are missing
    if written < len(source):
        raise InputError(f"{source.name} gave {written:,} of {len(source):,} samples; write a folder or .zip.")


# all other names are folders
_FILE_WRITERS: dict[str, _Writer] = {".zip": _write_zip, ".npz": _write_npz, ".npy": _write_npy}


def _dated_member(name: str) -> zipfile.ZipInfo:
    """Return a zip member of a fixed date (1980), so that the same samples give the same file."""
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o644 << 16
    return member
