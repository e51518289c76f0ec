"""Wasserstein distances of one-dimensional projections: MIND and the sliced Wasserstein distances."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from genbench.arrays import Array, Bool, Float64, Int64
from genbench.errors import UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.influence import influence_of
from genbench.metrics.pair_sums import embedding, matched, spans
from genbench.plugs.contracts import Influence, Score

GROUPS = 20
"""Into how many groups the jackknife deals the rows of both sides."""


@dataclass(frozen=True)
class MongeDistance:
    """MIND: ``monge_distance`` of the embeddings."""

    projections: int = 1000

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"

    def __post_init__(self) -> None:
        _check(self.projections)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        x, y = embedding(generated, "generated"), embedding(reference, "reference")
        found = monge_distance(x, y, projections=self.projections, seed=seed)
        detail = _detail(found)
        if len(x) != len(y):
            detail["warning"] = (
                f"{len(x)} generated and {len(y)} reference rows: {min(len(x), len(y))} of both were drawn by the seed."
            )
        return [Score("mind", found.value, found.error, "lower", detail, "monge_inception_distance", found.influence)]


@dataclass(frozen=True)
class SlicedWasserstein:
    """SWD: ``sliced_wasserstein`` of the embeddings, order 1 first, then the root of order 2."""

    projections: int = 1000

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"

    def __post_init__(self) -> None:
        _check(self.projections)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        x, y = embedding(generated, "generated"), embedding(reference, "reference")
        found = sliced_wasserstein(x, y, projections=self.projections, seed=seed)
        return [
            Score(name, one.value, one.error, "lower", _detail(one), key, one.influence)
            for name, key, one in (
                ("swd", "sliced_wasserstein_distance", found.first),
                ("swd2", "sliced_wasserstein_distance_2", found.second),
            )
        ]


@dataclass(frozen=True)
class SlicedEstimate:
    """One distance."""

    value: float
    error: float | None
    """Standard error, of the rows and of the directions; None with fewer than 40 rows on a side or one direction."""
    direction_error: float | None
    """The directions' part of it: two models scored with one seed share it."""
    expected: float | None
    """About what a perfect sampler would get at these counts, from halves of the reference; None below 4 rows."""
    influence: Influence | None = None
    """Where the error comes from; None where not all rows of a side were used."""


@dataclass(frozen=True)
class SlicedPair:
    """Both orders, in the units of the rows."""

    first: SlicedEstimate
    """W1"""
    second: SlicedEstimate
    """The root of W2 squared"""


def monge_distance(
    generated: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    projections: int = MongeDistance.projections,
    seed: int = 0,
) -> SlicedEstimate:
    """Return MIND, 3 D times the mean squared difference of the sorted projections on random directions.

    ``MIND = 3 D mean_t mean_j (sort(X t)_j - sort(Y t)_j)^2``, t uniform on the unit sphere. Berthet et al. 2026 (arXiv
    2605.06797); as in torch-fidelity 0.5. In units of the squared rows, at least 0 and above 0 at equal distributions;
    where the counts differ, as many rows of the larger side as the smaller has are drawn by the seed. Error: jackknife
    over 20 groups of rows, left out on both sides, and over directions; up to 1.4 times too wide at nearly equal
    distributions.

    Rows are [N, D] and [M, D]. Raises InputError where they are not finite or differ in width.
    """
    x, y = matched(generated, reference)
    rng = _generator(seed)
    count = min(len(x), len(y))
    whole = len(x) == len(y)
    x, y = _some(x, count, rng), _some(y, count, rng)
    found = _transport(x, y, projections, rng).estimate(2, lambda cost: 3 * x.shape[1] * cost)
    return found if whole else replace(found, influence=None)  # parts belong to the places of all rows


