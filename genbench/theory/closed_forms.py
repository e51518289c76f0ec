"""Divergences with a formula: between two normal, uniform, exponential or discrete distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, rel_entr

from genbench.array_types import Float64
from genbench.errors import UsageError
from genbench.theory.densities import Discrete, Exponential, MultivariateNormal, Normal, Uniform


def closed_form(quantity: str, p: object, q: object) -> Callable[[Any, Any], float] | None:
    """Return the formula for ``kl``, ``tv``, ``jsd``, ``w1`` or ``w2`` of two distributions of one family, or None."""
    return _FORMULAS.get((quantity, type(p))) if type(p) is type(q) else None


# Normal distributions: mean m, standard deviation s, distribution function Phi of N(0, 1).


def normal_kl(p: Normal, q: Normal) -> float:
    """KL(P||Q) = ln(s_q/s_p) + (s_p^2 + (m_p - m_q)^2) / (2 s_q^2) - 1/2."""
    return math.log(q.std / p.std) + (p.std**2 + (p.mean - q.mean) ** 2) / (2 * q.std**2) - 0.5


def normal_tv(p: Normal, q: Normal) -> float:
    """Total variation: 2 Phi(|m_p - m_q| / 2s) - 1 for equal s, otherwise from the points where the densities cross.

    The densities cross at the two roots of a quadratic. TV is half the sum of |P(I) - Q(I)| over the three intervals I
    that the roots separate.
    """
    if p.std == q.std:
        return float(2 * ndtr(abs(p.mean - q.mean) / (2 * p.std)) - 1)

    # standardize P to N(0, 1); Q becomes N(shift, ratio^2)
    shift, ratio = (q.mean - p.mean) / p.std, q.std / p.std
    crossings = np.sort(np.roots([ratio**2 - 1, 2 * shift, -(shift**2) - 2 * ratio**2 * math.log(ratio)]).real)
    p_mass = np.diff(np.concatenate([[0.0], ndtr(crossings), [1.0]]))
    q_mass = np.diff(np.concatenate([[0.0], ndtr((crossings - shift) / ratio), [1.0]]))
    return float(0.5 * np.abs(p_mass - q_mass).sum())


def normal_w1(p: Normal, q: Normal) -> float:
    """W1 = E|m + s Z| with m, s the differences of the means and of the standard deviations and Z ~ N(0, 1).

    It is the mean of a folded normal: s sqrt(2/pi) exp(-m^2/2s^2) + m (1 - 2 Phi(-m/s)).
    """
    # a coupling of equal quantiles gives X - Y = shift + spread Z
    shift, spread = abs(p.mean - q.mean), abs(p.std - q.std)
    if spread == 0:
        return shift
    ratio = shift / spread
    return float(spread * math.sqrt(2 / math.pi) * math.exp(-0.5 * ratio**2) + shift * (1 - 2 * ndtr(-ratio)))


def normal_w2(p: Normal, q: Normal) -> float:
    """W2 = sqrt((m_p - m_q)^2 + (s_p - s_q)^2)."""
    return math.hypot(p.mean - q.mean, p.std - q.std)


# Multivariate normal distributions: mean m, covariance S, both factored by Cholesky.


def multivariate_normal_kl(p: MultivariateNormal, q: MultivariateNormal) -> float:
    """KL(P||Q) = 1/2 [tr(S_q^-1 S_p) + (m_q - m_p)^T S_q^-1 (m_q - m_p) - d + ln |S_q|/|S_p|]."""
    # tr(S_q^-1 S_p) = |L_q^-1 L_p|^2, and the quadratic form is |L_q^-1 (m_q - m_p)|^2
    root_p, root_q = np.linalg.cholesky(p.covariance), np.linalg.cholesky(q.covariance)
    spread = np.linalg.solve(root_q, root_p)
    shift = np.linalg.solve(root_q, q.mean - p.mean)
    # half the log ratio of the determinants
    log_volume = np.log(np.diag(root_q)).sum() - np.log(np.diag(root_p)).sum()
    return max(0.0, float(0.5 * ((spread**2).sum() + (shift**2).sum() - p.dimension) + log_volume))


def multivariate_normal_tv(p: MultivariateNormal, q: MultivariateNormal) -> float:
    """TV = 2 Phi(D/2) - 1, D the Mahalanobis distance of the means. Raises UsageError for unequal covariances."""
    if not np.array_equal(p.covariance, q.covariance):
        raise UsageError(
            "The total variation of two normals with unequal covariances has no formula; "
            "estimate it with genbench.theory.divergence_estimates.monte_carlo."
        )
    return float(2 * ndtr(np.linalg.norm(np.linalg.solve(np.linalg.cholesky(p.covariance), p.mean - q.mean)) / 2) - 1)


def multivariate_normal_w2(p: MultivariateNormal, q: MultivariateNormal) -> float:
    """W2^2 = |m_p - m_q|^2 + tr S_p + tr S_q - 2 tr (S_p^1/2 S_q S_p^1/2)^1/2 (Dowson and Landau 1982).

    The last trace is the sum of the singular values of L_p^T L_q with Cholesky factors L, so no matrix root is needed.
    """
    root_p, root_q = np.linalg.cholesky(p.covariance), np.linalg.cholesky(q.covariance)
    cross_trace = np.linalg.svd(root_p.T @ root_q, compute_uv=False).sum()
    squared = ((p.mean - q.mean) ** 2).sum() + np.trace(p.covariance) + np.trace(q.covariance) - 2 * cross_trace
    return math.sqrt(max(0.0, float(squared)))


# Uniform distributions on [low, high].


def uniform_kl(p: Uniform, q: Uniform) -> float:
    """KL(P||Q) = ln(width_q / width_p) if Q covers P, otherwise infinity."""
    return math.log(q.width / p.width) if q.low <= p.low and p.high <= q.high else math.inf


def uniform_tv(p: Uniform, q: Uniform) -> float:
    """TV = 1 - overlap / max(width_p, width_q)."""
    return 1 - _overlap(p, q) / max(p.width, q.width)


def uniform_jsd(p: Uniform, q: Uniform) -> float:
    """JSD from three pieces with constant densities: the overlap, the rest of P and the rest of Q."""
    # shares of P and of Q that lie in the overlap
    shared_p, shared_q = _overlap(p, q) / p.width, _overlap(p, q) / q.width
    return _jsd_of_masses(np.array([shared_p, 1 - shared_p, 0.0]), np.array([shared_q, 0.0, 1 - shared_q]))


def uniform_w1(p: Uniform, q: Uniform) -> float:
    """W1 = integral over u in 0..1 of |a + (c - a) u|, with a = low_p - low_q and c = high_p - high_q."""
    # the integrand is linear; if it changes its sign, there are two triangles
    low, high = p.low - q.low, p.high - q.high
    if low * high >= 0:
        return abs(low + high) / 2
    return (low**2 + high**2) / (2 * abs(high - low))


def uniform_w2(p: Uniform, q: Uniform) -> float:
    """W2 = sqrt((a^2 + a c + c^2) / 3), with a = low_p - low_q and c = high_p - high_q."""
    low, high = p.low - q.low, p.high - q.high
    return math.sqrt((low**2 + low * high + high**2) / 3)


def _overlap(p: Uniform, q: Uniform) -> float:
    return max(0.0, min(p.high, q.high) - max(p.low, q.low))


# Exponential distributions with rate r.


def exponential_kl(p: Exponential, q: Exponential) -> float:
    """KL(P||Q) = ln(r_p/r_q) + r_q/r_p - 1."""
    return math.log(p.rate / q.rate) + q.rate / p.rate - 1


def exponential_tv(p: Exponential, q: Exponential) -> float:
    """TV = |P(X > x*) - Q(X > x*)|; the densities cross once, at x* = ln(r_p/r_q) / (r_p - r_q)."""
    if p.rate == q.rate:
        return 0.0
    # p(x) > q(x) on one side of the crossing only
    crossing = math.log(p.rate / q.rate) / (p.rate - q.rate)
    return abs(math.exp(-p.rate * crossing) - math.exp(-q.rate * crossing))


def exponential_w1(p: Exponential, q: Exponential) -> float:
    """W1 = |1/r_p - 1/r_q|."""
    return abs(1 / p.rate - 1 / q.rate)


def exponential_w2(p: Exponential, q: Exponential) -> float:
    """W2 = sqrt(2) |1/r_p - 1/r_q|."""
    return math.sqrt(2) * abs(1 / p.rate - 1 / q.rate)


# Discrete distributions: sums over the union of their values.


def discrete_kl(p: Discrete, q: Discrete) -> float:
    """KL(P||Q) = sum p ln(p/q); infinite if P has a value that Q lacks."""
    return max(0.0, float(rel_entr(*_masses_on_union(p, q)).sum()))


def discrete_tv(p: Discrete, q: Discrete) -> float:
    """TV = 1/2 sum |p - q|."""
    p_mass, q_mass = _masses_on_union(p, q)
    return float(0.5 * np.abs(p_mass - q_mass).sum())


def discrete_jsd(p: Discrete, q: Discrete) -> float:
    """JSD = 1/2 KL(P||M) + 1/2 KL(Q||M) with M = (P + Q)/2, in 0..ln 2 nats; the divergence, not its square root."""
    return _jsd_of_masses(*_masses_on_union(p, q))


def discrete_w1(p: Discrete, q: Discrete) -> float:
    """W1 = integral over u in 0..1 of |F^-1(u) - G^-1(u)|, with quantile functions F^-1 and G^-1."""
    return coupled_distance(p.values, q.values, p.probabilities, q.probabilities, order=1)


def discrete_w2(p: Discrete, q: Discrete) -> float:
    """W2 = sqrt(integral over u in 0..1 of (F^-1(u) - G^-1(u))^2), with quantile functions F^-1 and G^-1."""
    return coupled_distance(p.values, q.values, p.probabilities, q.probabilities, order=2)


def coupled_distance(
    p_values: npt.ArrayLike, q_values: npt.ArrayLike, p_mass: npt.ArrayLike, q_mass: npt.ArrayLike, *, order: int
) -> float:
    """Return (integral over 0..1 of |F^-1(u) - G^-1(u)|^order)^(1/order) for masses on ascending values [N], [M]."""
    p_cumulative, q_cumulative = np.cumsum(p_mass), np.cumsum(q_mass)
    # rounding must not leave the last level below 1
    p_cumulative[-1] = q_cumulative[-1] = 1.0
    # both quantile functions are constant between two neighbouring levels
    levels = np.union1d(np.concatenate([[0.0], p_cumulative]), q_cumulative)
    middle = (levels[1:] + levels[:-1]) / 2
    p_quantile = np.asarray(p_values)[np.searchsorted(p_cumulative, middle)]
    q_quantile = np.asarray(q_values)[np.searchsorted(q_cumulative, middle)]
    return float((np.diff(levels) @ np.abs(p_quantile - q_quantile) ** order) ** (1 / order))


def _masses_on_union(p: Discrete, q: Discrete) -> tuple[Float64, Float64]:
    # a value that one distribution lacks has mass 0 there
    values = np.union1d(p.values, q.values)
    return p.pdf(values), q.pdf(values)


def _jsd_of_masses(p: Float64, q: Float64) -> float:
    # rounding may make the sum slightly negative
    middle = (p + q) / 2
    return max(0.0, float(0.5 * (rel_entr(p, middle).sum() + rel_entr(q, middle).sum())))


# (quantity, family) -> formula; pairs of different families have none
_FORMULAS: dict[tuple[str, type], Callable[[Any, Any], float]] = {
    ("kl", Normal): normal_kl,
    ("tv", Normal): normal_tv,
    ("w1", Normal): normal_w1,
    ("w2", Normal): normal_w2,
    ("kl", MultivariateNormal): multivariate_normal_kl,
    ("tv", MultivariateNormal): multivariate_normal_tv,
    ("w2", MultivariateNormal): multivariate_normal_w2,
    ("kl", Uniform): uniform_kl,
    ("tv", Uniform): uniform_tv,
    ("jsd", Uniform): uniform_jsd,
    ("w1", Uniform): uniform_w1,
    ("w2", Uniform): uniform_w2,
    ("kl", Exponential): exponential_kl,
    ("tv", Exponential): exponential_tv,
    ("w1", Exponential): exponential_w1,
    ("w2", Exponential): exponential_w2,
    ("kl", Discrete): discrete_kl,
    ("tv", Discrete): discrete_tv,
    ("jsd", Discrete): discrete_jsd,
    ("w1", Discrete): discrete_w1,
    ("w2", Discrete): discrete_w2,
}
