"""The networks: an MLP for points, small convolutions for images of 8, 28 or 32 pixels; both may be given a class."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 128
"""Units of a hidden layer for points."""
CHANNELS = 32
"""Channels of the finest layer for images; twice as many at each halving of the size."""


class Decoder(nn.Module):
    """z [N, latent] (and a class [N]) to x of a shape: generator of a GAN, decoder of a VAE; images end in tanh."""

    def __init__(self, latent: int, shape: tuple[int, ...], classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        inputs = latent + classes
        if len(shape) == 1:
            self.layers: nn.Module = mlp(inputs, shape[0], nn.ReLU())
            return
        side, halvings = _halved(shape[1])
        widest = CHANNELS * 2**halvings
        layers: list[nn.Module] = [nn.Linear(inputs, widest * side * side), nn.Unflatten(1, (widest, side, side))]
        for level in reversed(range(halvings)):
            given, wanted = CHANNELS * 2 ** (level + 1), CHANNELS * 2**level
            layers += [nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(given, wanted, 3, padding=1)]
        self.layers = nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(CHANNELS, shape[0], 3, padding=1), nn.Tanh())

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        out: Tensor = self.layers(_with_class(z, label, self.classes))
        return out


class Encoder(nn.Module):
    """x (and a class [N]) to [N, outputs]: discriminator, critic, encoder. No normalisation: penalties look at rows."""

    def __init__(self, shape: tuple[int, ...], outputs: int, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        if len(shape) == 1:
            self.layers: nn.Module = mlp(shape[0] + classes, outputs, nn.LeakyReLU(0.2))
            return
        side, halvings = _halved(shape[1])
        layers: list[nn.Module] = [nn.Conv2d(shape[0] + classes, CHANNELS, 3, padding=1), nn.LeakyReLU(0.2)]
        for level in range(halvings):
            given, wanted = CHANNELS * 2**level, CHANNELS * 2 ** (level + 1)
            layers += [nn.Conv2d(given, wanted, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(CHANNELS * 2**halvings * side * side, outputs))

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        out: Tensor = self.layers(_with_class(x, label, self.classes))
        return out


def mlp(inputs: int, outputs: int, activation: nn.Module) -> nn.Sequential:
    """Return three hidden layers of WIDTH units."""
    widths = [inputs, WIDTH, WIDTH, WIDTH]
    hidden = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), activation)]
    return nn.Sequential(*hidden, nn.Linear(WIDTH, outputs))


def _halved(side: int) -> tuple[int, int]:
    """Return the coarsest side above 3 that halving leads to, and how often: 8 -> 4, 28 -> 7, 32 -> 4."""
    halvings = 0
    while side % 2 == 0 and side > 4:
        side, halvings = side // 2, halvings + 1
    return side, halvings


def _with_class(x: Tensor, label: Tensor | None, classes: int) -> Tensor:
    if not classes:
        return x
    if label is None:
        raise ValueError("a conditional network needs the class of each row")
    one_hot = functional.one_hot(label, classes).to(x.dtype)
    if x.ndim == 4:
        one_hot = one_hot[:, :, None, None].expand(-1, -1, *x.shape[2:])
    return torch.cat([x, one_hot], dim=1)
