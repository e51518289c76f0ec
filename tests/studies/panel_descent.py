"""Samples optimised by gradient descent on the Frechet distance of one encoder, for the study of panels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from genbench.array_types import Float64
from genbench.extractors.classifier import digits_classifier, mnist_classifier
from genbench.extractors.raw import Pixels

STEPS = 200
Images = np.ndarray
Embed = Callable[[torch.Tensor], torch.Tensor]
"""A differentiable function from images float32 [N, 3, H, W], 0..255, to features [N, D]."""


class Target:
    """The Frechet distance of rows to a reference, differentiable."""

    def __init__(self, reference: torch.Tensor) -> None:
        self.mean, covariance = reference.mean(0), torch.cov(reference.T)
        values, vectors = torch.linalg.eigh(covariance)
        self.root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
        self.trace = torch.trace(covariance)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the distance of float64 [N, D]."""
        # the root of a product has the trace of a symmetric matrix; its eigenvalues are kept above 0
        own = torch.cov(rows.T)
        cross = torch.linalg.eigvalsh(self.root @ own @ self.root).clamp_min(1e-10).sqrt().sum()
        distance: torch.Tensor = (rows.mean(0) - self.mean).square().sum() + torch.trace(own) + self.trace - 2 * cross
        return distance


def generator(channels: int = 3) -> nn.Sequential:
    """Return a small network that changes images; at the beginning it changes them little."""
    layers = nn.Sequential(
        nn.Conv2d(channels, 32, 5, padding=2), nn.LeakyReLU(0.2), nn.Conv2d(32, 32, 3, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(32, channels, 3, padding=1),
    )  # fmt: skip
    last = layers[-1]
    assert isinstance(last, nn.Conv2d)
    with torch.no_grad():
        last.weight.mul_(0.1)
    return layers


def trained(base: torch.Tensor, embed: Embed, target: Target, batch: int, rate: float) -> Images:
    """Return the images that a generator makes of others after 200 steps on the distance of its batches."""
    network = generator(base.shape[1])
    descent = torch.optim.Adam(network.parameters(), rate)
    for _ in range(STEPS):
        rows = base[torch.randperm(len(base))[:batch]]
        descent.zero_grad()
        torch.autograd.backward(target(embed(changed(network, rows)).double()))
        descent.step()
    with torch.no_grad():
        return as_uint8(changed(network, base))


def changed(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    moved: torch.Tensor = (images + 64 * network((images - 127) / 128)).clamp(0, 255)
    return moved


def moved_pixels(base: torch.Tensor, embed: Embed, target: Target, rate: float) -> Images:
    """Return images whose pixels were optimised directly, 200 steps."""
    images = base.clone().requires_grad_()
    descent = torch.optim.Adam([images], rate)
    for _ in range(STEPS):
        descent.zero_grad()
        torch.autograd.backward(target(embed(images).double()))
        descent.step()
        with torch.no_grad():
            images.clamp_(0, 255)
    return as_uint8(images.detach())


def as_uint8(images: torch.Tensor) -> Images:
    return np.asarray(images.round().byte().permute(0, 2, 3, 1))


def descended_photographs(network: Callable[[str], nn.Module], blurred: Images, train: Images, path: Path) -> Images:
    """Return blurred photographs repaired by a generator that was trained on the distance by lite0, kept in a file."""
    if path.exists():
        return np.asarray(np.load(path))
    # the distance in 64 principal components, as in the trials
    graph, size = network("lite0").requires_grad_(False), 64

    def whole(images: torch.Tensor) -> torch.Tensor:
        resized = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
        features: torch.Tensor = graph((resized - 127) / 128)
        return features

    with torch.no_grad():
        known = torch.cat([whole(each) for each in torch.split(as_float(train), 100)])
    centre = known.mean(0)
    basis = torch.linalg.svd(known - centre, full_matrices=False)[2][:64].T
    rows = np.random.default_rng(0).permutation(len(known))[:2000]
    target = Target(((known - centre) @ basis)[rows].double())
    torch.manual_seed(0)
    images = trained(as_float(blurred), lambda each: (whole(each) - centre) @ basis, target, batch=100, rate=2e-3)
    np.save(path, images)
    return images


def descended_digits(
    seed: int,
) -> tuple[Mapping[str, Float64], Mapping[str, Float64], Mapping[str, Mapping[str, Float64]]]:
    """Return reference, floor and subjects, by encoder: handwritten digits, honest and optimised for ``digits``."""
    torch.manual_seed(seed)
    networks = {"digits": digits_classifier(), "mnist": mnist_classifier()}
    order = np.random.default_rng(seed).permutation(1797)
    networks["digits"].network.requires_grad_(False)
    # values of 0 to 16
    gray = np.repeat(load_digits().images[order, None] * 255 / 16, 3, axis=1)
    images = torch.from_numpy(gray).float()
    reference, floor, real = images[:700], images[700:950], images[950:1200]

    def features(side: torch.Tensor) -> dict[str, Float64]:
        known = side.round().byte()
        found = {name: each(known)["embedding"].numpy() for name, each in networks.items()}
        # the three channels are equal
        gray_pixels = {f"pixels,size={size}": Pixels(size)(known)["embedding"][:, : size**2].numpy() for size in (4, 6)}
        return {**found, **gray_pixels}

    def embed(side: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = networks["digits"].network.body(side.mean(dim=1, keepdim=True) / 255)
        return embedding

    with torch.no_grad():
        target = Target(embed(reference).double())
    damaged = (functional.avg_pool2d(real, 3, 1, 1) + 20 * torch.randn(real.shape)).clamp(0, 255)
    subjects = {
        "honest: real": real,
        "honest: noise 10": (real + 10 * torch.randn(real.shape)).clamp(0, 255),
        "honest: noise 40": (real + 40 * torch.randn(real.shape)).clamp(0, 255),
        "honest: blur": functional.avg_pool2d(real, 3, 1, 1),
        "honest: blur and noise 20": damaged,
        "optimised: pixels of the last one, digits": as_float(moved_pixels(damaged, embed, target, 1.0)),
        "optimised: generator on the last one, digits": as_float(trained(damaged, embed, target, 125, 2e-3)),
    }
    return features(reference), features(floor), {name: features(side) for name, side in subjects.items()}


def as_float(images: Images) -> torch.Tensor:
    """Return uint8 [N, H, W, 3] as float32 [N, 3, H, W]."""
    return torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2).float()
