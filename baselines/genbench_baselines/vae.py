"""VAE: an encoder and a decoder that maximise the ELBO (Kingma and Welling 2013, arXiv 1312.6114)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from genbench_baselines.data import TrainingData
from genbench_baselines.likelihood import likelihood_bounds, log_jacobian
from genbench_baselines.nets import Decoder, Encoder
from genbench_baselines.train import Baseline, by_data


@dataclass
class VAE(Baseline):
    """Variational autoencoder: z ~ N(0, I), x ~ N(f(z), sigma^2 I), q(z | x) = N(m(x), diag v(x)).

    Maximises the ELBO, E_q ln p(x | z) - KL(q(z | x) || p(z)) <= ln p(x). As usual, samples are the means f(z), without
    the noise of p(x | z). ``sigma`` is fixed and in the scale of the network: images are in -1..1 (0.3 is 0.15 of
    0..1), points have root mean square 1. The value is for images of 8 x 8 pixels and is scaled with their side
    length, so that the mean error of a pixel has the same weight at all sizes.

    ``linear`` makes f and m affine and v equal for all x, and learns sigma, starting at 1. This is probabilistic PCA
    (Tipping and Bishop 1999; Lucas et al. 2019, arXiv 1911.02469), whose exact likelihood is known.
    """

    latent: int = by_data(points=2, images=8)
    sigma: float = by_data(points=0.1, images=0.3)
    linear: bool = False
    batch_size: int = 128
    learning_rate: float = 1e-3
    average = 0.0  # the encoder matches the last weights of the decoder, not their average

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make the decoder f, the encoder (m, v), sigma, and one optimiser. Raises ValueError unless sigma > 0."""
        self.networks = {
            "generator": LinearDecoder(self.latent, shape) if self.linear else Decoder(self.latent, shape),
            "encoder": LinearEncoder(shape, self.latent) if self.linear else Encoder(shape, 2 * self.latent),
            # with a small initial sigma the latent axes turn only slowly towards the principal axes
            "noise": ObservationNoise(1.0 if self.linear else self.scaled_sigma(shape), learned=self.linear),
        }
        parameters = [weight for network in self.networks.values() for weight in network.parameters()]
        self.optimisers = {"elbo": torch.optim.Adam(parameters, self.learning_rate)}

    def scaled_sigma(self, shape: tuple[int, ...]) -> float:
        """Return sigma for samples of this shape."""
        return self.sigma * (math.sqrt(shape[1] * shape[2]) / 8 if len(shape) == 3 else 1)

    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Take one step on the negative ELBO."""
        x, label = data.draw(self.batch_size, generator)
        mean, log_variance = self.posterior(x, label)
        z = reparameterized(mean, log_variance, generator)

        # ELBO = E_q ln p(x | z) - KL(q(z | x) || p(z)): one z per row for the first term, the second is exact
        reconstruction = self.log_density(x, z, label).mean()
        kl = kl_to_prior(mean, log_variance).mean()
        loss = kl - reconstruction

        # the learning rate falls to 0 along a cosine
        self.optimisers["elbo"].param_groups[0]["lr"] = self.learning_rate * (1 + math.cos(math.pi * progress)) / 2
        self.descend("elbo", loss)
        return {"loss": loss, "misfit": -reconstruction, "kl": kl}

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """x = f(z) with z ~ N(0, I)."""
        samples: Tensor = network(torch.randn(count, self.latent, generator=generator))
        return samples

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return m(x) and ln v(x), both [N, latent]."""
        # the encoder returns both halves in one array
        mean, log_variance = self.networks["encoder"](x, label).chunk(2, dim=1)
        return mean, log_variance

    def log_density(self, x: Tensor, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return ln N(x; f(z), sigma^2 I) in nats, float64 [N]; for images it is the density of pixels in 0..1."""
        log_sigma = self.networks["noise"]()
        # sum over the coordinates in float64, because likelihoods of images are large
        squared = (x - self.networks["generator"](z, label)).square().flatten(1).sum(dim=1, dtype=torch.float64)
        size = math.prod(self.metadata["shape"])
        log_normaliser = size * (log_sigma + math.log(2 * math.pi) / 2)
        density: Tensor = -squared / (2 * (2 * log_sigma).exp()) - log_normaliser - log_jacobian(self.metadata)
        return density

    def log_weights(self, x: Tensor, label: Tensor | None, samples: int, generator: torch.Generator) -> Tensor:
        """Return ln p(x | z) + ln p(z) - ln q(z | x) for ``samples`` codes z ~ q per row, float64 [N, samples]."""
        # every row is repeated ``samples`` times
        mean, log_variance = (moment.repeat_interleave(samples, dim=0) for moment in self.posterior(x, label))
        z = reparameterized(mean, log_variance, generator)
        # ln p(z) - ln q(z | x) = (|e|^2 + ln v - |z|^2) / 2 summed over the latent dimensions
        e_squared = (z - mean).square() / log_variance.exp()
        log_prior_ratio = (e_squared + log_variance - z.square()).sum(dim=1, dtype=torch.float64) / 2
        repeated_label = None if label is None else label.repeat_interleave(samples)
        density = self.log_density(x.repeat_interleave(samples, dim=0), z, repeated_label)
        return (density + log_prior_ratio).reshape(-1, samples)

    def log_likelihood(
        self, data: ArrayLike | Tensor, label: ArrayLike | Tensor | None = None, *, samples: int = 500, seed: int = 0
    ) -> np.ndarray[Any, Any]:
        """Return the importance-weighted lower bound of ln p(x) with ``samples`` codes per row, float64 [N]."""
        return likelihood_bounds(self, data, label, samples=[samples], seed=seed)[0].rows


def reparameterized(mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
    """Draw z = m + sqrt(v) e with e ~ N(0, I), [N, latent]: the reparameterization trick; gradients reach m and v."""
    e = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
    return mean + (log_variance / 2).exp() * e


def kl_to_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(m, diag v) || N(0, I)) = 1/2 sum(m^2 + v - 1 - ln v) in nats; [N, latent] -> float64 [N]."""
    kl: Tensor = (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1, dtype=torch.float64) / 2
    return kl


class ObservationNoise(nn.Module):
    """ln sigma of p(x | z); a module, so that checkpoints contain it."""

    log_sigma: Tensor

    def __init__(self, sigma: float, *, learned: bool) -> None:
        super().__init__()
        if not sigma > 0:
            raise ValueError(f"sigma={sigma} must be greater than 0")
        # a buffer is saved, but not trained
        value = torch.tensor(math.log(sigma))
        if learned:
            self.log_sigma = nn.Parameter(value)
        else:
            self.register_buffer("log_sigma", value)

    def forward(self) -> Tensor:
        return self.log_sigma


class LinearDecoder(nn.Module):
    """f(z) = W z + mu."""

    def __init__(self, latent: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(latent, math.prod(shape)), nn.Unflatten(1, shape))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        out: Tensor = self.layers(z)
        return out


class LinearEncoder(nn.Module):
    """m(x) = V x + c and the same ln v for all x: the exact posterior of a linear decoder with orthogonal columns."""

    def __init__(self, shape: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), latent))
        self.log_variance = nn.Parameter(torch.zeros(latent))

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        mean = self.layers(x)
        return torch.cat([mean, self.log_variance.expand_as(mean)], dim=1)
