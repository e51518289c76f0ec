"""AE: an autoencoder with a prior over its latent codes, and why the usual prior N(0, I) fails."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from genbench_baselines.data import TrainingData
from genbench_baselines.nets import Decoder, Encoder
from genbench_baselines.train import Baseline, by_data

MOMENT_DECAY = 0.99
"""Decay of the moving averages of the codes' moments; they cover about the last 100 batches."""


@dataclass
class AE(Baseline):
    """Autoencoder with encoder m and decoder f: minimises E |x - f(m(x))|^2 (Hinton and Salakhutdinov 2006).

    The loss does not control the distribution of the codes m(x). ``prior="fitted"`` decodes samples of a Gaussian that
    is fitted to the codes of the training data (Ghosh et al. 2019, arXiv 1903.12436). ``prior="normal"`` decodes
    samples of N(0, I), for which f was not trained. The weights do not depend on ``prior``: change it on a trained
    model to compare the samples.
    """

    prior: Literal["fitted", "normal"] = "fitted"
    latent: int = by_data(points=2, images=8)
    batch_size: int = 128
    learning_rate: float = 1e-3
    average = 0.0  # the codes match the last weights of the decoder, not their average

    def __post_init__(self) -> None:
        if self.prior not in ("fitted", "normal"):
            raise ValueError(f"prior={self.prior!r} is neither fitted nor normal")

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make the decoder f, the encoder m, the Gaussian of the codes, and one optimiser."""
        self.codes = CodeGaussian(self.latent)
        # the Gaussian is a module too, so checkpoints contain its moments
        self.networks = {
            "generator": Decoder(self.latent, shape),
            "encoder": Encoder(shape, self.latent),
            "codes": self.codes,
        }
        parameters = [weight for network in self.networks.values() for weight in network.parameters()]
        self.optimisers = {"reconstruction": torch.optim.Adam(parameters, self.learning_rate)}

    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Take one step on the reconstruction error, and update the Gaussian of the codes."""
        x, _ = data.draw(self.batch_size, generator)
        # squared error summed over the coordinates, averaged over the rows
        z = self.networks["encoder"](x)
        loss = (x - self.networks["generator"](z)).square().flatten(1).sum(dim=1).mean()

        # the learning rate falls to 0 along a cosine
        self.optimisers["reconstruction"].param_groups[0]["lr"] = (
            self.learning_rate * (1 + math.cos(math.pi * progress)) / 2
        )
        self.descend("reconstruction", loss)
        self.codes.update(z.detach())
        return {"loss": loss}

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """x = f(z) with z from the prior."""
        z = torch.randn(count, self.latent, generator=generator)
        samples: Tensor = network(self.codes(z) if self.prior == "fitted" else z)
        return samples


class CodeGaussian(nn.Module):
    """Gaussian N(mean, covariance) of the codes; every batch updates it, so samples can be drawn at any step."""

    mean: Tensor
    covariance: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent, dtype=torch.float64))
        self.register_buffer("covariance", torch.eye(latent, dtype=torch.float64))

    def update(self, codes: Tensor) -> None:
        """Update the moving averages with one batch of codes [N, latent]."""
        # exponential moving averages in float64
        codes = codes.double()
        self.mean.lerp_(codes.mean(dim=0), 1 - MOMENT_DECAY)
        centred = codes - self.mean
        self.covariance.lerp_(centred.T @ centred / len(codes), 1 - MOMENT_DECAY)

    def forward(self, z: Tensor) -> Tensor:
        """Transform samples z of N(0, I), [N, latent], into samples of N(mean, covariance)."""
        values, vectors = torch.linalg.eigh(self.covariance)
        # root @ root.T is the covariance; rounding may make an eigenvalue negative
        root = vectors * values.clamp(min=0).sqrt()
        samples: Tensor = self.mean + z.double() @ root.T
        return samples.to(z.dtype)
