"""Unbiased variance of the two-sample U-statistic of a squared maximum mean discrepancy (MMD).

First and second order as in Sutherland and Deka 2019 (arXiv 1906.02104). Every expectation E is estimated without bias
from sums of kernel values by row: ``own`` [N] over the pairs within a set, ``cross`` [N] over the pairs with the other
set.
"""

from __future__ import annotations

from collections.abc import Mapping

from genbench.array_types import Float64


def mmd_variance(
    own: Mapping[str, Float64],
    own_squares: Mapping[str, float],
    cross: Mapping[str, Float64],
    cross_squares: float,
) -> float:
    """Return the variance of MMD^2 from the row sums and the sums of squared kernel values, by role.

    Needs at least 4 rows on each side.
    """
    # Row sums of both sets, within the set and to the other set.
    x, y, to_y, to_x = own["generated"], own["reference"], cross["generated"], cross["reference"]
    n, m = len(x), len(y)
    first_x, second_x = _own_orders(x, own_squares["generated"], to_y, to_x, cross_squares)
    first_y, second_y = _own_orders(y, own_squares["reference"], to_x, to_y, cross_squares)
    # The first order is an unbiased difference of larger numbers. For equal distributions it scatters around 0, and
    # clipping it at 0 makes the error a tenth too large.
    first = max(first_x / n + first_y / m, 0.0)
    # The second order does not vanish for equal distributions.
    second_xy = _cross_second(to_y, to_x, cross_squares)
    second = 2 * second_x / (n * (n - 1)) + 2 * second_y / (m * (m - 1)) + 4 * second_xy / (n * m)
    return 4 * first + max(second, 0.0)


def _own_orders(
    own: Float64, squares: float, cross: Float64, other_cross: Float64, cross_squares: float
) -> tuple[float, float]:
    """Return the variance of E k(x, x') - E k(x, y) over x, and the variance of the doubly centred k(x, x')."""
    n, m = len(own), len(other_cross)
    pairs, triples = n * (n - 1), n * (n - 1) * (n - 2)
    # Sums over pairs and over pairs that share a row.
    total, ends, both = own.sum(), own @ own, own @ cross
    square = squares / pairs
    path = (ends - squares) / triples  # E k(x, x') k(x, x'')
    apart = (total**2 - 4 * ends + 2 * squares) / (triples * (n - 3))  # (E k(x, x'))^2
    cross_path, cross_apart = _cross_means(cross, other_cross, cross_squares)
    # E k(x, x') k(x, y) - E k(x, x') E k(x, y)
    mixed = both / (pairs * m) - (total * cross.sum() - 2 * both) / (triples * m)
    first = path - apart + cross_path - cross_apart - 2 * mixed
    return float(first), float(square - 2 * path + apart)


def _cross_means(cross: Float64, other_cross: Float64, squares: float) -> tuple[float, float]:
    """Return E k(x, y) k(x, y') and (E k(x, y))^2."""
    n, m = len(cross), len(other_cross)
    ends, other_ends = cross @ cross, other_cross @ other_cross
    apart = (cross.sum() ** 2 - ends - other_ends + squares) / (n * (n - 1) * m * (m - 1))
    return float((ends - squares) / (n * m * (m - 1))), float(apart)


def _cross_second(cross: Float64, other_cross: Float64, squares: float) -> float:
    """Return the variance of the doubly centred k(x, y)."""
    path, apart = _cross_means(cross, other_cross, squares)
    other_path, _ = _cross_means(other_cross, cross, squares)
    return squares / (len(cross) * len(other_cross)) - path - other_path + apart
