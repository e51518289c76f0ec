"""Wasserstein critics: small networks that estimate W1 under three ways of keeping their slope at most 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genbench.arrays import Float64
from genbench.errors import InputError

WIDTH = 32
RATE = 0.02


class Control(Protocol):
    """How the slope of a critic is held."""

    def effective(self, weight: Tensor) -> Tensor:
        """Return the matrix that a layer multiplies by."""
        ...

    def penalty(self, critic: _Network, reference: Tensor, generated: Tensor, share: Tensor) -> Tensor:
        """Return what is taken from the critic's objective."""
        ...

    def constrain(self, critic: _Network) -> None:
        """Change the parameters after a step."""
        ...


@dataclass(frozen=True)
class Clip:
    """Every weight stays within -limit..limit (Arjovsky et al. 2017, arXiv 1701.07875).

    The critic is K-Lipschitz for a K that depends on the network, so its estimate is K W1: the order is right, the
    scale is not.
    """

    limit: float = 0.1

    def effective(self, weight: Tensor) -> Tensor:
        return weight

    def penalty(self, critic: _Network, reference: Tensor, generated: Tensor, share: Tensor) -> Tensor:
        return reference.new_zeros(())

    def constrain(self, critic: _Network) -> None:
        for parameter in critic.parameters:
            parameter.clamp_(-self.limit, self.limit)


@dataclass(frozen=True)
class GradientPenalty:
    """weight E[(|grad f(x)| - 1)^2], x between a reference and a generated point (Gulrajani et al. 2017, 1704.00028).

    The penalty is soft: with W1 = theta along one direction, the slope s maximises s theta - weight (s - 1)^2, so
    the estimate is ``gradient_penalty_estimate``: theta (1 + theta / (2 weight)), too large.
    """

    weight: float = 10.0

    def effective(self, weight: Tensor) -> Tensor:
        return weight

    def penalty(self, critic: _Network, reference: Tensor, generated: Tensor, share: Tensor) -> Tensor:
        between = (share * reference + (1 - share) * generated).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty: Tensor = self.weight * (slope.norm(dim=1) - 1).square().mean()
        return penalty

    def constrain(self, critic: _Network) -> None:
        pass


@dataclass(frozen=True)
class SpectralNorm:
    """Each weight matrix is divided by its largest singular value (Miyato et al. 2018, arXiv 1802.05957).

    With 1-Lipschitz activations the critic has slope 1 at most, so its estimate never exceeds W1 of the samples.
    """

    def effective(self, weight: Tensor) -> Tensor:
        # the nets are small: the exact norm instead of power iteration
        norm: Tensor = torch.linalg.matrix_norm(weight, 2)
        return weight / norm

    def penalty(self, critic: _Network, reference: Tensor, generated: Tensor, share: Tensor) -> Tensor:
        return reference.new_zeros(())

    def constrain(self, critic: _Network) -> None:
        pass


def line_points(theta: float, *, count: int = 128) -> Float64:
    """Return points (theta, z), z evenly over 0..1, float64 [count, 2]: one of Arjovsky's parallel lines."""
    return np.stack([np.full(count, float(theta)), (np.arange(count) + 0.5) / count], axis=1)


def gradient_penalty_estimate(theta: float, weight: float) -> float:
    """Return theta (1 + theta / (2 weight)): what a perfect critic says under the gradient penalty for W1 = theta."""
    return theta * (1 + theta / (2 * weight))


@dataclass(frozen=True, eq=False)
class Critic:
    """A trained critic and its estimate of W1(reference, generated)."""

    estimate: float
    """mean f(reference) - mean f(generated) over the samples it was trained on"""
    network: _Network

    def __call__(self, points: npt.ArrayLike) -> Float64:
        """Return f(x) of float64 [N, d] points, float64 [N]."""
        with torch.no_grad():
            return np.asarray(self.network(torch.as_tensor(np.asarray(points, np.float64))).numpy())

    def slopes(self, points: npt.ArrayLike) -> Float64:
        """Return |grad f(x)| at float64 [N, d] points, float64 [N]: at most 1 for a true W1 critic."""
        x = torch.as_tensor(np.asarray(points, np.float64)).requires_grad_()
        (slope,) = torch.autograd.grad(self.network(x).sum(), x)
        return np.asarray(slope.norm(dim=1).numpy())


def train_critic(
    reference: npt.ArrayLike, generated: npt.ArrayLike, control: Control, *, steps: int = 400, seed: int = 0
) -> Critic:
    """Train a critic f on two sample sets float64 [N, d] of one shape to maximise E_reference[f] - E_generated[f].

    Full batches, two hidden layers, Adam with a cosine schedule, float64: the same input gives the same critic. By
    Kantorovich and Rubinstein the maximum over 1-Lipschitz f is W1. Raises InputError for sets of unequal shape.
    """
    x, y = (torch.as_tensor(np.asarray(points, np.float64)) for points in (reference, generated))
    if x.ndim != 2 or x.shape != y.shape:
        raise InputError(f"Two sets [N, d] of one shape are wanted; {tuple(x.shape)} and {tuple(y.shape)} came.")
    generator = torch.Generator().manual_seed(seed)
    network = _Network(x.shape[1], control, generator)
    optimiser = torch.optim.Adam(network.parameters, lr=RATE, betas=(0.5, 0.9))
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        share = torch.rand((len(x), 1), generator=generator, dtype=torch.float64)
        gain = network(x).mean() - network(y).mean()
        optimiser.zero_grad()
        (control.penalty(network, x, y, share) - gain).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            control.constrain(network)
    with torch.no_grad():
        return Critic(float(network(x).mean() - network(y).mean()), network)


class _Network:
    """d -> WIDTH -> WIDTH -> 1 with ReLU."""

    def __init__(self, dimension: int, control: Control, generator: torch.Generator) -> None:
        sizes = (dimension, WIDTH, WIDTH, 1)
        self.control = control
        self.weights = [_uniform((b, a), a, generator) for a, b in pairwise(sizes)]
        self.biases = [_uniform((b,), a, generator) for a, b in pairwise(sizes)]

    @property
    def parameters(self) -> list[Tensor]:
        return [*self.weights, *self.biases]

    def __call__(self, points: Tensor) -> Tensor:
        hidden = points
        for place, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = hidden @ self.control.effective(weight).T + bias
            if place < len(self.weights) - 1:
                hidden = hidden.relu()
        return hidden[:, 0]


def _uniform(shape: tuple[int, ...], inputs: int, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(shape, generator=generator, dtype=torch.float64)
    return ((2 * drawn - 1) / math.sqrt(inputs)).requires_grad_()
