"""Costs of optimal transport between the projections of two sets of rows on random directions, with their errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array, Bool, Float64, Int64
from genbench.metrics.embedding_checks import spans
from genbench.metrics.group_influence import influence_of
from genbench.plugs.contracts import Influence

JACKKNIFE_GROUPS = 20
"""Number of groups of rows on each side; the jackknife leaves out one group at a time."""


@dataclass(frozen=True)
class SlicedEstimate:
    """One distance with its error."""

    value: float
    error: float | None
    """Standard error from rows and directions; None with fewer than 40 rows on a side or with one direction."""
    direction_error: float | None
    """The part of the error that the directions cause; two models scored with the same seed share it."""
    expected: float | None
    """Approximate value of a perfect sampler at these counts, from halves of the reference; None below 4 rows."""
    influence: Influence | None = None
    """Contribution of groups of rows to the error; None if not all rows of a side were used."""


@dataclass(frozen=True)
class TransportCosts:
    """Costs of order 1 and 2 of transporting one set to the other along B directions."""

    costs: Float64
    """[2, B], cost along each direction"""
    left_out: Float64
    """[2, JACKKNIFE_GROUPS], mean over directions without each group; [2, 0] if there are too few rows"""
    halves: Float64
    """[2], mean over directions between two halves of the reference"""
    shrink: float | None
    """Ratio of the expected squared cost of equal distributions to the one between the halves; None below 4 rows."""
    influence: tuple[Float64, Float64]
    """[2, N] and [2, M], first-order influence of each row on the mean cost"""

    def estimate(self, order: Literal[1, 2], rule: Callable[[Float64], Float64]) -> SlicedEstimate:
        """Apply ``rule`` to the mean cost of an order, and to its jackknife values for the errors."""
        # Jackknife over directions: leave out one direction at a time.
        costs, count = self.costs[order - 1], self.costs.shape[1]
        error = direction_error = expected = None
        if count > 1:
            left_out = np.maximum(costs.sum() - costs, 0) / (count - 1)
            direction_error = math.sqrt((count - 1) * float(rule(left_out).var()))
        # Jackknife over groups of rows. Both errors are nearly independent.
        if self.left_out.size and direction_error is not None:
            row_error = math.sqrt((JACKKNIFE_GROUPS - 1) * float(rule(self.left_out[order - 1]).var()))
            error = math.hypot(row_error, direction_error)
        # Scale the cost between the halves of the reference to these counts.
        if self.shrink is not None:
            expected = float(rule(self.halves[order - 1] * self.shrink ** (order / 2)))
        influence = influence_of(*(side[order - 1] for side in self.influence), error=error)
        return SlicedEstimate(float(rule(costs.mean())), error, direction_error, expected, influence)


def transport(x: Array, y: Array, projections: int, rng: np.random.Generator) -> TransportCosts:
    """Return the costs along random directions, with the jackknife values and the influence of each row."""
    n, m = len(x), len(y)
    # Directions [B, D], uniform on the unit sphere.
    directions = rng.standard_normal((projections, x.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    centre = x.mean(axis=0, dtype=np.float64)
    # For centred rows, single precision is accurate to 1e-6 and takes a quarter of the time.
    if x.dtype == y.dtype == np.float32 and (n + m) * directions.size > 4e9:
        directions, centre = directions.astype(np.float32), centre.astype(np.float32)

    # Equal counts get equal groups, so a set compared with itself has distance 0 whichever group is left out.
    group_seed = int(rng.integers(2**32))
    group_x, group_y = (_deal_groups(count, group_seed) for count in (n, m))
    groups = range(JACKKNIFE_GROUPS) if min(n, m) >= 2 * JACKKNIFE_GROUPS else range(0)
    # Two random halves of the reference show the cost for equal distributions.
    half = rng.permutation(m) < m // 2

    costs, left_out, halves = np.empty((2, projections)), np.zeros((2, len(groups))), np.zeros(2)
    potentials = np.zeros((2, n)), np.zeros((2, m))
    # Use batches of directions, so that each array has about 8 MB.
    for span in spans(projections, max(1, 2**20 // max(n, m))):
        (xs, x_order), (ys, y_order) = (_sorted_projections(rows, centre, directions[span]) for rows in (x, y))
        costs[:, span] = _costs(xs, ys)
        _add_potentials(potentials[0], xs, ys, x_order)
        _add_potentials(potentials[1], ys, xs, y_order)
        # Leaving rows out keeps the others sorted.
        x_group, y_group, y_half = group_x[x_order], group_y[y_order], half[y_order]
        for group in groups:
            left_out[:, group] += _costs(_select(xs, x_group != group), _select(ys, y_group != group)).sum(axis=1)
        if m >= 4:
            halves += _costs(_select(ys, y_half), _select(ys, ~y_half)).sum(axis=1)

    # A squared cost for equal distributions is proportional to the sum of the inverse counts.
    shrink = (1 / n + 1 / m) / (1 / (m // 2) + 1 / (m - m // 2)) if m >= 4 else None
    influence = potentials[0] / (n * projections), potentials[1] / (m * projections)
    return TransportCosts(costs, left_out / projections, halves / projections, shrink, influence)


def _deal_groups(count: int, seed: int) -> npt.NDArray[np.uint8]:
    """Return the jackknife group of each row [N]."""
    return (np.random.default_rng(seed).permutation(count) % JACKKNIFE_GROUPS).astype(np.uint8)


def _sorted_projections(rows: Array, centre: Array, directions: Array) -> tuple[Float64, Int64]:
    """Return the projections [B, N] of the centred rows in ascending order, and the row of each projection."""
    # In pieces of rows, because centring makes a copy.
    parts = [directions @ (rows[span] - centre).astype(directions.dtype).T for span in spans(len(rows))]
    projected = np.concatenate(parts, axis=1)
    order = np.argsort(projected, axis=1)
    return np.take_along_axis(projected, order, 1).astype(np.float64), order


def _select(values: Float64, chosen: Bool) -> Float64:
    """Return the chosen values [B, K]; every line of ``values`` [B, N] must have the same number K of them."""
    return values[chosen].reshape(len(values), -1)


def _costs(x: Float64, y: Float64) -> Float64:
    """Return the costs [2, B] of order 1 and 2 of transporting sorted x [B, N] to sorted y [B, M]."""
    # In one dimension the optimal transport pairs sorted values.
    left, right, weight = _coupling(x.shape[1], y.shape[1])
    gap = x - y if x.shape == y.shape else x[:, left] - y[:, right]
    return np.stack([np.abs(gap) @ weight, gap**2 @ weight])


def _add_potentials(total: Float64, x: Float64, y: Float64, order: Int64) -> None:
    """Add the Kantorovich potential of each row to ``total`` [2, N], for the costs of order 1 and 2.

    The potential is the first variation of the cost. ``x`` [B, N] and ``y`` [B, M] are sorted; ``order`` [B, N] is the
    row of each x. Between neighbouring x, the potential rises by the change of the cost to a fixed partner; the rise is
    the mean over the two partners.
    """
    count = x.shape[1]
    # The partner of each x: the y at the same quantile.
    partner = y[:, (np.arange(count) * 2 + 1) * y.shape[1] // (2 * count)]
    for cost, row_total in ((np.abs, total[0]), (np.square, total[1])):
        rise = cost(x[:, 1:] - partner[:, :-1]) - cost(x[:, :-1] - partner[:, :-1])
        rise += cost(x[:, 1:] - partner[:, 1:]) - cost(x[:, :-1] - partner[:, 1:])
        # The potential is the integral of its rises, with mean 0 over the rows.
        potential = np.zeros(x.shape)
        np.cumsum(rise / 2, axis=1, out=potential[:, 1:])
        potential -= potential.mean(axis=1, keepdims=True)
        row_total += np.bincount(order.ravel(), weights=potential.ravel(), minlength=count)


@lru_cache(maxsize=16)
def _coupling(n: int, m: int) -> tuple[Int64, Int64, Float64]:
    """Return the optimal coupling of n with m sorted points: pairs of ranks, and the mass of each pair."""
    # In units of 1 / (n m) both distributions have integer masses: m for each of n points, n for each of m points.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    starts = np.concatenate([[0], ends[:-1]])
    return starts // m, starts // n, (ends - starts) / (n * m)
