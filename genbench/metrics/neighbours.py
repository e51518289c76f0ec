"""The exact k-nearest-neighbour engine: which rows lie in which balls of the other set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from genbench.arrays import Array, Bool, Float64, Int64
from genbench.errors import InputError
from genbench.metrics.pair_sums import TILE, Rows, Tile, block, spans


class BallMetric(Protocol):
    """A metric of the balls that reach each row's k-th neighbour."""

    @property
    def k(self) -> int: ...

    @property
    def strict(self) -> bool:
        """Whether a point on a ball's surface is outside of it."""
        ...


class BallSurvey:
    """Finds the neighbours within both sets, then counts which rows lie in which balls of the other set.

    The tiles' products give every distance with a certain bound of its error. Pairs for which that bound does not
    decide are measured again from their differences in float64, so that the counts are those of exact distances.
    """

    def __init__(
        self,
        metrics: Sequence[BallMetric],
        generated: Rows,
        reference: Rows,
        *,
        seed: int,
    ) -> None:
        self.counts = len(generated), len(reference)
        self._depths = sorted({metric.k for metric in metrics})
        for rows in (generated, reference):
            if len(rows) <= self._depths[-1]:
                raise InputError(
                    f"k = {self._depths[-1]} neighbours need more than {self._depths[-1]} {rows.role} rows, "
                    f"not {len(rows)}; give more samples or a smaller k."
                )
        rng = np.random.default_rng(seed)
        self._halves = {rows.role: _halves(len(rows), rng) for rows in (generated, reference)}
        # long enough that, but for a few in ten thousand, k of a row's list lie in its own half of a split
        length = min(4 * self._depths[-1] + 6, len(generated) - 1, len(reference) - 1)
        self._nearest = {rows.role: _Nearest(rows, length) for rows in (generated, reference)}
        self._radii: dict[str, dict[int, _Radii]] = {}
        self._hits: dict[tuple[BallMetric, str], _Hits] = {
            (metric, role): _Hits(metric.strict, self._halves[role], self._halves[other])
            for metric in metrics
            for role, other in (("generated", "reference"), ("reference", "generated"))
        }

    def within(self, tile: Tile) -> None:
        """Offer the distances within one set as neighbours."""
        lower = tile.lower()
        nearest = self._nearest[tile.left.role]
        if tile.diagonal:
            np.fill_diagonal(lower, np.inf)  # the tile is this pass's own, and nobody asks for these again
        nearest.offer(tile.rows, tile.columns, lower)
        if not tile.diagonal:
            nearest.offer(tile.columns, tile.rows, lower.T)

    def between(self, tile: Tile) -> None:
        """Count what lies in the balls of both sides."""
        if not self._radii:
            self._radii = {role: self._all_radii(role) for role in self._nearest}
        self._count(tile, "reference", tile.columns)
        self._count(tile, "generated", tile.rows)

    def estimate(self, metric: BallMetric) -> dict[str, Float64]:
        """Return every number of a metric [1 + 2 SPLITS]: over all rows, over the first halves, over the second."""
        reference, generated = self._hits[metric, "reference"], self._hits[metric, "generated"]
        precision, recall = reference.mean("points", np.sign), generated.mean("points", np.sign)
        return {
            "precision": precision,
            "recall": recall,
            "f_score": 2 * precision * recall / np.maximum(1e-5, precision + recall),
            "density": reference.mean("points", np.positive) / metric.k,
            "coverage": reference.mean("balls", np.sign),
        }

    def moves(self, metric: BallMetric) -> dict[str, Moves]:
        """Return where every number of a metric comes from.

        A point that one ball alone holds is that ball's own, and so is a ball that one point alone lies in.
        """
        reference, generated = self._hits[metric, "reference"], self._hits[metric, "generated"]
        n, m = self.counts
        hit, sole_balls = np.sign(reference.whole["points"]) / n, reference.sole("points") / n
        covered, sole_points = np.sign(generated.whole["points"]) / m, generated.sole("points") / m
        p, r = float(hit.sum()), float(covered.sum())
        by_p, by_r = 2 * r**2 / max(p + r, 1e-5) ** 2, 2 * p**2 / max(p + r, 1e-5) ** 2
        return {
            "precision": (hit, sole_balls),
            "recall": (sole_points, covered),
            "f_score": (by_p * hit + by_r * sole_points, by_p * sole_balls + by_r * covered),
            "density": (reference.whole["points"] / (metric.k * n), reference.whole["balls"] / (metric.k * n)),
            "coverage": (reference.sole("balls") / m, np.sign(reference.whole["balls"]) / m),
        }

    def error(self, found: Float64) -> float | None:
        """Return the standard error of a number that ``estimate`` gave; None where halves are too small for k."""
        if min(self.counts) // 2 <= self._depths[-1]:
            return None
        # halves are independent: their difference has twice the variance of a half, four times that of the whole
        apart = found[1 : 1 + SPLITS] - found[1 + SPLITS :]
        return float(np.sqrt(np.mean(apart**2)) / 2)

    def _all_radii(self, role: str) -> dict[int, _Radii]:
        index, distance = self._nearest[role].settled(self._depths)
        return {k: _Radii.of(index, distance, self._halves[role], k) for k in self._depths}

    def _count(self, tile: Tile, role: str, balls: slice) -> None:
        """Count the points of the other side in the balls around this side's rows of the tile."""
        widest = self._radii[role][self._depths[-1]].widest[balls]
        reach = np.nextafter(widest.astype(tile.products.dtype), np.inf)
        inside = tile.lower() <= (reach if role == "reference" else reach[:, None])
        i, j = np.divmod(np.flatnonzero(inside), inside.shape[1])  # far faster than nonzero of two dimensions
        if not len(i):
            return
        lower = tile.lower()[i, j].astype(np.float64)
        width = tile.width(i, j)
        ball, points = (j, tile.rows) if role == "reference" else (i, tile.columns)
        doubtful = np.zeros(len(i), bool)
        for k in self._depths:
            radius = self._radii[role][k].whole[balls][ball]
            doubtful |= (lower <= radius) & (lower + width >= radius)
        doubt = np.flatnonzero(doubtful)
        if len(doubt) > inside.size / 100 and not tile.exact:
            self._count(tile.sharper(), role, balls)
            return
        distance = lower + width / 2
        distance[doubt] = tile.distances(i[doubt], j[doubt])
        point = i if role == "reference" else j
        for (metric, side), hits in self._hits.items():
            if side == role:
                hits.add(distance, self._radii[role][metric.k], (ball, balls), (point, points))


