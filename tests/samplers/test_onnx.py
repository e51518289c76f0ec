"""ONNX files as samplers: what the file says, what it leaves open, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

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
def written(onnx: Any, tmp_path: Path) -> Any:
    """Return what writes the network z -> z, or that of other nodes, to a file."""
    helper = onnx.helper

    def write(
        *nodes: tuple[str, str, str], shape: tuple[Any, ...] = ("batch", 4), kind: str = "FLOAT", takes: str = "z"
    ) -> Path:
        made = [helper.make_node(op, taken.split(), [given]) for op, taken, given in nodes or [("Identity", "z", "x")]]
        kind = getattr(onnx.TensorProto, kind)
        graph = helper.make_graph(
            made,
            "generator",
            [helper.make_tensor_value_info(name, kind, shape) for name in takes.split()],
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


def test_an_onnx_file_samples_as_the_module_that_it_was_made_of(written: Any) -> None:
    points = OnnxSampler(written(("MatMul", "z weight", "x"))).sample(300, 5)
    assert torch.allclose(points, ModuleSampler(Linear(), 4).sample(300, 5), atol=1e-5)


def test_an_onnx_file_is_a_sampler(written: Any) -> None:
    assert isinstance(OnnxSampler(written()), Sampler)


def test_the_same_seed_gives_the_same_bits_and_another_gives_others(written: Any) -> None:
    sampler = OnnxSampler(written())
    assert torch.equal(sampler.sample(9, 1), sampler.sample(9, 1))
    assert not torch.equal(sampler.sample(9, 1), sampler.sample(9, 2))


def test_noise_of_the_networks_own_follows_the_seed(written: Any) -> None:
    path = written(("RandomNormalLike", "z", "noise"), ("Add", "z noise", "x"))
    one, other = OnnxSampler(path), OnnxSampler(path)
    first = one.sample(9, 1)
    other.sample(9, 2)
    assert torch.equal(first, other.sample(9, 1))
    assert not torch.allclose(first, OnnxSampler(written()).sample(9, 1))


@pytest.mark.parametrize(("shape", "latent"), [(("batch", 4), (4,)), (("batch", 3, 2, 1), (3, 2, 1)), ((8, 4), (4,))])
def test_the_shape_of_the_latents_is_read_from_the_file(written: Any, shape: Any, latent: tuple[int, ...]) -> None:
    assert OnnxSampler(written(shape=shape)).latent == latent


def test_a_file_that_leaves_the_latents_open_says_what_to_write(written: Any) -> None:
    path = written(shape=("batch", "length"))
    with pytest.raises(UsageError, match=r"write onnx,path=.*generator\.onnx,latent=128"):
        OnnxSampler(path)
    assert OnnxSampler(path, 6).sample(3, 0).shape == (3, 6)


def test_a_latent_that_contradicts_the_file_is_refused(written: Any) -> None:
    with pytest.raises(UsageError, match="takes latents of shape 4, not 5x1x1"):
        OnnxSampler(written(), "5x1x1")


@pytest.mark.parametrize("count", [1, 8, 19])
def test_a_file_of_one_batch_size_gives_any_count(written: Any, count: int) -> None:
    fixed, free = OnnxSampler(written(shape=(8, 4))), OnnxSampler(written())
    assert torch.equal(fixed.sample(count, 3), free.sample(count, 3))


@pytest.mark.parametrize("kind", ["FLOAT16", "FLOAT", "DOUBLE"])
def test_the_latents_are_of_the_type_that_the_file_wants(written: Any, kind: str) -> None:
    points = OnnxSampler(written(kind=kind)).sample(5, 0)
    assert points.dtype == torch.float32
    assert torch.allclose(points, ModuleSampler(nn.Identity(), 4).sample(5, 0), atol=1e-3)


def test_float_images_of_a_declared_range_become_uint8(written: Any) -> None:
    path = written(("Tanh", "z", "x"), shape=("batch", 3, 4, 4))
    images = OnnxSampler(path, range="-1..1").sample(5, 0)
    assert (images.dtype, images.shape) == (torch.uint8, (5, 3, 4, 4))
    with pytest.raises(PlugError, match="declare what they mean"):
        OnnxSampler(path).sample(5, 0)


def test_a_file_of_two_inputs_is_refused_with_their_names(written: Any) -> None:
    with pytest.raises(InputError, match=r"takes z tensor\(float\) \['batch', 4\], label .*wanted one input"):
        OnnxSampler(written(("Add", "z label", "x"), takes="z label"))


def test_a_file_that_takes_no_floats_is_refused(written: Any) -> None:
    with pytest.raises(InputError, match="wanted latents"):
        OnnxSampler(written(kind="INT64"))


@pytest.mark.parametrize(("content", "found"), [(b"no network", "cannot be read as ONNX"), (None, "is not a file")])
def test_another_file_is_refused(onnx: Any, tmp_path: Path, content: bytes | None, found: str) -> None:
    path = tmp_path / "generator.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"generator.onnx {found}"):
        OnnxSampler(path)


def test_what_the_runtime_refuses_is_one_sentence(written: Any) -> None:
    sampler = OnnxSampler(written(("MatMul", "z weight", "x"), shape=("batch", "length")), 5)
    with pytest.raises(PlugError, match=r"generator\.onnx cannot be run"):
        sampler.sample(3, 0)


def test_without_the_runtime_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match="pip install onnxruntime"):
        OnnxSampler(tmp_path / "generator.onnx")


def test_paths_are_accepted_by_their_ending() -> None:
    accepted = [path for path in ("g.onnx", Path("G.ONNX"), "g.pt", 7) if OnnxSampler.accepts(path)]
    assert accepted == ["g.onnx", Path("G.ONNX")]
