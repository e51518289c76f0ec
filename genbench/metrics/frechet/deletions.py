"""The distances that the jackknife needs, from sums over the blocks: no row is multiplied again.

In the coordinates of a Balance the covariances without a block are A = S + E and C = S + F, with S the diagonal matrix
of all rows. Tr((A C)^(1/2)) is Tr(A + C) / 2 up to a small second-order term in E and F. The first is computed in
float64, the second in float32. Both matrices are graded, from the largest scale to the smallest, so small eigenvalues
keep their relative accuracy: each step of float32 works from the small scales to the large ones or on scaled rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import ssyr
from scipy.linalg.lapack import dsterf, spotrf, ssygst, ssytrd

from genbench.array_types import Float32, Float64
from genbench.metrics.frechet.balance import BlockSums
from genbench.metrics.frechet.pair import Pair, variance_of_both
from genbench.metrics.frechet.sides import GaussianSide

FLOAT32_SHARE = 1e-2
"""Float32 is accurate enough if its estimated rounding is at most this share of the standard error."""


def deleted_distances(pair: Pair) -> Float64 | None:
    """Return the distance without each block of both sides, float64 [B]; None if float32 might not be accurate enough.

    The root mean-square rounding of a distance is about eps times the trace of the root; the jackknife multiplies it by
    the number of blocks.
    """
    balance, sums = pair.balance, pair.block_sums
    if balance is None or balance.trace_of_root is None or len(balance.scales) < pair.size or not any(sums):
        return None
    # the first order of the error is known before the jackknife
    assert pair.influence is not None
    rounding = pair.blocks * float(np.finfo(np.float32).eps) * balance.trace_of_root
    if rounding > FLOAT32_SHARE * np.sqrt(variance_of_both(pair.influence)):
        return None

    # compute one distance after the other, because each needs two large matrices
    distances = []
    sides = ((pair.generated, sums[0]), (pair.reference, sums[1]))
    for block in range(pair.blocks):
        first, second = (_Left.of(*side, balance.scales, block) for side in sides)
        second_order = _second_order(first.covariance, second.covariance)
        if second_order is None:
            return None
        # the distance of the two Gaussians
        trace_of_root = (first.balanced_trace + second.balanced_trace) / 2 + balance.scales[0] * second_order
        difference = first.mean - second.mean
        distances.append(difference @ difference + max(first.trace + second.trace - 2 * trace_of_root, 0.0))
    return np.array(distances)


@dataclass(frozen=True, eq=False)
class _Left:
    """The Gaussian of the rows of a side that are left without a block."""

    mean: Float64
    """[D]"""
    trace: float
    """The trace of the covariance."""
    balanced_trace: float
    """The trace of the covariance in the coordinates of the balance."""
    covariance: Float32
    """float32 [D, D], the lower triangle of the covariance in these coordinates, relative to the largest scale"""

    @staticmethod
    def of(side: GaussianSide, sums: BlockSums | None, scales: Float64, block: int) -> _Left:
        mean, trace = side.gaussian.mean, side.gaussian.trace
        # moments from a file are exact: nothing can be deleted
        if sums is None:
            covariance = np.asfortranarray(np.diag((scales / scales[0]).astype(np.float32)))
            return _Left(mean, trace, float(scales.sum()), covariance)
        # subtract the block from the sums over all rows about their mean, and move these to the mean of those left
        count = int(sums.count.sum())
        left, shift, balanced_shift = count - int(sums.count[block]), sums.total[block], sums.balanced_total[block]
        # everything is relative to the largest scale, because products of float32 overflow early
        unit = np.float32(1 / ((left - 1) * scales[0]))
        if block < len(sums.scatter):
            covariance = sums.scatter[block] * -unit
            diagonal = np.arange(len(scales))
            covariance[diagonal, diagonal] += ((count - 1) * float(unit) * scales).astype(np.float32)
        else:
            # what is left without the last block is the sum of the others
            covariance = sum(sums.scatter[1:], sums.scatter[0]) * unit
        covariance = ssyr(-unit / left, balanced_shift.astype(np.float32), lower=1, a=covariance, overwrite_a=1)
        # rounding of the coordinates must not change the sum over all blocks, which is known
        exact = (count - 1) * float(scales.sum())
        squares = sums.balanced_squares[block] * exact / sums.balanced_squares.sum()
        return _Left(
            mean - shift / left,
            ((count - 1) * trace - sums.squares[block] - shift @ shift / left) / (left - 1),
            float((exact - squares - balanced_shift @ balanced_shift / left) / (left - 1)),
            covariance,
        )


def _second_order(first: Float32, second: Float32) -> float | None:
    """Return Tr((A C)^(1/2)) - Tr(A + C) / 2 of two float32 matrices, of which lower triangles are given.

    Both are overwritten. Returns None if float32 leaves no positive eigenvalues.
    """
    half = (np.trace(first, dtype=np.float64) + np.trace(second, dtype=np.float64)) / 2
    # Tr(A C), which the eigenvalues of A C add up to
    product = 2 * np.einsum("ij,ij->", first, second, dtype=np.float64)
    product -= first.diagonal().astype(np.float64) @ second.diagonal()

    # the eigenvalues of A C are those of L' A L, with C = L L'; the rounding of float32 changes all by one factor
    size = len(first)
    factor, failed = spotrf(second, lower=1, clean=0, overwrite_a=1)
    if failed:
        return None
    congruent, _ = ssygst(first, factor, itype=2, lower=1, overwrite_a=1)
    _, diagonal, beside, _, _ = ssytrd(congruent, lower=1, lwork=64 * size, overwrite_a=1)
    squares, failed = dsterf(diagonal.astype(np.float64), beside.astype(np.float64))
    if failed or not squares[0] > 0:
        return None
    return float(np.sqrt(squares).sum() * np.sqrt(product / squares.sum()) - half)