class _Nearest:
    """The nearest rows of the same set for each row, by the lower bound of their distance."""

    def __init__(self, rows: Rows, length: int) -> None:
        self.rows, self.length = rows, length
        self.lower = np.full((len(rows), length), np.inf)
        self.index = np.zeros((len(rows), length), np.int64)

    def offer(self, rows: slice, columns: slice, lower: Array) -> None:
        """Keep of these lower bounds [A, B] those that are among the least so far."""
        closer = lower < self.lower[rows, -1:].astype(lower.dtype)
        count = np.count_nonzero(closer, axis=1)
        most = int(count.max())
        if not most:
            return
        if most > 4 * self.length:
            column = np.argpartition(lower, self.length - 1, axis=1)[:, : self.length]
            self._merge(rows, np.take_along_axis(lower, column, 1), column + columns.start)
            return
        i, j = np.divmod(np.flatnonzero(closer), lower.shape[1])
        place = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
        values = np.full((len(lower), most), np.inf)
        index = np.zeros((len(lower), most), np.int64)
        values[i, place], index[i, place] = lower[i, j], j + columns.start
        self._merge(rows, values, index)

    def _merge(self, rows: slice, values: Array, index: Int64) -> None:
        values = np.concatenate([self.lower[rows], values], axis=1)
        index = np.concatenate([self.index[rows], index], axis=1)
        order = np.argsort(values, axis=1, kind="stable")[:, : self.length]
        self.lower[rows] = np.take_along_axis(values, order, 1)
        self.index[rows] = np.take_along_axis(index, order, 1)

    def settled(self, depths: Sequence[int]) -> tuple[Int64, Float64]:
        """Return the neighbours' index and squared distance, sorted, both [N, length].

        The distances at the given depths are exact; those at other places may carry the products' rounding.
        """
        everyone = np.repeat(np.arange(len(self.rows)), self.length).reshape(self.index.shape)
        width = self._width(everyone, self.index)
        upper = self.lower + width
        doubtful = np.zeros(upper.shape, bool)
        ranked = np.sort(upper, axis=1)
        for k in depths:
            # whatever may be on either side of the k-th distance
            doubtful |= (upper >= self.lower[:, k - 1 : k]) & (self.lower <= ranked[:, k - 1 : k])
        distance = self.lower + width / 2
        distance[doubtful] = self.rows.distances(everyone[doubtful], self.rows, self.index[doubtful])
        order = np.argsort(distance, axis=1, kind="stable")
        index, distance = np.take_along_axis(self.index, order, 1), np.take_along_axis(distance, order, 1)
        deepest = distance[:, depths[-1] - 1]
        # a row outside the list is no nearer than the list's last lower bound
        unsure = np.flatnonzero((deepest > np.maximum(self.lower[:, -1], 0)) & (self.length < len(self.rows) - 1))
        for some in (unsure[span] for span in spans(len(unsure), TILE)):
            index[some], distance[some] = self._measured(some, deepest[some])
        return index, distance

    def _width(self, i: Int64, j: Int64) -> Float64:
        whole = slice(0, len(self.rows))
        return Tile(self.rows, self.rows, whole, whole, np.empty((0, 0), self.rows.dtype)).width(i, j)

    def _measured(self, some: Int64, reach: Float64) -> tuple[Int64, Float64]:
        """Find the neighbours of some rows again, measuring all pairs that may lie within their reach."""
        part = self.rows.take(some)
        found = _Nearest(part, self.length)
        whole = slice(0, len(part))
        for columns in spans(len(self.rows), TILE):
            tile = block(part, whole, self.rows, columns, np.float64)
            lower = tile.lower()
            own = np.flatnonzero((some >= columns.start) & (some < columns.stop))
            lower[own, some[own] - columns.start] = np.inf
            i, j = np.nonzero(lower <= reach[:, None])
            lower[i, j] = tile.distances(i, j)
            found.offer(whole, columns, lower)
        return found.index, found.lower


