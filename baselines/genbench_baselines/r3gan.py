"""R3GAN: a relativistic GAN loss with R1 and R2 gradient penalties (Huang et al. 2024, arXiv 2501.05441)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from genbench_baselines.data import TrainingData
from genbench_baselines.nets import Decoder, Encoder
from genbench_baselines.train import Baseline, by_data


@dataclass
class R3GAN(Baseline):
    """A modern remedy for mode collapse: D compares pairs of a real and a generated sample, with gradient penalties.

    D minimises E softplus(D(G(z)) - D(x)) + gamma / 2 (R1 + R2), and G minimises E softplus(D(x) - D(G(z))), with the
    zero-centred gradient penalties R1 = E |grad D(x)|^2 and R2 = E |grad D(G(z))|^2. The learning rate and gamma fall
    along a cosine.
    """

    gamma: float = by_data(points=0.1, images=1)
    """Initial weight of the penalties; it falls to a tenth."""
    latent: int = by_data(points=2, images=16)
    batch_size: int = by_data(points=256, images=128)
    learning_rate: float = by_data(points=1e-3, images=5e-4)
    """Initial learning rate; it falls to a fiftieth."""
    average: float = 0.998

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make G and D, and an optimiser for each."""
        # every model calls its discriminator or critic "critic"
        self.networks = {"generator": Decoder(self.latent, shape), "critic": Encoder(shape, 1)}
        self.optimisers = {
            name: torch.optim.Adam(network.parameters(), self.learning_rate, betas=(0.0, 0.99))
            for name, network in self.networks.items()
        }

    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Take one step on D, then one step on G."""
        # strong penalty and large steps first
        gamma = self.gamma * cosine(progress, last=0.1)
        for optimiser in self.optimisers.values():
            optimiser.param_groups[0]["lr"] = self.learning_rate * cosine(progress, last=0.02)
        real, _ = data.draw(self.batch_size, generator)
        fake = self.generate(self.networks["generator"], self.batch_size, generator)
        critic = self.networks["critic"]

        # each real sample is compared with one generated sample
        critic_real, r1 = critic_with_penalty(critic, real)
        critic_fake, r2 = critic_with_penalty(critic, fake)
        critic_loss = softplus(critic_fake - critic_real).mean() + gamma / 2 * (r1 + r2)
        self.descend("critic", critic_loss)

        generator_loss = softplus(critic(real) - critic(fake)).mean()
        # the gradient flows through the critic, but only the generator changes
        self.descend("generator", generator_loss)
        return {"critic": critic_loss, "generator": generator_loss, "r1": r1, "r2": r2}

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """x = G(z) with z ~ N(0, I)."""
        samples: Tensor = network(torch.randn(count, self.latent, generator=generator))
        return samples


def critic_with_penalty(critic: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return D(x), [N, 1], and the zero-centred gradient penalty E |grad D(x)|^2."""
    x = x.detach().requires_grad_()
    output: Tensor = critic(x)
    # rows do not interact, so the gradient of the sum holds the gradient of each row
    (gradient,) = torch.autograd.grad(output.sum(), x, create_graph=True)
    return output, gradient.square().sum() / len(x)


def cosine(progress: float, *, last: float) -> float:
    """Return the factor of a cosine schedule from 1 (progress 0) to ``last`` (progress 1)."""
    return last + (1 - last) * (1 + math.cos(math.pi * progress)) / 2
