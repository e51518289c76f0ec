"""CVAE: a VAE whose networks also get the class label, so that it generates a chosen class (Sohn et al. 2015)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import logsumexp
from torch import Tensor, nn

from genbench_baselines.nets import Decoder, Encoder
from genbench_baselines.train import Conditional, by_data
from genbench_baselines.vae import VAE, ObservationNoise


@dataclass
class CVAE(Conditional, VAE):
    """Conditional VAE: z ~ N(0, I), x ~ N(f(z, y), sigma^2 I), q(z | x, y) = N(m(x, y), diag v(x, y)), class y.

    Maximises the ELBO of ln p(x | y), E_q ln p(x | z, y) - KL(q(z | x, y) || p(z)), with the training step of ``VAE``.
    ``sigma`` is larger than in ``VAE``: with a small sigma the code z describes x in detail, including its class, and
    the decoder ignores y.
    """

    sigma: float = by_data(points=0.1, images=0.5)

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make the decoder f, the encoder (m, v), sigma, and one optimiser. Raises ValueError without labels."""
        if not classes:
            raise ValueError("cvae needs the class of each training sample, but these data have no labels")
        if self.linear:
            raise ValueError("linear=true does not support classes; use vae,linear=true")
        # encoder and decoder get the label as a one-hot vector
        self.networks = {
            "generator": Decoder(self.latent, shape, classes),
            "encoder": Encoder(shape, 2 * self.latent, classes),
            "noise": ObservationNoise(self.scaled_sigma(shape), learned=False),
        }
        parameters = [weight for network in self.networks.values() for weight in network.parameters()]
        self.optimisers = {"elbo": torch.optim.Adam(parameters, self.learning_rate)}

    def generate_classes(self, network: nn.Module, label: Tensor, generator: torch.Generator) -> Tensor:
        """x = f(z, y), z ~ N(0, I)."""
        samples: Tensor = network(torch.randn(len(label), self.latent, generator=generator), label)
        return samples

    def log_likelihood(
        self, data: ArrayLike | Tensor, label: ArrayLike | Tensor | None = None, *, samples: int = 500, seed: int = 0
    ) -> np.ndarray[Any, Any]:
        """Return a lower bound of ln p(x | y), float64 [N]; without labels, of ln p(x) = ln 1/C sum_y p(x | y)."""
        if label is not None:
            return super().log_likelihood(data, label, samples=samples, seed=seed)
        rows = torch.as_tensor(data)
        # all C classes are equally likely
        bounds = [
            super(CVAE, self).log_likelihood(rows, torch.full([len(rows)], y), samples=samples, seed=seed)
            for y in range(self.metadata["classes"])
        ]
        bound: np.ndarray[Any, Any] = logsumexp(bounds, axis=0) - math.log(len(bounds))
        return bound
