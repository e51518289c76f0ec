"""Sums of kernel values over the pairs of two sets of rows: the estimates of MMD^2, their error and their influence."""

from __future__ import annotations

import math

import numpy as np

from genbench.array_types import Array, Float64
from genbench.metrics.mmd_variance import mmd_variance
from genbench.metrics.tiles import Rows, Tile


class RowSums:
    """Sums of the values of one kernel, by role: ``own`` within a set, ``cross`` between the sets.

    The values may lack a constant, which changes neither estimate.
    """

    def __init__(self, generated: Rows, reference: Rows) -> None:
        sides = (generated, reference)
        # Sums of kernel values by row [N], and of their squares.
        self.own = {rows.role: np.zeros(len(rows)) for rows in sides}
        self.own_squares = {rows.role: 0.0 for rows in sides}
        self.cross = {rows.role: np.zeros(len(rows)) for rows in sides}
        self.cross_squares = 0.0

    def add_within(self, tile: Tile, values: Array) -> None:
        """Add the kernel values [A, B] of a tile of one set with itself; a diagonal must be 0."""
        role = tile.left.role
        times = 1 if tile.diagonal else 2  # the pass visits only one half of the symmetric matrix
        self.own[role][tile.rows] += _sum_along(values, 1)
        if not tile.diagonal:
            self.own[role][tile.columns] += _sum_along(values, 0)
        self.own_squares[role] += times * _sum_of_squares(values)

    def add_between(self, tile: Tile, values: Array) -> None:
        """Add the kernel values [A, B] of a tile of generated rows with reference rows."""
        self.cross["generated"][tile.rows] += _sum_along(values, 1)
        self.cross["reference"][tile.columns] += _sum_along(values, 0)
        self.cross_squares += _sum_of_squares(values)

    @property
    def value(self) -> float:
        """The U-statistic of MMD^2: without pairs of a row with itself, and without bias."""
        x, y = self.own["generated"], self.own["reference"]
        return _mean_of_pairs(x) + _mean_of_pairs(y) - 2 * self._mean_between

    @property
    def biased_value(self) -> float:
        """The V-statistic of MMD^2, for values whose constant makes each pair of a row with itself 0."""
        x, y = self.own["generated"], self.own["reference"]
        return float(x.sum() / len(x) ** 2 + y.sum() / len(y) ** 2) - 2 * self._mean_between

    @property
    def variance(self) -> float | None:
        """The variance of ``value``; None if a side has fewer than 4 rows."""
        if min(map(len, self.own.values())) < 4:
            return None
        return mmd_variance(self.own, self.own_squares, self.cross, self.cross_squares)

    @property
    def error(self) -> float | None:
        """The standard error of ``value``; None if a side has fewer than 4 rows."""
        return None if self.variance is None else math.sqrt(self.variance)

    @property
    def row_influence(self) -> tuple[Float64, Float64]:
        """First-order influence of each generated row [N] and each reference row [M] on ``value``."""
        # Derivative of MMD^2 with respect to the weight of each row, up to a constant.
        x, y = self.own["generated"], self.own["reference"]
        to_y, to_x = self.cross["generated"], self.cross["reference"]
        n, m = len(x), len(y)
        return 2 / n * (x / (n - 1) - to_y / m), 2 / m * (y / (m - 1) - to_x / n)

    @property
    def _mean_between(self) -> float:
        counts = len(self.own["generated"]) * len(self.own["reference"])
        return float(self.cross["generated"].sum() / counts)


def _mean_of_pairs(own: Float64) -> float:
    return float(own.sum() / (len(own) * (len(own) - 1)))


def _sum_along(values: Array, axis: int) -> Float64:
    if values.dtype == np.float64:
        return np.asarray(values.sum(axis=axis))
    # Sum 32 terms at a time in single precision, which loses almost nothing, and add these sums in double precision.
    if axis == 1:
        return np.asarray(np.add.reduceat(values, np.arange(0, values.shape[1], 32), axis=1).sum(1, dtype=np.float64))
    sums = [part.sum(axis=0) for part in np.array_split(values, -(-len(values) // 32))]
    return np.asarray(np.sum(sums, axis=0, dtype=np.float64))


def _sum_of_squares(values: Array) -> float:
    return float(np.einsum("ij,ij->i", values, values).sum(dtype=np.float64))
