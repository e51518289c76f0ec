"""Divergences estimated where there is no formula: by Monte Carlo, on a grid, or from one side's samples alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from scipy.special import digamma, gammaln, rel_entr

from genbench.arrays import Bool, Float64
from genbench.errors import InputError, UsageError
from genbench.theory.densities import Density
from genbench.theory.estimates import Estimate, halves, mean_of, seeds

LN_TWO = math.log(2)

Mask = Bool


@dataclass(frozen=True)
class DivergenceEstimates:
    """The divergences of P and Q in nats, each with an error."""

    kl: Estimate
    """KL(P||Q)"""
    reverse_kl: Estimate
    """KL(Q||P)"""
    tv: Estimate
    jsd: Estimate

    @property
    def gan_value(self) -> Estimate:
        """V(D*) = 2 JSD - ln 4"""
        return Estimate(2 * self.jsd.value - math.log(4), 2 * self.jsd.error)


def monte_carlo(p: Density, q: Density, *, count: int = 100_000, seed: int = 0) -> DivergenceEstimates:
    """Estimate the divergences of two known densities of any dimension from ``count`` samples of each.

    KL = E_P[ln p - ln q]; TV = E_P[(1 - q/p)+] = E_Q[(1 - p/q)+]; JSD = 1/2 E_P[ln p/m] + 1/2 E_Q[ln q/m],
    m = (p + q)/2. Unbiased; the errors are standard errors. One sample of P where q = 0 makes KL infinite.
    """
    seed_p, seed_q = seeds(seed, 2)
    at_p, at_q = p.sample(count, seed_p), q.sample(count, seed_q)
    of_p = p.logpdf(at_p) - q.logpdf(at_p)  # ln p/q at samples of P
    of_q = q.logpdf(at_q) - p.logpdf(at_q)
    return DivergenceEstimates(
        kl=mean_of(of_p),
        reverse_kl=mean_of(of_q),
        tv=halves(mean_of(-np.expm1(np.minimum(-of_p, 0.0))), mean_of(-np.expm1(np.minimum(-of_q, 0.0)))),
        jsd=halves(mean_of(LN_TWO - np.logaddexp(0.0, -of_p)), mean_of(LN_TWO - np.logaddexp(0.0, -of_q))),
    )


def on_grid(
    p: Density, q: Density, *, low: tuple[float, float], high: tuple[float, float], cells: int = 256
) -> DivergenceEstimates:
    """Integrate the divergences of two 2-D densities over the box low..high by the midpoint rule.

    The error is the difference to a grid half as fine. What lies outside the box is not seen, and cells must be finer
    than the densities' own scale (about std / 2). Raises UsageError where more than 1e-3 of the mass is missed.
    """
    fine, coarse = _integrals(p, q, low, high, cells), _integrals(p, q, low, high, cells // 2)
    if abs(fine[4] - 1) > 1e-3 or abs(fine[5] - 1) > 1e-3:
        raise UsageError(
            f"The grid holds a mass of {fine[4]:.4g} of P and {fine[5]:.4g} of Q instead of 1; "
            f"widen the box {low}..{high} or take more than {cells} cells a side."
        )
    kl, reverse_kl, tv, jsd = (
        Estimate(a, abs(a - b) if math.isfinite(a) and math.isfinite(b) else 0.0)
        for a, b in zip(fine[:4], coarse[:4], strict=True)
    )
    return DivergenceEstimates(kl, reverse_kl, tv, jsd)


def _integrals(
    p: Density, q: Density, low: tuple[float, float], high: tuple[float, float], cells: int
) -> tuple[float, float, float, float, float, float]:
    """Return KL(P||Q), KL(Q||P), TV, JSD, and the mass of P and of Q inside the box."""
    sides = [low[i] + (np.arange(cells) + 0.5) * (high[i] - low[i]) / cells for i in (0, 1)]
    area = (high[0] - low[0]) * (high[1] - low[1]) / cells**2
    total = np.zeros(6)
    for x in sides[0]:  # one column at a time keeps memory flat
        points = np.stack([np.full(cells, x), sides[1]], axis=1)
        ln_p, ln_q = p.logpdf(points), q.logpdf(points)
        of_p, of_q = np.exp(ln_p), np.exp(ln_q)
        ln_middle = np.logaddexp(ln_p, ln_q) - LN_TWO
        kl, reverse_kl = _weighted(of_p, ln_p, ln_q), _weighted(of_q, ln_q, ln_p)
        jsd = (_weighted(of_p, ln_p, ln_middle) + _weighted(of_q, ln_q, ln_middle)) / 2
        total += area * np.array([kl, reverse_kl, np.abs(of_p - of_q).sum() / 2, jsd, of_p.sum(), of_q.sum()])
    kl, reverse_kl, tv, jsd, mass_p, mass_q = (float(value) for value in total)
    return kl, reverse_kl, tv, jsd, mass_p, mass_q


def _weighted(of_p: Float64, ln_p: Float64, ln_q: Float64) -> float:
    """Return sum p (ln p - ln q) over the cells where p > 0: in logs, since q may be too small for a float."""
    there = of_p > 0
    return float((of_p[there] * (ln_p[there] - ln_q[there])).sum())


def nearest_neighbour_kl(generated: npt.ArrayLike, reference: Density, *, neighbours: int = 5) -> Estimate:
    """Estimate KL(generated||reference) from samples float64 [N, d] alone and the exact density of the reference.

    -H(generated) by Kozachenko and Leonenko (1987), ln q(x) = psi(k) - psi(N) - ln V_d - d ln r_k(x) with r_k the
    distance to the k-th nearest other sample, less the exact E[ln p]. Consistent; the bias falls with N and is
    upwards in the case tried (.526 and .516 for 1,000 and 2,000 samples where the truth is .5). Repeated samples (more
    than k equal) have infinite KL to a density.
    The error is a delete-block jackknife. Raises InputError for fewer than 2 (k + 1) samples.
    """
    points = _rows(generated, 2 * (neighbours + 1))
    ln_p = reference.logpdf(points)

    def estimate(kept: Mask) -> float:
        distance = _nth_distance(points[kept], points[kept], neighbours + 1)  # the nearest is the point itself
        return mean_of(_ln_density(distance, points[kept].shape, neighbours) - ln_p[kept]).value

    return _jackknifed(estimate, len(points))


def nearest_neighbour_reverse_kl(
    generated: npt.ArrayLike, reference: Density, *, neighbours: int = 5, seed: int = 0
) -> Estimate:
    """Estimate KL(reference||generated) from samples float64 [N, d] and as many fresh samples of the reference.

    The generated density at a reference sample is psi(k) - psi(N + 1) - ln V_d - d ln r_k in logs, r_k the distance to
    the k-th nearest generated sample (Wang, Kulkarni and Verdu 2009). It stays finite where the generated density is
    0: a lost mode shows as a large number that grows with the distance to the next mode. Its bias is
    downwards too (a tenth of the truth for 1,000 samples of N((1, 0), I) against N(0, I)). Error and errors as above.
    """
    points = _rows(generated, 2 * (neighbours + 1))
    fresh = reference.sample(len(points), seeds(seed, 1)[0])
    ln_p, fresh = reference.logpdf(fresh), fresh.reshape(points.shape)

    def estimate(kept: Mask) -> float:
        distance = _nth_distance(fresh[kept], points[kept], neighbours)
        count, dimension = points[kept].shape
        return mean_of(ln_p[kept] - _ln_density(distance, (count + 1, dimension), neighbours)).value

    return _jackknifed(estimate, len(points))


def _jackknifed(estimate: Callable[[Mask], float], count: int, *, blocks: int = 20) -> Estimate:
    """Return the estimate on all rows; its error from leaving out each of the blocks in turn."""
    value = estimate(np.ones(count, np.bool_))
    if not math.isfinite(value):
        return Estimate(value, 0.0)
    block = np.arange(count) % min(blocks, count)
    without = np.array([estimate(block != b) for b in range(block.max() + 1)])
    return Estimate(value, math.sqrt((len(without) - 1) * float(without.var())))


def _ln_density(distance: Float64, shape: tuple[int, ...], neighbours: int) -> Float64:
    """Return ln q where the k-th of ``shape`` = (N, d) samples is that far away; infinite at distance 0."""
    count, dimension = shape
    ln_distance = np.log(distance, out=np.full(distance.shape, -np.inf), where=distance > 0)
    return np.asarray(digamma(neighbours) - digamma(count) - _ln_ball(dimension) - dimension * ln_distance)


def _nth_distance(of: Float64, among: Float64, nth: int) -> Float64:
    return np.asarray(cKDTree(among).query(of, k=[nth])[0], np.float64)[:, 0]


def _ln_ball(dimension: int) -> float:
    return float(0.5 * dimension * math.log(math.pi) - gammaln(0.5 * dimension + 1))


@dataclass(frozen=True)
class BinnedDivergences:
    """Divergences of cell counts; ``floor`` is what samples of the reference itself would show on average."""

    reverse_kl: Estimate
    """KL(generated||reference)"""
    tv: Estimate
    jsd: Estimate
    floor: tuple[float, float, float]
    """The expected reverse KL, TV and JSD of a perfect sampler of the same count."""


def binned(generated: npt.ArrayLike, reference: Density, *, depth: int = 7, seed: int = 0) -> BinnedDivergences:
    """Estimate divergences from samples float64 [N, d] counted in 2^depth cells of equal reference mass.

    The cells come from halving 1,024 reference samples a cell at the median of their widest axis, again and again.
    Merging points into cells can only lower a divergence; the noise of the counts raises it, by ``floor`` where the
    two agree. The errors are those of multinomial counts (delta method).
    """
    points, cells = _rows(generated, 2), 2**depth
    drawn, null = seeds(seed, 2)
    fresh = reference.sample(1024 * cells, drawn)
    counts = np.array(_counts(fresh.reshape(len(fresh), -1), points, depth))
    share = counts / len(points)
    at_null = np.random.default_rng(null).multinomial(len(points), np.full(cells, 1 / cells), size=200) / len(points)
    floor = np.mean([_cell_divergences(row)[0] for row in at_null], axis=0)
    values, slopes = _cell_divergences(share)
    errors = np.sqrt(np.maximum(slopes**2 @ share - (slopes @ share) ** 2, 0.0) / len(points))
    reverse_kl, tv, jsd = (Estimate(float(a), float(b)) for a, b in zip(values, errors, strict=True))
    return BinnedDivergences(reverse_kl, tv, jsd, (float(floor[0]), float(floor[1]), float(floor[2])))


def _counts(fresh: Float64, points: Float64, depth: int) -> list[int]:
    if depth == 0:
        return [len(points)]
    axis = int(np.ptp(fresh, axis=0).argmax())
    cut = np.median(fresh[:, axis])
    left, right = fresh[:, axis] <= cut, points[:, axis] <= cut
    return _counts(fresh[left], points[right], depth - 1) + _counts(fresh[~left], points[~right], depth - 1)


def _cell_divergences(share: Float64) -> tuple[Float64, Float64]:
    """Return reverse KL, TV and JSD to equal masses [3], and their derivatives by the shares [3, cells]."""
    equal = np.full(len(share), 1 / len(share))
    middle = (share + equal) / 2
    jsd = (rel_entr(share, middle).sum() + rel_entr(equal, middle).sum()) / 2
    values = np.array([rel_entr(share, equal).sum(), np.abs(share - equal).sum() / 2, jsd])
    seen = np.where(share > 0, share, 1.0)  # an empty cell has no weight in the error
    slopes = np.stack([np.log(seen / equal), np.sign(share - equal) / 2, np.log(seen / middle) / 2])
    return values, slopes


def _rows(generated: npt.ArrayLike, least: int) -> Float64:
    points = np.asarray(generated, np.float64)
    points = points[:, None] if points.ndim == 1 else points
    if points.ndim != 2 or len(points) < least or not np.isfinite(points).all():
        raise InputError(f"At least {least} finite samples [N, d] are needed; an array {points.shape} came.")
    return points
