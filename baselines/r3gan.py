"""R3GAN: real and generated are judged in pairs, with R1 and R2 penalties (Huang et al. 2024, arXiv 2501.05441)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from baselines.data import TrainingData
from baselines.nets import Decoder, Encoder
from baselines.train import Baseline, by_data


@dataclass
class R3GAN(Baseline):
    """The modern cure of mode collapse: D need only tell each pair apart, and its slope is kept small at both ends.

    D minimises E softplus(D(G(z)) - D(x)) + gamma / 2 (R1 + R2), G minimises E softplus(D(x) - D(G(z))), with
    R1 = E |grad D(x)|^2 and R2 = E |grad D(G(z))|^2. Learning rate and gamma fall along a cosine.
    """

    gamma: float = by_data(points=0.1, images=1)
    """Falls to a tenth of this."""
    latent: int = by_data(points=2, images=16)
    batch_size: int = by_data(points=256, images=128)
    learning_rate: float = by_data(points=1e-3, images=5e-4)
    """Falls to a fiftieth of this."""
    average: float = 0.998

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make G and D and an optimiser for each."""
        self.networks = {"generator": Decoder(self.latent, shape), "critic": Encoder(shape, 1)}
        self.optimisers = {
            name: torch.optim.Adam(network.parameters(), self.learning_rate, betas=(0.0, 0.99))
            for name, network in self.networks.items()
        }

    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Improve D once, then G once."""
        gamma = self.gamma * cosine(progress, last=0.1)
        for optimiser in self.optimisers.values():
            optimiser.param_groups[0]["lr"] = self.learning_rate * cosine(progress, last=0.02)
        real, _ = data.draw(self.batch_size, generator)
        fake = self.generate(self.networks["generator"], self.batch_size, generator)
        critic = self.networks["critic"]

        judged_real, slope_real = judged_with_slope(critic, real)
        judged_fake, slope_fake = judged_with_slope(critic, fake)
        critic_loss = softplus(judged_fake - judged_real).mean() + gamma / 2 * (slope_real + slope_fake)
        self.descend("critic", critic_loss)

        generator_loss = softplus(critic(real) - critic(fake)).mean()
        self.descend("generator", generator_loss)
        return {"critic": critic_loss, "generator": generator_loss, "r1": slope_real, "r2": slope_fake}

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """x = G(z), z ~ N(0, I)."""
        samples: Tensor = network(torch.randn(count, self.latent, generator=generator))
        return samples


def judged_with_slope(critic: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return D(x), [N, 1], and E |grad D(x)|^2."""
    x = x.detach().requires_grad_()
    judged: Tensor = critic(x)
    (slope,) = torch.autograd.grad(judged.sum(), x, create_graph=True)
    return judged, slope.square().sum() / len(x)


def cosine(progress: float, *, last: float) -> float:
    """Fall from 1 to ``last`` along half a cosine."""
    return last + (1 - last) * (1 + math.cos(math.pi * progress)) / 2
