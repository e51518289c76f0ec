"""Names and shapes of the published state dict of FID's Inception-v3, to detect files of other networks."""

from __future__ import annotations

from collections.abc import Iterator

from genbench.extractors.inception.sizes import EMBEDDING_SIZE, LOGITS_SIZE
from genbench.extractors.state_dicts import STEP_COUNT

LayerShape = tuple[str, int, int, tuple[int, int]]
"""Name, number of input channels, number of output channels, kernel size."""


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the published state dict."""
    shapes: dict[str, tuple[int, ...]] = {"fc.weight": (LOGITS_SIZE, EMBEDDING_SIZE), "fc.bias": (LOGITS_SIZE,)}
    # each layer is a convolution without bias and a batch norm
    for name, inputs, outputs, kernel in _layer_shapes():
        shapes[f"{name}.conv.weight"] = (outputs, inputs, *kernel)
        for statistic in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.bn.{statistic}"] = (outputs,)
        shapes[f"{name}.bn{STEP_COUNT}"] = ()
    return shapes


def _layer_shapes() -> Iterator[LayerShape]:
    # The stem: plain convolutions.
    yield "Conv2d_1a_3x3", 3, 32, (3, 3)
    yield "Conv2d_2a_3x3", 32, 32, (3, 3)
    yield "Conv2d_2b_3x3", 32, 64, (3, 3)
    yield "Conv2d_3b_1x1", 64, 80, (1, 1)
    yield "Conv2d_4a_3x3", 80, 192, (3, 3)
    # The inception blocks. Their output channels are the sum over the branches.
    for block, inputs, pool in (("Mixed_5b", 192, 32), ("Mixed_5c", 256, 64), ("Mixed_5d", 288, 64)):
        yield from _in_block(block, _block_a(inputs, pool))
    yield from _in_block("Mixed_6a", _block_b(288))
    for block, middle in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        yield from _in_block(block, _block_c(768, middle))
    yield from _in_block("Mixed_7a", _block_d(768))
    for block, inputs in (("Mixed_7b", 1280), ("Mixed_7c", 2048)):
        yield from _in_block(block, _block_e(inputs))


def _in_block(block: str, layers: Iterator[LayerShape]) -> Iterator[LayerShape]:
    yield from ((f"{block}.{name}", inputs, outputs, kernel) for name, inputs, outputs, kernel in layers)


# 35 x 35 pixels
def _block_a(inputs: int, pool: int) -> Iterator[LayerShape]:
    yield "branch1x1", inputs, 64, (1, 1)
    yield "branch5x5_1", inputs, 48, (1, 1)
    yield "branch5x5_2", 48, 64, (5, 5)
    yield "branch3x3dbl_1", inputs, 64, (1, 1)
    yield "branch3x3dbl_2", 64, 96, (3, 3)
    yield "branch3x3dbl_3", 96, 96, (3, 3)
    yield "branch_pool", inputs, pool, (1, 1)


# from 35 x 35 to 17 x 17 pixels
def _block_b(inputs: int) -> Iterator[LayerShape]:
    yield "branch3x3", inputs, 384, (3, 3)
    yield "branch3x3dbl_1", inputs, 64, (1, 1)
    yield "branch3x3dbl_2", 64, 96, (3, 3)
    yield "branch3x3dbl_3", 96, 96, (3, 3)


# 17 x 17 pixels; 7 x 7 kernels are split into 1 x 7 and 7 x 1
def _block_c(inputs: int, middle: int) -> Iterator[LayerShape]:
    wide, tall = (1, 7), (7, 1)
    yield "branch1x1", inputs, 192, (1, 1)
    yield "branch7x7_1", inputs, middle, (1, 1)
    yield "branch7x7_2", middle, middle, wide
    yield "branch7x7_3", middle, 192, tall
    yield "branch7x7dbl_1", inputs, middle, (1, 1)
    yield "branch7x7dbl_2", middle, middle, tall
    yield "branch7x7dbl_3", middle, middle, wide
    yield "branch7x7dbl_4", middle, middle, tall
    yield "branch7x7dbl_5", middle, 192, wide
    yield "branch_pool", inputs, 192, (1, 1)


# from 17 x 17 to 8 x 8 pixels
def _block_d(inputs: int) -> Iterator[LayerShape]:
    yield "branch3x3_1", inputs, 192, (1, 1)
    yield "branch3x3_2", 192, 320, (3, 3)
    yield "branch7x7x3_1", inputs, 192, (1, 1)
    yield "branch7x7x3_2", 192, 192, (1, 7)
    yield "branch7x7x3_3", 192, 192, (7, 1)
    yield "branch7x7x3_4", 192, 192, (3, 3)


# 8 x 8 pixels; 3 x 3 kernels are split into 1 x 3 and 3 x 1, side by side
def _block_e(inputs: int) -> Iterator[LayerShape]:
    yield "branch1x1", inputs, 320, (1, 1)
    yield "branch3x3_1", inputs, 384, (1, 1)
    yield "branch3x3_2a", 384, 384, (1, 3)
    yield "branch3x3_2b", 384, 384, (3, 1)
    yield "branch3x3dbl_1", inputs, 448, (1, 1)
    yield "branch3x3dbl_2", 448, 384, (3, 3)
    yield "branch3x3dbl_3a", 384, 384, (1, 3)
    yield "branch3x3dbl_3b", 384, 384, (3, 1)
    yield "branch_pool", inputs, 192, (1, 1)
