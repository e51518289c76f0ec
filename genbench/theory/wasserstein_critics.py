"""Wasserstein critics: small networks that estimate W1 under one of three Lipschitz constraints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genbench.array_types import Float64
from genbench.errors import InputError

CRITIC_UNITS = 32
LEARNING_RATE = 0.02


class LipschitzConstraint(Protocol):
    """A way to bound the gradient of a critic."""

    def effective(self, weight: Tensor) -> Tensor:
        """Return the matrix that a layer multiplies by."""
        ...

    def penalty(self, critic: _CriticNetwork, reference: Tensor, generated: Tensor, share: Tensor) -> Tensor:
        """Return the term that is subtracted from the critic's objective."""
        ...

    def constrain(self, critic: _CriticNetwork) -> None:
        """Change the parameters after a training step."""
        ...


@dataclass(frozen=True)
class WeightClipping:
    """Every weight stays within -limit..limit (Arjovsky et al. 2017, arXiv 1701.07875).

    The critic is K-Lipschitz, and K depends on the network. The estimate is K W1: its order is right, its scale is not.
    """

    limit: float = 0.1

    def effective(self, weight: Tensor) -> Tensor:
        return weight

    def penalty(self, critic: _CriticNetwork, reference: Tensor, generated: Tensor, share: Tensor) -> Tensor:
        return reference.new_zeros(())

    def constrain(self, critic: _CriticNetwork) -> None:
        # biases are clipped too
        for parameter in critic.parameters:
            parameter.clamp_(-self.limit, self.limit)


@dataclass(frozen=True)
class GradientPenalty:
    """weight E[(|grad f(x)| - 1)^2], x between a reference and a generated point (Gulrajani et al. 2017, 1704.00028).

    The penalty is a soft constraint. If W1 = theta along one direction, the gradient norm s maximises
    s theta - weight (s - 1)^2, and the estimate is theta (1 + theta / (2 weight)), which is larger than W1.
    """

    weight: float = 10.0

    def effective(self, weight: Tensor) -> Tensor:
        return weight

    def penalty(self, critic: _CriticNetwork, reference: Tensor, generated: Tensor, share: Tensor) -> Tensor:
        # random points on the lines between pairs of points
        interpolates = (share * reference + (1 - share) * generated).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(interpolates).sum(), interpolates, create_graph=True)
        penalty: Tensor = self.weight * (gradient.norm(dim=1) - 1).square().mean()
        return penalty

    def constrain(self, critic: _CriticNetwork) -> None:
        pass


@dataclass(frozen=True)
class SpectralNorm:
    """Each weight matrix is divided by its largest singular value (Miyato et al. 2018, arXiv 1802.05957).

    With 1-Lipschitz activations the critic is 1-Lipschitz, so its estimate never exceeds W1 of the two sample sets.
    """

    def effective(self, weight: Tensor) -> Tensor:
        # the networks are small enough for the exact norm, so no power iteration
        norm: Tensor = torch.linalg.matrix_norm(weight, 2)
        return weight / norm

    def penalty(self, critic: _CriticNetwork, reference: Tensor, generated: Tensor, share: Tensor) -> Tensor:
        return reference.new_zeros(())

    def constrain(self, critic: _CriticNetwork) -> None:
        pass


def line_points(theta: float, *, count: int = 128) -> Float64:
    """Return points (theta, z) with z evenly spaced in 0..1, float64 [count, 2]: one of Arjovsky's parallel lines."""
    # the points (theta, 1/2n), (theta, 3/2n), ...
    return np.stack([np.full(count, float(theta)), (np.arange(count) + 0.5) / count], axis=1)


def gradient_penalty_estimate(theta: float, weight: float) -> float:
    """Return theta (1 + theta / (2 weight)): the estimate of a perfect critic with gradient penalty if W1 = theta."""
    # maximise s theta - weight (s - 1)^2 over s, then take s theta
    return theta * (1 + theta / (2 * weight))


