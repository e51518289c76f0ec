"""Which rows of one set lie in which balls of the other set; precision, recall, density and coverage count them.

The ball of a row reaches to its k-th neighbour within its own set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from genbench.array_types import Array, Bool, Float64, Int64
from genbench.errors import InputError, number_of
from genbench.metrics.neighbours import NearestRows, Radii
from genbench.metrics.tiles import Rows, Tile

HALF_SPLITS = 20
"""How many times both sides are split into random halves; the difference between the halves gives the error."""

RowInfluence = tuple[Float64, Float64]
"""First-order influence of each generated row [N] and each reference row [M] on a number, with fixed radii."""


class BallMetric(Protocol):
    """A metric that is computed from BallCounts."""

    @property
    def k(self) -> int:
        """Which neighbour a ball reaches to."""
        ...

    @property
    def strict(self) -> bool:
        """Whether a point on the surface of a ball is outside the ball."""
        ...


class BallCounts:
    """Finds the neighbours within both sets, then counts which rows lie in which balls of the other set.

    The products of a tile give every distance with a strict bound of its error. A pair for which this bound does not
    decide is measured again from the difference of its rows in float64, so the counts are those of exact distances.
    """

    def __init__(self, metrics: Sequence[BallMetric], generated: Rows, reference: Rows, *, seed: int) -> None:
        """Raises InputError if a side has k rows or fewer."""
        # All values of k, ascending; each of them has radii of its own.
        self.counts = len(generated), len(reference)
        self._depths = sorted({metric.k for metric in metrics})
        for rows in (generated, reference):
            if len(rows) <= self._depths[-1]:
                raise InputError(
                    f"k = {number_of(self._depths[-1], 'neighbours')} need more than {self._depths[-1]} {rows.role} "
                    f"rows, not {len(rows)}; give more samples or a smaller k."
                )
        rng = np.random.default_rng(seed)
        # The halves of the splits, which give the errors.
        self._halves = {rows.role: _random_halves(len(rows), rng) for rows in (generated, reference)}
        # The lists are so long that nearly always k rows of a list lie in the same half as its owner.
        length = min(4 * self._depths[-1] + 6, len(generated) - 1, len(reference) - 1)
        self._nearest = {rows.role: NearestRows(rows, length) for rows in (generated, reference)}
        self._radii: dict[str, dict[int, Radii]] = {}
        # One count for each metric and each side whose rows are the centres of the balls.
        self._hits: dict[tuple[BallMetric, str], Hits] = {
            (metric, role): Hits(metric.strict, self._halves[role], self._halves[other])
            for metric in metrics
            for role, other in (("generated", "reference"), ("reference", "generated"))
        }

    def add_within(self, tile: Tile) -> None:
        """Offer the distances within one set as neighbours."""
        lower = tile.lower_bounds
        nearest = self._nearest[tile.left.role]
        if tile.diagonal:
            np.fill_diagonal(lower, np.inf)  # the bounds are changed in place: no other sums read the bounds
        nearest.offer(tile.rows, tile.columns, lower)
        # The visit covers the upper triangle only, so the tile also serves its columns.
        if not tile.diagonal:
            nearest.offer(tile.columns, tile.rows, lower.T)

    def add_between(self, tile: Tile) -> None:
        """Count the pairs of the tile for the balls of both sides."""
        # All neighbours are known when the first tile between the sets comes.
        if not self._radii:
            self._radii = {role: self._radii_by_depth(role) for role in self._nearest}
        self._count(tile, "reference", tile.columns)
        self._count(tile, "generated", tile.rows)

    def estimate(self, metric: BallMetric) -> dict[str, Float64]:
        """Return the numbers of a metric by name, each [1 + 2 HALF_SPLITS]: whole set, first halves, second halves."""
        reference, generated = self._hits[metric, "reference"], self._hits[metric, "generated"]
        precision, recall = reference.mean("points", np.sign), generated.mean("points", np.sign)
        return {
            "precision": precision,
            "recall": recall,
            "f_score": 2 * precision * recall / np.maximum(1e-5, precision + recall),
            "density": reference.mean("points", np.positive) / metric.k,
            "coverage": reference.mean("balls", np.sign),
        }

    def error(self, estimates: Float64) -> float | None:
        """Return the standard error of a number that ``estimate`` returned; None if the halves are too small for k."""
        if min(self.counts) // 2 <= self._depths[-1]:
            return None
        # The halves are independent. Their difference has twice the variance of one half, four times that of the whole.
        difference = estimates[1 : 1 + HALF_SPLITS] - estimates[1 + HALF_SPLITS :]
        return float(np.sqrt(np.mean(difference**2)) / 2)

    def influence(self, metric: BallMetric) -> dict[str, RowInfluence]:
        """Return the influence of the rows on every number of a metric.

        A point depends on a ball if it lies in no other ball; a ball depends on a point if it holds no other point.
        """
        reference, generated = self._hits[metric, "reference"], self._hits[metric, "generated"]
        # Shares by row: points in balls, and balls or points on which a hit depends alone.
        n, m = self.counts
        hit, sole_balls = np.sign(reference.whole["points"]) / n, reference.sole("points") / n
        covered, sole_points = np.sign(generated.whole["points"]) / m, generated.sole("points") / m
        # Derivatives of the f score by precision p and recall r.
        p, r = float(hit.sum()), float(covered.sum())
        by_p, by_r = 2 * r**2 / max(p + r, 1e-5) ** 2, 2 * p**2 / max(p + r, 1e-5) ** 2
        return {
            "precision": (hit, sole_balls),
            "recall": (sole_points, covered),
            "f_score": (by_p * hit + by_r * sole_points, by_p * sole_balls + by_r * covered),
            "density": (reference.whole["points"] / (metric.k * n), reference.whole["balls"] / (metric.k * n)),
            "coverage": (reference.sole("balls") / m, np.sign(reference.whole["balls"]) / m),
        }

    def _radii_by_depth(self, role: str) -> dict[int, Radii]:
        index, distance = self._nearest[role].sorted_neighbours(self._depths)
        return {k: Radii.of(index, distance, self._halves[role], k) for k in self._depths}

    def _count(self, tile: Tile, role: str, balls: slice) -> None:
        """Count the points of the other side in the balls of the tile's rows on the side ``role``."""
        # Keep the pairs (i, j) that may lie within the widest radius.
        widest = self._radii[role][self._depths[-1]].widest[balls]
        reach = np.nextafter(widest.astype(tile.products.dtype), np.inf)
        inside = tile.lower_bounds <= (reach if role == "reference" else reach[:, None])
        # Positions of these pairs in the tile.
        i, j = np.divmod(np.flatnonzero(inside), inside.shape[1])  # much faster than nonzero in two dimensions
        if not len(i):
            return
        lower = tile.lower_bounds[i, j].astype(np.float64)
        width = tile.bound_widths(i, j)
        ball, point, points = (j, i, tile.rows) if role == "reference" else (i, j, tile.columns)

        # Measure the pairs whose bounds enclose a radius; if they are many, compute the whole tile in float64 first.
        doubtful = np.zeros(len(i), bool)
        for k in self._depths:
            radius = self._radii[role][k].whole[balls][ball]
            doubtful |= (lower <= radius) & (lower + width >= radius)
        doubt = np.flatnonzero(doubtful)
        if len(doubt) > inside.size / 100 and not tile.exact:
            self._count(tile.in_float64(), role, balls)
            return
        distance = lower + width / 2
        distance[doubt] = tile.squared_distances(i[doubt], j[doubt])

        # Each metric compares the distances with the radii for its k.
        for (metric, side), hits in self._hits.items():
            if side == role:
                hits.add(distance, self._radii[role][metric.k], (ball, balls), (point, points))


