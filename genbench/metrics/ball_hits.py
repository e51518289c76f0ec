"""How many points lie in each ball, and how many balls hold each point, with what errors and influences need of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from genbench.array_types import Array, Bool, Float64, Int64
from genbench.metrics.neighbours import Radii
from genbench.plugs.contracts import GROUPS

HALF_SPLITS = 20
"""How many times both sides are split into random halves; the difference between the halves gives the error."""


class Balls(NamedTuple):
    """Balls around the rows of a set, each of which reaches to the k-th neighbour within the set."""

    k: int
    strict: bool
    """Whether a point on the surface of a ball is outside the ball."""
    clipped: bool = False
    """Whether balls larger than the median ball are reduced to its size; only reference rows have such balls."""


class Hits:
    """How many points each ball holds and how many balls hold each point: in the whole sets, and within each half.

    Every array has one version for the side ``"balls"`` and one for the side ``"points"``.
    """

    def __init__(self, strict: bool, balls: Bool, points: Bool, *, grouped: Literal["balls", "points"] | None) -> None:
        """Count pairs of balls and points, given their halves [N, S]; also count the partners of one side by group."""
        # The rule, and the halves of the rows of both sides.
        self.is_inside = np.less if strict else np.less_equal
        self.half = {"balls": balls, "points": points}
        # Number of partners in the whole set, and in the same half of each split.
        self.whole = {side: np.zeros(len(half), np.int64) for side, half in self.half.items()}
        self.halves = {side: np.zeros(half.shape, np.int64) for side, half in self.half.items()}
        # Sum of the positions of a row's partners: the position of its partner if it has only one.
        self.partners = {side: np.zeros(len(half), np.int64) for side, half in self.half.items()}
        # Number of partners of each row of one side in each group, as ``Influence`` defines the groups.
        self.grouped = grouped
        self.groups = np.zeros((len(self.half[grouped]) if grouped else 0, GROUPS), np.int32)

    def add(self, distance: Float64, radii: Radii, balls: tuple[Int64, slice], points: tuple[Int64, slice]) -> None:
        """Count pairs by their squared distances [K]; for both sides the index within the tile [K] and its range."""
        sure = self.is_inside(distance, radii.least[balls[1]][balls[0]])
        self._add_sure(balls[0][sure], balls[1], points[0][sure], points[1])
        # The other pairs may be inside in the whole set only, or in some splits, where the radii are larger.
        ball, point = balls[0][~sure] + balls[1].start, points[0][~sure] + points[1].start
        distance = distance[~sure]
        whole = self.is_inside(distance, radii.whole[ball])
        self._add_whole(ball[whole], point[whole])
        # Only pairs with both rows in the same half count in a split.
        for split in range(HALF_SPLITS):
            inside = self.is_inside(distance, radii.halves[ball, split])
            inside &= self.half["balls"][ball, split] == self.half["points"][point, split]
            np.add.at(self.halves["balls"][:, split], ball[inside], 1)
            np.add.at(self.halves["points"][:, split], point[inside], 1)

    def add_lists(self, index: Int64, distance: Float64, radii: Radii) -> None:
        """Count the pairs of each row with its neighbours, given their positions and squared distances [N, length]."""
        owner = np.repeat(np.arange(len(index)), index.shape[1])
        whole = slice(0, len(index))
        self.add(distance.ravel(), radii, (owner, whole), (index.ravel(), whole))

    def _add_sure(self, ball: Int64, balls: slice, point: Int64, points: slice) -> None:
        """Count pairs that are inside by the smallest radius of the ball.

        They are inside in the whole set, and in every split that has both rows in the same half.
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
            self.halves[side][rows] += same.astype(np.int64)
        self._add_whole(ball + balls.start, point + points.start)

    def _add_whole(self, ball: Int64, point: Int64) -> None:
        """Count pairs for the whole sets, by their positions in the sets."""
        # A row may be in several pairs, so the sums are not buffered.
        for side, row, other in (("balls", ball, point), ("points", point, ball)):
            np.add.at(self.whole[side], row, 1)
            np.add.at(self.partners[side], row, other)
            if side == self.grouped:
                np.add.at(self.groups.reshape(-1), row * GROUPS + other % GROUPS, 1)

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
