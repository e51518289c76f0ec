"""Divergences of any two densities on the real line, by adaptive quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.integrate import quad

from genbench.array_types import Float64
from genbench.theory.densities import LN_TWO, Line

TOLERANCE = 1e-11
LARGEST_BELOW_ONE = 1 - 2.0**-53


def kl_by_quadrature(p: Line, q: Line) -> float:
    """KL(P||Q) = integral of p ln(p/q); infinite if q is 0 on an interval where p > 0."""

    def integrand(x: float) -> float:
        ln_p = float(p.logpdf(x))
        # logarithms, because a far q underflows
        return math.exp(ln_p) * (ln_p - float(q.logpdf(x))) if ln_p > -math.inf else 0.0

    # a support ends at a knot, so the middle of each piece shows whether p or q is 0 on it
    edges = _joint_knots(p, q)
    middle = (edges[1:] + edges[:-1]) / 2
    if bool(((p.logpdf(middle) > -np.inf) & (q.logpdf(middle) == -np.inf)).any()):
        return math.inf
    return max(0.0, _integrate(integrand, edges))


def tv_by_quadrature(p: Line, q: Line) -> float:
    """TV = 1/2 integral of |p - q|; 0..1."""
    return 0.5 * _integrate(lambda x: abs(float(p.pdf(x)) - float(q.pdf(x))), _joint_knots(p, q))


def jsd_by_quadrature(p: Line, q: Line) -> float:
    """JSD = 1/2 KL(P||M) + 1/2 KL(Q||M) with M = (P + Q)/2; 0..ln 2 (the divergence, not its square root)."""

    def integrand(x: float) -> float:
        ln_p, ln_q = float(p.logpdf(x)), float(q.logpdf(x))
        ln_middle = float(np.logaddexp(ln_p, ln_q)) - LN_TWO
        # p ln p tends to 0 with p
        p_term = math.exp(ln_p) * (ln_p - ln_middle) if ln_p > -math.inf else 0.0
        q_term = math.exp(ln_q) * (ln_q - ln_middle) if ln_q > -math.inf else 0.0
        return (p_term + q_term) / 2

    # rounding must not leave 0..ln 2
    return min(LN_TWO, max(0.0, _integrate(integrand, _joint_knots(p, q))))


def w1_by_quadrature(p: Line, q: Line) -> float:
    """W1 = integral of |F - G| with distribution functions F and G."""
    return _integrate(lambda x: abs(float(p.cdf(x)) - float(q.cdf(x))), _joint_knots(p, q))


def w2_by_quadrature(p: Line, q: Line) -> float:
    """W2 = sqrt(integral over u in 0..1 of (F^-1(u) - G^-1(u))^2) with quantile functions F^-1 and G^-1."""

    def integrand(u: float) -> float:
        inside = min(u, LARGEST_BELOW_ONE)  # the quantile at 1 may be infinite
        return float(p.quantile(inside) - q.quantile(inside)) ** 2

    # split the interval at the probabilities of the knots, except those too close to 0 or 1
    levels = np.concatenate([p.cdf(p.knots), q.cdf(q.knots)])
    edges = np.unique(np.concatenate([[0.0, 0.5, 1.0], levels[(levels > 1e-6) & (levels < 1 - 1e-6)]]))
    return math.sqrt(_integrate(integrand, edges))


def _joint_knots(p: Line, q: Line) -> Float64:
    return np.unique(np.concatenate([p.knots, q.knots]))


def _integrate(integrand: Callable[[float], float], edges: Float64) -> float:
    """Sum the integrals over the pieces between neighbouring edges."""
    pieces = pairwise(edges.tolist())
    return math.fsum(quad(integrand, a, b, epsabs=TOLERANCE, epsrel=TOLERANCE, limit=200)[0] for a, b in pieces)
