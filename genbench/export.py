"""Samples of a Source written to disk, whole or not at all: a folder or zip of PNG files, an .npz as ADM's, an .npy."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from genbench.arrays import Array
from genbench.errors import InputError, UsageError
from genbench.files.atomic_write import atomic_write, atomic_write_folder
from genbench.files.progress import progress_bar
from genbench.plugs.contracts import Source

if TYPE_CHECKING:
    import torch
    from tqdm import tqdm

    Rows = Array | list[Array]

AT_ONCE = 256
"""Samples held in memory at a time."""


def write_samples(source: Source, out: Path, *, progress: bool | None = None) -> None:
    """Write all samples of a source, in its order, to what the ending of ``out`` says.

    No ending: a new or empty folder of ``000000.png``, ``000001.png``, ... ``.zip``: the same files in a zip.
    ``.npz``: ``arr_0`` uint8 [N, H, W, 3], as ADM writes it; float32 [N, D] for points. ``.npy``: the same array alone.
    The same samples give the same bytes. A file that is there is replaced; what is interrupted leaves nothing.
    ``progress``: show a bar on stderr; None shows it where stderr is a terminal. Raises UsageError for another ending
    and for points that are to become images, InputError where ``out`` holds something or cannot be written, or where
    an array is asked for and the images are of unlike sizes.
    """
    write = _writer(out)
    if not len(source):
        raise InputError(f"{source.name} holds no samples.")
    with progress_bar(len(source), f"{source.name} -> {out}", "sample", show=progress) as bar:
        write(_numbered(source, bar), source, out)


_Write = Callable[["Iterator[tuple[list[int], Rows]]", Source, Path], None]


def _writer(out: Path) -> _Write:
    """Return what writes that kind of file. Raises what can be said before the samples are drawn."""
    ending = out.suffix.lower()
    if ending not in _WRITERS and ending[1:].isalpha():
        raise UsageError(f"{out}: samples are not written as {ending}; give a folder, or a file .zip, .npz or .npy.")
    if ending in _WRITERS and out.is_dir():
        raise InputError(f"{out} is a folder; name a file in it, or another one.")
    if ending in _WRITERS:
        return _WRITERS[ending]
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder that is new or empty.")
    if out.is_dir() and _visible(out):
        raise InputError(f"{out} is not empty ({_visible(out)[0]}, ...); name a folder that is new, or empty it.")
    return _write_folder


def _visible(folder: Path) -> list[str]:
    """Return what a reader of the folder would see, which leaves hidden files out."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def _numbered(source: Source, bar: tqdm[Any]) -> Iterator[tuple[list[int], Rows]]:
    """Yield the places of some rows and the rows: uint8 [N, H, W, 3], a list where sizes differ, float32 [N, D]."""
    for batch in source.batches(AT_ONCE):
        data = batch.data
        yield batch.index.tolist(), [_rows(one) for one in data] if isinstance(data, list) else _rows(data)
        bar.update(len(batch.index))


def _rows(data: torch.Tensor) -> Array:
    """Return images as [..., H, W, 3] and points as they are."""
    return (data.movedim(-3, -1) if data.ndim > 2 else data).numpy()


def _write_folder(samples: Iterator[tuple[list[int], Rows]], source: Source, out: Path) -> None:
    with atomic_write_folder(out) as folder:
        for name, png in _pngs(samples, source):
            (folder / name).write_bytes(png)


def _write_zip(samples: Iterator[tuple[list[int], Rows]], source: Source, out: Path) -> None:
    with atomic_write(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, png in _pngs(samples, source):
            archive.writestr(_member(name), png)


def _pngs(samples: Iterator[tuple[list[int], Rows]], source: Source) -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    for places, rows in samples:
        for place, pixels in zip(places, rows, strict=True):
            if pixels.ndim != 3:
                raise UsageError(f"{source.name} gives points, not images; write them to a file .npy or .npz.")
            encoded = io.BytesIO()
            Image.fromarray(pixels).save(encoded, "png")
            yield f"{place:06d}.png", encoded.getvalue()


def _write_npz(samples: Iterator[tuple[list[int], Rows]], source: Source, out: Path) -> None:
    with (
        atomic_write(out) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
        archive.open(_member("arr_0.npy"), "w", force_zip64=True) as file,
    ):
        _write_array(samples, source, file)


def _write_npy(samples: Iterator[tuple[list[int], Rows]], source: Source, out: Path) -> None:
    with atomic_write(out) as temporary, temporary.open("wb") as file:
        _write_array(samples, source, file)


def _write_array(samples: Iterator[tuple[list[int], Rows]], source: Source, file: IO[bytes]) -> None:
    """Write an array row by row: it need not fit into memory."""
    import numpy as np

    shape: tuple[int, ...] = ()
    written = 0
    for places, rows in samples:
        shape = shape or (len(source), *rows[0].shape)
        if written == 0:
            about = {"descr": np.lib.format.dtype_to_descr(rows[0].dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, about)
        if any(row.shape != shape[1:] for row in rows):
            raise InputError(f"{source.name} has images of unlike sizes, which no array holds; write a folder or .zip.")
        file.write(np.ascontiguousarray(rows).tobytes())
        written += len(places)
    if written < len(source):  # the header has promised them all
        raise InputError(f"{source.name} gave {written:,} of {len(source):,} samples; write a folder or .zip.")


_WRITERS: dict[str, _Write] = {".zip": _write_zip, ".npz": _write_npz, ".npy": _write_npy}


def _member(name: str) -> zipfile.ZipInfo:
    """Return a member of a fixed date (1980), so that the same samples give the same file."""
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o644 << 16
    return member
