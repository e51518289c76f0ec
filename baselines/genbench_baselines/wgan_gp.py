"""WGAN-GP: a gradient penalty replaces weight clipping (Gulrajani et al. 2017, arXiv 1704.00028)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from genbench_baselines.data import TrainingData
from genbench_baselines.nets import Decoder, Encoder
from genbench_baselines.train import Baseline, by_data


@dataclass
class WGANGP(Baseline):
    """The WGAN with gradient penalty: W1 = max over 1-Lipschitz f of E f(x) - E f(G(z)).

    The loss of the critic f has the term lambda E (|grad f(x')| - 1)^2 with x' on the lines between real and generated
    samples. This is a soft constraint, so the estimate is larger than W1: theta (1 + theta / (2 lambda)) for two
    parallel lines at the distance theta.
    """

    critic_steps: int = 5
    penalty: float = by_data(points=0.1, images=10)
    latent: int = by_data(points=2, images=16)
    batch_size: int = by_data(points=256, images=64)
    learning_rate: float = by_data(points=1e-3, images=2e-4)
    average: float = 0.998

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make G and f, and an optimiser for each."""
        # every model calls its discriminator or critic "critic"
        self.networks = {"generator": Decoder(self.latent, shape, normalised=True), "critic": Encoder(shape, 1)}
        self.optimisers = {
            name: torch.optim.Adam(network.parameters(), self.learning_rate, betas=(0.0, 0.9))
            for name, network in self.networks.items()
        }

    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Take several steps on f, then one step on G."""
        critic = self.networks["critic"]
        for _ in range(self.critic_steps):
            real, _ = data.draw(self.batch_size, generator)
            fake = self.generate(self.networks["generator"], self.batch_size, generator).detach()
            difference = critic(real).mean() - critic(fake).mean()
            # minus the estimate of W1, plus the penalty
            critic_loss = -difference + self.penalty * gradient_penalty(critic, real, fake, generator)
            self.descend("critic", critic_loss)

        fake = self.generate(self.networks["generator"], self.batch_size, generator)
        generator_loss = -critic(fake).mean()
        # the gradient flows through the critic, but only the generator changes
        self.descend("generator", generator_loss)
        return {"critic": critic_loss, "generator": generator_loss, "w1": difference * data.scale}

    def claim(self, data: ArrayLike, seed: int) -> tuple[str, float, np.ndarray[Any, Any]]:
        """Return ``"w1"``, f's estimate of it, E f(x) - E f(G(z)), in data units, and the points G(z), [N, D]."""
        real, fake, points = self.critic_outputs(data, seed)
        return "w1", float(real.mean() - fake.mean()) * self.metadata["scale"], points

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """x = G(z) with z ~ N(0, I)."""
        samples: Tensor = network(torch.randn(count, self.latent, generator=generator))
        return samples


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """Return E (|grad f(x')| - 1)^2 with x' = u x + (1 - u) G(z) and u uniform in 0..1 for each row."""
    u = torch.rand(len(real), *[1] * (real.ndim - 1), generator=generator)
    interpolates = torch.lerp(fake, real, u).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(interpolates).sum(), interpolates, create_graph=True)
    # the norm over all coordinates of a row
    excess: Tensor = gradient.flatten(1).norm(dim=1) - 1
    return excess.square().mean()
