"""One side of a Frechet distance: the Gaussian fitted to its rows, and the rows themselves if they are available."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from genbench.array_types import Array, Bool, Float64, Int64
from genbench.errors import InputError
from genbench.features.features import Features, Moments
from genbench.metrics.frechet.gaussian import (
    Gaussian,
    cholesky_factor,
    factor_of,
    gaussian_of_moments,
    gaussian_of_rows,
    root_of,
)


@dataclass(frozen=True, eq=False)
class GaussianSide:
    """One side of a Frechet distance: its Gaussian, and its rows if they are available."""

    gaussian: Gaussian
    count: int | None
    """Number of rows; None if a statistics file does not state it."""
    features: Features | None
    """None if only the moments are known."""
    view: str

    @staticmethod
    def of(subject: Features | Moments, view: str, *, factored: bool = True) -> GaussianSide:
        """Fit a Gaussian to the rows of a view, or take the moments of a statistics file.

        ``factored``: the Cholesky factor is kept with the features; a distance needs that of one side only.
        """
        if isinstance(subject, Moments):
            factor = _factor_or_empty(subject.covariance)
            gaussian = gaussian_of_moments(subject.mean, subject.covariance, factor)
            # one side takes part in many distances: compute the root of a singular covariance once
            if factor_of(gaussian) is None:
                gaussian = Gaussian(gaussian.mean, gaussian.trace, root=root_of(gaussian))
            return GaussianSide(gaussian, subject.count, None, view)

        # with at most as many rows as dimensions the covariance is singular: its root comes from the rows
        count = len(subject)
        if count <= next(subject.each(view)).shape[1]:
            return GaussianSide(gaussian_of_rows(subject[view].astype(np.float64)), count, subject, view)
        moments = subject.moments(view)
        gaussian = gaussian_of_moments(moments.mean, moments.covariance)
        if factored:
            cached = subject.derived(f"cholesky of {view}", lambda: {"cholesky": _factor_or_empty(moments.covariance)})
            gaussian = replace(gaussian, cholesky=cached["cholesky"])
        return GaussianSide(gaussian, count, subject, view)

    @property
    def size(self) -> int:
        """Number of dimensions."""
        return self.gaussian.mean.size

    @property
    def full_rank(self) -> bool:
        """Whether there are more rows than dimensions; true if the number of rows is unknown."""
        return self.count is None or self.count > self.size

    def chunks(self, mask: Bool | None = None) -> Iterator[Array]:
        """Yield the rows, or those where ``mask`` bool [N] is true, at most 1,024 at a time."""
        assert self.features is not None
        start = 0
        for chunk in self.features.chunks(self.view):
            yield chunk if mask is None else chunk[mask[start : start + len(chunk)]]
            start += len(chunk)

    def without(self, deleted: Bool) -> Gaussian:
        """Return the Gaussian of the rows where ``deleted`` bool [N] is false.

        It subtracts the deleted rows from the sums over all rows, so only the deleted rows are multiplied.
        """
        # too few rows for full rank: fit the Gaussian again
        left = int((~deleted).sum())
        if left <= self.size:
            return gaussian_of_rows(np.concatenate(list(self.chunks(~deleted))).astype(np.float64))
        mean, covariance = self.gaussian.mean, self.gaussian.covariance
        assert covariance is not None
        assert self.count is not None
        # sums about the mean of all rows; `shift` moves them to the mean of the rows that are left
        shift, scatter = np.zeros(self.size), covariance * (self.count - 1)
        for rows in self.chunks(deleted):
            centred = rows - mean
            shift += centred.sum(axis=0)
            scatter -= centred.T @ centred
        scatter -= np.outer(shift, shift) / left
        return gaussian_of_moments(mean - shift / left, scatter / (left - 1))


def rows_and_dimensions(side: Features | Moments, view: str) -> tuple[int | None, int]:
    """Return the number of rows and of dimensions of a side. Raises InputError for fewer than 2 rows."""
    if isinstance(side, Moments):
        return side.count, side.mean.size
    if len(side) < 2:
        raise InputError(f"{side.name} holds {len(side)} sample; a covariance needs at least 2.")
    return len(side), next(side.each(view)).shape[1]


def _factor_or_empty(covariance: Float64) -> Float64:
    # an empty array, because the cache holds arrays only
    factor = cholesky_factor(covariance)
    return np.zeros((0, 0)) if factor is None else factor


def blocks_of(side: GaussianSide, blocks: int, seed: int) -> Int64:
    """Return the block of each row, int64 [N], in 0..blocks-1: a seeded permutation of nearly equal blocks.

    Row i of two sides with equal counts has the same block. The distance of a set to itself therefore stays 0, and the
    noise of the blocks cancels from the difference of paired sets. In a stratified sample whose classes have a row for
    each block, each block has the same part of every class: random blocks would show a bias that the sample lacks.
    Volumes are dealt as wholes, because their slices are not independent.
    """
    assert side.features is not None
    count = len(side.features)
    if side.features.volume is not None:
        names, number = np.unique(side.features.volume, return_inverse=True)
        dealt_volumes = np.random.default_rng(seed).permutation(len(names)) * blocks // len(names)
        return np.asarray(dealt_volumes[number], np.int64)
    place = np.random.default_rng(seed).permutation(count)
    label, least = side.features.label, rows_per_class(side)
    if label is None or least is None or least < blocks:
        return np.asarray(place * blocks // count)
    # the place of each row within its class
    order = np.lexsort((place, label))
    counts = np.bincount(label)
    within = np.arange(count) - np.repeat(np.cumsum(counts) - counts, counts)
    # each class begins at another block, so that the blocks that get one row more are not always the same
    first = np.cumsum(counts > 0) - 1
    dealt = np.empty(count, np.int64)
    dealt[order] = (within * blocks // np.repeat(counts, counts) + np.repeat(first, counts)) % blocks
    return dealt


def volumes_of(side: GaussianSide) -> int | None:
    """Return the number of volumes whose slices the rows are; None if they are none."""
    volume = None if side.features is None else side.features.volume
    return None if volume is None else len(np.unique(volume))


def volume_hash(side: Features | Moments) -> str:
    """Return a hash of which slices belong to one volume, which decides the blocks; empty for other samples."""
    if not isinstance(side, Features) or side.volume is None:
        return ""
    return hashlib.sha256(np.asarray(side.volume, np.int64).tobytes()).hexdigest()[:16]


def rows_per_class(side: GaussianSide) -> int | None:
    """Return the number of rows of the smallest class of a stratified sample; None if the side is none."""
    if side.features is None or side.features.label is None or not has_strata(side.features):
        return None
    counts = np.bincount(side.features.label)
    return int(counts[counts > 0].min())


def has_strata(side: Features | Moments) -> bool:
    """Whether the rows of a side are a stratified sample: the numbers of its classes are fixed, and do not vary.

    They are if the classes were requested in turn or in the proportions of the reference. Other labels are taken for
    fixed if their numbers are balanced. Classes that were drawn at random vary, even if their numbers happen to agree.
    """
    if not isinstance(side, Features) or side.label is None or side.label_rule == "random":
        return False
    # the proportions of the reference are seldom balanced
    if side.label_rule == "reference":
        counts = np.bincount(side.label)
        return bool((counts > 0).sum() > 1 and counts[counts > 0].min() > 1)
    return is_balanced(side.label)


def is_balanced(label: Int64) -> bool:
    """Whether there are at least two classes, with 2 rows or more each, whose numbers differ by at most 1."""
    counts = np.bincount(label[label >= 0]) if label.min() >= 0 else np.zeros(0, np.int64)
    counts = counts[counts > 0]
    return bool(len(counts) > 1 and counts.min() > 1 and counts.max() - counts.min() <= 1)