def _random_halves(count: int, rng: np.random.Generator) -> Bool:
    """Return which rows are in the second half of each split [N, HALF_SPLITS]."""
    return np.stack([rng.permutation(count) < count // 2 for _ in range(HALF_SPLITS)], axis=1)


class Hits:
    """How many points each ball holds and how many balls hold each point: in the whole sets, and within each half.

    Every array has one version for the side ``"balls"`` and one for the side ``"points"``.
    """

    def __init__(self, strict: bool, balls: Bool, points: Bool) -> None:
        self.is_inside = np.less if strict else np.less_equal
        self.half = {"balls": balls, "points": points}
        self.whole = {side: np.zeros(len(half), np.int64) for side, half in self.half.items()}
        self.halves = {side: np.zeros(half.shape, np.int64) for side, half in self.half.items()}
        # Sum of the positions of a row's partners: the position of its partner if it has only one.
        self.partners = {side: np.zeros(len(half), np.int64) for side, half in self.half.items()}

    def add(self, distance: Float64, radii: Radii, balls: tuple[Int64, slice], points: tuple[Int64, slice]) -> None:
        """Count pairs by their squared distances [K]; for both sides the index within the tile [K] and its range."""
        sure = self.is_inside(distance, radii.whole[balls[1]][balls[0]])
        self._add_sure(balls[0][sure], balls[1], points[0][sure], points[1])
        # The other pairs may be inside in some splits, where the radii are larger.
        ball, point = balls[0][~sure] + balls[1].start, points[0][~sure] + points[1].start
        distance = distance[~sure]
        for split in range(HALF_SPLITS):
            inside = self.is_inside(distance, radii.halves[ball, split])
            inside &= self.half["balls"][ball, split] == self.half["points"][point, split]
            np.add.at(self.halves["balls"][:, split], ball[inside], 1)
            np.add.at(self.halves["points"][:, split], point[inside], 1)

    def _add_sure(self, ball: Int64, balls: slice, point: Int64, points: slice) -> None:
        """Count pairs that are inside by the radius of the whole set.

        No radius of a half is smaller, so they are inside in every split that has both rows in the same half.
        """
        shape = balls.stop - balls.start, points.stop - points.start
        inside = csr_array((np.ones(len(ball)), (ball, point)), shape=shape)
        for pairs, side, rows, other_side, other_rows in (
            (inside, "balls", balls, "points", points),
            (inside.T, "points", points, "balls", balls),
        ):
            whole: Float64 = pairs.sum(axis=1)
            # Number of partners in the second half, then in the same half as the row.
            second = pairs @ self.half[other_side][other_rows].astype(np.float64)
            same = np.where(self.half[side][rows], second, whole[:, None] - second)
            positions = np.arange(other_rows.start, other_rows.stop, dtype=np.float64)
            self.whole[side][rows] += whole.astype(np.int64)
            self.partners[side][rows] += (pairs @ positions).astype(np.int64)
            self.halves[side][rows] += same.astype(np.int64)

    def sole(self, side: str) -> Float64:
        """Return for each row of the other side how many rows of ``side`` have it as their only partner."""
        other = "points" if side == "balls" else "balls"
        alone = self.whole[side] == 1
        return np.bincount(self.partners[side][alone], minlength=len(self.half[other])).astype(np.float64)

    def mean(self, side: str, rule: Callable[[Int64], Array]) -> Float64:
        """Return the mean of ``rule(counts)`` [1 + 2 HALF_SPLITS]: whole set, first halves, second halves."""
        second = self.half[side]
        values = rule(self.halves[side])
        # Within each half the mean is over the rows of that half only.
        first_mean = (values * ~second).sum(axis=0) / (~second).sum(axis=0)
        second_mean = (values * second).sum(axis=0) / np.maximum(second.sum(axis=0), 1)
        return np.concatenate([[rule(self.whole[side]).mean()], first_mean, second_mean])
