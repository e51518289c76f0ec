"""A convolution with bias and ReLU, computed by one kernel if torch has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from genbench.extractors.inception.sizes import NORM_EPSILON


class Convolution(nn.Module):
    """``relu(conv(x) + bias)`` of float [N, C, H, W], fastest in the memory format channels_last.

    ``activation`` is relu, relu6 (which cuts the values off at 6) or none.

    After ``fuse``, one kernel of oneDNN computes it on a CPU, with weights in the layout that this kernel needs. The
    numbers agree up to rounding.
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
        groups: int = 1,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        # Buffers instead of parameters: the network is never trained.
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias)
        self.stride, self.groups, self.activation = stride, groups, activation
        self.padding = (padding, padding) if isinstance(padding, int) else padding
        self._fused_weight: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the activations [N, D, H', W']."""
        if self._fused_weight is not None:
            return self._run_fused(x, self._fused_weight)
        output = functional.conv2d(x, self.weight, self.bias, self.stride, self.padding, 1, self.groups)
        return output if self.activation == "none" else output.clamp_(0, 6 if self.activation == "relu6" else None)

    def fuse(self, shape: Sequence[int]) -> None:
        """Convert the weights to oneDNN's layout for inputs of a shape [N, C, H, W], and free the original weights.

        Inputs of other shapes are slower: each call converts the weights again. Raises AttributeError or RuntimeError
        if torch does not have the kernel.
        """
        # The arguments after the weights: padding, stride, dilation, groups, shape of the input.
        reorder: Any = torch.ops.mkldnn._reorder_convolution_weight
        self._fused_weight = reorder(self.weight, self.padding, [self.stride] * 2, [1, 1], self.groups, list(shape))
        # Free the original weights only now: an exception above leaves the convolution usable.
        self.weight = self.weight.new_empty(0)

    def _run_fused(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        # A private operator of torch, which its compiler uses. The last two arguments are options of the activation.
        run: Any = torch.ops.mkldnn._convolution_pointwise
        # oneDNN's name of ReLU6
        activation = ("hardtanh", [0.0, 6.0]) if self.activation == "relu6" else (self.activation, [])
        shape = (self.padding, [self.stride] * 2, [1, 1], self.groups)
        output: torch.Tensor = run(x, weight, self.bias, *shape, *activation, "")
        return output


def fold_batch_norm(weight: torch.Tensor, norm: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight and bias of the convolution that includes the batch norm after it; computed in float64.

    ``norm`` is the state dict of the batch norm: weight, bias, running_mean, running_var.
    """
    # bn(conv(x)) = scale * (conv(x) - mean) + bn_bias, where scale = bn_weight / sqrt(variance + NORM_EPSILON)
    scale = norm["weight"].double() / (norm["running_var"].double() + NORM_EPSILON).sqrt()
    bias = norm["bias"].double() - norm["running_mean"].double() * scale
    return (weight.double() * scale[:, None, None, None]).float(), bias.float()
