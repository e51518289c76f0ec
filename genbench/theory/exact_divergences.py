"""Exact divergences of two known distributions: KL, total variation, Jensen-Shannon, Wasserstein, the GAN value.

A formula is used if there is one, otherwise adaptive quadrature for densities on the real line. All values are in nats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from genbench.errors import UsageError
from genbench.theory import quadrature
from genbench.theory.closed_forms import closed_form
from genbench.theory.densities import Discrete, Line, MultivariateNormal, point_mass

# distributions with an exact divergence; quadrature needs two on the line
Distribution = Line | Discrete | MultivariateNormal

# the GAN value of equal distributions is -ln 4
LN_FOUR = math.log(4)


def kl(p: Distribution, q: Distribution) -> float:
    """Return KL(P||Q) = E_P[ln p/q] >= 0 in nats; infinite if Q is 0 somewhere on the support of P.

    Raises UsageError if the pair has no formula and is not a pair of densities on the real line.
    """
    return _exact_divergence("kl", p, q, quadrature.kl_by_quadrature)


def tv(p: Distribution, q: Distribution) -> float:
    """Return the total variation 1/2 integral |p - q|, 0..1. Raises UsageError as ``kl`` does."""
    return _exact_divergence("tv", p, q, quadrature.tv_by_quadrature)


def jsd(p: Distribution, q: Distribution) -> float:
    """Return the Jensen-Shannon divergence 1/2 KL(P||M) + 1/2 KL(Q||M), M = (P + Q)/2, in 0..ln 2 nats.

    This is the divergence; scipy's ``jensenshannon`` returns its square root. Raises UsageError as ``kl`` does.
    """
    return _exact_divergence("jsd", p, q, quadrature.jsd_by_quadrature)


def w1(p: Distribution, q: Distribution) -> float:
    """Return the Wasserstein-1 distance, inf over couplings of E|X - Y|. Raises UsageError as ``kl`` does."""
    return _exact_divergence("w1", p, q, quadrature.w1_by_quadrature)


def w2(p: Distribution, q: Distribution) -> float:
    """Return the Wasserstein-2 distance, sqrt(inf over couplings of E|X - Y|^2). Raises UsageError as ``kl`` does."""
    return _exact_divergence("w2", p, q, quadrature.w2_by_quadrature)


def gan_value(p: Distribution, q: Distribution) -> float:
    """Return V(D*) = max_D E_P[ln D] + E_Q[ln(1 - D)] = 2 JSD(P, Q) - ln 4, in -ln 4..0.

    Goodfellow et al. 2014 (arXiv 1406.2661), theorem 1.
    """
    # D* = p / (p + q) inserted into the objective
    return 2 * jsd(p, q) - LN_FOUR


@dataclass(frozen=True)
class Divergences:
    """All divergences of one pair P, Q; KL, JSD and the GAN value in nats."""

    kl: float
    """KL(P||Q)"""
    reverse_kl: float
    """KL(Q||P)"""
    tv: float
    jsd: float
    w1: float
    w2: float

    @property
    def gan_value(self) -> float:
        """V(D*) = 2 JSD - ln 4"""
        return 2 * self.jsd - LN_FOUR


def divergences(p: Line | Discrete, q: Line | Discrete) -> Divergences:
    """Return all divergences of two distributions on the real line. Raises UsageError as ``kl`` does."""
    # KL is the only one that is not symmetric
    return Divergences(kl(p, q), kl(q, p), tv(p, q), jsd(p, q), w1(p, q), w2(p, q))


def parallel_lines(theta: float) -> Divergences:
    """Return the divergences of (0, Z) and (theta, Z), Z ~ U[0, 1] (Arjovsky et al. 2017, arXiv 1701.07875, example 1).

    For theta != 0: JSD = ln 2, KL = infinity in both directions, TV = 1, and W1 = W2 = |theta|. Only the Wasserstein
    distances depend on how far apart the lines are.
    """
    # both distributions share the second coordinate, so the divergences are those of two point masses
    return divergences(point_mass(0.0), point_mass(theta))


def _exact_divergence(
    quantity: str, p: Distribution, q: Distribution, by_quadrature: Callable[[Line, Line], float]
) -> float:
    # prefer the formula; quadrature works for any two densities on the line
    formula = closed_form(quantity, p, q)
    if formula is not None:
        return formula(p, q)
    if isinstance(p, Line) and isinstance(q, Line):
        return by_quadrature(p, q)
    # such as normals of different covariance, whose TV and JSD have no formula
    raise UsageError(
        f"No exact {quantity} is known between {type(p).__name__} and {type(q).__name__}; "
        "estimate it with genbench.theory.divergence_estimates.monte_carlo."
    )