@dataclass(frozen=True, eq=False)
class TrainedCritic:
    """A trained critic f and its estimate of W1(reference, generated)."""

    estimate: float
    """mean f(reference) - mean f(generated) over the training samples"""
    network: _CriticNetwork

    def __call__(self, points: npt.ArrayLike) -> Float64:
        """Return f(x) for points float64 [N, d], float64 [N]."""
        with torch.no_grad():
            return np.asarray(self.network(torch.as_tensor(np.asarray(points, np.float64))).numpy())

    def gradient_norms(self, points: npt.ArrayLike) -> Float64:
        """Return |grad f(x)| at points float64 [N, d], float64 [N]; at most 1 for a 1-Lipschitz critic."""
        # rows do not interact, so the gradient of the sum holds the gradient of each row
        x = torch.as_tensor(np.asarray(points, np.float64)).requires_grad_()
        (gradient,) = torch.autograd.grad(self.network(x).sum(), x)
        return np.asarray(gradient.norm(dim=1).numpy())


def train_critic(
    reference: npt.ArrayLike,
    generated: npt.ArrayLike,
    constraint: LipschitzConstraint,
    *,
    steps: int = 400,
    seed: int = 0,
) -> TrainedCritic:
    """Train a critic f on two sample sets float64 [N, d] of equal shape to maximise E_reference[f] - E_generated[f].

    Over 1-Lipschitz f the maximum is W1 (Kantorovich-Rubinstein duality). Training uses full batches, two hidden
    layers, Adam with a cosine schedule and float64; the same input gives the same critic. Raises InputError for sets
    of unequal shape.
    """
    x, y = (torch.as_tensor(np.asarray(points, np.float64)) for points in (reference, generated))
    if x.ndim != 2 or x.shape != y.shape:
        raise InputError(f"A critic needs two sets [N, d] of equal shape; got {tuple(x.shape)} and {tuple(y.shape)}.")
    # an own generator leaves torch's global one unchanged
    generator = torch.Generator().manual_seed(seed)
    network = _CriticNetwork(x.shape[1], constraint, generator)
    optimiser = torch.optim.Adam(network.parameters, lr=LEARNING_RATE, betas=(0.5, 0.9))
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        # drawn for every constraint, so that all use the same random stream
        share = torch.rand((len(x), 1), generator=generator, dtype=torch.float64)
        objective = network(x).mean() - network(y).mean()
        optimiser.zero_grad()
        (constraint.penalty(network, x, y, share) - objective).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            constraint.constrain(network)
    # the estimate of the final parameters
    with torch.no_grad():
        return TrainedCritic(float(network(x).mean() - network(y).mean()), network)


class _CriticNetwork:
    """MLP with layers d -> CRITIC_UNITS -> CRITIC_UNITS -> 1 and ReLU between them."""

    def __init__(self, dimension: int, constraint: LipschitzConstraint, generator: torch.Generator) -> None:
        sizes = (dimension, CRITIC_UNITS, CRITIC_UNITS, 1)
        self.constraint = constraint
        # all weights are drawn before all biases
        self.weights = [_initial_weights((b, a), a, generator) for a, b in pairwise(sizes)]
        self.biases = [_initial_weights((b,), a, generator) for a, b in pairwise(sizes)]

    @property
    def parameters(self) -> list[Tensor]:
        return [*self.weights, *self.biases]

    def __call__(self, points: Tensor) -> Tensor:
        hidden = points
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            # the last layer is linear
            hidden = hidden @ self.constraint.effective(weight).T + bias
            if layer < len(self.weights) - 1:
                hidden = hidden.relu()
        return hidden[:, 0]


def _initial_weights(shape: tuple[int, ...], inputs: int, generator: torch.Generator) -> Tensor:
    # uniform in -1/sqrt(inputs)..1/sqrt(inputs), as torch.nn.Linear does
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
    return ((2 * uniform - 1) / math.sqrt(inputs)).requires_grad_()
