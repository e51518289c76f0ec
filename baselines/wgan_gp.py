"""WGAN-GP: a penalty, not clipping, holds the critic's slope near 1 (Gulrajani et al. 2017, arXiv 1704.00028)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from baselines.data import TrainingData
from baselines.nets import Decoder, Encoder
from baselines.train import Baseline, by_data


@dataclass
class WGANGP(Baseline):
    """The WGAN with a gradient penalty: W1 = max over 1-Lipschitz f of E f(x) - E f(G(z)).

    The critic f pays lambda E (|grad f(x')| - 1)^2, x' on the lines between real and generated samples. The penalty is
    soft, so the estimate of W1 lies somewhat above it: theta (1 + theta / (2 lambda)) on two parallel lines.
    """

    critic_steps: int = 5
    penalty: float = by_data(points=0.1, images=10)
    latent: int = by_data(points=2, images=16)
    batch_size: int = by_data(points=256, images=64)
    learning_rate: float = by_data(points=1e-3, images=2e-4)
    average: float = 0.998

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make G and f and an optimiser for each."""
        self.networks = {"generator": Decoder(self.latent, shape, normalised=True), "critic": Encoder(shape, 1)}
        self.optimisers = {
            name: torch.optim.Adam(network.parameters(), self.learning_rate, betas=(0.0, 0.9))
            for name, network in self.networks.items()
        }

    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Improve f several times, then G once."""
        critic = self.networks["critic"]
        for _ in range(self.critic_steps):
            real, _ = data.draw(self.batch_size, generator)
            fake = self.generate(self.networks["generator"], self.batch_size, generator).detach()
            difference = critic(real).mean() - critic(fake).mean()
            critic_loss = -difference + self.penalty * gradient_penalty(critic, real, fake, generator)
            self.descend("critic", critic_loss)

        judged = critic(self.generate(self.networks["generator"], self.batch_size, generator))
        generator_loss = -judged.mean()
        self.descend("generator", generator_loss)
        return {"critic": critic_loss, "generator": generator_loss, "w1": difference * data.scale}

    def claim(self, data: ArrayLike, seed: int) -> tuple[str, float, np.ndarray[Any, Any]]:
        """Return ``"w1"``, the critic's E f(x) - E f(G(z)) in the points' units, and the points G(z), [N, D]."""
        real, fake, points = self.judged(data, seed)
        return "w1", float(real.mean() - fake.mean()) * self.about["scale"], points

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """x = G(z), z ~ N(0, I)."""
        samples: Tensor = network(torch.randn(count, self.latent, generator=generator))
        return samples


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """E (|grad f(x')| - 1)^2 with x' = u x + (1 - u) G(z), u uniform in 0..1 for each row."""
    share = torch.rand(len(real), *[1] * (real.ndim - 1), generator=generator)
    between = torch.lerp(fake, real, share).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    excess: Tensor = slope.flatten(1).norm(dim=1) - 1
    return excess.square().mean()
