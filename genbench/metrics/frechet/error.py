"""The standard error of a Frechet distance: by its influence function, or by the jackknife for few rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genbench.array_types import Float64
from genbench.metrics.frechet.balance import LARGE_SIZE, Balance, FittedRows
from genbench.metrics.frechet.bias import Jackknife
from genbench.metrics.frechet.pair import Pair, variance_of_both
from genbench.metrics.frechet.pooled_splits import split_variance
from genbench.metrics.frechet.sides import GaussianSide, blocks_of
from genbench.metrics.group_influence import influence_of
from genbench.plugs.contracts import InfluenceOfRows

NEAR = 4.0
"""A debiased distance of less than this many standard errors counts as near 0."""

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


def uncertainty(pair: Pair, jackknife: Jackknife | None) -> Uncertainty:
    """Return the standard error of the distance, raw or debiased.

    The variance of the distance is F/N + S/N^2. The influence function (Rippl, Munk, Sturm 2016), like the jackknife,
    estimates v(N) = F/N + 2 S/N^2. Below 512 dimensions, S/N^2 is the variance s^2 of the distance between random parts
    of all rows, and max(v - 2 s^2, 0) + s^2 is the variance. Above, where splits take long, the first order is enough
    except near 0: there the influence functions of halves of the rows give v(N/2), and 1.5 v(N) - v(N/2) / 4 is the
    variance. The jackknife replaces the influence function if a side has few rows for its dimensions.
    """
    if jackknife is None:
        return Uncertainty(None, NO_ERROR)
    influence = pair.influence
    variance = jackknife.error**2 if influence is None else variance_of_both(influence)

    # the second order
    method = JACKKNIFE if influence is None else INFLUENCE
    if pair.size < LARGE_SIZE:
        second = split_variance(pair.generated, pair.reference, pair.seed)
        variance = max(variance - 2 * second, 0.0) + second
        method = JACKKNIFE_AND_SPLITS if influence is None else INFLUENCE_AND_SPLITS
    elif influence is not None and jackknife.value**2 < NEAR**2 * variance:
        halves = zip(*(_fitted_halves(side, pair.seed) for side in (pair.generated, pair.reference)), strict=True)
        variances = [variance_of_both(_influence_of_halves(*both)) for both in halves]
        variance = float(np.clip(1.5 * variance - np.mean(variances) / 4, variance / 2, variance))
        method = INFLUENCE_AND_HALVES

    # the influence is scaled to the corrected error
    error = float(np.sqrt(variance))
    return Uncertainty(error, method, None if influence is None else influence_of(*influence, error=error))


def _fitted_halves(side: GaussianSide, seed: int) -> Iterator[FittedRows]:
    # moments from a file are exact, whatever the number of generated rows
    if side.features is None:
        yield from [FittedRows.all(side)] * 2
        return
    labels = blocks_of(side, 2, seed)
    for half in range(2):
        yield FittedRows(side, side.without(labels == half), labels != half)


def _influence_of_halves(generated: FittedRows, reference: FittedRows) -> tuple[Float64, Float64]:
    # both Gaussians have full rank
    balance = Balance.of(generated.gaussian, reference.gaussian)
    slope = 2 * (generated.gaussian.mean - reference.gaussian.mean)
    return generated.influence(slope, balance.generated)[0], reference.influence(-slope, balance.reference)[0]
