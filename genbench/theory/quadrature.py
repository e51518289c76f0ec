"""Divergences of any two densities on the line, by adaptive quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.integrate import quad

from genbench.arrays import Float64
from genbench.theory.densities import Line

TOLERANCE = 1e-11
LAST_BELOW_ONE = 1 - 2.0**-53
LN_TWO = math.log(2)


def kl(p: Line, q: Line) -> float:
    """KL(P||Q) = integral of p ln(p/q); infinite where q vanishes on a stretch that p covers."""

    def integrand(x: float) -> float:
        ln_p = float(p.logpdf(x))
        return math.exp(ln_p) * (ln_p - float(q.logpdf(x))) if ln_p > -math.inf else 0.0

    edges = _edges(p, q)
    middle = (edges[1:] + edges[:-1]) / 2
    if bool(((p.logpdf(middle) > -np.inf) & (q.logpdf(middle) == -np.inf)).any()):
        return math.inf
    return max(0.0, _integrate(integrand, edges))


def tv(p: Line, q: Line) -> float:
    """TV = 1/2 integral of |p - q|; 0..1."""
    return 0.5 * _integrate(lambda x: abs(float(p.pdf(x)) - float(q.pdf(x))), _edges(p, q))


def jsd(p: Line, q: Line) -> float:
    """JSD = 1/2 KL(P||M) + 1/2 KL(Q||M) with M = (P + Q)/2; 0..ln 2 (the divergence, not its root)."""

    def integrand(x: float) -> float:
        ln_p, ln_q = float(p.logpdf(x)), float(q.logpdf(x))
        ln_middle = float(np.logaddexp(ln_p, ln_q)) - LN_TWO
        of_p = math.exp(ln_p) * (ln_p - ln_middle) if ln_p > -math.inf else 0.0
        of_q = math.exp(ln_q) * (ln_q - ln_middle) if ln_q > -math.inf else 0.0
        return (of_p + of_q) / 2

    return min(LN_TWO, max(0.0, _integrate(integrand, _edges(p, q))))


def w1(p: Line, q: Line) -> float:
    """W1 = integral of |F - G|, F and G the distribution functions."""
    return _integrate(lambda x: abs(float(p.cdf(x)) - float(q.cdf(x))), _edges(p, q))


def w2(p: Line, q: Line) -> float:
    """W2 = sqrt(integral over 0..1 of (F^-1(u) - G^-1(u))^2), F^-1 and G^-1 the quantile functions."""

    def integrand(u: float) -> float:
        inside = min(u, LAST_BELOW_ONE)  # rounded up to 1, the quantile would be infinite
        return float(p.quantile(inside) - q.quantile(inside)) ** 2

    shares = np.concatenate([p.cdf(p.knots), q.cdf(q.knots)])
    edges = np.unique(np.concatenate([[0.0, 0.5, 1.0], shares[(shares > 1e-6) & (shares < 1 - 1e-6)]]))
    return math.sqrt(_integrate(integrand, edges))


def _edges(p: Line, q: Line) -> Float64:
    return np.unique(np.concatenate([p.knots, q.knots]))


def _integrate(integrand: Callable[[float], float], edges: Float64) -> float:
    pieces = pairwise(edges.tolist())
    return math.fsum(quad(integrand, a, b, epsabs=TOLERANCE, epsrel=TOLERANCE, limit=200)[0] for a, b in pieces)
