"""Tiles of inner products between two sets of rows, with bounds of the squared distances and their exact values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array, Float64, Int64
from genbench.metrics.embedding_checks import checked_rows, spans

TILE = 1024
"""Rows and columns of one tile. Its arrays stay near the cache, and a pass holds a few tiles in memory."""


@dataclass(frozen=True, eq=False)
class Rows:
    """One set of rows, with what the inner products need to know about them."""

    role: str
    """``"generated"`` or ``"reference"``"""
    values: Array
    """float32 or float64 [N, D]"""
    centre: Float64
    """[D], subtracted from the rows before the products, which reduces the cancellation in a distance."""
    dtype: npt.DTypeLike
    """The dtype of the products."""
    squares: Float64
    """[N], squared length of each centred row."""
    shift: Float64
    """[N], product of each centred row with the centre; it restores the products of the rows without centring."""

    def __len__(self) -> int:
        return len(self.values)

    def centred(self, index: slice, dtype: npt.DTypeLike) -> Array:
        """Return a range of rows minus the centre."""
        # Rows of another dtype are centred in float64 first, so that no digits are lost.
        values = self.values[index]
        if values.dtype != dtype:
            return np.asarray(np.subtract(values, self.centre, dtype=np.float64), dtype)
        return np.asarray(values - self.centre.astype(dtype))

    def take(self, index: Int64) -> Rows:
        """Return the rows at the given positions, in the order of ``index``."""
        return replace(self, values=self.values[index], squares=self.squares[index], shift=self.shift[index])

    @cached_property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """A 64-bit hash of each row [N]; equal rows have equal hashes."""
        # Each word has a random odd factor; the hash of a row is the sum of the products, modulo 2^64.
        count, bytes_per_row = len(self.values), self.values[:1].nbytes
        factors = np.random.default_rng(0).integers(2**63, size=bytes_per_row // 4, dtype=np.uint64) | np.uint64(1)
        hashes = np.empty(count, np.uint64)
        for span in spans(count, 64):
            # Words of 32 bits: if words had 64 bits, the sign bits of two of them would cancel.
            words: Array = np.ascontiguousarray(self.values[span]).view(np.uint32)
            np.sum(words * factors, axis=1, out=hashes[span])
        return hashes

    def squared_distances(self, index: Int64, other: Rows, other_index: Int64) -> Float64:
        """Return the squared distances [K] of K pairs from their differences in float64: exactly 0 for equal rows."""
        distances = np.zeros(len(index))
        # Skip equal rows: if a sampler repeats one image, almost all pairs come here.
        differ = np.flatnonzero(self.hashes[index] != other.hashes[other_index])
        # The differences of one step fit into the cache.
        step = max(1, 65536 // self.values.shape[1])
        for start in range(0, len(differ), step):
            part = differ[start : start + step]
            # Differences of equal coordinates are exactly 0, unlike differences of products.
            gap = np.subtract(self.values[index[part]], other.values[other_index[part]], dtype=np.float64)
            distances[part] = np.einsum("ij,ij->i", gap, gap)
        return distances


@dataclass(frozen=True, eq=False)
class Tile:
    """The inner products of a range of left rows with a range of right rows, both centred."""

    left: Rows
    right: Rows
    rows: slice
    columns: slice
    products: Array
    """float32 or float64 [A, B]"""

    @property
    def diagonal(self) -> bool:
        """Whether the tile compares rows with themselves: entry (i, i) pairs a row with itself."""
        return self.left is self.right and self.rows == self.columns

    @property
    def exact(self) -> bool:
        """Whether the products are in float64, so that no tile is more accurate."""
        return bool(self.products.dtype == np.float64)

    def in_float64(self) -> Tile:
        """Compute the same tile in float64."""
        return compute_tile(self.left, self.rows, self.right, self.columns, np.float64)

    @cached_property
    def lower_bounds(self) -> Array:
        """Lower bounds of the squared distances [A, B]; the upper bounds are larger by ``bound_widths``.

        The rounding error of a product of length D is at most D u |x| |y| (u: unit roundoff; Higham 2002, 3.5).
        Centring and the sums add a few u (|x|^2 + |y|^2).
        """
        # |x - y|^2 = |x|^2 + |y|^2 - 2 x.y, with both lengths reduced by the possible error.
        dtype = self.products.dtype
        shrink = 1 - self._relative_error()
        lower: Array = self.products * dtype.type(-2)
        lower += (self.left.squares[self.rows] * shrink).astype(dtype)[:, None]
        lower += (self.right.squares[self.columns] * shrink).astype(dtype)
        return lower

    def estimates(self) -> Array:
        """Return the squared distances [A, B], above or equal to 0, with the rounding of the products.

        They are in the middle of their bounds. Pairs that may have distance 0 are measured.
        """
        # half the width of the bounds
        dtype, error = self.products.dtype, self._relative_error()
        middle: Array = self.lower_bounds + (self.left.squares[self.rows] * error).astype(dtype)[:, None]
        middle += (self.right.squares[self.columns] * error).astype(dtype)
        i, j = np.divmod(np.flatnonzero(self.lower_bounds <= 0), middle.shape[1])
        middle[i, j] = self.squared_distances(i, j)
        return middle

    @property
    def resolution(self) -> float:
        """Squared distance that is about as large as the bound of the error of a pair of average length."""
        lengths = self.left.squares[self.rows].mean() + self.right.squares[self.columns].mean()
        return float(self._relative_error() * lengths)

    def bound_widths(self, i: Int64, j: Int64) -> Float64:
        """Return the upper minus the lower bound of the squared distance, for pairs (i, j) of the tile."""
        lengths = self.left.squares[self.rows][i] + self.right.squares[self.columns][j]
        return np.asarray(2 * self._relative_error() * lengths)

    def squared_distances(self, i: Int64, j: Int64) -> Float64:
        """Return the squared distances of pairs (i, j) of the tile from their differences in float64."""
        return self.left.squared_distances(i + self.rows.start, self.right, j + self.columns.start)

    def _relative_error(self) -> float:
        return float((self.left.values.shape[1] + 32) * np.finfo(self.products.dtype).eps / 2)


def compute_tile(left: Rows, rows: slice, right: Rows, columns: slice, dtype: npt.DTypeLike) -> Tile:
    """Compute the tile of a range of left rows with a range of right rows."""
    return Tile(left, right, rows, columns, left.centred(rows, dtype) @ right.centred(columns, dtype).T)


def pair_of(generated: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[Rows, Rows]:
    """Return both sets of rows, centred at the middle between their means.

    Raises InputError as ``checked_rows`` does.
    """
    left, right = checked_rows(generated, reference)
    # The common centre of both sets: distances stay the same, and the products become small.
    centre = (left.mean(axis=0, dtype=np.float64) + right.mean(axis=0, dtype=np.float64)) / 2
    centre = centre.astype(left.dtype).astype(np.float64)  # so that the centre is the same in both precisions
    # Both lengths are in float64, whatever the dtype of the products.
    squares, shifts = zip(*(_lengths(values, centre) for values in (left, right)), strict=True)
    # Single precision halves the time of a large pass. A small pass is fast anyway, and large numbers would overflow.
    work = (len(left) + len(right)) ** 2 * left.shape[1]
    reach = max(float(square.max()) for square in squares) + float(centre @ centre)
    single = left.dtype == right.dtype == np.float32 and work > 2e10 and reach / left.shape[1] < 1e8
    dtype = np.dtype(np.float32 if single else np.float64)
    # Both sides have the same centre and dtype, so that any tile can combine them.
    return (
        Rows("generated", left, centre, dtype, squares[0], shifts[0]),
        Rows("reference", right, centre, dtype, squares[1], shifts[1]),
    )


def _lengths(values: Array, centre: Float64) -> tuple[Float64, Float64]:
    """Return the squared length of each centred row and its product with the centre, both [N]."""
    squares, shift = np.empty(len(values)), np.empty(len(values))
    for span in spans(len(values)):
        centred = values[span] - centre
        squares[span] = np.einsum("ij,ij->i", centred, centred)
        shift[span] = centred @ centre
    return squares, shift
