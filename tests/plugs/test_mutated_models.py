"""Damaged files of weights and networks: each is read, or refused in one sentence."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from genbench_baselines.vae import VAE
from torch import nn

from genbench.extractors.state_dicts import read_state_dict
from genbench.plugs.torch_archives import described_torch_file
from genbench.plugs.torch_modules import read_torchscript
from genbench.plugs.weights import load_weights
from genbench.samplers.onnx import OnnxSampler
from genbench.sources.memory import ArraySource
from tests.helpers.mutations import (
    Kind,
    check_kind,
    mutated_bytes,
    mutated_safetensors,
    mutated_zip,
    mutator,
    trials,
    written,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")

POINTS = np.random.default_rng(0).standard_normal((8, 2)).astype(np.float32)
PIECES = (
    b"\x8a\x04\xff\xff\xff\x7f",
    b"r\xff\xff\xff\x7f",
    b"cos\nsystem\n",
    b"ctorch._utils\n",
    b"FloatStorage",
    b"R",
)
CODE = (b"torch.save(x, y)", b"def forward", b"annotate(", b"CONSTANTS.c99", b"Tensor", b"(", b"\x80\x02", b"Q")


def read_weights(path: Path) -> None:
    described_torch_file(path)
    read_state_dict(path, "net")


def read_program(path: Path) -> None:
    described_torch_file(path)
    read_torchscript(path, "cpu")


def state_dicts(folder: Path) -> list[bytes]:
    state = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).state_dict()
    old = written(lambda path: torch.save(state, path, _use_new_zipfile_serialization=False), folder)
    return [written(lambda path: torch.save(state, path), folder), old]


def mutated_weights(content: bytes, rng: random.Random) -> bytes:
    mutate = mutated_zip if content.startswith(b"PK") else mutated_bytes
    return mutate(content, rng, PIECES)


def programs(folder: Path) -> list[bytes]:
    return [written(torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.ReLU())).save, folder)]


def checkpoints(folder: Path) -> list[bytes]:
    model = VAE(latent=2)
    model.fit(ArraySource(POINTS), seed=0, steps=1)
    return [written(model.save, folder)]


def onnx_files(_: Path) -> list[bytes]:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    values = {
        name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", size])
        for name, size in (("z", 8), ("x", 2))
    }
    weight = onnx.numpy_helper.from_array(POINTS, "w")
    node = onnx.helper.make_node("MatMul", ["z", "w"], ["x"])
    graph = onnx.helper.make_graph([node], "g", [values["z"]], [values["x"]], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    return [model.SerializeToString()]


KINDS = [
    Kind("x.pth", state_dicts, mutated_weights, read_weights),
    Kind("x.pt", programs, lambda data, rng: mutated_zip(data, rng, CODE), read_program),
    Kind("vae.safetensors", checkpoints, mutated_safetensors, lambda path: load_weights(VAE(latent=2), path, "vae")),
    Kind("x.onnx", onnx_files, mutator(b"MatMul", b"Loop", b"\x08\xff\xff\xff\xff\x0f", b"external"), OnnxSampler),
]


@pytest.mark.parametrize("count", trials(40, 300))
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_damaged_models_are_read_or_refused_in_one_sentence(kind: Kind, count: int, tmp_path: Path) -> None:
    check_kind(kind, count, tmp_path)
