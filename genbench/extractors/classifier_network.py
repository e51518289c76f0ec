"""The network of the small classifiers that genbench ships; imported only when it is built, because torch is needed."""

from __future__ import annotations

import torch
from torch import nn


class Network(nn.Module):
    """Three convolutions, a hidden layer of 64 units (the embedding), and a linear head with 10 logits."""

    def __init__(self, size: int) -> None:
        super().__init__()
        # Large images are halved at once. With the two pools, the last feature map is ``side`` x ``side``.
        stride = 2 if size > 16 else 1
        side = size // stride // 4
        self.body = nn.Sequential(
            # [N, 1, size, size] -> [N, 64, side, side]
            *_convolution_block(1, 32, kernel=5, stride=stride),
            *_convolution_block(32, 64, kernel=3),
            nn.MaxPool2d(2),
            *_convolution_block(64, 64, kernel=3),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * side * side, 64, bias=False),
            # This batch norm keeps every hidden unit active, so the embedding's covariance has full rank.
            nn.BatchNorm1d(64),
            nn.ReLU(),
        )
        self.head = nn.Linear(64, 10)

    def forward(self, gray: torch.Tensor) -> torch.Tensor:
        """Return the logits float32 [N, 10] of float32 [N, 1, size, size], 0..1."""
        logits: torch.Tensor = self.head(self.body(gray))
        return logits


def empty_network(size: int) -> Network:
    """Return a Network without values, on the meta device."""
    # Initial values would be drawn from the caller's global generator.
    with torch.device("meta"):
        return Network(size)


def _convolution_block(inputs: int, outputs: int, *, kernel: int, stride: int = 1) -> list[nn.Module]:
    # The batch norm has a bias, so the convolution needs none.
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
