"""The normal distribution, Student's t and the polygamma functions of single numbers.

SciPy has them, but importing scipy.special takes as long as all the rest of a command that compares results. The tests
compare every function with SciPy's.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

MANY_DEGREES = 10_000.0
"""From here on, Student's t is turned into a normal deviate."""
LARGE = 100.0
"""From here on, the ratio of two gamma functions is a series."""
FAR_OUT = 10.0
"""From here on, the polygamma functions are series."""
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
"""The Bernoulli numbers B2, B4, ..., B16."""

NEGLIGIBLE = 1e-16
"""A factor this close to 1 changes nothing."""
MOST_TERMS = 200


def normal_cdf(z: float) -> float:
    """Return the probability that a standard normal number is below ``z``."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def normal_quantile(p: float) -> float:
    """Return the number below which a standard normal number is with probability ``p`` in [0, 1]."""
    return NormalDist().inv_cdf(p) if 0 < p < 1 else math.copysign(math.inf, p - 0.5)


def student_cdf(degrees: float, t: float) -> float:
    """Return the probability that Student's t with ``degrees`` > 0, possibly infinite, is below ``t``."""
    if t > 0:
        return 1 - student_cdf(degrees, -t)
    ratio, half = t * t / degrees, degrees / 2
    if degrees >= MANY_DEGREES or math.isinf(ratio):
        return normal_cdf(_deviate(degrees, t))
    # an incomplete beta function, or its complement: the one whose fraction converges
    front = math.exp(-half * math.log1p(ratio)) * math.sqrt(ratio / (1 + ratio) / math.pi) * _gamma_ratio(half)
    if ratio * (half + 1) > 1.5:
        return front / degrees * _beta_fraction(half, 0.5, 1 / (1 + ratio))
    return 0.5 - front * _beta_fraction(0.5, half, ratio / (1 + ratio))


@lru_cache(maxsize=1024)
def student_quantile(degrees: float, p: float) -> float:
    """Return the number below which Student's t with ``degrees`` > 0, possibly infinite, is with probability ``p``."""
    if p > 0.5:
        return -student_quantile(degrees, 1 - p)
    z = normal_quantile(p)
    if z == 0 or math.isinf(z) or math.isinf(degrees):
        return z
    # Newton's method for log p as a function of log t, which is concave and nearly straight far out
    t = -z * math.sqrt(1 + 1 / degrees)
    for _ in range(MOST_TERMS):
        below = student_cdf(degrees, -t)
        density = _gamma_ratio(degrees / 2) / math.sqrt(math.pi * degrees)
        density *= math.exp(-(degrees + 1) / 2 * math.log1p(t * t / degrees))
        step = math.log(below / p) * below / (t * density)
        t *= math.exp(step)
        # the steps shrink quadratically
        if abs(step) < 1e-9:
            break
    return -t


def digamma(x: float) -> float:
    """Return the derivative of the logarithm of the gamma function at ``x`` > 0."""
    value = 0.0
    while x < FAR_OUT:
        value -= 1 / x
        x += 1
    series = sum(number / (2 * k * x ** (2 * k)) for k, number in enumerate(BERNOULLI, 1))
    return value + math.log(x) - 1 / (2 * x) - series


def trigamma(x: float) -> float:
    """Return the derivative of the digamma function at ``x`` > 0."""
    value = 0.0
    while x < FAR_OUT:
        value += 1 / x**2
        x += 1
    return value + 1 / x + 1 / (2 * x**2) + sum(number / x ** (2 * k + 1) for k, number in enumerate(BERNOULLI, 1))


def tetragamma(x: float) -> float:
    """Return the derivative of the trigamma function at ``x`` > 0."""
    value = 0.0
    while x < FAR_OUT:
        value -= 2 / x**3
        x += 1
    series = sum((2 * k + 1) * number / x ** (2 * k + 2) for k, number in enumerate(BERNOULLI, 1))
    return value - 1 / x**2 - 1 / x**3 - series


def _deviate(degrees: float, t: float) -> float:
    """Return the normal deviate with the probability of ``t``; its error falls with the degrees (Hill 1970)."""
    if math.isinf(degrees) or math.isinf(t):
        return t
    rest = degrees - 0.5
    y, b = rest * math.log1p(t * t / degrees), 48 * rest * rest
    last = (((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b)
    return math.copysign(((last + y + 3) / b + 1) * math.sqrt(y), t)


def _gamma_ratio(x: float) -> float:
    """Return gamma(x + 1/2) / gamma(x)."""
    if x < LARGE:
        return math.gamma(x + 0.5) / math.gamma(x)
    series = 1 - 1 / (8 * x) + 1 / (128 * x**2) + 5 / (1024 * x**3) - 21 / (32768 * x**4) - 399 / (262144 * x**5)
    return math.sqrt(x) * series


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method."""
    numerator, denominator = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = denominator
    for m in range(1, MOST_TERMS):
        # the two terms of the step
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for term in (even, odd):
            numerator, denominator = 1 + term / numerator, 1 / (1 + term * denominator)
            value *= numerator * denominator
        if abs(value - before) <= NEGLIGIBLE * abs(value):
            break
    return value
