"""ONNX files as samplers: their shapes, their options, and the files that are rejected."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from genbench.derived_sources import Drawn
from genbench.errors import InputError, PlugError, UsageError
from genbench.plugs.contracts import Sampler
from genbench.samplers.module import ModuleSampler
from genbench.samplers.onnx import OnnxSampler

WEIGHT = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)


@pytest.fixture
def onnx() -> Any:
    pytest.importorskip("onnxruntime")
    return pytest.importorskip("onnx")


@pytest.fixture
def write(onnx: Any, tmp_path: Path) -> Any:
    """Return a function that writes a network with the given nodes, by default z -> z, to a file."""
    helper = onnx.helper

    def write(
        *nodes: tuple[str, str, str], shape: tuple[Any, ...] = ("batch", 4), kind: str = "FLOAT", inputs: str = "z"
    ) -> Path:
        graph_nodes = [
            helper.make_node(op, sources.split(), [target]) for op, sources, target in nodes or [("Identity", "z", "x")]
        ]
        kind = getattr(onnx.TensorProto, kind)
        graph = helper.make_graph(
            graph_nodes,
            "generator",
            [helper.make_tensor_value_info(name, kind, shape) for name in inputs.split()],
            [onnx.ValueInfoProto(name="x")],
            [onnx.numpy_helper.from_array(WEIGHT, "weight")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(onnx.shape_inference.infer_shapes(model), tmp_path / "generator.onnx")
        return tmp_path / "generator.onnx"

    return write


class Linear(nn.Module):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z @ torch.from_numpy(WEIGHT)


def test_an_onnx_file_gives_the_same_samples_as_its_module(write: Any) -> None:
    points = OnnxSampler(write(("MatMul", "z weight", "x"))).sample(300, 5)
    assert torch.allclose(points, ModuleSampler(Linear(), 4).sample(300, 5), atol=1e-5)


def test_an_onnx_file_is_a_sampler(write: Any) -> None:
    assert isinstance(OnnxSampler(write()), Sampler)


def test_the_samples_depend_on_the_seed_only(write: Any) -> None:
    sampler = OnnxSampler(write())
    assert torch.equal(sampler.sample(9, 1), sampler.sample(9, 1))
    assert not torch.equal(sampler.sample(9, 1), sampler.sample(9, 2))


def test_noise_that_the_network_draws_depends_on_the_seed(write: Any) -> None:
    path = write(("RandomNormalLike", "z", "noise"), ("Add", "z noise", "x"))
    sampler, other = OnnxSampler(path), OnnxSampler(path)
    first = sampler.sample(9, 1)
    other.sample(9, 2)
    assert torch.equal(first, other.sample(9, 1))
    assert not torch.allclose(first, OnnxSampler(write()).sample(9, 1))


@pytest.mark.parametrize(("shape", "latent"), [(("batch", 4), (4,)), (("batch", 3, 2, 1), (3, 2, 1)), ((8, 4), (4,))])
def test_the_shape_of_the_latents_is_read_from_the_file(write: Any, shape: Any, latent: tuple[int, ...]) -> None:
    assert OnnxSampler(write(shape=shape)).latent == latent


def test_the_message_about_latents_of_unknown_shape_contains_the_option(write: Any) -> None:
    path = write(shape=("batch", "length"))
    with pytest.raises(UsageError, match=r"write onnx,path=.*generator\.onnx,latent=128"):
        OnnxSampler(path)
    assert OnnxSampler(path, 6).sample(3, 0).shape == (3, 6)


def test_a_latent_that_contradicts_the_file_is_rejected(write: Any) -> None:
    with pytest.raises(UsageError, match="takes latents of shape 4, not 5x1x1"):
        OnnxSampler(write(), "5x1x1")


@pytest.mark.parametrize("count", [1, 8, 19])
def test_a_file_with_a_fixed_batch_size_gives_any_count(write: Any, count: int) -> None:
    fixed, free = OnnxSampler(write(shape=(8, 4))), OnnxSampler(write())
    assert torch.equal(fixed.sample(count, 3), free.sample(count, 3))


@pytest.mark.parametrize("kind", ["FLOAT16", "FLOAT", "DOUBLE"])
def test_the_latents_have_the_type_of_the_input(write: Any, kind: str) -> None:
    points = OnnxSampler(write(kind=kind)).sample(5, 0)
    assert points.dtype == torch.float32
    assert torch.allclose(points, ModuleSampler(nn.Identity(), 4).sample(5, 0), atol=1e-3)


def test_float_images_of_a_declared_range_become_uint8(write: Any) -> None:
    path = write(("Tanh", "z", "x"), shape=("batch", 3, 4, 4))
    images = OnnxSampler(path, range="-1..1").sample(5, 0)
    assert (images.dtype, images.shape) == (torch.uint8, (5, 3, 4, 4))
    with pytest.raises(PlugError, match="range is not known; declare it"):
        next(Drawn(OnnxSampler(path), 5, 0, "generator").batches(5))


def test_the_message_about_a_file_with_two_inputs_names_them(write: Any) -> None:
    with pytest.raises(InputError, match=r"takes z tensor\(float\) \['batch', 4\], label .*expected one input"):
        OnnxSampler(write(("Add", "z label", "x"), inputs="z label"))


def test_a_file_with_an_input_of_integers_is_rejected(write: Any) -> None:
    with pytest.raises(InputError, match="expected latents"):
        OnnxSampler(write(kind="INT64"))


@pytest.mark.parametrize(("content", "problem"), [(b"text", "cannot be read as ONNX"), (None, "is not a file")])
def test_other_files_are_rejected(onnx: Any, tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "generator.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"generator.onnx {problem}"):
        OnnxSampler(path)


def test_a_file_with_a_damaged_name_is_rejected(write: Any) -> None:
    path = write(("MatMul", "z weight", "x"))
    # names are texts of one letter: the length, and the letter
    path.write_bytes(path.read_bytes().replace(b"\x01z", b"\x01\xff"))
    with pytest.raises(InputError, match=r"generator\.onnx cannot be read as ONNX"):
        OnnxSampler(path)


def test_an_error_of_the_runtime_becomes_one_sentence(write: Any) -> None:
    sampler = OnnxSampler(write(("MatMul", "z weight", "x"), shape=("batch", "length")), 5)
    with pytest.raises(PlugError, match=r"generator\.onnx cannot be run"):
        sampler.sample(3, 0)


def test_the_message_about_a_missing_runtime_contains_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match="pip install onnxruntime"):
        OnnxSampler(tmp_path / "generator.onnx")


def test_paths_are_accepted_by_their_suffix() -> None:
    accepted = [path for path in ("g.onnx", Path("G.ONNX"), "g.pt", 7) if OnnxSampler.accepts(path)]
    assert accepted == ["g.onnx", Path("G.ONNX")]