def sliced_wasserstein(
    generated: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    projections: int = SlicedWasserstein.projections,
    seed: int = 0,
) -> SlicedPair:
    """Return the sliced Wasserstein distances: the mean W1 over random directions and the root of the mean W2^2.

    ``SW_p^p = mean_t int_0^1 |F_t^-1(u) - G_t^-1(u)|^p du``, t uniform on the unit sphere, F_t and G_t the empirical
    distributions of both projections, coupled exactly where the counts differ. Rabin et al. 2011; Bonneel et al. 2015.
    In units of the rows, at least 0 and above 0 at equal distributions. A shift by m gives SW2 = |m| / sqrt(D). Errors
    as in ``monge_distance``.

    Rows are [N, D] and [M, D]. Raises InputError where they are not finite or differ in width.
    """
    x, y = matched(generated, reference)
    found = _transport(x, y, projections, _generator(seed))
    return SlicedPair(found.estimate(1, np.positive), found.estimate(2, np.sqrt))


def _detail(found: SlicedEstimate) -> dict[str, Any]:
    method = "jackknife over groups of rows and over directions"
    return {"expected": found.expected, "direction_error": found.direction_error, "error_by": method}


def _check(projections: int) -> None:
    if projections < 1:
        raise UsageError(f"projections counts directions and is 1 at least, not {projections}.")


def _generator(seed: int) -> np.random.Generator:
    # samples are often drawn by default_rng of the same seed; directions must not repeat their numbers
    return np.random.default_rng([seed, 0x534C4943])


def _some(rows: Array, count: int, rng: np.random.Generator) -> Array:
    return rows if len(rows) == count else rows[np.sort(rng.choice(len(rows), count, replace=False))]


@dataclass(frozen=True)
class _Transport:
    """Costs of order 1 and 2."""

    costs: Float64
    """[2, B], of each direction"""
    left_out: Float64
    """[2, GROUPS], mean over directions without each jackknife group; [2, 0] where there are too few rows"""
    halves: Float64
    """[2], mean over directions between both halves of the reference"""
    shrink: float | None
    """By what an expected squared cost at equal distributions is smaller here than between halves of the reference."""
    moves: tuple[Float64, Float64]
    """[2, N] and [2, M], by how much each row moves the mean cost, to first order"""

    def estimate(self, order: Literal[1, 2], rule: Callable[[Float64], Float64]) -> SlicedEstimate:
        """Return a rule of the mean cost of an order, with its jackknife errors."""
        costs, count = self.costs[order - 1], self.costs.shape[1]
        error = direction_error = expected = None
        if count > 1:
            left_out = np.maximum(costs.sum() - costs, 0) / (count - 1)
            direction_error = math.sqrt((count - 1) * float(rule(left_out).var()))
        if self.left_out.size and direction_error is not None:
            row_error = math.sqrt((GROUPS - 1) * float(rule(self.left_out[order - 1]).var()))
            error = math.hypot(row_error, direction_error)
        if self.shrink is not None:
            expected = float(rule(self.halves[order - 1] * self.shrink ** (order / 2)))
        parts = influence_of(*(side[order - 1] for side in self.moves), error=error)
        return SlicedEstimate(float(rule(costs.mean())), error, direction_error, expected, parts)


