"""Damaged files of every kind: each is read, or refused in one sentence, without a hang and in little memory."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image, features
from torch import nn

from baselines.vae import VAE
from genbench.checks.inspection import inspect_samples
from genbench.extraction.feature_store import Block, Store
from genbench.extractors.classifier import Classifier
from genbench.extractors.state_dicts import read_state_dict
from genbench.features.features import Features, Moments
from genbench.features.statistics_files import has_images, read_reference, write_statistics
from genbench.plugs.opening import load_weights
from genbench.plugs.torch_archives import described_torch_file
from genbench.plugs.torch_modules import read_torchscript
from genbench.samplers.onnx import OnnxSampler
from genbench.sources.folder import Folder
from genbench.sources.memory import ArraySource
from genbench.sources.zip_archive import Zip
from tests.helpers.mutations import (
    Mutate,
    check_mutations,
    mutated_bytes,
    mutated_json_lines,
    mutated_png,
    mutated_safetensors,
    mutated_zip,
    mutator,
    trials,
)

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 20, 3), dtype=np.uint8)
ROWS = RNG.standard_normal((12, 3))
MOMENTS = Moments(ROWS.mean(axis=0), np.cov(ROWS, rowvar=False), 12, "mine", "inception", "inception 1", "c0ffee")
LABELS = {"labels": [["a/0.png", 3], ["a/1.png", 7], ["b/2.png", 3]]}


def encoded(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (image or Image.fromarray(PIXELS)).save(buffer, kind, **options)
    return buffer.getvalue()


PALETTE = Image.fromarray(PIXELS).quantize(16)
WIDE = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)
FRAMES: dict[str, Any] = {"save_all": True, "append_images": [Image.new("RGB", (20, 24), "red")]}
EXIF = Image.Exif()
EXIF[0x0112] = 6
IMAGES: dict[str, list[bytes]] = {
    "png": [
        encoded("PNG", exif=EXIF),
        encoded("PNG", PALETTE, transparency=bytes(16)),
        encoded("PNG", WIDE),
        encoded("PNG", **FRAMES),
    ],
    "jpeg": [encoded("JPEG", exif=EXIF), encoded("JPEG", progressive=True), encoded("JPEG", Image.new("CMYK", (9, 9)))],
    "tiff": [
        encoded("TIFF", exif=EXIF),
        encoded("TIFF", compression="tiff_lzw"),
        encoded("TIFF", WIDE),
        encoded("TIFF", **FRAMES),
    ],
    "gif": [encoded("GIF"), encoded("GIF", **FRAMES)],
    "bmp": [encoded("BMP"), encoded("BMP", PALETTE)],
    "other": [encoded("PPM"), encoded("TGA", compression="tga_rle"), encoded("JPEG2000"), encoded("QOI")],
}
IMAGES |= {"webp": [encoded("WEBP"), encoded("WEBP", lossless=True, **FRAMES)]} if features.check("webp") else {}
IMAGES |= {"avif": [encoded("AVIF")]} if features.check("avif") else {}


def zipped(method: int, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def in_file(write: Callable[[Path], object], name: str = "x") -> Callable[[Path], bytes]:
    """Return a function that writes a file in a folder and returns its bytes."""

    def written(folder: Path) -> bytes:
        write(folder / name)
        return (folder / name).read_bytes()

    return written


class Case(NamedTuple):
    """A kind of files."""

    name: str
    originals: Callable[[Path], list[bytes]]
    """Makes whole files in a folder, and returns their bytes."""
    mutate: Mutate
    read: Callable[[Path], object]


def read_images(path: Path) -> None:
    source = Folder(path.parent)
    source.digest(0, len(source))
    for batch in source.batches(4):
        assert all(image.dtype == torch.uint8 and image.shape[0] == 3 for image in batch.data)


def read_zip(path: Path) -> None:
    source = Zip(path)
    source.digest(0, len(source))
    assert sum(len(batch.index) for batch in source.batches(2)) == len(source)


def read_statistics(path: Path) -> None:
    has_images(path)
    statistics = read_reference(path)
    if isinstance(statistics, Moments):
        assert np.linalg.eigvalsh(statistics.covariance).min() > -1e-3 * abs(statistics.covariance).max()
    elif isinstance(statistics, Features) and "embedding" in statistics.views and len(statistics) > 1:
        statistics.moments()


def read_block(path: Path) -> None:
    store = Store(path.parents[3])
    found = store.find("net", "c0ffee")
    # a damaged block counts as missing
    if found is not None:
        assert np.array_equal(found.views["embedding"], ROWS)
        assert found.left_out == {"hidden files": 2}


def class_folder(path: Path) -> None:
    """Read a folder with images and a damaged ``dataset.json``."""
    for name, _ in LABELS["labels"]:
        image = path.parent / str(name)
        image.parent.mkdir(exist_ok=True)
        image.write_bytes(IMAGES["bmp"][0])
    source = Folder(path.parent)
    assert source.labels is None or source.labels.shape == (3,)


def block_file(folder: Path) -> list[bytes]:
    block = Block({"embedding": ROWS}, np.arange(12), np.arange(12), (0, 255), {"hidden files": 2})
    Store(folder / "store").put("net", "c0ffee", block, extractor="net")
    (path,) = (folder / "store").rglob("*.safetensors")
    return [path.read_bytes()]


def features_files(folder: Path) -> list[bytes]:
    from safetensors.numpy import save_file

    made = Features([{"embedding": ROWS, "mode": np.arange(12) % 3}], "mine", "net", "net 1", modes=3,
                    label=np.arange(12) % 2, class_names=("a", "b"), levels=(0, 255))  # fmt: skip
    record = json.dumps({"name": "mine", "extractor": "net", "identity": "net 1", "modes": 3, "columns": {}})
    save_file({"embedding": ROWS, "mode": np.arange(12) % 3}, folder / "old", {"genbench.features": record})
    return [in_file(made.save)(folder), (folder / "old").read_bytes(), (folder / "old").read_bytes()]


def pickles(folder: Path) -> list[bytes]:
    moments = {"mu": MOMENTS.mean, "sigma": MOMENTS.covariance}
    contents: list[Any] = [moments, {"fid": moments, "detector": "x"}, {"mu": [1.0, 2.0], "sigma": [[1.0, 0], [0, 1]]}]
    return [pickle.dumps(each, protocol) for each in contents for protocol in (0, 2, 4)]


def statistics_files(folder: Path) -> list[bytes]:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, mu=MOMENTS.mean.astype("f4"), sigma=MOMENTS.covariance.astype("f4"))
    return [in_file(lambda path: write_statistics(MOMENTS, path))(folder), buffer.getvalue()]


def state_dicts(folder: Path) -> list[bytes]:
    state = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).state_dict()
    old = in_file(lambda path: torch.save(state, path, _use_new_zipfile_serialization=False))(folder)
    return [in_file(lambda path: torch.save(state, path))(folder), old]


def programs(folder: Path) -> list[bytes]:
    network = torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    return [in_file(network.save)(folder)]


def read_weights(path: Path) -> None:
    described_torch_file(path)
    read_state_dict(path, "net")


def read_program(path: Path) -> None:
    described_torch_file(path)
    read_torchscript(path, "cpu")


def checkpoint(folder: Path) -> list[bytes]:
    torch.manual_seed(0)
    model = VAE(latent=2)
    model.fit(ArraySource(ROWS[:, :2].astype(np.float32)), seed=0, steps=1)
    return [in_file(model.save)(folder)]


def onnx_files(folder: Path) -> list[bytes]:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    z, x = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", size]) for name, size in (("z", 2), ("x", 3)))
    weight = onnx.numpy_helper.from_array(ROWS[:2].astype(np.float32), "w")
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["z", "w"], ["x"])], "g", [z], [x], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    return [model.SerializeToString()]


NPY_PIECES = (b"'descr'", b"|O", b"<U3", b"[('a','<f4')]", b"9" * 20, b"-", b"(", b"True")
PICKLE_PIECES = (b"\x8a\x04\xff\xff\xff\x7f", b"r\xff\xff\xff\x7f", b"cos\nsystem\n", b"(", b"h\x00", b"\x85", b"2", b"R")
CODE_PIECES = (b"torch.save(x, y)", b"def forward", b"annotate(", b"CONSTANTS.c99", b"Tensor", b"(", b"\x80\x02")
CASES = [
    *(
        Case(f"x.{kind}" if kind != "other" else "x.png", lambda _, kind=kind: IMAGES[kind],
             mutated_png if kind == "png" else mutator(b"II*\x00", b"MM\x00*", b"\xff\xd8", b"GIF89a", b"\x00" * 8),
             read_images)
        for kind in IMAGES
    ),
    Case("x.zip", lambda _: [
        zipped(method, **{name: IMAGES["png"][0] for name, _ in LABELS["labels"]}, **{"dataset.json": json.dumps(LABELS).encode()})
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)], mutated_zip, read_zip),
    Case("dataset.json", lambda _: [json.dumps(LABELS).encode()], mutated_json_lines, class_folder),
    Case("x.npz", statistics_files, lambda data, rng: mutated_zip(data, rng, NPY_PIECES), read_statistics),
    Case("x.pkl", pickles, mutator(*PICKLE_PIECES), read_statistics),
    Case("x.safetensors", features_files, mutated_safetensors, read_statistics),
    Case("x.pth", state_dicts, lambda data, rng: mutated_zip(data, rng, PICKLE_PIECES) if data[:2] == b"PK" else mutated_bytes(data, rng, PICKLE_PIECES), read_weights),
    Case("x.vae", checkpoint, mutated_safetensors, lambda path: load_weights(VAE(latent=2), path, "vae")),
    Case(str(Store(Path())._block_path("net", "c0ffee")), block_file, mutated_safetensors, read_block),
    Case("x.onnx", onnx_files, mutator(b"MatMul", b"Loop", b"\x08\xff\xff\xff\xff\x0f", b"external"), OnnxSampler),
    Case("x.pt", programs, lambda data, rng: mutated_zip(data, rng, CODE_PIECES), read_program),
]  # fmt: skip


@pytest.mark.parametrize("count", trials(40, 1000))
@pytest.mark.parametrize("case", CASES, ids=lambda case: Path(case.name).name)
def test_a_damaged_file_is_read_or_refused_in_one_sentence(
    case: Case, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # an unusable cache: every file is new
    monkeypatch.setenv("GENBENCH_CACHE", "/dev/null/no")
    (tmp_path / "made").mkdir()
    path = tmp_path / "read" / case.name
    path.parent.mkdir(parents=True)
    accepted = check_mutations(case.read, path, case.originals(tmp_path / "made"), case.mutate, count)
    assert accepted > 0
    print(f"{Path(case.name).name}: {accepted} of {count} are read")
