"""A convolution with its bias and ReLU, in one kernel where torch has one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Convolution(nn.Module):
    """``relu(conv(x) + bias)`` of float [N, C, H, W], best in channels_last.

    ``fuse`` makes oneDNN's kernel do all three on a CPU, its weights laid out beforehand; equal to rounding.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor,
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias)
        self.stride, self.relu = stride, relu
        self.padding = (padding, padding) if isinstance(padding, int) else padding
        self._laid_out: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the activations [N, D, H', W']."""
        if self._laid_out is not None:
            return self._fused(x, self._laid_out)
        found = functional.conv2d(x, self.weight, self.bias, self.stride, self.padding)
        return functional.relu_(found) if self.relu else found

    def fuse(self, shape: Sequence[int]) -> None:
        """Lay the weights out as oneDNN wants them for inputs of a shape [N, C, H, W], and drop what they were.

        Inputs of other shapes cost a new layout each time. Raises AttributeError or RuntimeError where torch does not
        offer it.
        """
        lay_out: Any = torch.ops.mkldnn._reorder_convolution_weight
        self._laid_out = lay_out(self.weight, self.padding, [self.stride] * 2, [1, 1], 1, list(shape))
        self.weight = self.weight.new_empty(0)

    def _fused(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        run: Any = torch.ops.mkldnn._convolution_pointwise
        found: torch.Tensor = run(
            x, weight, self.bias, self.padding, [self.stride] * 2, [1, 1], 1, "relu" if self.relu else "none", [], ""
        )
        return found
