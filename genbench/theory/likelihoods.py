"""Lower bounds of ln p(x) for latent-variable models: ELBO, importance-weighted bounds, annealed importance sampling.

A model is a function z -> ln p(x_n, z). It takes latent codes float64 [S, N, k], S for each of N rows, and returns
float64 [S, N]. All bounds are given per row, float64 [N], in nats, and hold in expectation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from genbench.array_types import Float64
from genbench.errors import UsageError
from genbench.theory.densities import LN_TWO_PI

LogJoint = Callable[[Float64], Float64]


class Proposal(Protocol):
    """The approximate posterior q(z|x_n) of every row."""

    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count, N, k]."""
        ...

    def logpdf(self, codes: Float64) -> Float64:
        """Return ln q(z|x_n) for codes float64 [S, N, k], float64 [S, N]."""
        ...


@dataclass(frozen=True, eq=False)
class GaussianProposal:
    """q(z|x_n) = N(means[n], covariance); means float64 [N, k], covariance float64 [k, k]."""

    means: Float64
    covariance: Float64

    def sample(self, count: int, seed: int) -> Float64:
        # z = mean + L e, with the Cholesky factor L and e ~ N(0, I)
        noise = np.random.default_rng(seed).standard_normal((count, *self.means.shape))
        return np.asarray(self.means + noise @ np.linalg.cholesky(self.covariance).T)

    def logpdf(self, codes: Float64) -> Float64:
        # with the Cholesky factor L, whitened = L^-1 (z - mean)
        root = np.linalg.cholesky(self.covariance)
        whitened = (codes - self.means) @ np.linalg.inv(root).T
        log_normaliser = 0.5 * root.shape[0] * LN_TWO_PI + np.log(np.diag(root)).sum()
        return np.asarray(-0.5 * (whitened**2).sum(axis=-1) - log_normaliser)


def standard_prior(rows: int, latent: int) -> GaussianProposal:
    """Return the prior N(0, I_k) as a proposal for every row."""
    return GaussianProposal(np.zeros((rows, latent)), np.eye(latent))


def gaussian_kl(mean: npt.ArrayLike, variance: npt.ArrayLike) -> Float64:
    """Return KL(N(mean, diag variance)||N(0, I)) = 1/2 sum (mean^2 + variance - 1 - ln variance), float64 [...].

    Both arrays have the shape [..., k], and the sum is over the last axis. This is the regulariser of the VAE:
    ELBO = E_q[ln p(x|z)] - KL (Kingma and Welling 2014, arXiv 1312.6114, appendix B). Raises UsageError for a
    variance <= 0.
    """
    # a negative value usually is a log variance passed by mistake
    mu, var = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    if not (var > 0).all():
        raise UsageError(f"Variances must be > 0; got {float(var.min())} (are they logarithms?).")
    return np.asarray(0.5 * (mu**2 + var - 1 - np.log(var)).sum(axis=-1))


def elbo(log_joint: LogJoint, proposal: Proposal, *, samples: int = 100, seed: int = 0) -> Float64:
    """Return an unbiased estimate of the ELBO E_q[ln p(x, z) - ln q(z|x)] of each row, float64 [N].

    Kingma and Welling 2014 (arXiv 1312.6114). The gap to ln p(x) is KL(q||p(z|x)).
    """
    # the mean of log weights, where IWAE takes the log of a mean
    return np.asarray(_log_importance_weights(log_joint, proposal, samples, seed).mean(axis=0))


def iwae(log_joint: LogJoint, proposal: Proposal, *, samples: int, seed: int = 0) -> Float64:
    """Return the importance-weighted bound ln 1/K sum_i p(x, z_i)/q(z_i|x) of each row, K = ``samples``, float64 [N].

    Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519): its expectation rises with K from the ELBO (K = 1) to
    ln p(x) and never exceeds it. With the prior as q it is plain importance sampling.
    """
    return np.asarray(
        logsumexp(_log_importance_weights(log_joint, proposal, samples, seed), axis=0) - math.log(samples)
    )


def _log_importance_weights(log_joint: LogJoint, proposal: Proposal, samples: int, seed: int) -> Float64:
    # ln w = ln p(x, z) - ln q(z|x), float64 [S, N]
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
    """Estimate ln p(x) of each row by annealed importance sampling with one chain per row, float64 [N].

    Neal 2001 (arXiv physics/9803008): the chain starts with a sample of ``start`` (usually the prior). Metropolis
    steps with the stationary density q^(1-b) p(x, z)^b move it while b rises from 0 to 1 in ``temperatures`` steps. The
    weight is the product of (p/q)^(change of b). Its mean is p(x), so its logarithm is a lower bound in expectation;
    the gap shrinks as 1/temperatures. At each temperature there is one random-walk step of every width (std). Raises
    UsageError unless temperatures >= 1.
    """
    if temperatures < 1:
        raise UsageError(f"AIS needs at least one temperature; got {temperatures}.")
    rng = np.random.default_rng(seed)
    # one code per row: arrays [1, N, k] and [1, N]
    chain = _AnnealedChain(log_joint, start, start.sample(1, int(rng.integers(2**63))))
    log_weight = np.zeros(chain.log_ratio.shape[1])
    for step in range(1, temperatures + 1):
        log_weight += chain.log_ratio[0] / temperatures
        # the last weight is complete, so the chain need not move again
        for width in widths if step < temperatures else ():
            chain.move(step / temperatures, width, rng)
    return log_weight


class _AnnealedChain:
    """The codes of all chains, with ln q(z) and ln p(x, z)/q(z) at them."""

    def __init__(self, log_joint: LogJoint, start: Proposal, codes: Float64) -> None:
        self.log_joint, self.start, self.codes = log_joint, start, codes
        self.log_start, self.log_ratio = self._evaluate(codes)

    def move(self, beta: float, width: float, rng: np.random.Generator) -> None:
        """Make one Metropolis step with the stationary density q^(1-beta) p(x, z)^beta."""
        # the proposal is symmetric, so only the target densities enter the acceptance probability
        proposed = self.codes + width * rng.standard_normal(self.codes.shape)
        log_start, log_ratio = self._evaluate(proposed)
        log_acceptance = log_start - self.log_start + beta * (log_ratio - self.log_ratio)
        # minus a standard exponential is the logarithm of a uniform number
        accepted = -rng.standard_exponential(log_acceptance.shape) < log_acceptance
        self.codes = np.where(accepted[..., None], proposed, self.codes)
        self.log_start = np.where(accepted, log_start, self.log_start)
        self.log_ratio = np.where(accepted, log_ratio, self.log_ratio)

    def _evaluate(self, codes: Float64) -> tuple[Float64, Float64]:
        log_start = self.start.logpdf(codes)
        return log_start, self.log_joint(codes) - log_start
