"""GAN: the value of the game at its optimum D* is 2 JSD - ln 4 (Goodfellow et al. 2014, arXiv 1406.2661)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import softplus

from genbench_baselines.data import TrainingData
from genbench_baselines.nets import Decoder, Encoder
from genbench_baselines.train import Baseline, by_data


@dataclass
class GAN(Baseline):
    """The GAN of the lecture: generator x = G(z), and a discriminator D of real and generated samples.

    D maximises E ln D(x) + E ln(1 - D(G(z))). G minimises E ln(1 - D(G(z))) (``minimax``), whose gradient vanishes
    while D is right, or maximises E ln D(G(z)) (``non-saturating``).
    """

    loss: Literal["non-saturating", "minimax"] = "non-saturating"
    latent: int = by_data(points=2, images=16)
    batch_size: int = by_data(points=256, images=128)
    learning_rate: float = by_data(points=1e-3, images=2e-3)
    average: float = 0.998

    def __post_init__(self) -> None:
        if self.loss not in ("non-saturating", "minimax"):
            raise ValueError(f"loss={self.loss!r} is neither non-saturating nor minimax")

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make G and D, and an optimiser for each."""
        # every model calls its discriminator or critic "critic"
        self.networks = {
            "generator": Decoder(self.latent, shape, normalised=True),
            "critic": Encoder(shape, 1, normalised=True),
        }
        self.optimisers = {
            name: torch.optim.Adam(network.parameters(), self.learning_rate, betas=(0.5, 0.999))
            for name, network in self.networks.items()
        }

    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Take one step on D, then one step on G."""
        real, _ = data.draw(self.batch_size, generator)
        fake = self.generate(self.networks["generator"], self.batch_size, generator)
        critic = self.networks["critic"]

        # D(x) = sigmoid(critic(x)), so -ln D = softplus(-critic) and -ln(1 - D) = softplus(critic)
        critic_loss = softplus(-critic(real)).mean() + softplus(critic(fake.detach())).mean()
        self.descend("critic", critic_loss)

        logit = critic(fake)
        generator_loss = softplus(-logit).mean() if self.loss == "non-saturating" else -softplus(logit).mean()
        # the gradient flows through the critic, but only the generator changes
        self.descend("generator", generator_loss)
        return {"critic": critic_loss, "generator": generator_loss, "value": -critic_loss}

    def claim(self, data: ArrayLike, seed: int) -> tuple[str, float, np.ndarray[Any, Any]]:
        """Return ``"value"``, D's estimate of it, E ln D(x) + E ln(1 - D(G(z))), and the points G(z), [N, D]."""
        real, fake, points = self.critic_outputs(data, seed)
        return "value", -float(softplus(-real).mean() + softplus(fake).mean()), points

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """x = G(z) with z ~ N(0, I)."""
        samples: Tensor = network(torch.randn(count, self.latent, generator=generator))
        return samples
