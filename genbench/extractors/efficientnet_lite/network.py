"""The networks EfficientNet-Lite0, 1 and 2, with batch norms folded into the convolutions.

Tan and Le 2019 (arXiv 1905.11946), in the Lite variants of TensorFlow's authors: no squeeze-and-excite, ReLU6 as
activation, and the same first and last layers in all sizes. Padding is TensorFlow's ``SAME``, which adds one row more
at the bottom and right if the padding is odd.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from genbench.extractors.inception.convolution import Convolution, fold_batch_norm
from genbench.extractors.inception.torch_backends import PreparedNetwork
from genbench.extractors.raw import resize_antialiased
from genbench.extractors.state_dicts import STEP_COUNT, StateDict

CLASSES = 1000
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
EXPANSION = 6
"""The channels inside a block are this many times those of its input; in the first block they are the same."""
KERNEL_SIZES = (3, 3, 5, 3, 5, 5, 3)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Kernel sizes and strides of the seven stages; only the first block of a stage has the stride."""


@dataclass(frozen=True)
class Shape:
    """What distinguishes the networks: size of the input in pixels, and blocks and output channels of each stage."""

    size: int
    blocks: tuple[int, ...]
    channels: tuple[int, ...]


SHAPES = {
    "lite0": Shape(224, (1, 2, 2, 3, 3, 4, 1), (16, 24, 40, 80, 112, 192, 320)),
    "lite1": Shape(240, (1, 3, 3, 4, 4, 5, 1), (16, 24, 40, 80, 112, 192, 320)),
    "lite2": Shape(260, (1, 3, 3, 4, 4, 5, 1), (16, 24, 48, 88, 120, 208, 352)),
}


@dataclass(frozen=True)
class _Layer:
    """A convolution without bias and the batch norm after it; the names are those of the published weights."""

    convolution: str
    norm: str
    outputs: int
    inputs: int
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    relu6: bool = True


@dataclass(frozen=True)
class _Block:
    """Layers in a row; ``skips`` means that the input is added to the output."""

    layers: tuple[_Layer, ...]
    skips: bool = False


class LiteGraph(nn.Module):
    """Maps float32 [N, 3, size, size] to the mean of the last convolution's ReLU6, float32 [N, 1280], 0..6."""

    def __init__(self, state: StateDict, shape: Shape) -> None:
        super().__init__()
        self.skips = []
        self.blocks = nn.ModuleList()
        # the padding of a layer depends on the size of its input
        size = shape.size
        for block in _blocks(shape):
            modules: list[nn.Module] = []
            for layer in block.layers:
                modules += _padded_convolution(state, layer, size)
                size = math.ceil(size / layer.stride)
            self.blocks.append(nn.Sequential(*modules))
            self.skips.append(block.skips)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the embedding float32 [N, 1280] of preprocessed images [N, 3, size, size]."""
        x = images.contiguous(memory_format=torch.channels_last)
        for block, skips in zip(self.blocks, self.skips, strict=True):
            x = block(x) + x if skips else block(x)
        return x.mean(dim=(2, 3), dtype=torch.float32)


def expected_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the published state dict of a network."""
    shapes: dict[str, tuple[int, ...]] = {"_fc.weight": (CLASSES, HEAD_CHANNELS), "_fc.bias": (CLASSES,)}
    for layer in (layer for block in _blocks(shape) for layer in block.layers):
        inputs = 1 if layer.depthwise else layer.inputs
        shapes[f"{layer.convolution}.weight"] = (layer.outputs, inputs, layer.kernel, layer.kernel)
        shapes |= {f"{layer.norm}.{statistic}": (layer.outputs,) for statistic in _STATISTICS}
        shapes[layer.norm + STEP_COUNT] = ()
    return shapes


