"""The standard error of a Frechet distance: by its influence function, or by the jackknife for few rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genbench.array_types import Bool, Float64, Int64
from genbench.metrics.frechet.bias import Jackknife
from genbench.metrics.frechet.gaussian import Gaussian, root_of, rounding_level
from genbench.metrics.frechet.pooled_splits import split_variance
from genbench.metrics.frechet.sides import GaussianSide, blocks_of, has_strata
from genbench.metrics.group_influence import influence_of, variance_of_sum
from genbench.plugs.contracts import InfluenceOfRows

NEAR = 4.0
"""A debiased distance of less than this many standard errors counts as near 0."""

SPLIT_SIZE = 512
"""Below this number of dimensions, random splits of the pooled rows give the second order of the error."""

NO_ERROR = "none: fewer than 3 samples"
ONLY_MOMENTS = "none: only mean and covariance are known"
JACKKNIFE = "block jackknife"
JACKKNIFE_AND_SPLITS = "block jackknife, with the second order from random splits of all rows"
INFLUENCE = "influence function"
INFLUENCE_AND_HALVES = "influence functions of all rows and of halves, because the distance is near 0"
INFLUENCE_AND_SPLITS = "influence function, with the second order from random splits of all rows"
ERROR_METHODS = (
    NO_ERROR,
    JACKKNIFE,
    JACKKNIFE_AND_SPLITS,
    INFLUENCE,
    INFLUENCE_AND_HALVES,
    INFLUENCE_AND_SPLITS,
    ONLY_MOMENTS,
)
"""All methods; the cache of a metric stores the index of a method, so their order must not change."""


@dataclass(frozen=True)
class Uncertainty:
    """A standard error, the method behind it, and the influence of the rows."""

    error: float | None
    method: str
    """One of ERROR_METHODS."""
    influence: InfluenceOfRows | None = None


def uncertainty(
    generated: GaussianSide, reference: GaussianSide, jackknife: Jackknife | None, seed: int
) -> Uncertainty:
    """Return the standard error of the distance, raw or debiased.

    The variance of the distance is F/N + S/N^2. The influence function (Rippl, Munk, Sturm 2016), like the jackknife,
    estimates v(N) = F/N + 2 S/N^2. Below 512 dimensions, S/N^2 is the variance s^2 of the distance between random parts
    of all rows, and max(v - 2 s^2, 0) + s^2 is the variance. Above, where splits take long, the first order is enough
    except near 0: there the influence functions of halves of the rows give v(N/2), and 1.5 v(N) - v(N/2) / 4 is the
    variance. The jackknife replaces the influence function if a side has few rows for its dimensions.
    """
    if jackknife is None:
        return Uncertainty(None, NO_ERROR)
    influence = row_influence(generated, reference)
    variance = jackknife.error**2 if influence is None else _variance_of_both(influence)

    # the second order
    method = JACKKNIFE if influence is None else INFLUENCE
    if generated.size < SPLIT_SIZE:
        second = split_variance(generated, reference, seed)
        variance = max(variance - 2 * second, 0.0) + second
        method = JACKKNIFE_AND_SPLITS if influence is None else INFLUENCE_AND_SPLITS
    elif influence is not None and jackknife.value**2 < NEAR**2 * variance:
        pairs = zip(_fitted_halves(generated, seed), _fitted_halves(reference, seed), strict=True)
        halves = [_variance_of_both(_row_influence(*pair)) for pair in pairs]
        variance = float(np.clip(1.5 * variance - np.mean(halves) / 4, variance / 2, variance))
        method = INFLUENCE_AND_HALVES

    # the influence is scaled to the corrected error
    error = float(np.sqrt(variance))
    return Uncertainty(error, method, None if influence is None else influence_of(*influence, error=error))


def row_influence(generated: GaussianSide, reference: GaussianSide) -> tuple[Float64, Float64] | None:
    """Return IF(x) / N of each row of both sides, float64 [N] and [M]; [0] for the moments of a file.

    Returns None if a side has too few rows for its dimensions. ``_row_influence`` has the formula.
    """
    few = not all(_has_rows_for(side, 1.2 if side.size < SPLIT_SIZE else 2.0) for side in (generated, reference))
    return None if few else _row_influence(_FittedRows.all(generated), _FittedRows.all(reference))


def _has_rows_for(side: GaussianSide, multiple: float) -> bool:
    """Whether a side has more rows than a multiple of its dimensions; true for the moments of a file."""
    return side.features is None or len(side.features) // multiple > side.size


@dataclass(frozen=True, eq=False)
class _FittedRows:
    """Some rows of a side, and the Gaussian fitted to them."""

    side: GaussianSide
    gaussian: Gaussian
    mask: Bool | None = None
    """bool [N], which rows; None means all."""

    @staticmethod
    def all(side: GaussianSide) -> _FittedRows:
        return _FittedRows(side, side.gaussian)

    def influence(self, slope: Float64, basis: Float64, values: Float64) -> Float64:
        """Return IF(x) / N of each row, float64 [N], or [0] if the side has no rows.

        IF(x) = slope'c + |c|^2 - sum_k (c'basis_k)^2 / values_k, with c = x - mean. ``slope`` is [D], ``basis`` [D, r]
        and ``values`` [r].
        """
        if self.side.features is None:
            return np.zeros(0)
        # the product is most of the work, and float32 is enough for an error
        if len(slope) >= 512:
            basis = basis.astype(np.float32)
        chunks, weights = [], 1 / values
        # evaluate the formula some rows at a time
        for rows in self.side.chunks(self.mask):
            centred = rows - self.gaussian.mean
            projected = centred.astype(basis.dtype) @ basis
            chunks.append(centred @ slope + (centred**2).sum(axis=1) - projected.astype(np.float64) ** 2 @ weights)
        influence = np.concatenate(chunks)
        strata = self.side.features.label if has_strata(self.side.features) else None
        return _centred_in_classes(influence, strata, self.mask) / len(influence)


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


def _fitted_halves(side: GaussianSide, seed: int) -> Iterator[_FittedRows]:
    # moments from a file are exact, whatever the number of generated rows
    if side.features is None:
        yield from [_FittedRows.all(side)] * 2
        return
    labels = blocks_of(side, 2, seed)
    for half in range(2):
        yield _FittedRows(side, side.without(labels == half), labels != half)


def _row_influence(generated: _FittedRows, reference: _FittedRows) -> tuple[Float64, Float64]:
    """Return the influence of each row of both sides on the distance, divided by the number of rows: [N] and [M].

    With T the transport map C_g^(-1/2) (C_g^(1/2) C_r C_g^(1/2))^(1/2) C_g^(-1/2), the influence function of the
    generated side is 2 (m_g - m_r)'c + c'(I - T)c - mean; that of the reference has the inverse map.
    """
    # both Gaussians have full rank
    covariance = generated.gaussian.covariance
    assert covariance is not None
    difference = generated.gaussian.mean - reference.gaussian.mean

    # T = B diag(1 / s) B' with C_r = R R', R' C_g R = V diag(s^2) V' and B = R V
    root = root_of(reference.gaussian)
    squares, vectors = np.linalg.eigh(root.T @ covariance @ root)
    # drop eigenvalues that are rounding errors, because the inverse divides by their roots
    keep = squares > rounding_level(squares)
    values = np.sqrt(squares[keep])
    basis = root @ vectors[:, keep]
    return (
        generated.influence(2 * difference, basis, values),
        reference.influence(-2 * difference, covariance @ basis / values, values),
    )


def _variance_of_both(influence: tuple[Float64, Float64]) -> float:
    return float(sum(variance_of_sum(side) for side in influence))
