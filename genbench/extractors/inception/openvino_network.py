"""Inception-v3 in OpenVINO, from arrays to arrays: neither the network nor the resize needs torch.

The graph is that of ``fast_network``, which describes its views; here OpenVINO merges the convolutions itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops

from genbench.array_types import Array, Float32
from genbench.errors import UsageError
from genbench.extractors.inception.array_resizing import ArrayResize
from genbench.extractors.inception.sizes import ADDED_VIEWS, EMBEDDING_SIZE, NORM_EPSILON, SIZE, SPATIAL_CHANNELS

IMAGES_PER_CALL = 8
"""Images per call: more are not faster, and take more memory."""

WIDE, TALL = (0, 3), (3, 0)
"""Paddings of the kernels 1x7 and 7x1."""


class OpenvinoNetwork:
    """Maps uint8 [N, 3, H, W] to embedding float32 [N, 2048], logits [N, 1008], and the views in ``added``.

    Removes its arrays from ``state``, the published state dict. Raises UsageError if the CPU lacks the precision.
    """

    def __init__(self, state: dict[str, Array], resize: ArrayResize, added: Sequence[str], precision: str) -> None:
        if precision == "bf16" and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise UsageError(
                "This CPU has no instructions for bf16, and OpenVINO would compute in float32; leave out --precision."
            )
        # what the record names, and what the calls need
        self.route = f"openvino {openvino.__version__}"
        self._resize, self._added = resize, tuple(added)
        self._class_weights = np.ascontiguousarray(state.pop("fc.weight").T)
        # OpenVINO has its own threads
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": thread_count(),
        }
        self._run: Any = openvino.compile_model(_graph(state, self._added), "CPU", settings)

    def __call__(self, images: Array) -> dict[str, Array]:
        """Return the views of uint8 [N, 3, H, W]."""
        sizes = [EMBEDDING_SIZE, *(ADDED_VIEWS[view] for view in self._added)]
        # a few images at a time, into rows that are there already
        rows = np.empty((len(images), sum(sizes)), np.float32)
        for start in range(0, len(images), IMAGES_PER_CALL):
            rows[start : start + IMAGES_PER_CALL] = self._run(self._resize(images[start : start + IMAGES_PER_CALL]))[0]
        # each view becomes an array of its own
        embedding, *others = map(np.ascontiguousarray, np.split(rows, np.cumsum(sizes)[:-1], axis=1))
        added = zip(self._added, others, strict=True)
        return {"embedding": embedding, "logits": embedding @ self._class_weights, **dict(added)}


def thread_count() -> int:
    """Return the number of threads that a network may use: torch's, if it is imported, or as torch would choose it."""
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    given = os.environ.get("OMP_NUM_THREADS", "")
    # a process can be limited to some of the cores
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(given) if given.isdecimal() and int(given) > 0 else cores


def _graph(state: dict[str, Array], added: Sequence[str]) -> openvino.Model:
    """Return the graph from float32 [N, 3, 299, 299], -1..1, to [N, 2048 and the sizes of the added views]."""
    # any number of images
    images = ops.parameter([-1, 3, SIZE, SIZE], np.float32)
    layers = _Layers(state)
    # The names are those of the published weights; the sizes are those of the outputs.
    x = layers.convolution(images, "Conv2d_1a_3x3", stride=2)  # 149 x 149
    x = layers.convolution(x, "Conv2d_2a_3x3")
    x = layers.convolution(x, "Conv2d_2b_3x3", padding=(1, 1))  # 147 x 147
    first = _max_pool(x)  # 73 x 73
    x = layers.convolution(layers.convolution(first, "Conv2d_3b_1x1"), "Conv2d_4a_3x3")  # 71 x 71
    second = x = _max_pool(x)  # 35 x 35
    for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = layers.block_a(x, name)
    x = layers.block_b(x, "Mixed_6a")  # 17 x 17
    for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d"):
        x = layers.block_c(x, name)
    middle, third = x, layers.block_c(x, "Mixed_6e")
    x = layers.block_d(third, "Mixed_7a")  # 8 x 8
    x = layers.block_e(layers.block_e(x, "Mixed_7b"), "Mixed_7c", max_pool=True)

    # the mean over all pixels is the last average pool, and that of the layers; channels come last in sFID's view
    means = {"64": first, "192": second, "768": third}
    rows = [
        _mean_over_pixels(x),
        *(_mean_over_pixels(means[view]) if view in means else _spatial(middle) for view in added),
    ]
    return openvino.Model([ops.concat(rows, 1) if added else rows[0]], [images])


