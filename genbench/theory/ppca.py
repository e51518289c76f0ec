"""Probabilistic PCA: the latent-variable model whose likelihood, posterior and ELBO are known, the oracle of VAEs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genbench.arrays import Float64
from genbench.errors import InputError, UsageError
from genbench.theory.densities import LN_TWO_PI, MultivariateNormal


@dataclass(frozen=True, eq=False)
class PPCA:
    """x = loadings z + mean + sqrt(noise) e with z ~ N(0, I_k), e ~ N(0, I_d): a linear VAE.

    Tipping and Bishop 1999; Lucas et al. 2019 (arXiv 1911.02469): every stationary point of the linear VAE's ELBO is
    one of the likelihood.
    """

    mean: Float64
    """float64 [d]"""
    loadings: Float64
    """float64 [d, k]"""
    noise: float
    """variance of e"""

    @property
    def latent(self) -> int:
        """k"""
        return int(self.loadings.shape[1])

    @property
    def covariance(self) -> Float64:
        """loadings loadings^T + noise I, float64 [d, d]"""
        return np.asarray(self.loadings @ self.loadings.T + self.noise * np.eye(len(self.mean)))

    @property
    def marginal(self) -> MultivariateNormal:
        """p(x) = N(mean, covariance)"""
        return MultivariateNormal(self.mean, self.covariance)

    def log_likelihood(self, data: npt.ArrayLike) -> Float64:
        """Return the exact ln p(x) of float64 [N, d] rows, float64 [N].

        By the k x k matrix M = W^T W + noise I: |C| = |M| noise^(d-k), C^-1 = (I - W M^-1 W^T) / noise.
        """
        apart = np.asarray(data, np.float64) - self.mean
        inner = self._inner
        projected = apart @ self.loadings
        squared = (apart**2).sum(axis=1) - (projected * np.linalg.solve(inner, projected.T).T).sum(axis=1)
        dimension = len(self.mean)
        volume = np.linalg.slogdet(inner)[1] + (dimension - self.latent) * np.log(self.noise)
        return np.asarray(-0.5 * (dimension * LN_TWO_PI + volume + squared / self.noise))

    def posterior(self, data: npt.ArrayLike) -> tuple[Float64, Float64]:
        """Return the means float64 [N, k] and the common covariance float64 [k, k] of p(z|x).

        N(M^-1 W^T (x - mean), noise M^-1) with M = W^T W + noise I.
        """
        apart = np.asarray(data, np.float64) - self.mean
        inner = self._inner
        means = np.linalg.solve(inner, self.loadings.T @ apart.T).T
        return np.asarray(means, np.float64), np.asarray(self.noise * np.linalg.inv(inner), np.float64)

    def elbo(self, data: npt.ArrayLike, means: Float64, covariance: Float64) -> Float64:
        """Return the exact ELBO float64 [N] for q(z|x_n) = N(means[n], covariance), float64 [N, k] and [k, k].

        E_q[ln p(x|z)] - KL(q||N(0, I)), never above ln p(x), equal to it at the posterior.
        """
        x, loadings = np.asarray(data, np.float64), self.loadings
        residual = ((x - self.mean - means @ loadings.T) ** 2).sum(axis=1) + np.sum((loadings @ covariance) * loadings)
        fit = -0.5 * (len(self.mean) * (LN_TWO_PI + np.log(self.noise)) + residual / self.noise)
        spread = np.trace(covariance) - self.latent - np.linalg.slogdet(covariance)[1]
        return np.asarray(fit - 0.5 * ((means**2).sum(axis=1) + spread))

    def log_joint(self, data: npt.ArrayLike, codes: npt.ArrayLike) -> Float64:
        """Return ln p(x_n, z) float64 [S, N] of rows float64 [N, d] and S codes for each, float64 [S, N, k]."""
        z = np.asarray(codes, np.float64)
        # |x - Wz|^2 expanded, so that no array of S x N x d is made
        apart = np.asarray(data, np.float64) - self.mean
        cross = np.einsum("snk,nk->sn", z, apart @ self.loadings)
        quadratic = np.einsum("snk,kl,snl->sn", z, self.loadings.T @ self.loadings, z, optimize=True)
        residual = (apart**2).sum(axis=1) - 2 * cross + quadratic
        given = -0.5 * (len(self.mean) * (LN_TWO_PI + np.log(self.noise)) + residual / self.noise)
        return np.asarray(given - 0.5 * (self.latent * LN_TWO_PI + (z**2).sum(axis=2)))

    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count, d]; the same seed gives the same rows."""
        rng = np.random.default_rng(seed)
        codes = rng.standard_normal((count, self.latent))
        noise = rng.standard_normal((count, len(self.mean)))
        return np.asarray(self.mean + codes @ self.loadings.T + np.sqrt(self.noise) * noise)

    @property
    def _inner(self) -> Float64:
        return np.asarray(self.loadings.T @ self.loadings + self.noise * np.eye(self.latent))


def fit_ppca(data: npt.ArrayLike, latent: int) -> PPCA:
    """Return the maximum-likelihood PPCA of float64 [N, d] rows (Tipping and Bishop 1999).

    With the eigenvalues l_1 >= .. >= l_d of the covariance (ddof 0) and the first k eigenvectors U: noise = mean of
    l_{k+1}..l_d, loadings = U (L_k - noise I)^1/2. Raises UsageError unless 1 <= latent < d, InputError for data
    that vary in ``latent`` directions only, where the likelihood has no maximum.
    """
    x = np.asarray(data, np.float64)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
        raise InputError(f"At least two finite rows [N, d] are wanted; an array {x.shape} came.")
    if not 1 <= latent < x.shape[1]:
        raise UsageError(
            f"PPCA of {x.shape[1]} dimensions needs a latent size of 1 to {x.shape[1] - 1}; {latent} came."
        )
    mean = x.mean(axis=0)
    values, vectors = np.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    values, vectors = values[::-1], vectors[:, ::-1]
    noise = float(values[latent:].mean())
    if noise <= 1e-12 * float(values[0]):
        raise InputError(
            f"The data vary in {latent} directions only, so PPCA has no noise; take a smaller latent size."
        )
    return PPCA(mean, vectors[:, :latent] * np.sqrt(values[:latent] - noise), noise)


def maximum_log_likelihood(data: npt.ArrayLike, latent: int) -> float:
    """Return the mean ln p(x) that ``fit_ppca`` reaches, from the eigenvalues l_i of the covariance alone.

    -1/2 (d ln 2pi + sum_{i<=k} ln l_i + (d - k) ln noise + d).
    """
    x = np.asarray(data, np.float64)
    values = np.linalg.eigvalsh(np.cov(x, rowvar=False, ddof=0))[::-1]
    dimension = len(values)
    kept = np.log(values[:latent]).sum() + (dimension - latent) * np.log(values[latent:].mean())
    return float(-0.5 * (dimension * (LN_TWO_PI + 1) + kept))


def elbo_gap(latent: int, scale: float) -> float:
    """Return ln p(x) - ELBO where q has the posterior's mean and ``scale`` times its covariance: k/2 (c - 1 - ln c)."""
    return float(latent / 2 * (scale - 1 - np.log(scale)))
