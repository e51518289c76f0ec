"""How far apart two known distributions are: KL, total variation, Jensen-Shannon, Wasserstein, the GAN's value.

A formula is used where one exists, adaptive quadrature for other densities on the line. All in nats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from genbench.errors import UsageError
from genbench.theory import quadrature
from genbench.theory.closed_forms import closed_form
from genbench.theory.densities import Discrete, Line, MultivariateNormal, point_mass

Law = Line | Discrete | MultivariateNormal

LN_FOUR = math.log(4)


def kl(p: Law, q: Law) -> float:
    """Return KL(P||Q) = E_P[ln p/q] >= 0 in nats; infinite where Q lacks what P has.

    Raises UsageError where the pair has neither a formula nor a density on the line.
    """
    return _exact("kl", p, q, quadrature.kl)


def tv(p: Law, q: Law) -> float:
    """Return the total variation 1/2 integral |p - q|, 0..1. Raises as ``kl`` does."""
    return _exact("tv", p, q, quadrature.tv)


def jsd(p: Law, q: Law) -> float:
    """Return the Jensen-Shannon divergence 1/2 KL(P||M) + 1/2 KL(Q||M), M = (P + Q)/2, in 0..ln 2 nats.

    It is the divergence itself; scipy's ``jensenshannon`` returns its square root. Raises as ``kl`` does.
    """
    return _exact("jsd", p, q, quadrature.jsd)


def w1(p: Law, q: Law) -> float:
    """Return the Wasserstein-1 (earth mover's) distance, inf over couplings of E|X - Y|. Raises as ``kl`` does."""
    return _exact("w1", p, q, quadrature.w1)


def w2(p: Law, q: Law) -> float:
    """Return the Wasserstein-2 distance, sqrt of inf over couplings of E|X - Y|^2. Raises as ``kl`` does."""
    return _exact("w2", p, q, quadrature.w2)


def gan_value(p: Law, q: Law) -> float:
    """Return V(D*) = max_D E_P[ln D] + E_Q[ln(1 - D)] = 2 JSD(P, Q) - ln 4, in -ln 4..0.

    Goodfellow et al. 2014 (arXiv 1406.2661), theorem 1.
    """
    return 2 * jsd(p, q) - LN_FOUR


@dataclass(frozen=True)
class Divergences:
    """Every divergence of one pair P, Q; KL, JSD and the value in nats."""

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
    """Return every divergence of two laws on the line. Raises as ``kl`` does."""
    return Divergences(kl(p, q), kl(q, p), tv(p, q), jsd(p, q), w1(p, q), w2(p, q))


def parallel_lines(theta: float) -> Divergences:
    """Return the divergences of (0, Z) and (theta, Z), Z ~ U[0, 1] (Arjovsky et al. 2017, arXiv 1701.07875, example 1).

    The second coordinate is shared and independent, so it moves no mass: what remains are two point masses. For
    theta != 0: JSD = ln 2, KL = infinity both ways, TV = 1, and only W1 = W2 = |theta| says how far the lines are.
    """
    return divergences(point_mass(0.0), point_mass(theta))


def _exact(quantity: str, p: Law, q: Law, by_quadrature: Callable[[Line, Line], float]) -> float:
    formula = closed_form(quantity, p, q)
    if formula is not None:
        return formula(p, q)
    if isinstance(p, Line) and isinstance(q, Line):
        return by_quadrature(p, q)
    raise UsageError(
        f"No exact {quantity} is known between {type(p).__name__} and {type(q).__name__}; "
        "estimate it with genbench.theory.divergence_estimates.monte_carlo."
    )
