"""WGAN: a Lipschitz critic estimates W1, and G minimises it (Arjovsky et al. 2017, arXiv 1701.07875)."""

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
class WGAN(Baseline):
    """The WGAN of the lecture: W1 = max over 1-Lipschitz f of E f(x) - E f(G(z)).

    Clipping its weights to -c..c makes the critic f K-Lipschitz. K is unknown, so the critic estimates K W1.
    """

    critic_steps: int = 5
    clip: float = by_data(points=0.1, images=0.02)
    latent: int = by_data(points=2, images=16)
    batch_size: int = by_data(points=256, images=64)
    learning_rate: float = by_data(points=5e-4, images=2e-4)
    average: float = 0.0

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make G and f, and an optimiser for each."""
        # every model calls its discriminator or critic "critic"
        self.networks = {"generator": Decoder(self.latent, shape, normalised=True), "critic": Encoder(shape, 1)}
        self.optimisers = {
            name: torch.optim.RMSprop(network.parameters(), self.learning_rate)
            for name, network in self.networks.items()
        }

    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Take several steps on f, then one step on G."""
        critic = self.networks["critic"]
        for _ in range(self.critic_steps):
            real, _ = data.draw(self.batch_size, generator)
            fake = self.generate(self.networks["generator"], self.batch_size, generator)
            critic_loss = critic(fake.detach()).mean() - critic(real).mean()
            self.descend("critic", critic_loss)
            clip(critic, self.clip)

        fake = self.generate(self.networks["generator"], self.batch_size, generator)
        generator_loss = -critic(fake).mean()
        # the gradient flows through the critic, but only the generator changes
        self.descend("generator", generator_loss)
        return {"critic": critic_loss, "generator": generator_loss, "w1": -critic_loss * data.scale}

    def claim(self, data: ArrayLike, seed: int) -> tuple[str, float, np.ndarray[Any, Any]]:
        """Return ``"w1"``, f's estimate of it, E f(x) - E f(G(z)), in data units, and the points G(z), [N, D]."""
        real, fake, points = self.critic_outputs(data, seed)
        return "w1", float(real.mean() - fake.mean()) * self.metadata["scale"], points

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """x = G(z) with z ~ N(0, I)."""
        samples: Tensor = network(torch.randn(count, self.latent, generator=generator))
        return samples


def clip(network: nn.Module, bound: float) -> None:
    """Clip every weight to -bound..bound."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.clamp_(-bound, bound)
