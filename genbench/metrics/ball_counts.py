"""Which rows of one set lie in which balls of the other set; precision, recall, density and coverage count them.

The ball of a row reaches to its k-th neighbour within its own set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from genbench.array_types import Bool, Float64
from genbench.errors import InputError, number_of
from genbench.metrics.ball_hits import HALF_SPLITS, Balls, Hits
from genbench.metrics.neighbours import NearestRows, Radii
from genbench.metrics.soft_balls import SoftBalls, SoftHits, add_soft_hits
from genbench.metrics.tiles import Rows, Tile

RowInfluence = tuple[Float64, Float64]
"""First-order influence on a number, with fixed radii, of each generated row [N] and each reference row [M], or of the
GROUPS groups of rows."""


class ReadsBalls(Protocol):
    """A metric that is computed from BallCounts."""

    @property
    def balls(self) -> tuple[Balls | SoftBalls, ...]:
        """The balls that it reads."""
        ...


class BallCounts:
    """Finds the neighbours within both sets, then counts which rows lie in which balls of the other set.

    The products of a tile give every distance with a strict bound of its error. A pair for which this bound does not
    decide is measured again from the difference of its rows in float64, so the counts are those of exact distances.
    """

    def __init__(self, metrics: Sequence[ReadsBalls], generated: Rows, reference: Rows, *, seed: int) -> None:
        """Raises InputError if a side has k rows or fewer."""
        # Metrics share the balls of one kind. The values of k are ascending.
        kinds = list(dict.fromkeys(balls for metric in metrics for balls in metric.balls))
        self.counts = len(generated), len(reference)
        self._depths = sorted({balls.k for balls in kinds})
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
        self._radii: dict[tuple[Balls, str], Radii] = {}
        self._found = False
        # One count for each kind of balls and each side whose rows are the centres of the balls.
        self._hits: dict[tuple[Balls, str], Hits] = {}
        self._own: dict[Balls, Hits] = {}
        self._soft: dict[tuple[SoftBalls, str], SoftHits] = {}
        for balls in kinds:
            for role, other in (("generated", "reference"), ("reference", "generated")):
                halves = self._halves[role], self._halves[other]
                if isinstance(balls, SoftBalls):
                    self._soft[balls, role] = SoftHits(*halves)
                elif role == "reference":
                    grouped: Literal["balls", "points"] = "points" if balls.clipped else "balls"
                    self._hits[balls, role] = Hits(balls.strict, *halves, grouped=grouped)
                elif not balls.clipped:
                    self._hits[balls, role] = Hits(balls.strict, *halves, grouped=None)

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
        if not self._found:
            self._find_radii("generated")
            self._find_radii("reference")
            self._found = True
        self._count(tile, "reference", tile.columns)
        self._count(tile, "generated", tile.rows)
        if self._soft:
            add_soft_hits(tile, self._soft)

    def estimate(self, balls: Balls) -> dict[str, Float64]:
        """Return the numbers of unclipped balls by name, each [1 + 2 S]: whole set, first halves, second halves."""
        reference, generated = self._hits[balls, "reference"], self._hits[balls, "generated"]
        precision, recall = reference.mean("points", np.sign), generated.mean("points", np.sign)
        return {
            "precision": precision,
            "recall": recall,
            "f_score": 2 * precision * recall / np.maximum(1e-5, precision + recall),
            "density": reference.mean("points", np.positive) / balls.k,
            "coverage": reference.mean("balls", np.sign),
            "cprecision": generated.mean("balls", np.sign),
        }

    def hits(self, balls: Balls) -> Hits:
        """Return how many generated rows lie in each reference ball, and in how many balls each generated row lies."""
        return self._hits[balls, "reference"]

    def own_hits(self, balls: Balls) -> Hits:
        """Return the same of the reference rows in each other's clipped balls; a row is not in its own ball."""
        return self._own[balls]

    def soft_hits(self, balls: SoftBalls, role: str) -> SoftHits:
        """Return how the rows of the other side lie in the soft balls around the rows of ``role``."""
        return self._soft[balls, role]

    def error(self, estimates: Float64) -> float | None:
        """Return the standard error of a number that ``estimate`` returned; None if the halves are too small for k."""
        if min(self.counts) // 2 <= self._depths[-1]:
            return None
        # The halves are independent. Their difference has twice the variance of one half, four times that of the whole.
        difference = estimates[1 : 1 + HALF_SPLITS] - estimates[1 + HALF_SPLITS :]
        return float(np.sqrt(np.mean(difference**2)) / 2)

    def influence(self, balls: Balls) -> dict[str, RowInfluence]:
        """Return the influence of the rows on every number of ``estimate``.

        A point depends on a ball if it lies in no other ball; a ball depends on a point if it holds no other point.
        """
        reference, generated = self._hits[balls, "reference"], self._hits[balls, "generated"]
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
            "density": (reference.whole["points"] / (balls.k * n), reference.whole["balls"] / (balls.k * n)),
            "coverage": (reference.sole("balls") / m, np.sign(reference.whole["balls"]) / m),
            "cprecision": (np.sign(generated.whole["balls"]) / n, generated.sole("balls") / n),
        }

    def _find_radii(self, role: str) -> None:
        """Compute the radii of all balls of a side, and what the clipped balls hold of their own side."""
        nearest, half = self._nearest[role], self._halves[role]
        index, distance = nearest.sorted_neighbours(self._depths)
        plain = {k: Radii.of(index, distance, half, k) for k in self._depths}
        for balls, side in self._hits:
            if side != role:
                continue
            self._radii[balls, role] = radii = plain[balls.k].clipped(half) if balls.clipped else plain[balls.k]
            if balls.clipped:
                # rounding must not decide which neighbours the clipped balls lose
                nearest.measure_near(float(radii.whole.max()), index, distance)
                self._own[balls] = own = Hits(balls.strict, half, half, grouped="points")
                own.add_lists(index, distance, radii)
        for (soft, side), soft_hits in self._soft.items():
            if side == role:
                soft_hits.set_radii(plain[soft.k], soft.scale)

    def _count(self, tile: Tile, role: str, balls: slice) -> None:
        """Count the points of the other side in the balls of the tile's rows on the side ``role``."""
        radii = [radii for (_, side), radii in self._radii.items() if side == role]
        if not radii:
            return
        # Keep the pairs (i, j) that may lie within the widest radius.
        widest = np.max([each.widest[balls] for each in radii], axis=0)
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
        for each in radii:
            radius = each.whole[balls][ball]
            doubtful |= (lower <= radius) & (lower + width >= radius)
        doubt = np.flatnonzero(doubtful)
        if len(doubt) > inside.size / 100 and not tile.exact:
            self._count(tile.in_float64(), role, balls)
            return
        distance = lower + width / 2
        distance[doubt] = tile.squared_distances(i[doubt], j[doubt])

        # Each kind of balls compares the distances with its radii.
        for (kind, side), hits in self._hits.items():
            if side == role:
                hits.add(distance, self._radii[kind, role], (ball, balls), (point, points))


def _random_halves(count: int, rng: np.random.Generator) -> Bool:
    """Return which rows are in the second half of each split [N, HALF_SPLITS]."""
    return np.stack([rng.permutation(count) < count // 2 for _ in range(HALF_SPLITS)], axis=1)