def _blocks(shape: Shape) -> Iterator[_Block]:
    """Yield all blocks in the order of the data; the first and the last layer are blocks of their own."""
    yield _Block((_Layer("_conv_stem", "_bn0", STEM_CHANNELS, 3, kernel=3, stride=2),))
    number, inputs = 0, STEM_CHANNELS
    for stage, (count, outputs) in enumerate(zip(shape.blocks, shape.channels, strict=True)):
        for position in range(count):
            stride = STRIDES[stage] if position == 0 else 1
            inner = inputs * (1 if stage == 0 else EXPANSION)
            layers = _block_layers(f"_blocks.{number}", (inputs, inner, outputs), KERNEL_SIZES[stage], stride)
            yield _Block(layers, skips=stride == 1 and inputs == outputs)
            number, inputs = number + 1, outputs
    yield _Block((_Layer("_conv_head", "_bn1", HEAD_CHANNELS, inputs),))


def _block_layers(name: str, channels: tuple[int, int, int], kernel: int, stride: int) -> tuple[_Layer, ...]:
    """Return the layers of an inverted bottleneck: expansion, depthwise convolution, and projection without ReLU6."""
    inputs, inner, outputs = channels
    expand = _Layer(f"{name}._expand_conv", f"{name}._bn0", inner, inputs)
    depthwise = _Layer(
        f"{name}._depthwise_conv", f"{name}._bn1", inner, inner, kernel=kernel, stride=stride, depthwise=True
    )
    project = _Layer(f"{name}._project_conv", f"{name}._bn2", outputs, inner, relu6=False)
    # without an expansion there is no layer for it
    return (depthwise, project) if inner == inputs else (expand, depthwise, project)


def _padded_convolution(state: StateDict, layer: _Layer, size: int) -> Iterator[nn.Module]:
    """Yield the convolution of a layer for inputs of ``size`` pixels, after a padding of its own if that is uneven."""
    # the outputs are ceil(size / stride), and the last of them may reach beyond the input
    padding = max((math.ceil(size / layer.stride) - 1) * layer.stride + layer.kernel - size, 0)
    before = padding // 2
    if padding % 2:
        yield nn.ZeroPad2d((before, padding - before, before, padding - before))
        before = 0
    norm = {statistic: state[f"{layer.norm}.{statistic}"] for statistic in _STATISTICS}
    weight, bias = fold_batch_norm(state[f"{layer.convolution}.weight"], norm)
    yield Convolution(
        weight,
        bias,
        stride=layer.stride,
        padding=before,
        groups=layer.inputs if layer.depthwise else 1,
        activation="relu6" if layer.relu6 else "none",
    )


_STATISTICS = ("weight", "bias", "running_mean", "running_var")


class LastLayer(nn.Module):
    """The last layer: maps the embedding [N, 1280] to the logits [N, 1000]."""

    def __init__(self, state: StateDict) -> None:
        super().__init__()
        # buffers move to the device with the module, and are not trained
        self.register_buffer("weight", state["_fc.weight"])
        self.register_buffer("bias", state["_fc.bias"])

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """Return the logits float32 [N, 1000]."""
        return functional.linear(embedding, self.get_buffer("weight"), self.get_buffer("bias"))


class ResizeEmbedClassify(nn.Module):
    """Maps uint8 [N, 3, H, W] to the embedding [N, 1280] and the logits [N, 1000]."""

    def __init__(self, size: int, trunk: PreparedNetwork, classifier: LastLayer) -> None:
        super().__init__()
        self.size, self.trunk, self.route, self.classifier = size, trunk, trunk.route, classifier

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return embedding and logits."""
        embedding = torch.cat(self.trunk.map_chunks(self._embed, images))
        return embedding, self.classifier(embedding)

    # Inference mode belongs to a thread, so the threads of the backend do not inherit it from the caller.
    @torch.inference_mode()
    def _embed(self, images: torch.Tensor) -> torch.Tensor:
        return self.trunk.run(resize_antialiased(images, self.size).sub_(127).div_(128))
