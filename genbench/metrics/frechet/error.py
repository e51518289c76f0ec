"""The standard error of a Frechet distance, by its influence function, or by the jackknife where that does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genbench.arrays import Bool, Float64
from genbench.metrics.frechet.bias import Jackknife
from genbench.metrics.frechet.gaussian import Gaussian, noise, root_of
from genbench.metrics.frechet.sides import Side, blocks_of
from genbench.metrics.influence import influence_of
from genbench.plugs.contracts import Influence

NEAR = 4.0
"""A debiased distance below that many errors counts as near 0."""


@dataclass(frozen=True)
class Uncertainty:
    """A standard error, how it was found, and where it comes from."""

    error: float | None
    method: str
    influence: Influence | None = None


def uncertainty(one: Side, two: Side, found: Jackknife | None, seed: int) -> Uncertainty:
    """Return the standard error of the distance, raw or debiased.

    Where both sides have more rows than dimensions it is that of the influence function (Rippl, Munk, Sturm 2016). Near
    0 the first order vanishes, and the influence function counts the second one twice: v(N) = F/N + 2 S/N^2, where the
    variance is F/N + S/N^2. Influences on halves of the rows, v(N/2), tell both apart: 1.5 v(N) - v(N/2) / 4.
    """
    if not (one.full and two.full):
        if found is None:
            return Uncertainty(None, "none: fewer than 3 samples")
        return Uncertainty(found.error, "block jackknife")
    moves = _moves(_Rows.all(one), _Rows.all(two))
    variance, method = _variance(moves), "influence function"
    near = found is not None and found.value**2 < NEAR**2 * variance
    if near and all(len(side.features) // 2 > side.size for side in (one, two) if side.features is not None):
        halves = [_variance(_moves(*pair)) for pair in zip(_halves(one, seed), _halves(two, seed), strict=True)]
        variance = float(np.clip(1.5 * variance - np.mean(halves) / 4, variance / 2, variance))
        method = "influence functions of all and of halves, for the distance is near 0"
    elif near:
        method = "influence function, up to 1.4 times too wide, for the distance is near 0 and samples are few"
    error = float(np.sqrt(variance))
    return Uncertainty(error, method, influence_of(*moves, error=error))


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some rows of a side and the Gaussian fitted to them."""

    side: Side
    gaussian: Gaussian
    keep: Bool | None = None

    @staticmethod
    def all(side: Side) -> _Rows:
        return _Rows(side, side.gaussian)

    def moves(self, slope: Float64, basis: Float64, values: Float64) -> Float64:
        """Return IF(x) / N of each row, IF(x) = slope'c + |c|^2 - sum_k (c'basis_k)^2 / values_k, c = x - mean."""
        if self.side.features is None:
            return np.zeros(0)
        found, weights = [], 1 / values
        single = len(slope) >= 512  # an error needs no more digits, and the product is most of the work
        if single:
            basis = basis.astype(np.float32)
        for rows in self.side.chunks(self.keep):
            centred = rows - self.gaussian.mean
            inside = centred.astype(basis.dtype) @ basis
            found.append(centred @ slope + (centred**2).sum(axis=1) - inside.astype(np.float64) ** 2 @ weights)
        influence = np.concatenate(found)
        return np.asarray((influence - influence.mean()) / len(influence))


def _halves(side: Side, seed: int) -> Iterator[_Rows]:
    if side.features is None:
        yield from [_Rows.all(side)] * 2
        return
    labels = blocks_of(side, 2, seed)
    for half in range(2):
        yield _Rows(side, side.without(labels == half), labels != half)


def _moves(one: _Rows, two: _Rows) -> tuple[Float64, Float64]:
    """Return by how much each row of both sides moves the distance, to first order."""
    covariance = one.gaussian.covariance
    assert covariance is not None
    apart = one.gaussian.mean - two.gaussian.mean
    root = root_of(two.gaussian)
    squares, vectors = np.linalg.eigh(root.T @ covariance @ root)
    keep = squares > noise(squares)
    values = np.sqrt(squares[keep])
    basis = root @ vectors[:, keep]
    return one.moves(2 * apart, basis, values), two.moves(-2 * apart, covariance @ basis / values, values)


def _variance(moves: tuple[Float64, Float64]) -> float:
    return float(sum(side.var(ddof=1) * len(side) for side in moves if len(side) > 1))