def _transport(x: Array, y: Array, projections: int, rng: np.random.Generator) -> _Transport:
    n, m = len(x), len(y)
    directions = rng.standard_normal((projections, x.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    centre = x.mean(axis=0, dtype=np.float64)
    if x.dtype == y.dtype == np.float32 and (n + m) * directions.size > 4e9:
        # about the centre single precision is good to 1e-6, in a quarter of the time
        directions, centre = directions.astype(np.float32), centre.astype(np.float32)
    # equal counts are dealt alike, so that a set compared with itself stays at 0 whatever is left out
    deal = int(rng.integers(2**32))
    group_x, group_y = (_deal(count, deal) for count in (n, m))
    groups = range(GROUPS) if min(n, m) >= 2 * GROUPS else range(0)
    half = rng.permutation(m) < m // 2
    costs, left_out, halves = np.empty((2, projections)), np.zeros((2, len(groups))), np.zeros(2)
    moves = np.zeros((2, n)), np.zeros((2, m))
    for some in spans(projections, max(1, 2**20 // max(n, m))):  # arrays of 8 MB
        (xs, x_order), (ys, y_order) = (_sorted_projections(rows, centre, directions[some]) for rows in (x, y))
        costs[:, some] = _costs(xs, ys)
        _add_potentials(moves[0], xs, ys, x_order)
        _add_potentials(moves[1], ys, xs, y_order)
        x_group, y_group, y_half = group_x[x_order], group_y[y_order], half[y_order]
        for group in groups:
            left_out[:, group] += _costs(_keep(xs, x_group != group), _keep(ys, y_group != group)).sum(axis=1)
        if m >= 4:
            halves += _costs(_keep(ys, y_half), _keep(ys, ~y_half)).sum(axis=1)
    shrink = (1 / n + 1 / m) / (1 / (m // 2) + 1 / (m - m // 2)) if m >= 4 else None
    moved = moves[0] / (n * projections), moves[1] / (m * projections)
    return _Transport(costs, left_out / projections, halves / projections, shrink, moved)


def _deal(count: int, seed: int) -> npt.NDArray[np.uint8]:
    return (np.random.default_rng(seed).permutation(count) % GROUPS).astype(np.uint8)


def _sorted_projections(rows: Array, centre: Array, directions: Array) -> tuple[Float64, Int64]:
    """Return the projections [B, N] of rows minus the centre in ascending order, and the row that each came from."""
    parts = [directions @ (rows[span] - centre).astype(directions.dtype).T for span in spans(len(rows), 1024)]
    projected = np.concatenate(parts, axis=1)
    order = np.argsort(projected, axis=1)
    return np.take_along_axis(projected, order, 1).astype(np.float64), order


def _keep(values: Float64, stays: Bool) -> Float64:
    """Return the values [B, K] that stay; K is the same in every row."""
    return values[stays].reshape(len(values), -1)


def _costs(x: Float64, y: Float64) -> Float64:
    """Return the costs of order 1 and 2 of moving sorted x [B, N] to sorted y [B, M], [2, B]."""
    left, right, weight = _coupling(x.shape[1], y.shape[1])
    gap = x - y if x.shape == y.shape else x[:, left] - y[:, right]
    return np.stack([np.abs(gap) @ weight, gap**2 @ weight])


def _add_potentials(total: Float64, x: Float64, y: Float64, order: Int64) -> None:
    """Add to [2, N] Kantorovich's potential of each row for the costs of order 1 and 2: the cost's first variation.

    ``x`` [B, N] and ``y`` [B, M] are sorted, ``order`` says which row each of x came from. Between neighbours the
    potential rises by as much as the cost of moving to the other's partner, by the mean over both partners.
    """
    count = x.shape[1]
    partner = y[:, (np.arange(count) * 2 + 1) * y.shape[1] // (2 * count)]
    for cost, into in ((np.abs, total[0]), (np.square, total[1])):
        rise = cost(x[:, 1:] - partner[:, :-1]) - cost(x[:, :-1] - partner[:, :-1])
        rise += cost(x[:, 1:] - partner[:, 1:]) - cost(x[:, :-1] - partner[:, 1:])
        potential = np.zeros(x.shape)
        np.cumsum(rise / 2, axis=1, out=potential[:, 1:])
        potential -= potential.mean(axis=1, keepdims=True)
        into += np.bincount(order.ravel(), weights=potential.ravel(), minlength=count)


@lru_cache(maxsize=16)
def _coupling(n: int, m: int) -> tuple[Int64, Int64, Float64]:
    """Return which ranks of n and of m rows meet and with what mass, in whole multiples of 1 / (n m)."""
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    starts = np.concatenate([[0], ends[:-1]])
    return starts // m, starts // n, (ends - starts) / (n * m)