def _halves(count: int, rng: np.random.Generator) -> Bool:
    """Return which rows are in the second half of each split [N, SPLITS]."""
    return np.stack([rng.permutation(count) < count // 2 for _ in range(SPLITS)], axis=1)


@dataclass(frozen=True, eq=False)
class _Radii:
    """Squared distances to the k-th neighbour."""

    whole: Float64
    """[N], among all rows of the set"""
    halves: Float64
    """[N, SPLITS], among the rows of the same half; never smaller"""
    widest: Float64
    """[N]"""

    @staticmethod
    def of(index: Int64, distance: Float64, half: Bool, k: int) -> _Radii:
        whole = distance[:, k - 1]
        halves = np.empty(half.shape)
        for split, second in enumerate(half.T):
            rank = np.cumsum(second[index] == second[:, None], axis=1)
            # where the list holds fewer than k of the same half, its end is the best that is known
            place = np.where(rank[:, -1] >= k, np.argmax(rank == k, axis=1), distance.shape[1] - 1)
            halves[:, split] = np.take_along_axis(distance, place[:, None], 1)[:, 0]
        halves = np.maximum(halves, whole[:, None])
        return _Radii(whole, halves, halves.max(axis=1))


class _Hits:
    """How many points lie in each ball and in how many balls each point lies: of all, and within the same half."""

    def __init__(self, strict: bool, balls: Bool, points: Bool) -> None:
        self.inside = np.less if strict else np.less_equal
        self.half = {"balls": balls, "points": points}
        self.whole = {side: np.zeros(len(half), np.int64) for side, half in self.half.items()}
        self.halves = {side: np.zeros(half.shape, np.int64) for side, half in self.half.items()}
        self.partners = {side: np.zeros(len(half), np.int64) for side, half in self.half.items()}

    def add(self, distance: Float64, radii: _Radii, balls: tuple[Int64, slice], points: tuple[Int64, slice]) -> None:
        """Count pairs of some squared distance; for both sides the index within the tile and the tile's place."""
        sure = self.inside(distance, radii.whole[balls[1]][balls[0]])
        self._add_sure(balls[0][sure], balls[1], points[0][sure], points[1])
        ball, point = balls[0][~sure] + balls[1].start, points[0][~sure] + points[1].start
        distance = distance[~sure]
        for split in range(SPLITS):
            inside = self.inside(distance, radii.halves[ball, split])
            inside &= self.half["balls"][ball, split] == self.half["points"][point, split]
            np.add.at(self.halves["balls"][:, split], ball[inside], 1)
            np.add.at(self.halves["points"][:, split], point[inside], 1)

    def _add_sure(self, ball: Int64, balls: slice, point: Int64, points: slice) -> None:
        """Count pairs that are inside in every split that has both in one half, since no radius is smaller there."""
        shape = balls.stop - balls.start, points.stop - points.start
        inside = csr_array((np.ones(len(ball)), (ball, point)), shape=shape)
        for pairs, one, here, other, there in (
            (inside, "balls", balls, "points", points),
            (inside.T, "points", points, "balls", balls),
        ):
            whole: Float64 = pairs.sum(axis=1)
            second = pairs @ self.half[other][there].astype(np.float64)
            same = np.where(self.half[one][here], second, whole[:, None] - second)
            self.whole[one][here] += whole.astype(np.int64)
            self.partners[one][here] += (pairs @ np.arange(there.start, there.stop, dtype=np.float64)).astype(np.int64)
            self.halves[one][here] += same.astype(np.int64)

    def sole(self, side: str) -> Float64:
        """Return how many of a side's rows have each row of the other side as their only partner."""
        other = "points" if side == "balls" else "balls"
        alone = self.whole[side] == 1  # then the sum of the partners' places is that partner's place
        return np.bincount(self.partners[side][alone], minlength=len(self.half[other])).astype(np.float64)

    def mean(self, side: str, rule: Callable[[Int64], Array]) -> Float64:
        """Return the mean of a rule of the counts over all, then over the first halves, then over the second ones."""
        second = self.half[side]
        values = rule(self.halves[side])
        first_mean = (values * ~second).sum(axis=0) / (~second).sum(axis=0)
        second_mean = (values * second).sum(axis=0) / np.maximum(second.sum(axis=0), 1)
        return np.concatenate([[rule(self.whole[side]).mean()], first_mean, second_mean])


SPLITS = 20
"""How many times both sides are split into halves: the halves' difference tells the error."""


Moves = tuple[Float64, Float64]
"""By how much each generated and each reference row moves a number, to first order, the balls' radii held."""
