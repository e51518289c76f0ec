"""AE: a deterministic autoencoder made a sampler by a prior over its codes, and why the usual one, N(0, I), fails."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from baselines.data import TrainingData
from baselines.nets import Decoder, Encoder
from baselines.train import Baseline, by_data

CODES_KEPT = 0.99
"""Decay of the moving average of the codes' moments: it looks back over the last 100 batches."""


@dataclass
class AE(Baseline):
    """Autoencoder: code m(x), reconstruction f(m(x)), minimises E |x - f(m(x))|^2 (Hinton and Salakhutdinov 2006).

    Nothing in this loss says where codes lie. ``prior="fitted"`` decodes draws of a Gaussian fitted to the codes of
    the training data (Ghosh et al. 2019, arXiv 1903.12436); ``prior="normal"`` decodes N(0, I), for which f was never
    trained. The weights are the same: set ``prior`` on a trained model to see the other's samples.
    """

    prior: Literal["fitted", "normal"] = "fitted"
    latent: int = by_data(points=2, images=8)
    batch_size: int = 128
    learning_rate: float = 1e-3
    average = 0.0  # the codes fit the decoder's last weights

    def __post_init__(self) -> None:
        if self.prior not in ("fitted", "normal"):
            raise ValueError(f"prior={self.prior!r} is neither fitted nor normal")

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make f and m, the Gaussian of the codes, and one optimiser."""
        self.codes = CodeGaussian(self.latent)
        self.networks = {
            "generator": Decoder(self.latent, shape),
            "encoder": Encoder(shape, self.latent),
            "codes": self.codes,
        }
        parameters = [one for network in self.networks.values() for one in network.parameters()]
        self.optimisers = {"reconstruction": torch.optim.Adam(parameters, self.learning_rate)}

    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Improve the reconstruction once, and let the Gaussian follow the codes."""
        x, _ = data.draw(self.batch_size, generator)
        z = self.networks["encoder"](x)
        loss = (x - self.networks["generator"](z)).square().flatten(1).sum(dim=1).mean()

        self.optimisers["reconstruction"].param_groups[0]["lr"] = (
            self.learning_rate * (1 + math.cos(math.pi * progress)) / 2
        )
        self.descend("reconstruction", loss)
        self.codes.follow(z.detach())
        return {"loss": loss}

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """x = f(z), z of the prior."""
        z = torch.randn(count, self.latent, generator=generator)
        samples: Tensor = network(self.codes(z) if self.prior == "fitted" else z)
        return samples


class CodeGaussian(nn.Module):
    """N(mean, covariance) of codes, followed batch by batch, so that samples can be drawn at any step."""

    mean: Tensor
    covariance: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent, dtype=torch.float64))
        self.register_buffer("covariance", torch.eye(latent, dtype=torch.float64))

    def follow(self, codes: Tensor) -> None:
        """Take one batch of codes [N, latent] into the moving averages."""
        codes = codes.double()
        self.mean.lerp_(codes.mean(dim=0), 1 - CODES_KEPT)
        centred = codes - self.mean
        self.covariance.lerp_(centred.T @ centred / len(codes), 1 - CODES_KEPT)

    def forward(self, z: Tensor) -> Tensor:
        """Return draws of N(mean, covariance) made from draws z of N(0, I)."""
        values, vectors = torch.linalg.eigh(self.covariance)
        root = vectors * values.clamp(min=0).sqrt()  # [latent, latent], root @ root.T is the covariance
        draws: Tensor = self.mean + z.double() @ root.T
        return draws.to(z.dtype)
