"""Soft balls: a point lies in a ball with a probability that falls linearly from 1 at the centre to 0 at the surface.

The probability that a point lies in none of the balls is the product of ``min(1, d / R)`` over the centres. All balls
of a side have one radius R. Park and Kim 2023 (arXiv 2309.01590).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from genbench.array_types import Array, Bool, Float64
from genbench.metrics.ball_hits import HALF_SPLITS
from genbench.metrics.neighbours import Radii
from genbench.metrics.tiles import Tile
from genbench.plugs.contracts import GROUPS

SMALLEST = 1e-30
"""A squared distance counts as at least this share of the squared unit, so that its logarithm is finite."""

FINE = 64.0
"""A tile in single precision is exact enough if a squared radius is at least this many times its resolution."""


class SoftBalls(NamedTuple):
    """Balls of one radius: ``scale`` times the mean distance to the k-th neighbour within the set."""

    k: int
    scale: float


class SoftHits:
    """For each point the sum of ``ln min(1, d / R)`` over the centres: in the whole sets, and within each half.

    Each half has a radius of its own. The sums are computed for the smallest and the largest of these radii; those of a
    half are interpolated between them.
    """

    def __init__(self, balls: Bool, points: Bool) -> None:
        count = len(points)
        self._balls, self._points = balls, points
        # One column for each group of centres, and for the halves: all centres, then the second half of each split.
        # Their factor 1/2 makes ln d of ln d^2.
        self._group_columns = np.eye(GROUPS, dtype=np.float32)[np.arange(len(balls)) % GROUPS] / 2
        self._half_columns = np.concatenate([np.ones((len(balls), 1), np.float32), balls], axis=1, dtype=np.float32) / 2
        self.groups = np.zeros((count, GROUPS))
        self._half_sums = np.zeros((2, count, 1 + HALF_SPLITS))

    def set_radii(self, to_neighbour: Radii, scale: float) -> None:
        """Set the radii to ``scale`` times the mean distance of the centres to their k-th neighbour."""
        radii = scale * to_neighbour.mean_radii(self._balls)
        self._half_radii = radii[1:].reshape(2, -1)
        self.radii = float(radii[0]), float(radii[1:].min()), float(radii[1:].max())
        """Of the whole set, the smallest and the largest of a half."""
        # influence of the groups of centres on the logarithm of the radius
        share = np.sqrt(to_neighbour.whole)
        share /= share.sum() or 1.0
        sums = np.zeros(GROUPS)
        np.add.at(sums, np.arange(len(share)) % GROUPS, share - share.mean())
        self._of_radius = sums

    def add(self, log_squares: Array, unit: float, balls: slice, points: slice) -> None:
        """Add a tile of ``ln (d / unit)^2`` [points, balls]."""
        # The logarithm of the product of min(1, d / R) is a sum, so the groups and halves are products of matrices.
        logs = np.empty_like(log_squares)
        groups, halves = (each[balls].astype(logs.dtype) for each in (self._group_columns, self._half_columns))
        sums = [(self.groups, groups), (self._half_sums[0], halves), (self._half_sums[1], halves)]
        for radius, (total, columns) in zip(self.radii, sums, strict=True):
            # A radius of 0 holds nothing.
            if radius:
                np.subtract(log_squares, logs.dtype.type(2 * np.log(radius / unit)), out=logs)
                np.minimum(logs, 0, out=logs)
                total[points] += logs @ columns

    def probabilities(self) -> Float64:
        """Return for each point the probability that it lies in at least one ball, [N]."""
        # All groups together are all centres.
        return np.asarray(-np.expm1(self.groups.sum(axis=1)))

    def estimate(self) -> Float64:
        """Return the mean probability [1 + 2 S]: whole set, first halves, second halves."""
        # how far the radius of each half lies between the smallest and the largest
        _, low, high = self.radii
        weight = (self._half_radii - low) / (high - low) if high > low else np.zeros_like(self._half_radii)
        # Sums of the first half are those of all centres minus those of the second.
        second = self._half_sums[:, :, 1:]
        first = self._half_sums[:, :, :1] - second
        means = []
        for sums, share, part in ((first, weight[0], ~self._points), (second, weight[1], self._points)):
            probabilities = -np.expm1((1 - share) * sums[0] + share * sums[1])
            means.append((probabilities * part).sum(axis=0) / np.maximum(part.sum(axis=0), 1))
        return np.concatenate([[self.probabilities().mean()], *means])

    def centre_influence(self) -> Float64:
        """Return the influence of the groups of centres on the mean probability, [GROUPS]."""
        missed = np.exp(self.groups.sum(axis=1))
        sums = -(missed @ self.groups) / len(missed)
        # Through the radius: a point has as many centres within it as its sum falls per unit of ln R. Between the radii
        # of the halves, which have half as many centres, it falls twice as fast.
        _, low, high = self.radii
        if 0 < low < high:
            within = (self._half_sums[0, :, 0] - self._half_sums[1, :, 0]) / np.log(high / low) / 2
            sums += float((missed * within).mean()) * self._of_radius
        # groups of unequal size differ even if all centres have the same influence
        counts = self._group_columns.sum(axis=0, dtype=np.float64)
        return np.asarray(sums - counts / counts.sum() * sums.sum())


def add_soft_hits(tile: Tile, soft_hits: Mapping[tuple[SoftBalls, str], SoftHits]) -> None:
    """Add a tile of generated with reference rows to the hits of all balls; the keys hold the side of the centres."""
    # clusters that are small beside the distances between them need more than single precision
    radii = [radius for hits in soft_hits.values() for radius in hits.radii]
    if not tile.exact and min(radii) ** 2 < FINE * tile.resolution:
        tile = tile.in_float64()
    # one logarithm for all of them, near 0 at the radius, where single precision counts most
    unit = max(radii) or 1.0
    squares = tile.estimates()
    squares *= squares.dtype.type(unit**-2)
    np.maximum(squares, squares.dtype.type(SMALLEST), out=squares)
    logs = np.log(squares, out=squares)
    # Rows of the tile are generated, columns are reference rows.
    for (_, role), hits in soft_hits.items():
        if role == "reference":
            hits.add(logs, unit, tile.columns, tile.rows)
        else:
            hits.add(logs.T, unit, tile.rows, tile.columns)
