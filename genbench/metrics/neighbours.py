"""The exact k nearest neighbours of each row within its own set, and the radii that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from genbench.array_types import Array, Bool, Float64, Int64
from genbench.metrics.embedding_checks import spans
from genbench.metrics.tiles import TILE, Rows, Tile, compute_tile


class NearestRows:
    """The ``length`` nearest rows of the same set for each row, by lower bounds of their squared distances."""

    def __init__(self, rows: Rows, length: int) -> None:
        self.rows, self.length = rows, length
        self.lower = np.full((len(rows), length), np.inf)
        self.index = np.zeros((len(rows), length), np.int64)

    def offer(self, rows: slice, columns: slice, lower: Array) -> None:
        """Put the lower bounds [A, B] of a tile into the lists of its rows if they are among the smallest so far."""
        reach = self.lower[rows, -1].astype(lower.dtype)
        closer = _below(lower, reach)
        # Many candidates: the tile itself shows how far its nearest rows are at most.
        if np.count_nonzero(closer) > 4 * self.length * len(lower):
            closer = _below(lower, np.minimum(reach, self._reach_within(lower)))
        i, j = _positions(closer)
        if not len(i):
            return
        # Move the candidates to the left of a narrow array.
        count = np.bincount(i, minlength=len(lower))
        most = int(count.max())
        place = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
        values = np.full((len(lower), most), np.inf)
        index = np.zeros((len(lower), most), np.int64)
        values[i, place], index[i, place] = lower[i, j], j + columns.start
        self._merge(rows, values, index)

    def _reach_within(self, lower: Array) -> Array:
        """Return for each row of a tile a number above at least ``length`` of its lower bounds, [A]."""
        # The minima of disjoint groups of columns are as many different bounds; a narrow tile has too few groups.
        groups = 4 * self.length
        each = lower.shape[1] // groups
        if not each:
            return np.full(len(lower), np.inf, lower.dtype)
        minima = lower[:, : each * groups].T.reshape(each, groups, len(lower)).min(axis=0)
        farthest = np.partition(minima, self.length - 1, axis=0)[self.length - 1]
        return np.asarray(np.nextafter(farthest, np.inf, dtype=lower.dtype))

    def _merge(self, rows: slice, values: Array, index: Int64) -> None:
        values = np.concatenate([self.lower[rows], values], axis=1)
        index = np.concatenate([self.index[rows], index], axis=1)
        # Of equal bounds the earlier one stays.
        order = np.argsort(values, axis=1, kind="stable")[:, : self.length]
        self.lower[rows] = np.take_along_axis(values, order, 1)
        self.index[rows] = np.take_along_axis(index, order, 1)

    def sorted_neighbours(self, depths: Sequence[int]) -> tuple[Int64, Float64]:
        """Return the index and the squared distance of the neighbours, nearest first, both [N, length].

        The distances at the given depths (ascending) are exact; the others may carry the rounding of the products.
        """
        row = np.repeat(np.arange(len(self.rows)), self.length).reshape(self.index.shape)
        width = self._bound_widths(row, self.index)
        upper = self.lower + width

        # Measure each neighbour that may lie on either side of a k-th distance.
        doubtful = np.zeros(upper.shape, bool)
        sorted_upper = np.sort(upper, axis=1)
        for k in depths:
            doubtful |= (upper >= self.lower[:, k - 1 : k]) & (self.lower <= sorted_upper[:, k - 1 : k])
        distance = self.lower + width / 2
        distance[doubtful] = self.rows.squared_distances(row[doubtful], self.rows, self.index[doubtful])
        order = np.argsort(distance, axis=1, kind="stable")
        index, distance = np.take_along_axis(self.index, order, 1), np.take_along_axis(distance, order, 1)

        # A row outside the list is at least as far as the last lower bound of the list. If the deepest distance is
        # larger than that bound, the list may lack a neighbour: search all rows again.
        deepest = distance[:, depths[-1] - 1]
        unsure = np.flatnonzero((deepest > np.maximum(self.lower[:, -1], 0)) & (self.length < len(self.rows) - 1))
        for part in (unsure[span] for span in spans(len(unsure), TILE)):
            index[part], distance[part] = self._measured_again(part, deepest[part])
        return index, distance

    def measure_near(self, value: float, index: Int64, distance: Float64) -> None:
        """Measure the neighbours again whose squared distance may lie on either side of ``value``, in place.

        ``index`` and ``distance`` [N, length] are those of ``sorted_neighbours``. The order of the neighbours stays.
        """
        row = np.repeat(np.arange(len(self.rows)), self.length).reshape(index.shape)
        doubtful = np.abs(distance - value) <= self._bound_widths(row, index)
        distance[doubtful] = self.rows.squared_distances(row[doubtful], self.rows, index[doubtful])

    def _bound_widths(self, i: Int64, j: Int64) -> Float64:
        everything = slice(0, len(self.rows))
        no_products = np.empty((0, 0), self.rows.dtype)
        return Tile(self.rows, self.rows, everything, everything, no_products).bound_widths(i, j)

    def _measured_again(self, searched: Int64, reach: Float64) -> tuple[Int64, Float64]:
        """Find the neighbours of some rows again: measure all pairs that may lie within their squared ``reach``."""
        part = self.rows.take(searched)
        nearest = NearestRows(part, self.length)
        whole = slice(0, len(part))
        for columns in spans(len(self.rows), TILE):
            tile = compute_tile(part, whole, self.rows, columns, np.float64)
            lower = tile.lower_bounds
            # A row is not a neighbour of itself.
            itself = np.flatnonzero((searched >= columns.start) & (searched < columns.stop))
            lower[itself, searched[itself] - columns.start] = np.inf
            i, j = np.nonzero(lower <= reach[:, None])
            lower[i, j] = tile.squared_distances(i, j)
            nearest.offer(whole, columns, lower)
        return nearest.index, nearest.lower


def _below(lower: Array, reach: Array) -> Bool:
    """Return where the entries of a tile [A, B] are below ``reach`` [A]; the result lies in memory as the tile does."""
    # NumPy is many times as fast in the order of the memory, which a transposed tile has by columns.
    return np.asarray(lower < reach[:, None] if lower.flags.c_contiguous else np.less(lower.T, reach).T)


def _positions(true: Bool) -> tuple[Int64, Int64]:
    """Return the positions (i, j) of the true entries [A, B], with i ascending."""
    if true.flags.c_contiguous:
        i, j = np.divmod(np.flatnonzero(true), true.shape[1])
        return i, j
    j, i = np.divmod(np.flatnonzero(true.T), len(true))
    order = np.argsort(i, kind="stable")
    return i[order], j[order]


@dataclass(frozen=True, eq=False)
class Radii:
    """Squared distance of each row to its k-th neighbour, in the whole set and in half of it."""

    whole: Float64
    """[N], neighbours among all rows of the set"""
    halves: Float64
    """[N, S], neighbours among the rows of the same half"""

    @staticmethod
    def of(index: Int64, distance: Float64, half: Bool, k: int) -> Radii:
        """Compute the radii from sorted neighbours [N, length] and the half of each row in each split [N, S]."""
        whole = distance[:, k - 1]
        halves = np.empty(half.shape)
        for split, second in enumerate(half.T):
            rank = np.cumsum(second[index] == second[:, None], axis=1)
            # If the list holds fewer than k rows of the same half, the end of the list is the best known value.
            place = np.where(rank[:, -1] >= k, np.argmax(rank == k, axis=1), distance.shape[1] - 1)
            halves[:, split] = np.take_along_axis(distance, place[:, None], 1)[:, 0]
        return Radii(whole, np.maximum(halves, whole[:, None]))

    def clipped(self, half: Bool) -> Radii:
        """Return the radii, none of them above the median radius of the whole set, or of the same half in a split."""
        # Each half has a median of its own.
        halves = np.empty_like(self.halves)
        for split, second in enumerate(half.T):
            for part in (second, ~second):
                radii = self.halves[part, split]
                halves[part, split] = np.minimum(radii, squared_median(radii))
        return Radii(np.minimum(self.whole, squared_median(self.whole)), halves)

    def mean_radii(self, half: Bool) -> Float64:
        """Return the mean radius (not squared) [1 + 2 S]: whole set, first halves, second halves."""
        # Within each half the mean is over the rows of that half only.
        radii = np.sqrt(self.halves)
        first, second = ((radii * part).sum(axis=0) / part.sum(axis=0) for part in (~half, half))
        return np.concatenate([[np.sqrt(self.whole).mean()], first, second])

    @cached_property
    def least(self) -> Float64:
        """[N], minimum of ``whole`` and ``halves``: the radius that is safe for the whole set and for every half."""
        return np.asarray(np.minimum(self.whole, self.halves.min(axis=1)))

    @cached_property
    def widest(self) -> Float64:
        """[N], maximum of ``whole`` and ``halves``."""
        return np.asarray(np.maximum(self.whole, self.halves.max(axis=1)))


def squared_median(squares: Float64) -> float:
    """Return the square of the median of the square roots of ``squares`` [N], exactly one of them if N is odd."""
    # An even number of values has two in the middle; the median of the square roots is their mean.
    middle = len(squares) // 2
    low, high = np.partition(squares, [(len(squares) - 1) // 2, middle])[[(len(squares) - 1) // 2, middle]]
    return float(low if low == high else ((np.sqrt(low) + np.sqrt(high)) / 2) ** 2)
