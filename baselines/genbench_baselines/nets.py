"""The networks of all baselines: an MLP for points, a small CNN for images; both accept a class label."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

HIDDEN_UNITS = 128
"""Units of a hidden layer."""
CHANNELS = 16
"""Channels at half the image size; each further halving doubles them."""


class Decoder(nn.Module):
    """Maps z [N, latent] (and a label [N]) to x [N, *shape]: generator of a GAN, decoder of a VAE.

    Images end in tanh. ``normalised`` adds batch normalisation before each ReLU between convolutions, as in DCGAN
    (Radford et al. 2015, arXiv 1511.06434), if there are at least two convolutions. Without it, the GAN and the WGANs
    need three times as many steps on 28 x 28 images.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], classes: int = 0, *, normalised: bool = False) -> None:
        super().__init__()
        self.classes = classes
        # points need no convolutions
        if len(shape) == 1:
            self.layers: nn.Module = mlp([latent + classes, *[HIDDEN_UNITS] * 3, shape[0]], nn.ReLU())
            return
        # a dense layer makes the coarsest feature map
        channels, coarsest = _resolutions(shape)
        flat = channels[-1] * coarsest[0] * coarsest[1]
        dense = mlp([latent + classes, *_hidden_widths(channels), flat], nn.ReLU())
        layers: list[nn.Module] = [dense, nn.Unflatten(1, (channels[-1], *coarsest))]
        # each transposed convolution doubles height and width
        for channels_in, channels_out in pairwise(reversed(channels)):
            layers += [nn.BatchNorm2d(channels_in)] if normalised and len(channels) > 2 else []
            layers += [nn.ReLU(), nn.ConvTranspose2d(channels_in, channels_out, 4, stride=2, padding=1)]
        self.layers = nn.Sequential(*layers, nn.Tanh())

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        out: Tensor = self.layers(_with_label(z, label, self.classes))
        return out


class Encoder(nn.Module):
    """Maps x [N, *shape] (and a label [N]) to [N, outputs]: discriminator, critic or encoder.

    ``normalised`` adds batch normalisation to the hidden layers of the head for images, as in DCGAN: on 8 x 8 digits,
    the discriminator of a GAN then sees that the rows of a batch are too similar, and the GAN does not collapse to one
    image. It is not for a gradient penalty, which must not depend on the other rows of a batch.
    """

    def __init__(self, shape: tuple[int, ...], outputs: int, classes: int = 0, *, normalised: bool = False) -> None:
        super().__init__()
        self.classes = classes
        if len(shape) == 1:
            self.layers: nn.Module = nn.Identity()
            self.head = mlp([shape[0] + classes, *[HIDDEN_UNITS] * 3, outputs], nn.LeakyReLU(0.2))
            return
        channels, coarsest = _resolutions(shape)
        layers: list[nn.Module] = []
        # each convolution halves height and width
        for channels_in, channels_out in pairwise(channels):
            layers += [nn.Conv2d(channels_in, channels_out, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        flat = channels[-1] * coarsest[0] * coarsest[1]
        widths = [flat + classes, *_hidden_widths(channels), outputs]
        self.head = mlp(widths, nn.LeakyReLU(0.2), normalised=normalised)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        out: Tensor = self.head(_with_label(self.layers(x), label, self.classes))
        return out


def mlp(widths: list[int], activation: nn.Module, *, normalised: bool = False) -> nn.Sequential:
    """Return linear layers with the given widths; between them activations, if asked for after batch normalisation."""
    layers: list[nn.Module] = [nn.Linear(widths[0], widths[1])]
    for width_in, width_out in pairwise(widths[1:]):
        layers += [nn.BatchNorm1d(width_in)] if normalised else []
        layers += [activation, nn.Linear(width_in, width_out)]
    return nn.Sequential(*layers)


def _resolutions(shape: tuple[int, ...]) -> tuple[list[int], tuple[int, int]]:
    """Return the channels at each resolution, finest first, and the coarsest size: 8 -> 4, 28 -> 7, 32 -> 4."""
    # halve while both sides are even and larger than 4
    channels, (height, width) = [shape[0]], shape[1:]
    while height % 2 == width % 2 == 0 and min(height, width) > 4:
        height, width = height // 2, width // 2
        channels.append(CHANNELS * 2 ** (len(channels) - 1))
    return channels, (height, width)


def _hidden_widths(channels: list[int]) -> list[int]:
    """Return the widths of the hidden layers of the MLP: one layer with a single convolution, otherwise none.

    With a hidden layer, the GANs on 28 x 28 digits collapse to one image; DCGAN has no hidden layer either.
    """
    return [2 * HIDDEN_UNITS] if len(channels) == 2 else []


def _with_label(rows: Tensor, label: Tensor | None, classes: int) -> Tensor:
    if not classes:
        return rows
    if label is None:
        raise ValueError("a conditional network needs the class of each row")
    # the label is a one-hot vector beside the features
    return torch.cat([rows, functional.one_hot(label, classes).to(rows.dtype)], dim=1)
