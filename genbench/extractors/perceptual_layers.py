"""The layers of LPIPS with their weights; imported only when the network is built, because torch is needed."""

from __future__ import annotations

import torch
from torch import nn


class WeightedLayers(nn.Module):
    """Maps pixels float32 [N, 3, H, W] in -1..1 to the weighted unit activations of all layers, float16 [N, D]."""

    def __init__(self, parts: list[nn.Module], weights: list[torch.Tensor]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        # mean and standard deviation of ImageNet's pixels, as LPIPS has them
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None])
        self.register_buffer("spread", torch.tensor([0.458, 0.448, 0.450])[:, None, None])
        # channels with a weight, and its root
        for layer, weight in enumerate(weights):
            self.register_buffer(f"channels_{layer}", torch.nonzero(weight > 0).flatten())
            self.register_buffer(f"roots_{layer}", weight[weight > 0].sqrt()[:, None, None])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the weighted unit activations of all layers."""
        values = (pixels - self.get_buffer("shift")) / self.get_buffer("spread")
        rows = []
        for layer, part in enumerate(self.parts):
            values = part(values)
            # unit length over the channels; 1e-10 is LPIPS's own
            activations = values.float()
            unit = activations / (activations.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
            chosen = unit[:, self.get_buffer(f"channels_{layer}")] * self.get_buffer(f"roots_{layer}")
            # the mean over positions
            rows.append((chosen / (chosen.shape[2] * chosen.shape[3]) ** 0.5).flatten(1).half())
        return torch.cat(rows, dim=1)
