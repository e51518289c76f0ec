"""Damaged images, archives, arrays and ``dataset.json``: each is read, or refused in one sentence."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from genbench.errors import GenbenchError
from genbench.sources.array_files import Npy, Npz
from genbench.sources.folder import Folder
from genbench.sources.frames import Frames
from genbench.sources.hdf5 import hdf5
from genbench.sources.lmdb_database import Lmdb
from genbench.sources.parquet import Parquet
from genbench.sources.tar_archive import Tar
from genbench.sources.zip_archive import Zip
from tests.helpers.mutations import (
    Kind,
    check_kind,
    mutated_json_lines,
    mutated_png,
    mutated_zip,
    mutator,
    saved,
    trials,
)

STACK = np.random.default_rng(0).integers(0, 256, (6, 24, 20, 3), dtype=np.uint8)
IMAGE = Image.fromarray(STACK[0])
PALETTE = IMAGE.quantize(16)
WIDE = Image.fromarray(STACK[0, ..., 0].astype(np.uint16) * 257)
FRAMES: dict[str, Any] = {"save_all": True, "append_images": [Image.new("RGB", (20, 24), "red")]}
EXIF = Image.Exif()
EXIF[0x0112] = 6


def encoded(kind: str, image: Image.Image = IMAGE, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


IMAGES: dict[str, Callable[[], list[bytes]]] = {
    "png": lambda: [
        encoded("PNG", exif=EXIF),
        encoded("PNG", PALETTE, transparency=bytes(16)),
        encoded("PNG", WIDE),
        encoded("PNG", **FRAMES),
    ],
    "jpeg": lambda: [
        encoded("JPEG", exif=EXIF),
        encoded("JPEG", progressive=True),
        encoded("JPEG", Image.new("CMYK", (9, 9))),
    ],
    "tiff": lambda: [
        encoded("TIFF", exif=EXIF),
        encoded("TIFF", compression="tiff_lzw"),
        encoded("TIFF", WIDE),
        encoded("TIFF", **FRAMES),
    ],
    "gif": lambda: [encoded("GIF"), encoded("GIF", **FRAMES)],
    "bmp": lambda: [encoded("BMP"), encoded("BMP", PALETTE)],
    "webp": lambda: [encoded("WEBP"), encoded("WEBP", lossless=True, **FRAMES)] if features.check("webp") else [],
    "avif": lambda: [encoded("AVIF")] if features.check("avif") else [],
    "ppm": lambda: [encoded("PPM"), encoded("PPM", WIDE)],
    "tga": lambda: [encoded("TGA", compression="tga_rle")],
    "jp2": lambda: [encoded("JPEG2000")] if features.check("jpg_2000") else [],
    "qoi": lambda: [encoded("QOI")],
}
"""Makes whole images by the extension of their format."""

LABELS = {"labels": [["a/0.bmp", 3], ["a/1.bmp", 7], ["b/2.bmp", 3]]}


def read_images(path: Path) -> None:
    source = Folder(path.parent)
    source.digest(0, len(source))
    for batch in source.batches(4):
        assert all(image.dtype == np.uint8 and image.shape[0] == 3 for image in batch.data)


def read_classes(path: Path) -> None:
    """Read a folder with images and a damaged ``dataset.json``."""
    for name, _ in LABELS["labels"]:
        image = path.parent / str(name)
        image.parent.mkdir(exist_ok=True)
        if not image.exists():
            image.write_bytes(encoded("BMP"))
    source = Folder(path.parent)
    assert source.labels is None or source.labels.shape == (3,)


def read_archive(kind: Callable[[Path], Any], path: Path) -> None:
    source = kind(path)
    source.digest(0, len(source))
    assert sum(len(batch.index) for batch in source.batches(2)) == len(source)


def zips(_: Path) -> list[bytes]:
    members = {name: encoded("BMP") for name, _ in LABELS["labels"]} | {"dataset.json": json.dumps(LABELS).encode()}
    archives = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, data in members.items():
                archive.writestr(str(name), data)
        archives.append(buffer.getvalue())
    return archives


def tars(mode: Any) -> list[bytes]:
    """Make archives with images, classes and dataset.json, with each kind of headers."""
    members = {f"{name[:-4]}.cls": b"3" for name, _ in LABELS["labels"]} | {"dataset.json": json.dumps(LABELS).encode()}
    members |= {str(name): encoded("BMP") for name, _ in LABELS["labels"]} | {f"{'long' * 40}.bmp": encoded("BMP")}
    archives = []
    for headers in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode, format=headers) as archive:
            for name, data in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        archives.append(buffer.getvalue())
    return archives


def parquets(_: Path) -> list[bytes]:
    """Make files as Hugging Face writes them, and of plain bytes, with each kind of compression."""
    if find_spec("pyarrow") is None:
        return []
    import pyarrow
    from pyarrow import parquet

    features = {"image": {"_type": "Image"}, "label": {"names": ["a", "b"], "_type": "ClassLabel"}}
    files = []
    for compression in ("none", "snappy"):
        pictures: list[Any] = [encoded("BMP", IMAGE.rotate(angle)) for angle in range(4)]
        if compression == "none":
            pictures = [{"bytes": data, "path": "x.bmp"} for data in pictures]
        table = pyarrow.table({"image": pictures, "label": [0, 1, 0, 1]})
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        buffer = io.BytesIO()
        parquet.write_table(table, buffer, row_group_size=2, compression=compression)
        files.append(buffer.getvalue())
    return files


def databases(folder: Path) -> list[bytes]:
    if find_spec("lmdb") is None:
        return []
    import lmdb

    # small values lie beside their keys, large ones on pages of their own
    with (
        lmdb.open(str(folder / "x"), map_size=1 << 20, subdir=False) as database,
        database.begin(write=True) as writing,
    ):
        for number, kind in enumerate(("BMP", "PNG", "GIF")):
            writing.put(f"{number}".encode(), encoded(kind))
            writing.put(f"small/{number}".encode(), encoded(kind, Image.new("RGB", (2, 2))))
    return [(folder / "x").read_bytes()]


def hdf5_files(folder: Path) -> list[bytes]:
    """Make files of each layout, with and without compression."""
    if find_spec("h5py") is None:
        return []
    import h5py

    files = []
    rows = np.empty(2, object)
    rows[:] = [np.frombuffer(encoded(kind), np.uint8) for kind in ("BMP", "PNG")]
    for number, how in enumerate(({}, {"compression": "gzip"}, {"dtype": h5py.vlen_dtype(np.uint8)})):
        with h5py.File(folder / f"{number}.h5", "w") as file:
            file.create_dataset("images", data=rows if "dtype" in how else STACK, **how)
            file["labels"] = np.arange(2 if "dtype" in how else 6)
        files.append((folder / f"{number}.h5").read_bytes())
    with h5py.File(folder / "keys.h5", "w") as file:
        file["a/0"], file["b/1"] = rows
    return [*files, (folder / "keys.h5").read_bytes()]


def read_arrays(kind: type[Npy] | type[Npz], path: Path) -> None:
    # floats need a range, and integers must not have one
    for declared in (None, "0..1"):
        with suppress(*([GenbenchError] if declared is None else [])):
            source = kind(path, range=declared)
            source.digest(0, len(source))
            assert sum(len(batch.index) for batch in source.batches(4)) == len(source)
            return


LETTERS = np.array(list("abcdef"))
ARRAYS = [STACK, STACK.astype(np.float32) / 255, np.asfortranarray(STACK), np.ones((4, 2))]
ARCHIVES: list[tuple[Callable[..., None], tuple[Any, ...], dict[str, Any]]] = [
    (np.savez, (STACK, STACK, np.arange(12)), {}),
    (np.savez, (STACK,), {"labels": np.arange(6.0), "class_names": LETTERS, "other": np.ones(3)}),
    (np.savez_compressed, (STACK, np.eye(6)), {"class_names": LETTERS}),
]

NPY_PIECES = (b"'descr'", b"|O", b"<U3", b"|b1", b"<f2", b">u2", b"<c8", b"<M8[s]", b"|V3", b"[('a','<f4')]", b"(")
NPY_PIECES += (b"9" * 20, b"-", b")", b",", b"0", b"True", b"{", b"}", b"\x00", b"\xff" * 8)
TAR_PIECES = (b"ustar", b"path=", b"size=", b"7" * 11, b"0" * 11, b"\x80" + b"\xff" * 11, b"L", b"x", b"S", b"../")
IMAGE_PIECES = (b"II*\x00", b"MM\x00*", b"\xff\xd8", b"\xff\xda", b"GIF89a", b"\x00" * 8, b"\x89PNG\r\n\x1a\n")

KINDS = [
    *(
        # whatever the format is, the name may be another
        Kind(f"x.{kind}", lambda _, make=make: make(), mutated_png if kind == "png" else mutator(*IMAGE_PIECES),
             read_images)
        for kind, make in IMAGES.items()
    ),
    Kind("dataset.json", lambda _: [json.dumps(LABELS).encode()], mutated_json_lines, read_classes),
    Kind("stack.tif", lambda _: [encoded("TIFF", **FRAMES), encoded("TIFF", compression="tiff_lzw", **FRAMES)],
         mutator(*IMAGE_PIECES), lambda path: read_archive(Frames, path)),
    Kind("several.gif", lambda _: [encoded("GIF", **FRAMES)], mutator(*IMAGE_PIECES),
         lambda path: read_archive(Frames, path)),
    Kind("x.zip", zips, mutated_zip, lambda path: read_archive(Zip, path)),
    Kind("x.tar", lambda _: tars("w"), mutator(*TAR_PIECES), lambda path: read_archive(Tar, path)),
    Kind("x.tar.gz", lambda _: tars("w:gz"), mutator(), lambda path: read_archive(Tar, path)),
    Kind("x.parquet", parquets, mutator(b"PAR1", b"huggingface", b"bytes", b"\x15\x80"),
         lambda path: read_archive(Parquet, path)),
    Kind("x.mdb", databases, mutator(b"\xde\xc0\xef\xbe"), lambda path: read_archive(Lmdb, path)),
    Kind("x.h5", hdf5_files, mutator(b"OHDR", b"TREE", b"SNOD", b"HEAP", b"GCOL"),
         lambda path: read_archive(hdf5, path)),
    Kind("x.npy", lambda _: [saved(np.save, array) for array in ARRAYS], mutator(*NPY_PIECES),
         lambda path: read_arrays(Npy, path)),
    Kind("x.npz", lambda _: [saved(save, *arrays, **named) for save, arrays, named in ARCHIVES],
         lambda data, rng: mutated_zip(data, rng, NPY_PIECES), lambda path: read_arrays(Npz, path)),
]  # fmt: skip


@pytest.mark.parametrize("count", trials(100, 400))
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_damaged_samples_are_read_or_refused_in_one_sentence(
    kind: Kind, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # an unusable cache: every file is new
    monkeypatch.setenv("GENBENCH_CACHE", "/dev/null/no")
    if not kind.originals(tmp_path):
        pytest.skip("a library lacks this format")
    check_kind(kind, count, tmp_path)
