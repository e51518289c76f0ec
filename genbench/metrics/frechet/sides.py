"""One side of a Frechet distance: the Gaussian fitted to its rows, and the rows where it has them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genbench.arrays import Bool, Float64, Int64
from genbench.features.features import Features, Moments
from genbench.metrics.frechet.gaussian import Gaussian, cholesky, factor_of, of_moments, of_rows, root_of


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a distance: its Gaussian, and its rows where it has them."""

    gaussian: Gaussian
    moments: Moments
    features: Features | None
    view: str

    @staticmethod
    def of(given: Features | Moments, view: str) -> Side:
        """Fit a Gaussian to a view of features, or take that of a file."""
        if isinstance(given, Moments):
            gaussian = of_moments(given.mean, given.covariance, _kept_factor(given.covariance))
            if factor_of(gaussian) is None:  # many distances may follow: make the root once
                gaussian = Gaussian(gaussian.mean, gaussian.trace, rows=root_of(gaussian))
            return Side(gaussian, given, None, view)
        moments = given.moments(view)
        if len(given) <= moments.mean.size:
            return Side(of_rows(given[view].astype(np.float64)), moments, given, view)
        kept = given.derived(f"cholesky of {view}", lambda: {"cholesky": _kept_factor(moments.covariance)})
        return Side(of_moments(moments.mean, moments.covariance, kept["cholesky"]), moments, given, view)

    @property
    def count(self) -> int | None:
        """How many rows; None where a file does not say."""
        return self.moments.count

    @property
    def size(self) -> int:
        """How many dimensions."""
        return self.moments.mean.size

    @property
    def full(self) -> bool:
        """Whether there are more rows than dimensions; taken for granted where the count is unknown."""
        return self.count is None or self.count > self.size

    def chunks(self, keep: Bool | None = None) -> Iterator[Float64]:
        """Yield the rows (those of a mask) in float64, some at a time."""
        assert self.features is not None
        start = 0
        for block in self.features.each(self.view):
            for offset in range(0, len(block), 4096):
                rows = block[offset : offset + 4096]
                if keep is not None:
                    rows = rows[keep[start : start + len(rows)]]
                start += min(4096, len(block) - offset)
                yield rows.astype(np.float64)

    def without(self, gone: Bool) -> Gaussian:
        """Return the Gaussian of the rows outside a mask, by taking the others' sums away."""
        left = int((~gone).sum())
        if left <= self.size:
            return of_rows(np.concatenate(list(self.chunks(~gone))))
        assert self.count is not None
        mean, shift, scatter = self.moments.mean, np.zeros(self.size), self.moments.covariance * (self.count - 1)
        for rows in self.chunks(gone):
            centred = rows - mean
            shift += centred.sum(axis=0)
            scatter -= centred.T @ centred
        scatter -= np.outer(shift, shift) / left
        return of_moments(mean - shift / left, scatter / (left - 1))


def _kept_factor(covariance: Float64) -> Float64:
    factor = cholesky(covariance)
    return np.zeros((0, 0)) if factor is None else factor


def blocks_of(side: Side, blocks: int, seed: int) -> Int64:
    """Return the block of each row, drawn from the rows in the order of their hashes.

    Equal sets of rows fall into equal blocks, whatever their order, so that the distance of a set to itself stays 0;
    the hash keeps the blocks of two different sets from being alike.
    """
    assert side.features is not None
    keys = b"".join(
        hashlib.blake2b(np.ascontiguousarray(row).tobytes(), digest_size=8).digest()
        for block in side.features.each(side.view)
        for row in block
    )
    order = np.argsort(np.frombuffer(keys, "<u8"), kind="stable")
    count = len(order)
    labels = np.empty(count, np.int64)
    labels[order[np.random.default_rng(seed).permutation(count)]] = np.arange(count) * blocks // count
    return labels
