"""The optimal discriminator of two known densities, and a logistic one fitted to two sample sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from genbench.arrays import Float64
from genbench.errors import GenbenchError, InputError
from genbench.theory.densities import Density
from genbench.theory.estimates import Estimate, mean_of

STEPS = 100


def optimal_logit(reference: Density, generated: Density, points: npt.ArrayLike) -> Float64:
    """Return logit D*(x) = ln p_reference(x) - ln p_generated(x), float64 [N]; +-inf where one of them vanishes.

    0 where both vanish: there no discriminator is better than another.
    """
    of_reference, of_generated = reference.logpdf(points), generated.logpdf(points)
    nowhere = np.isneginf(of_reference) & np.isneginf(of_generated)
    return np.where(nowhere, 0.0, of_reference - np.where(nowhere, 0.0, of_generated))


def optimal_discriminator(reference: Density, generated: Density, points: npt.ArrayLike) -> Float64:
    """Return D*(x) = p_reference / (p_reference + p_generated), float64 [N] in 0..1.

    Goodfellow et al. 2014 (arXiv 1406.2661), proposition 1.
    """
    return np.asarray(expit(optimal_logit(reference, generated, points)), np.float64)


def value_of(logit_of_reference: npt.ArrayLike, logit_of_generated: npt.ArrayLike) -> Estimate:
    """Return V(D) = E_reference[ln D] + E_generated[ln(1 - D)] from the logits at samples, float64 [N] and [M].

    At D* it is 2 JSD - ln 4, any other D has less, and D = 1/2 everywhere has -ln 4.
    """
    of_reference = mean_of(-np.logaddexp(0.0, -np.asarray(logit_of_reference, np.float64)))
    of_generated = mean_of(-np.logaddexp(0.0, np.asarray(logit_of_generated, np.float64)))
    error = float(np.hypot(of_reference.error, of_generated.error))
    return Estimate(of_reference.value + of_generated.value, error)


@dataclass(frozen=True)
class LogisticDiscriminator:
    """D(x) = 1 / (1 + exp(-bias - weights . x)): the optimal form for two normals of equal covariance."""

    bias: float
    weights: tuple[float, ...]

    def logit(self, points: npt.ArrayLike) -> Float64:
        """Return bias + weights . x of float64 [N, d] or, for d = 1, [N] points."""
        return np.asarray(self.bias + _rows(points) @ np.array(self.weights))

    def value(self, reference: npt.ArrayLike, generated: npt.ArrayLike) -> Estimate:
        """Return the GAN value on two sample sets; fresh ones, if it is to be a lower bound of 2 JSD - ln 4."""
        return value_of(self.logit(reference), self.logit(generated))

    def accuracy(self, reference: npt.ArrayLike, generated: npt.ArrayLike) -> float:
        """Return the mean share told right, 0..1; at most 1/2 + TV/2 in expectation on fresh samples."""
        right = float((self.logit(reference) > 0).mean()), float((self.logit(generated) <= 0).mean())
        return sum(right) / 2


def fit_logistic(reference: npt.ArrayLike, generated: npt.ArrayLike) -> LogisticDiscriminator:
    """Fit D by maximising V(D) with Newton's method; both sets weigh the same whatever their sizes.

    For N(m_r, S) against N(m_g, S) it tends to the optimal weights S^-1 (m_r - m_g). Raises InputError for sets of
    different dimension, GenbenchError for sets that a plane separates: then V rises to 0 and has no maximum.
    """
    x, y = _rows(reference), _rows(generated)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"Points of one dimension are wanted; {x.shape[1]} and {y.shape[1]} came.")
    design = np.concatenate([x, y])
    design = np.concatenate([np.ones((len(design), 1)), design], axis=1)
    told = np.concatenate([np.ones(len(x)), np.zeros(len(y))])
    weight = np.concatenate([np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))])
    return _newton(design, told, weight)


def _newton(design: Float64, told: Float64, weight: Float64) -> LogisticDiscriminator:
    """Climb the concave V from 0, halving any step that would lower it."""

    def value(at: Float64) -> float:
        return float(-(weight * np.logaddexp(0.0, np.where(told > 0, -1.0, 1.0) * (design @ at))).sum())

    beta = np.zeros(design.shape[1])
    for _ in range(STEPS):
        belief = np.asarray(expit(design @ beta), np.float64)
        gradient = design.T @ (weight * (told - belief))
        hessian = design.T @ (design * (weight * belief * (1 - belief))[:, None])
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        while value(beta + step) < value(beta) and np.abs(step).max() > 1e-12:
            step = step / 2
        beta = beta + step
        if bool((((design @ beta) > 0) == (told > 0)).all()):
            raise GenbenchError(
                "A plane separates the two sets, so no logistic discriminator is the best; give more or closer samples."
            )
        if np.abs(step).max() <= 1e-10 * (1 + np.abs(beta).max()):
            break
    return LogisticDiscriminator(float(beta[0]), tuple(float(b) for b in beta[1:]))


def _rows(points: npt.ArrayLike) -> Float64:
    array = np.asarray(points, np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) == 0 or not np.isfinite(array).all():
        raise InputError(f"Finite samples [N] or [N, d] are wanted; an array {array.shape} came.")
    return array
