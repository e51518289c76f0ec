"""Gaussians in the form in which the Frechet distance between two of them is cheap and exact.

The square root is symmetric throughout: Cholesky and eigenvalues where covariances have full rank, singular values of
the roots where they have not; nothing is complex and nothing is jittered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dtrmm

from genbench.arrays import Float64
from genbench.errors import InputError


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A Gaussian in the form in which its root is cheap and exact."""

    mean: Float64
    trace: float
    covariance: Float64 | None = None
    """[D, D], where there are more rows than dimensions."""
    cholesky: Float64 | None = None
    """[D, D], where it is known already; ``factor_of`` makes it otherwise."""
    rows: Float64 | None = None
    """[D, r], a root of the covariance, where there is none itself."""


def of_moments(mean: Float64, covariance: Float64, cholesky: Float64 | None = None) -> Gaussian:
    """Return the Gaussian of a mean [D] and a covariance [D, D]; ``cholesky`` is empty where there is none."""
    return Gaussian(mean, float(np.trace(covariance)), covariance, cholesky)


def of_rows(rows: Float64) -> Gaussian:
    """Return the Gaussian fitted to rows [N, D], covariance with ddof 1."""
    count, size = rows.shape
    mean = rows.mean(axis=0)
    centred = rows - mean
    centred /= np.sqrt(count - 1)
    if count > size:
        return of_moments(mean, centred.T @ centred)
    # centred rows add up to 0: a reflection turns the first into 0 and leaves the others as a root of full rank
    root = centred[1:]
    root += centred[0] / (np.sqrt(count) - 1)
    return Gaussian(mean, float(np.vdot(root, root)), rows=root.T)


def terms(one: Gaussian, two: Gaussian) -> tuple[float, float]:
    """Return the distance's mean term and covariance term."""
    if one.mean.shape != two.mean.shape:
        raise InputError(
            f"The embeddings have {one.mean.size} and {two.mean.size} dimensions; a Frechet distance needs both sides "
            f"from the same extractor."
        )
    apart = one.mean - two.mean
    # the covariance term is never below 0; rounding leaves about 1e-12 of the trace on either side of it
    return float(apart @ apart), max(one.trace + two.trace - 2 * _trace_of_root(one, two), 0.0)


def _trace_of_root(one: Gaussian, two: Gaussian) -> float:
    factor = factor_of(two)
    if factor is not None and one.covariance is not None:
        # where this covariance is singular, rounding leaves eigenvalues on either side of 0, and they are not accurate
        squares = np.asarray(np.linalg.eigvalsh(_seen_from(factor, one.covariance)), np.float64)
        if _accurate(squares):
            return float(np.sqrt(squares).sum())
    product = root_of(one).T @ root_of(two)
    if not product.size:
        return 0.0
    wide = product if len(product) <= product.shape[1] else product.T
    squares = np.asarray(np.linalg.eigvalsh(wide @ wide.T), np.float64)  # a third of the time of singular values
    if squares[0] > noise(squares) and _accurate(squares):
        return float(np.sqrt(squares).sum())
    return float(np.linalg.svd(product, compute_uv=False).sum())


def _seen_from(factor: Float64, covariance: Float64) -> Float64:
    """Return factor' covariance factor; half the work of two products, since the factor is a lower triangle."""
    upper = factor.T  # in Fortran's order, without a copy
    half = dtrmm(1.0, upper, covariance.T, side=1, lower=0, trans_a=1)
    return np.asarray(dtrmm(1.0, upper, half, lower=0, overwrite_b=1), np.float64)


def _accurate(squares: Float64) -> bool:
    """Tell whether eigenvalues that are off by eps times the largest, either sign, have accurate roots in sum.

    That is a cautious view: with a condition number of 1e15 it foretells 4e-9 where 3e-12 was measured (D = 2048).
    """
    if squares[0] <= 0:
        return False
    lost = np.finfo(np.float64).eps * squares[-1] * np.sqrt((0.25 / squares).sum())
    return bool(lost <= 5e-9 * np.sqrt(squares).sum())


def factor_of(gaussian: Gaussian) -> Float64 | None:
    """Return the lower Cholesky factor of the covariance, where it has one."""
    if gaussian.cholesky is not None:
        return gaussian.cholesky if gaussian.cholesky.size else None
    return None if gaussian.covariance is None else cholesky(gaussian.covariance)


def cholesky(covariance: Float64) -> Float64 | None:
    """Return the lower Cholesky factor, or None for a matrix that is singular to rounding (where luck decides)."""
    try:
        factor: Float64 = np.asarray(np.linalg.cholesky(covariance), np.float64)
    except np.linalg.LinAlgError:
        return None
    pivots = np.diag(factor) ** 2
    return factor if pivots.min() > noise(pivots) else None


def root_of(gaussian: Gaussian) -> Float64:
    """Return [D, r] whose product with its transpose is the covariance."""
    if gaussian.rows is not None:
        return gaussian.rows
    factor = factor_of(gaussian)
    if factor is not None:
        return factor
    assert gaussian.covariance is not None
    values, vectors = np.linalg.eigh(gaussian.covariance)
    keep = values > noise(values)  # the root of rounding noise is no longer small: 1e-8 instead of 1e-16
    return np.asarray(vectors[:, keep] * np.sqrt(values[keep]))


def noise(values: Float64) -> float:
    """Return below what eigenvalues or pivots cannot be told from rounding."""
    return float(len(values) * np.finfo(np.float64).eps * values.max(initial=0.0))
