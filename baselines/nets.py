"""The networks: an MLP for points, a few small convolutions for images; both may be given a class."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 128
"""Units of a hidden layer."""
CHANNELS = 16
"""Channels at half the size of an image; twice as many at each further halving."""


class Decoder(nn.Module):
    """z [N, latent] (and a class [N]) to x of a shape: generator of a GAN, decoder of a VAE; images end in tanh.

    ``normalised`` puts batch normalisation before each ReLU between convolutions, as in DCGAN (Radford et al. 2015,
    arXiv 1511.06434), where there are two or more: without it the plain games on 28 x 28 take three times the steps.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], classes: int = 0, *, normalised: bool = False) -> None:
        super().__init__()
        self.classes = classes
        if len(shape) == 1:
            self.layers: nn.Module = mlp([latent + classes, WIDTH, WIDTH, WIDTH, shape[0]], nn.ReLU())
            return
        channels, coarsest = _halved(shape)
        flat = channels[-1] * coarsest[0] * coarsest[1]
        dense = mlp([latent + classes, *_hidden(channels), flat], nn.ReLU())
        layers: list[nn.Module] = [dense, nn.Unflatten(1, (channels[-1], *coarsest))]
        for given, wanted in pairwise(reversed(channels)):
            layers += [nn.BatchNorm2d(given)] if normalised and len(channels) > 2 else []
            layers += [nn.ReLU(), nn.ConvTranspose2d(given, wanted, 4, stride=2, padding=1)]
        self.layers = nn.Sequential(*layers, nn.Tanh())

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        out: Tensor = self.layers(_with_class(z, label, self.classes))
        return out


class Encoder(nn.Module):
    """x (and a class [N]) to [N, outputs]: discriminator, critic, encoder. No normalisation: penalties look at rows."""

    def __init__(self, shape: tuple[int, ...], outputs: int, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        if len(shape) == 1:
            self.layers: nn.Module = nn.Identity()
            self.head = mlp([shape[0] + classes, WIDTH, WIDTH, WIDTH, outputs], nn.LeakyReLU(0.2))
            return
        channels, coarsest = _halved(shape)
        layers: list[nn.Module] = []
        for given, wanted in pairwise(channels):
            layers += [nn.Conv2d(given, wanted, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        flat = channels[-1] * coarsest[0] * coarsest[1]
        self.head = mlp([flat + classes, *_hidden(channels), outputs], nn.LeakyReLU(0.2))

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        out: Tensor = self.head(_with_class(self.layers(x), label, self.classes))
        return out


def mlp(widths: list[int], activation: nn.Module) -> nn.Sequential:
    """Return linear layers from each width to the next, with an activation between them."""
    layers = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), activation)]
    return nn.Sequential(*layers[:-1])


def _halved(shape: tuple[int, ...]) -> tuple[list[int], tuple[int, int]]:
    """Return the channels at each size, finest first, and the coarsest size: 8 -> 4, 28 -> 7, 32 -> 4."""
    channels, (height, width) = [shape[0]], shape[1:]
    while height % 2 == width % 2 == 0 and min(height, width) > 4:
        height, width = height // 2, width // 2
        channels.append(CHANNELS * 2 ** (len(channels) - 1))
    return channels, (height, width)


def _hidden(channels: list[int]) -> list[int]:
    """Return the hidden layer beside the convolutions: one of them alone is too little, with two it does harm.

    With a hidden layer the games on 28 x 28 digits collapse to one image, as a DCGAN, which has none, does not.
    """
    return [2 * WIDTH] if len(channels) == 2 else []


def _with_class(rows: Tensor, label: Tensor | None, classes: int) -> Tensor:
    if not classes:
        return rows
    if label is None:
        raise ValueError("a conditional network needs the class of each row")
    return torch.cat([rows, functional.one_hot(label, classes).to(rows.dtype)], dim=1)
