"""Turn the influence of each row on a score into the ``Influence`` of groups of rows, which comparisons use."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from genbench.array_types import Float64
from genbench.plugs.contracts import GROUPS, Influence, InfluenceOfRows

INDEPENDENT = Influence(())
"""Influence for scores to whose error the reference contributes nothing."""


def influence_of(
    generated: npt.ArrayLike, reference: npt.ArrayLike = (), *, error: float | None
) -> InfluenceOfRows | None:
    """Return the influence of groups of rows, scaled so that its variance is ``error`` squared.

    ``generated`` float [N] and ``reference`` float [M] hold the influence function of each row divided by the number of
    rows, so that the score changes by about their sum. Adding a constant to a side, or multiplying both sides by a
    factor, changes nothing. Returns None if the influence is unknown: no finite error, a value that is not finite, or
    an error above 0 although all rows have the same influence.
    """
    sides = [np.asarray(side, np.float64) for side in (generated, reference)]
    if error is None or not math.isfinite(error) or not all(np.isfinite(side).all() for side in sides):
        return None

    # a comparison needs the share of each side in the variance of the error
    # equal influences differ by rounding only
    variances = [0.0 if _is_constant(side) else variance_of_sum(side) for side in sides]
    total = sum(variances)
    if error and not total:
        return None

    # each side keeps its share; together both have the variance of the error
    scaled = [variance * (error**2 / total if total else 0.0) for variance in variances]
    groups = (_grouped(side, variance) for side, variance in zip(sides, scaled, strict=True))
    return InfluenceOfRows(*groups, rows=(sides[0], sides[1]))


def _is_constant(influence: Float64) -> bool:
    return not len(influence) or float(np.ptp(influence)) <= 1e-9 * float(np.abs(influence).max())


def variance_of_sum(influence: Float64) -> float:
    """Return the variance of the sum of independent influences, float64 [N]; 0 for fewer than two."""
    return float(influence.var(ddof=1) * len(influence)) if len(influence) > 1 else 0.0


def _grouped(influence: Float64, variance: float) -> tuple[float, ...]:
    """Return the sums over GROUPS groups of rows, centred and scaled to a variance, with 9 significant digits."""
    if not len(influence):
        return ()
    # row i belongs to group i modulo GROUPS
    sums = np.zeros(GROUPS)
    np.add.at(sums, np.arange(len(influence)) % GROUPS, influence - influence.mean())
    sums -= sums.mean()

    # the scale makes G / (G - 1) times the sum of squares equal to the variance
    unscaled = float((sums**2).sum()) * GROUPS / (GROUPS - 1)
    if unscaled > 0:
        sums *= math.sqrt(variance / unscaled)
    return tuple(float(f"{value:.9g}") for value in sums)
