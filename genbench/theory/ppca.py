"""Probabilistic PCA: a latent-variable model with exact likelihood, posterior and ELBO, to test VAEs against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genbench.array_types import Float64
from genbench.errors import InputError, UsageError
from genbench.theory.densities import LN_TWO_PI, MultivariateNormal


@dataclass(frozen=True, eq=False)
class PPCA:
    """x = loadings z + mean + sqrt(noise) e with z ~ N(0, I_k), e ~ N(0, I_d): a linear VAE.

    Tipping and Bishop 1999. Every stationary point of the linear VAE's ELBO is a stationary point of this likelihood
    (Lucas et al. 2019, arXiv 1911.02469).
    """

    mean: Float64
    """float64 [d]"""
    loadings: Float64
    """float64 [d, k]"""
    noise: float
    """variance of e"""

    @property
    def latent(self) -> int:
        """Latent dimension k."""
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
        """Return the exact ln p(x) of rows float64 [N, d], float64 [N].

        With the k x k matrix M = W^T W + noise I: |C| = |M| noise^(d-k) and C^-1 = (I - W M^-1 W^T) / noise.
        """
        centred = np.asarray(data, np.float64) - self.mean
        inner = self._inner
        # noise times the squared Mahalanobis distance
        projected = centred @ self.loadings
        squared = (centred**2).sum(axis=1) - (projected * np.linalg.solve(inner, projected.T).T).sum(axis=1)
        dimension = len(self.mean)
        log_determinant = np.linalg.slogdet(inner)[1] + (dimension - self.latent) * np.log(self.noise)
        return np.asarray(-0.5 * (dimension * LN_TWO_PI + log_determinant + squared / self.noise))

    def posterior(self, data: npt.ArrayLike) -> tuple[Float64, Float64]:
        """Return the means float64 [N, k] and the common covariance float64 [k, k] of the posterior p(z|x).

        p(z|x) = N(M^-1 W^T (x - mean), noise M^-1) with M = W^T W + noise I.
        """
        # only the means depend on the rows
        centred = np.asarray(data, np.float64) - self.mean
        inner = self._inner
        means = np.linalg.solve(inner, self.loadings.T @ centred.T).T
        return np.asarray(means, np.float64), np.asarray(self.noise * np.linalg.inv(inner), np.float64)

    def elbo(self, data: npt.ArrayLike, means: Float64, covariance: Float64) -> Float64:
        """Return the exact ELBO float64 [N] for q(z|x_n) = N(means[n], covariance), float64 [N, k] and [k, k].

        E_q[ln p(x|z)] - KL(q||N(0, I)); it is at most ln p(x), and equal to ln p(x) if q is the posterior.
        """
        x, loadings = np.asarray(data, np.float64), self.loadings
        # E_q |x - Wz - mean|^2 = |x - W means - mean|^2 + tr(W covariance W^T)
        residual = ((x - self.mean - means @ loadings.T) ** 2).sum(axis=1) + np.sum((loadings @ covariance) * loadings)
        reconstruction = -0.5 * (len(self.mean) * (LN_TWO_PI + np.log(self.noise)) + residual / self.noise)
        # the terms of the KL that do not depend on the row
        spread = np.trace(covariance) - self.latent - np.linalg.slogdet(covariance)[1]
        return np.asarray(reconstruction - 0.5 * ((means**2).sum(axis=1) + spread))

    def log_joint(self, data: npt.ArrayLike, codes: npt.ArrayLike) -> Float64:
        """Return ln p(x_n, z), float64 [S, N], for rows float64 [N, d] and S codes for each row, float64 [S, N, k]."""
        z = np.asarray(codes, np.float64)
        # |x - Wz|^2 is expanded to avoid an array [S, N, d]
        centred = np.asarray(data, np.float64) - self.mean
        cross = np.einsum("snk,nk->sn", z, centred @ self.loadings)
        quadratic = np.einsum("snk,kl,snl->sn", z, self.loadings.T @ self.loadings, z, optimize=True)
        residual = (centred**2).sum(axis=1) - 2 * cross + quadratic
        # ln p(x|z) + ln p(z)
        log_conditional = -0.5 * (len(self.mean) * (LN_TWO_PI + np.log(self.noise)) + residual / self.noise)
        return np.asarray(log_conditional - 0.5 * (self.latent * LN_TWO_PI + (z**2).sum(axis=2)))

    def sample(self, count: int, seed: int) -> Float64:
        """Draw rows float64 [count, d]; the same seed gives the same rows."""
        rng = np.random.default_rng(seed)
        # latent codes first, then the noise
        codes = rng.standard_normal((count, self.latent))
        noise = rng.standard_normal((count, len(self.mean)))
        return np.asarray(self.mean + codes @ self.loadings.T + np.sqrt(self.noise) * noise)

    @property
    def _inner(self) -> Float64:
        # M = W^T W + noise I
        return np.asarray(self.loadings.T @ self.loadings + self.noise * np.eye(self.latent))


def fit_ppca(data: npt.ArrayLike, latent: int) -> PPCA:
    """Return the maximum-likelihood PPCA of rows float64 [N, d] (Tipping and Bishop 1999).

    With the eigenvalues l_1 >= .. >= l_d of the covariance (ddof 0) and the first k eigenvectors U: noise = mean of
    l_{k+1}..l_d, loadings = U (L_k - noise I)^1/2. Raises UsageError unless 1 <= latent < d. Raises InputError for data
    that vary in at most ``latent`` directions, because the likelihood then has no maximum.
    """
    x = np.asarray(data, np.float64)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
        raise InputError(f"PPCA needs at least two finite rows [N, d]; got an array of shape {x.shape}.")
    if not 1 <= latent < x.shape[1]:
        raise UsageError(
            f"PPCA of {x.shape[1]} dimensions needs a latent size from 1 to {x.shape[1] - 1}; got {latent}."
        )
    mean = x.mean(axis=0)
    # largest eigenvalues first
    values, vectors = np.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    values, vectors = values[::-1], vectors[:, ::-1]
    # a tiny mean is a rounding error of 0
    noise = float(values[latent:].mean())
    if noise <= 1e-12 * float(values[0]):
        raise InputError(f"The data vary in only {latent} directions, so PPCA has no noise; use a smaller latent size.")
    return PPCA(mean, vectors[:, :latent] * np.sqrt(values[:latent] - noise), noise)


def maximum_log_likelihood(data: npt.ArrayLike, latent: int) -> float:
    """Return the mean ln p(x) of the model of ``fit_ppca``, from the eigenvalues l_i of the covariance.

    It is -1/2 (d ln 2pi + sum_{i<=k} ln l_i + (d - k) ln noise + d).
    """
    x = np.asarray(data, np.float64)
    values = np.linalg.eigvalsh(np.cov(x, rowvar=False, ddof=0))[::-1]
    # ln |C|; the trace term of the likelihood equals d at the maximum
    dimension = len(values)
    log_determinant = np.log(values[:latent]).sum() + (dimension - latent) * np.log(values[latent:].mean())
    return float(-0.5 * (dimension * (LN_TWO_PI + 1) + log_determinant))


def elbo_gap(latent: int, scale: float) -> float:
    """Return ln p(x) - ELBO = k/2 (c - 1 - ln c) if q has the mean of the posterior and c times its covariance.

    k = ``latent`` and c = ``scale``.
    """
    return float(latent / 2 * (scale - 1 - np.log(scale)))
