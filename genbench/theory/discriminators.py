"""The optimal discriminator of two known densities, and a logistic one fitted to two sample sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from genbench.array_types import Float64
from genbench.errors import GenbenchError, InputError
from genbench.theory.densities import Density
from genbench.theory.estimates import EstimateWithError, mean_of

NEWTON_STEPS = 100
"""Largest number of Newton steps of a logistic fit."""


def optimal_logit(reference: Density, generated: Density, points: npt.ArrayLike) -> Float64:
    """Return logit D*(x) = ln p_reference(x) - ln p_generated(x), float64 [N].

    It is +-inf if one density is 0, and 0 if both are, because there all discriminators are equally good.
    """
    log_reference, log_generated = reference.logpdf(points), generated.logpdf(points)
    # -inf - (-inf) would be nan
    both_zero = np.isneginf(log_reference) & np.isneginf(log_generated)
    return np.where(both_zero, 0.0, log_reference - np.where(both_zero, 0.0, log_generated))


def optimal_discriminator(reference: Density, generated: Density, points: npt.ArrayLike) -> Float64:
    """Return D*(x) = p_reference / (p_reference + p_generated), float64 [N] in 0..1.

    Goodfellow et al. 2014 (arXiv 1406.2661), proposition 1.
    """
    return np.asarray(expit(optimal_logit(reference, generated, points)), np.float64)


def gan_value_of_logits(reference_logits: npt.ArrayLike, generated_logits: npt.ArrayLike) -> EstimateWithError:
    """Return V(D) = E_reference[ln D] + E_generated[ln(1 - D)] from the logits at samples, float64 [N] and [M].

    D* reaches the maximum 2 JSD - ln 4; D = 1/2 everywhere has the value -ln 4.
    """
    # ln D = -softplus(-logit) and ln(1 - D) = -softplus(logit)
    log_d = mean_of(-np.logaddexp(0.0, -np.asarray(reference_logits, np.float64)))
    log_not_d = mean_of(-np.logaddexp(0.0, np.asarray(generated_logits, np.float64)))
    return EstimateWithError(log_d.value + log_not_d.value, float(np.hypot(log_d.error, log_not_d.error)))


@dataclass(frozen=True)
class LogisticDiscriminator:
    """D(x) = 1 / (1 + exp(-bias - weights . x)): the optimal form for two normals with equal covariance."""

    bias: float
    weights: tuple[float, ...]

    def logit(self, points: npt.ArrayLike) -> Float64:
        """Return bias + weights . x for points float64 [N, d] (or [N] if d = 1), float64 [N]."""
        return np.asarray(self.bias + _as_points(points) @ np.array(self.weights))

    def value(self, reference: npt.ArrayLike, generated: npt.ArrayLike) -> EstimateWithError:
        """Return V(D) on two sample sets; on samples not used for the fit it is a lower bound of 2 JSD - ln 4."""
        return gan_value_of_logits(self.logit(reference), self.logit(generated))

    def accuracy(self, reference: npt.ArrayLike, generated: npt.ArrayLike) -> float:
        """Return the mean accuracy on the two sets, 0..1; on new samples its expectation is at most 1/2 + TV/2."""
        # a logit of 0 counts as generated
        correct = float((self.logit(reference) > 0).mean()), float((self.logit(generated) <= 0).mean())
        return sum(correct) / 2


def fit_logistic(reference: npt.ArrayLike, generated: npt.ArrayLike) -> LogisticDiscriminator:
    """Fit D by maximising V(D) with Newton's method; both sets have equal weight, whatever their sizes.

    For N(m_r, S) against N(m_g, S) the weights tend to the optimal S^-1 (m_r - m_g). Raises InputError for sets of
    different dimension. Raises GenbenchError if a plane separates the sets, because V then has no maximum.
    """
    x, y = _as_points(reference), _as_points(generated)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"Two sets of points of equal dimension are needed; got {x.shape[1]} and {y.shape[1]}.")
    # a leading column of ones for the bias; label 1 for reference and 0 for generated rows
    design = np.concatenate([x, y])
    design = np.concatenate([np.ones((len(design), 1)), design], axis=1)
    labels = np.concatenate([np.ones(len(x)), np.zeros(len(y))])
    weights = np.concatenate([np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))])
    return _newton_fit(design, labels, weights)


def _newton_fit(design: Float64, labels: Float64, weights: Float64) -> LogisticDiscriminator:
    """Maximise the concave V from 0; a step that would lower V is halved."""

    def value(beta: Float64) -> float:
        return float(-(weights * np.logaddexp(0.0, np.where(labels > 0, -1.0, 1.0) * (design @ beta))).sum())

    # beta holds the bias first, then the weights
    beta = np.zeros(design.shape[1])
    for _ in range(NEWTON_STEPS):
        probability = np.asarray(expit(design @ beta), np.float64)
        gradient = design.T @ (weights * (labels - probability))
        hessian = design.T @ (design * (weights * probability * (1 - probability))[:, None])
        # least squares, because the Hessian may be singular
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        while value(beta + step) < value(beta) and np.abs(step).max() > 1e-12:
            step = step / 2
        beta = beta + step
        # with separated sets beta would grow without end
        if bool((((design @ beta) > 0) == (labels > 0)).all()):
            raise GenbenchError(
                "A plane separates the two sets, so no logistic discriminator is the best; give more or closer samples."
            )
        if np.abs(step).max() <= 1e-10 * (1 + np.abs(beta).max()):
            # converged: the step is as small as rounding allows
            break
    return LogisticDiscriminator(float(beta[0]), tuple(float(b) for b in beta[1:]))


def _as_points(points: npt.ArrayLike) -> Float64:
    """Return finite samples [N] or [N, d] as float64 [N, d]. Raises InputError for other arrays."""
    array = np.asarray(points, np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) == 0 or not np.isfinite(array).all():
        raise InputError(f"Samples must be finite and of shape [N] or [N, d]; got an array of shape {array.shape}.")
    return array
