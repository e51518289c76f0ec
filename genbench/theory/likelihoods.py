"""Lower bounds of ln p(x) for any latent-variable model: the ELBO, importance-weighted bounds, annealed importance.

A model is given as a function z -> ln p(x_n, z) that takes float64 [S, N, k], S codes for each of N rows, and returns
float64 [S, N]; all bounds are per row, float64 [N], in nats, and hold in expectation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from genbench.arrays import Float64
from genbench.errors import UsageError
from genbench.theory.densities import LN_TWO_PI

LogJoint = Callable[[Float64], Float64]


class Proposal(Protocol):
    """q(z|x_n) for every row."""

    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count, N, k]."""
        ...

    def logpdf(self, codes: Float64) -> Float64:
        """Return ln q(z|x_n) of float64 [S, N, k], float64 [S, N]."""
        ...


@dataclass(frozen=True, eq=False)
class GaussianProposal:
    """q(z|x_n) = N(means[n], covariance); means float64 [N, k], covariance float64 [k, k]."""

    means: Float64
    covariance: Float64

    def sample(self, count: int, seed: int) -> Float64:
        noise = np.random.default_rng(seed).standard_normal((count, *self.means.shape))
        return np.asarray(self.means + noise @ np.linalg.cholesky(self.covariance).T)

    def logpdf(self, codes: Float64) -> Float64:
        root = np.linalg.cholesky(self.covariance)
        white = (codes - self.means) @ np.linalg.inv(root).T
        volume = 0.5 * root.shape[0] * LN_TWO_PI + np.log(np.diag(root)).sum()
        return np.asarray(-0.5 * (white**2).sum(axis=-1) - volume)


def standard_prior(rows: int, latent: int) -> GaussianProposal:
    """Return N(0, I_k) for every row: the prior as a proposal."""
    return GaussianProposal(np.zeros((rows, latent)), np.eye(latent))


def gaussian_kl(mean: npt.ArrayLike, variance: npt.ArrayLike) -> Float64:
    """Return KL(N(mean, diag variance)||N(0, I)) = 1/2 sum (mean^2 + variance - 1 - ln variance), float64 [...].

    Both arrays [..., k]; summed over the last axis. The VAE's regulariser: ELBO = E_q[ln p(x|z)] *minus* it (Kingma
    and Welling 2014, arXiv 1312.6114, appendix B). Raises UsageError for a variance <= 0.
    """
    mu, var = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    if not (var > 0).all():
        raise UsageError(f"Variances must be > 0; {float(var.min())} came (are they logarithms?).")
    return np.asarray(0.5 * (mu**2 + var - 1 - np.log(var)).sum(axis=-1))


def elbo(log_joint: LogJoint, proposal: Proposal, *, samples: int = 100, seed: int = 0) -> Float64:
    """Estimate the evidence lower bound E_q[ln p(x, z) - ln q(z|x)] of each row, unbiased.

    Kingma and Welling 2014 (arXiv 1312.6114). It falls short of ln p(x) by KL(q||p(z|x)).
    """
    return np.asarray(_log_weights(log_joint, proposal, samples, seed).mean(axis=0))


def iwae(log_joint: LogJoint, proposal: Proposal, *, samples: int, seed: int = 0) -> Float64:
    """Estimate the importance-weighted bound ln 1/K sum_i p(x, z_i)/q(z_i|x) of each row, K = ``samples``.

    Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519): in expectation it rises with K from the ELBO (K = 1)
    to ln p(x) and never exceeds it. With the prior as q it is plain importance sampling.
    """
    return np.asarray(logsumexp(_log_weights(log_joint, proposal, samples, seed), axis=0) - math.log(samples))


def _log_weights(log_joint: LogJoint, proposal: Proposal, samples: int, seed: int) -> Float64:
    codes = proposal.sample(samples, seed)
    return log_joint(codes) - proposal.logpdf(codes)


def ais(
    log_joint: LogJoint,
    start: Proposal,
    *,
    temperatures: int = 1000,
    widths: tuple[float, ...] = (1.0, 0.3, 0.1),
    seed: int = 0,
) -> Float64:
    """Estimate ln p(x) of each row by annealed importance sampling, one chain a row.

    Neal 2001 (arXiv physics/9803008): the chain starts at ``start`` (mostly the prior) and is moved by Metropolis
    steps that leave q^(1-b) p(x, z)^b alone, b rising from 0 to 1 in ``temperatures`` steps; the weight is the product
    of (p/q)^(change of b). Its mean is p(x), so its logarithm is a lower bound in expectation, and the gap shrinks
    as 1/temperatures. Each temperature tries a random-walk step of every width (std). Raises UsageError unless
    temperatures >= 1.
    """
    if temperatures < 1:
        raise UsageError(f"At least one temperature is needed; {temperatures} came.")
    rng = np.random.default_rng(seed)
    chain = _Chain(log_joint, start, start.sample(1, int(rng.integers(2**63))))
    total = np.zeros(chain.ratio.shape[1])
    for rung in range(1, temperatures + 1):
        total += chain.ratio[0] / temperatures
        for width in widths if rung < temperatures else ():
            chain.move(rung / temperatures, width, rng)
    return total


class _Chain:
    """Where every row's chain is, with ln q and ln p/q there."""

    def __init__(self, log_joint: LogJoint, start: Proposal, codes: Float64) -> None:
        self.log_joint, self.start, self.codes = log_joint, start, codes
        self.base, self.ratio = self._look(codes)

    def move(self, beta: float, width: float, rng: np.random.Generator) -> None:
        proposed = self.codes + width * rng.standard_normal(self.codes.shape)
        base, ratio = self._look(proposed)
        gain = base - self.base + beta * (ratio - self.ratio)
        taken = -rng.standard_exponential(gain.shape) < gain  # ln of a uniform number
        self.codes = np.where(taken[..., None], proposed, self.codes)
        self.base, self.ratio = np.where(taken, base, self.base), np.where(taken, ratio, self.ratio)

    def _look(self, codes: Float64) -> tuple[Float64, Float64]:
        base = self.start.logpdf(codes)
        return base, self.log_joint(codes) - base