class _Layers:
    """The convolutions and blocks of the network, with the weights of a state dict."""

    def __init__(self, state: dict[str, Array]) -> None:
        self.state = state

    def convolution(
        self, x: Any, name: str, *, stride: int = 1, padding: tuple[int, int] = (0, 0), relu: bool = True
    ) -> Any:
        """Return the output of the convolution ``name``, which includes its batch norm."""
        # the bias is added to each output channel
        weight, bias = self._folded(name)
        x = ops.convolution(x, ops.constant(weight), [stride] * 2, padding, padding, [1, 1])
        x = ops.add(x, ops.constant(bias[None, :, None, None]))
        return ops.relu(x) if relu else x

    def row(self, x: Any, name: str, numbers: str, paddings: Sequence[tuple[int, int]]) -> Any:
        """Return the output of the convolutions ``name1``, ``name2``, ... one after the other."""
        for number, padding in zip(numbers, paddings, strict=True):
            x = self.convolution(x, name + number, padding=padding)
        return x

    def _folded(self, name: str) -> tuple[Float32, Float32]:
        """Return weight and bias of a convolution with its batch norm; computed in float64."""
        # arrays leave the state dict one by one, so that the weights are never in memory twice
        scale, offset, mean, variance = (
            self.state.pop(f"{name}.bn.{part}").astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        # bn(conv(x)) = scale * (conv(x) - mean) + offset
        scale = scale / np.sqrt(variance + NORM_EPSILON)
        weight = self.state.pop(f"{name}.conv.weight") * scale[:, None, None, None]
        return weight.astype(np.float32), (offset - mean * scale).astype(np.float32)

    def _pooled(self, x: Any, block: str) -> Any:
        # the average pool comes after its 1x1 convolution, and the ReLU after both, because it is not linear
        x = self.convolution(x, f"{block}.branch_pool", relu=False)
        # as in TensorFlow, padded pixels do not count
        return ops.relu(ops.avg_pool(x, [1, 1], [1, 1], [1, 1], [3, 3], True))

    def block_a(self, x: Any, block: str) -> Any:
        """35 x 35: branches of 1x1, 5x5, two 3x3, and the pool."""
        one = self.convolution(x, f"{block}.branch1x1")
        five = self.row(x, f"{block}.branch5x5_", "12", [(0, 0), (2, 2)])
        three = self.row(x, f"{block}.branch3x3dbl_", "123", [(0, 0), (1, 1), (1, 1)])
        return ops.concat([one, five, three, self._pooled(x, block)], 1)

    def block_b(self, x: Any, block: str) -> Any:
        """From 35 x 35 to 17 x 17: branches of 3x3, 1x1 and two 3x3, and the pool, all with stride 2 at the end."""
        three = self.convolution(x, f"{block}.branch3x3", stride=2)
        twice = self.row(x, f"{block}.branch3x3dbl_", "12", [(0, 0), (1, 1)])
        twice = self.convolution(twice, f"{block}.branch3x3dbl_3", stride=2)
        return ops.concat([three, twice, _max_pool(x)], 1)

    def block_c(self, x: Any, block: str) -> Any:
        """17 x 17: branches of 1x1, 7x7, two 7x7, and the pool; each 7x7 is split into 1x7 and 7x1."""
        one = self.convolution(x, f"{block}.branch1x1")
        seven = self.row(x, f"{block}.branch7x7_", "123", [(0, 0), WIDE, TALL])
        twice = self.row(x, f"{block}.branch7x7dbl_", "12345", [(0, 0), TALL, WIDE, TALL, WIDE])
        return ops.concat([one, seven, twice, self._pooled(x, block)], 1)

    def block_d(self, x: Any, block: str) -> Any:
        """From 17 x 17 to 8 x 8: branches of 3x3, 7x7 and 3x3, and the pool, all with stride 2 at the end."""
        three = self.convolution(x, f"{block}.branch3x3_1")
        three = self.convolution(three, f"{block}.branch3x3_2", stride=2)
        seven = self.row(x, f"{block}.branch7x7x3_", "123", [(0, 0), WIDE, TALL])
        seven = self.convolution(seven, f"{block}.branch7x7x3_4", stride=2)
        return ops.concat([three, seven, _max_pool(x)], 1)

    def block_e(self, x: Any, block: str, *, max_pool: bool = False) -> Any:
        """8 x 8: branches of 1x1, 3x3, two 3x3, and the pool; the last 3x3 is split into 1x3 and 3x1, side by side."""
        # both branches with a split 3x3 contribute the outputs of its two kernels
        one = self.convolution(x, f"{block}.branch1x1")
        three = self.convolution(x, f"{block}.branch3x3_1")
        twice = self.row(x, f"{block}.branch3x3dbl_", "12", [(0, 0), (1, 1)])
        split = [
            self.convolution(branch, f"{block}.{name}{half}", padding=padding)
            for branch, name in ((three, "branch3x3_2"), (twice, "branch3x3dbl_3"))
            for half, padding in (("a", (0, 1)), ("b", (1, 0)))
        ]
        # a max pool is not linear, so it stays before its convolution
        if max_pool:
            pooled = self.convolution(_max_pool(x, stride=1, padding=1), f"{block}.branch_pool")
        else:
            pooled = self._pooled(x, block)
        return ops.concat([one, *split, pooled], 1)


def _max_pool(x: Any, *, stride: int = 2, padding: int = 0) -> Any:
    # the second output holds the positions
    return ops.max_pool(x, [stride] * 2, [1, 1], [padding] * 2, [padding] * 2, [3, 3]).output(0)


def _mean_over_pixels(x: Any) -> Any:
    return ops.reduce_mean(x, [2, 3])


def _spatial(x: Any) -> Any:
    """Return sFID's activations [N, 2023], in the order (row, column, channel)."""
    # channels come last in TensorFlow
    few = ops.slice(x, [0], [SPATIAL_CHANNELS], [1], [1])
    return ops.reshape(ops.transpose(few, [0, 2, 3, 1]), [0, ADDED_VIEWS["spatial"]], True)
