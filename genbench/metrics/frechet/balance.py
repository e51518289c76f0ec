"""Coordinates in which both covariances of a pair are one diagonal matrix; its distance, error and bias share them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dtrsm, get_blas_funcs, ssyrk

from genbench.array_types import Array, Bool, Float32, Float64, Int64
from genbench.metrics.frechet.eigenvectors import eigenvalues_and_vectors
from genbench.metrics.frechet.gaussian import (
    Gaussian,
    congruence,
    factor_of,
    root_of,
    rounding_level,
    sum_of_roots,
)
from genbench.metrics.frechet.sides import GaussianSide, has_strata

LARGE_SIZE = 512
"""From this number of dimensions on, products of rows that only an error or a bias needs are in float32."""


@dataclass(frozen=True, eq=False)
class Balance:
    """Coordinates in which both covariances are diag(scales), so that the optimal transport map is the identity.

    A centred row c of the generated side has the coordinates c'G, one of the reference c'H. The transport map is
    T = C_g^(-1/2) (C_g^(1/2) C_r C_g^(1/2))^(1/2) C_g^(-1/2) = G G', and its inverse is H H'.
    """

    generated: Array
    """G, [D, r], float32 if D is LARGE_SIZE or more and the reference has full rank, else float64"""
    reference: Array
    """H, likewise, the transposed inverse of G if r is D"""
    scales: Float64
    """[r], the eigenvalues of (C_g C_r)^(1/2) in descending order"""
    trace_of_root: float | None
    """Tr((C_g C_r)^(1/2)); None if rounding makes it inaccurate."""

    @staticmethod
    def of(generated: Gaussian, reference: Gaussian) -> Balance:
        """Return the coordinates for two Gaussians of full rank."""
        covariance, factor = generated.covariance, factor_of(reference)
        assert covariance is not None
        # C_r = R R' and R' C_g R = V diag(s^2) V'; then G = R V diag(s^-1/2) and H = R'^-1 V diag(s^1/2)
        root = root_of(reference) if factor is None else factor
        product = root.T @ covariance @ root if factor is None else congruence(factor, covariance)
        # a singular reference divides by the squared scales below, which would enlarge the rounding of float32
        single = factor is not None and len(product) >= LARGE_SIZE
        squares, vectors = eigenvalues_and_vectors(product, single=single)
        trace = None if factor is None else sum_of_roots(squares)
        # drop eigenvalues that are rounding errors, because the inverse divides by their roots
        dropped = int((squares <= rounding_level(squares)).sum())
        scales = np.sqrt(squares[dropped:][::-1])
        vectors = np.asfortranarray(vectors[:, dropped:][:, ::-1])
        # a singular reference has no factor, but a root that is not square
        if factor is None:
            basis = root @ vectors / np.sqrt(scales)
            return Balance(basis, covariance @ basis / scales, scales, trace)
        roots = np.sqrt(scales).astype(vectors.dtype)
        basis = get_blas_funcs("trmm", (vectors,))(1.0, factor, vectors, lower=1) / roots
        # the inverse factor, too, would enlarge the rounding of float32
        inverse = dtrsm(1.0, factor, vectors, lower=1, trans_a=1).astype(vectors.dtype) * roots
        return Balance(basis, inverse, scales, trace)


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Sums over the rows of each block of a side, about the mean of all its rows."""

    count: Int64
    """[B]"""
    total: Float64
    """[B, D], sums of the centred rows"""
    balanced_total: Float64
    """[B, r], sums of their coordinates in a Balance"""
    squares: Float64
    """[B], sums of the squared lengths of the centred rows"""
    balanced_squares: Float64
    """[B], those of their coordinates"""
    scatter: list[Float32]
    """For each block but the last float32 [r, r] in Fortran's order, the lower triangle of the sum of z z', with
    coordinates z; the sum over all blocks is known"""


@dataclass(frozen=True, eq=False)
class FittedRows:
    """Some rows of a side, and the Gaussian fitted to them."""

    side: GaussianSide
    gaussian: Gaussian
    mask: Bool | None = None
    """bool [N], which rows; None means all."""

    @staticmethod
    def all(side: GaussianSide) -> FittedRows:
        return FittedRows(side, side.gaussian)

    def influence(self, slope: Float64, basis: Array, labels: Int64 | None = None) -> tuple[Float64, BlockSums | None]:
        """Return IF(x) / N of each row, float64 [N], or [0] if the side has no rows; and the sums of blocks.

        IF(x) = slope'c + |c|^2 - |c'basis|^2, with c = x - mean. ``slope`` is [D] and ``basis`` [D, r]. The sums are
        None without ``labels``, the block of each row, int64 [N].
        """
        if self.side.features is None:
            return np.zeros(0), None
        # the product is most of the work, and float32 is enough for an error
        if len(slope) >= LARGE_SIZE:
            basis = basis.astype(np.float32, copy=False)
        # numbers of each row, and sums of each block
        slopes, squares, balanced = [], [], []
        blocks = 0 if labels is None else int(labels.max()) + 1
        totals = np.zeros((blocks, len(slope)))
        scatter = [np.zeros((basis.shape[1],) * 2, np.float32, order="F") for _ in range(blocks - 1)]
        # evaluate the formula some rows at a time
        start = 0
        for rows in self.side.chunks(self.mask):
            centred = rows - self.gaussian.mean
            projected = centred.astype(basis.dtype, copy=False) @ basis
            slopes.append(centred @ slope)
            squares.append(np.einsum("nd,nd->n", centred, centred))
            balanced.append(np.einsum("nd,nd->n", projected, projected, dtype=np.float64))
            # the same coordinates give the sums of the blocks
            if labels is not None:
                members = labels[start : start + len(rows)] == np.arange(blocks)[:, None]
                totals += members.astype(np.float64) @ centred
                for products, member in zip(scatter, members, strict=False):
                    _add_products(products, projected[member])
            start += len(rows)
        length, balanced_length = np.concatenate(squares), np.concatenate(balanced)
        influence = np.concatenate(slopes) + length - balanced_length
        strata = self.side.features.label if has_strata(self.side.features) else None
        influence = _centred_in_classes(influence, strata, self.mask) / len(influence)
        # no blocks are wanted where the jackknife costs little
        if labels is None:
            return influence, None
        sums = [np.bincount(labels, each).astype(np.float64) for each in (length, balanced_length)]
        return influence, BlockSums(np.bincount(labels), totals, totals @ basis, sums[0], sums[1], scatter)


def _add_products(scatter: Float32, rows: Float32) -> None:
    """Add the lower triangle of rows' rows to ``scatter``, in place."""
    if len(rows):
        ssyrk(1.0, rows.T, beta=1.0, c=scatter, lower=1, overwrite_c=1)


def _centred_in_classes(influence: Float64, strata: Int64 | None, mask: Bool | None) -> Float64:
    """Subtract the mean from the influence of each row [n], within each class of a stratified sample.

    The numbers of its classes do not vary, so the class means add nothing to the error. ``strata`` int64 [N], the
    classes of a stratified sample, and ``mask`` bool [N] belong to all rows of the side.
    """
    if strata is not None:
        label = strata if mask is None else strata[mask]
        sums, counts = np.bincount(label, influence), np.bincount(label)
        return np.asarray(influence - (sums / np.maximum(counts, 1))[label])
    return np.asarray(influence - influence.mean())
