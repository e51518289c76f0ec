"""Critical values for a test that looks at growing data several times: one-sided group-sequential boundaries.

The looks have z values Z_1, ..., Z_K with Z_k = S_k / sqrt(t_k), where S is a Brownian motion at the information
fractions t_1 < ... < t_K. This holds for every estimator whose increments of information are independent, such as a
mean. The Lan-DeMets method (Biometrika 1983) spends the error rate alpha over the looks, so that their number and their
times need not be planned: only the fraction of the largest information must be known at each look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from genbench.array_types import Float64

POWER = 1.5
"""Exponent of the spending function: alpha t^1.5 of the error rate is spent up to the information fraction t."""

GRID = 401
"""Number of points at which the density of S is known; odd, for Simpson's rule."""

DEVIATIONS = 8.0
"""The density of S begins at this many standard deviations below 0."""


def spent(fraction: float, alpha: float) -> float:
    """Return the error rate spent up to an information fraction: alpha t^1.5 (Kim and DeMets 1987)."""
    return float(alpha * min(max(fraction, 0.0), 1.0) ** POWER)


def critical_values(fractions: Sequence[float], alpha: float) -> list[float]:
    """Return the z value above which each look rejects, so that a true null is rejected with probability ``alpha``.

    ``fractions`` are the information fractions of the looks, ascending, in 0..1; beyond 1 nothing is left to spend.
    The boundary holds if looks below it are always followed by further looks, whatever a boundary on the other side
    says. The values of earlier looks do not depend on later ones. Raises ValueError if the fractions do not ascend.
    """
    _check_ascending(fractions)
    critical: list[float] = []
    density = _Density.start()
    for number, fraction in enumerate(fractions):
        # the error rate that this look may spend
        earlier = spent(fractions[number - 1], alpha) if number else 0.0
        budget = spent(fraction, alpha) - earlier
        # the value above which S lies with this probability
        value = density.quantile(fraction, budget) / math.sqrt(fraction) if budget > 0 else math.inf
        critical.append(value)
        density = density.after(fraction, value * math.sqrt(fraction))
    return critical


def rejection_rates(critical: Sequence[float], fractions: Sequence[float], drift: float = 0.0) -> list[float]:
    """Return the probability of the first rejection at each look.

    ``critical`` are the z values of the looks, and ``drift`` is the mean of Z at full information: 0 under the null.
    Raises ValueError if the fractions do not ascend.
    """
    _check_ascending(fractions)
    # reject what lies above the limit of each look, and go on with the rest
    rates: list[float] = []
    density = _Density.start()
    # a drift shifts S by drift times the fraction, so the boundary is shifted back
    for value, fraction in zip(critical, fractions, strict=True):
        limit = value * math.sqrt(fraction) - drift * fraction
        rates.append(density.tail(fraction, limit))
        density = density.after(fraction, limit)
    return rates


class _Density:
    """The density of S after a look, of those paths that no look has rejected."""

    def __init__(self, fraction: float, points: Float64, weights: Float64) -> None:
        self._fraction = fraction
        self._points = points
        self._weights = weights
        """[GRID], the density at each point times its weight in Simpson's rule."""

    @staticmethod
    def start() -> _Density:
        # before the first look, all paths are at 0
        return _Density(0.0, np.zeros(1), np.ones(1))

    def tail(self, fraction: float, limit: float) -> float:
        """Return the probability that S lies above ``limit`` at a later fraction."""
        step = math.sqrt(fraction - self._fraction)
        return float(self._weights @ ndtr((self._points - limit) / step))

    def quantile(self, fraction: float, probability: float) -> float:
        """Return the limit above which S lies with a probability at a later fraction."""
        from scipy.optimize import brentq

        width = (DEVIATIONS + 2) * math.sqrt(fraction)
        # the tail falls from nearly 1 to nearly 0 within this bracket
        if self.tail(fraction, width) >= probability:
            return width
        return float(brentq(lambda limit: self.tail(fraction, limit) - probability, -width, width, xtol=1e-10))

    def after(self, fraction: float, limit: float) -> _Density:
        """Return the density after a look that rejects all paths above ``limit``."""
        low = -DEVIATIONS * math.sqrt(fraction)
        high = min(limit, -low)
        # nothing is left if the limit lies below all paths
        if high <= low:
            return _Density(fraction, np.zeros(1), np.zeros(1))
        # each point collects what the earlier points send to it
        points = np.linspace(low, high, GRID)
        step = math.sqrt(fraction - self._fraction)
        distance = (points[:, None] - self._points) / step
        density = np.exp(-(distance**2) / 2) @ self._weights / (step * math.sqrt(2 * math.pi))
        return _Density(fraction, points, density * _simpson_weights(points))


def _simpson_weights(points: Float64) -> Float64:
    """Return the weights of Simpson's rule for an odd number of evenly spaced points."""
    # 1 4 2 4 ... 2 4 1, times a third of the distance of two points
    weights = np.ones(len(points))
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
    return np.asarray(weights * (points[1] - points[0]) / 3)


def _check_ascending(fractions: Sequence[float]) -> None:
    if any(later <= earlier for earlier, later in zip([0.0, *fractions], fractions, strict=False)):
        raise ValueError(f"information fractions must be above 0 and ascend, but they are {list(fractions)}")


def sequence_width(information: float, first: float, alpha: float) -> float:
    """Return the one-sided half-width, in standard errors, of a confidence sequence that has no last look.

    It is valid at all looks together. ``information`` is 1 / SE^2 of this look, and ``first`` that of the look at which
    the sequence shall be tightest. Waudby-Smith et al. 2024 (arXiv 2103.06476), proposition B.1: with m = I rho^2 the
    half-width of the mean is SE sqrt(2 (m + 1) / m ln(1 + sqrt(m + 1) / (2 alpha))).
    """
    # their equation for the rho that is tightest at ``first``
    best = -2 * math.log(2 * alpha) + math.log(-2 * math.log(2 * alpha) + 1)
    scaled = information / first * best
    return math.sqrt(2 * (scaled + 1) / scaled * math.log(1 + math.sqrt(scaled + 1) / (2 * alpha)))
