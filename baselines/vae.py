"""VAE: maximise a lower bound of ln p(x) by learning to draw codes (Kingma and Welling 2013, arXiv 1312.6114)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from baselines.data import TrainingData
from baselines.likelihood import likelihood_bounds, log_unit
from baselines.nets import Decoder, Encoder
from baselines.train import Baseline, by_data


@dataclass
class VAE(Baseline):
    """Variational autoencoder: z ~ N(0, I), x ~ N(f(z), sigma^2 I), q(z | x) = N(m(x), diag v(x)).

    Maximises the ELBO, E_q ln p(x | z) - KL(q(z | x) || p(z)) <= ln p(x). Samples are the means f(z), as everybody
    shows them, without the noise that p(x) counts in. ``sigma`` is fixed, in the network's scale: images lie in -1..1
    there (0.3 is 0.15 of 0..1), points have root mean square 1. It is meant for images of 8 x 8 and grows with their
    side: the mean error of a pixel then weighs alike at all sizes. ``linear`` makes f and m affine, v the same for all
    x, and learns sigma, from 1 on: probabilistic PCA (Tipping and Bishop 1999; Lucas et al. 2019, arXiv 1911.02469),
    whose exact likelihood is known.
    """

    latent: int = by_data(points=2, images=8)
    sigma: float = by_data(points=0.1, images=0.3)
    linear: bool = False
    batch_size: int = 128
    learning_rate: float = 1e-3
    average = 0.0  # the encoder fits the decoder's last weights

    def build(self, shape: tuple[int, ...], classes: int) -> None:
        """Make f, m and v, sigma, and one optimiser for them all. Raises ValueError where sigma is not above 0."""
        self.networks = {
            "generator": LinearDecoder(self.latent, shape) if self.linear else Decoder(self.latent, shape),
            "encoder": LinearEncoder(shape, self.latent) if self.linear else Encoder(shape, 2 * self.latent),
            # from a narrow start the code axes would have to turn towards the principal ones, which takes long
            "noise": Noise(1.0 if self.linear else self.width(shape), learned=self.linear),
        }
        parameters = [one for network in self.networks.values() for one in network.parameters()]
        self.optimisers = {"elbo": torch.optim.Adam(parameters, self.learning_rate)}

    def width(self, shape: tuple[int, ...]) -> float:
        """Return the sigma of samples of that shape."""
        return self.sigma * (math.sqrt(shape[1] * shape[2]) / 8 if len(shape) == 3 else 1)

    def step(self, data: TrainingData, generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Climb the ELBO once."""
        x, label = data.draw(self.batch_size, generator)
        mean, log_variance = self.posterior(x, label)
        z = reparameterized(mean, log_variance, generator)

        # ELBO = E_q ln p(x | z) - KL(q(z | x) || p(z)); one z a row estimates the first term, the second is exact
        fit = self.log_density(x, z, label).mean()
        kl = kl_to_prior(mean, log_variance).mean()
        loss = kl - fit

        self.optimisers["elbo"].param_groups[0]["lr"] = self.learning_rate * (1 + math.cos(math.pi * progress)) / 2
        self.descend("elbo", loss)
        return {"loss": loss, "misfit": -fit, "kl": kl}

    def generate(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """x = f(z), z ~ N(0, I)."""
        samples: Tensor = network(torch.randn(count, self.latent, generator=generator))
        return samples

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return m(x) and ln v(x), both [N, latent]."""
        mean, log_variance = self.networks["encoder"](x, label).chunk(2, dim=1)
        return mean, log_variance

    def log_density(self, x: Tensor, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return ln N(x; f(z), sigma^2 I) in nats, float64 [N]; images count as scaled to 0..1, as in all reports."""
        log_sigma = self.networks["noise"]()
        squared = (x - self.networks["generator"](z, label)).square().flatten(1).sum(dim=1, dtype=torch.float64)
        size = math.prod(self.about["shape"])
        log_scale = size * (log_sigma + math.log(2 * math.pi) / 2)
        density: Tensor = -squared / (2 * (2 * log_sigma).exp()) - log_scale - log_unit(self.about)
        return density

    def log_weights(self, x: Tensor, label: Tensor | None, samples: int, generator: torch.Generator) -> Tensor:
        """Return ln p(x | z) + ln p(z) - ln q(z | x) of ``samples`` codes z ~ q(z | x) a row, float64 [N, samples]."""
        mean, log_variance = (one.repeat_interleave(samples, dim=0) for one in self.posterior(x, label))
        z = reparameterized(mean, log_variance, generator)
        e_squared = (z - mean).square() / log_variance.exp()
        prior_to_posterior = (e_squared + log_variance - z.square()).sum(dim=1, dtype=torch.float64) / 2
        again = None if label is None else label.repeat_interleave(samples)
        density = self.log_density(x.repeat_interleave(samples, dim=0), z, again)
        return (density + prior_to_posterior).reshape(-1, samples)

    def log_likelihood(
        self, data: ArrayLike | Tensor, label: ArrayLike | Tensor | None = None, *, samples: int = 500, seed: int = 0
    ) -> np.ndarray[Any, Any]:
        """Return a lower bound of ln p(x) for each row, float64 [N]: importance-weighted with that many codes a row."""
        return likelihood_bounds(self, data, label, samples=[samples], seed=seed)[0].rows


def reparameterized(mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
    """Return z = m + sqrt(v) e, e ~ N(0, I): a draw of N(m, diag v) with slopes in m and v."""
    e = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
    return mean + (log_variance / 2).exp() * e


def kl_to_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(m, diag v) || N(0, I)) = 1/2 sum(m^2 + v - 1 - ln v) in nats, of [N, latent] each; float64 [N]."""
    kl: Tensor = (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1, dtype=torch.float64) / 2
    return kl


class Noise(nn.Module):
    """ln sigma of p(x | z): kept with the weights, since a likelihood is meaningless without it."""

    log_sigma: Tensor

    def __init__(self, sigma: float, *, learned: bool) -> None:
        super().__init__()
        if not sigma > 0:
            raise ValueError(f"sigma={sigma} is not above 0")
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
    """m(x) = V x + c, and one ln v for all x: the exact posterior of a linear f with orthogonal columns."""

    def __init__(self, shape: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), latent))
        self.log_variance = nn.Parameter(torch.zeros(latent))

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        mean = self.layers(x)
        return torch.cat([mean, self.log_variance.expand_as(mean)], dim=1)
