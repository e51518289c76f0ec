"""A classifier with the input of its last layer; imported only when a network is built, because torch is needed."""

from __future__ import annotations

import torch
from torch import nn


class WithPenultimate(nn.Module):
    """Maps a batch to the input of the last linear layer of a classifier, and to its logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # the list hides the layer from torch, which would count it twice
        self.network = network
        self._last = [[module for module in network.modules() if isinstance(module, nn.Linear)][-1]]

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return [N, D] and [N, classes] of a batch."""
        # the hook lives as long as one call, so a copy of the module has none
        inputs: list[torch.Tensor] = []
        hook = self._last[0].register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
        try:
            logits = self.network(pixels)
        finally:
            hook.remove()
        return inputs[0], logits
