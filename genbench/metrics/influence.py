"""From what each row adds to a score to the ``Influence`` that comparisons work with."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from genbench.arrays import Float64
from genbench.plugs.contracts import GROUPS, Influence

INDEPENDENT = Influence(())
"""Of a score to whose error the reference adds nothing."""


def influence_of(generated: npt.ArrayLike, reference: npt.ArrayLike = (), *, error: float | None) -> Influence | None:
    """Return the parts of a score from how much each row moves it, so scaled that their variance is ``error`` squared.

    ``generated`` [N] and ``reference`` [M] hold influences over the count: the score moves by about their sum. Only
    their differences and the proportion of both sides matter. None where they say nothing: no error, or no spread.
    """
    sides = [np.asarray(side, np.float64) for side in (generated, reference)]
    if error is None or not math.isfinite(error) or not all(np.isfinite(side).all() for side in sides):
        return None
    spreads = [_variance(side) for side in sides]
    total = sum(spreads)
    if error and not total:
        return None
    wanted = [spread * (error**2 / total if total else 0.0) for spread in spreads]
    return Influence(*(_groups(side, variance) for side, variance in zip(sides, wanted, strict=True)))


def _variance(moves: Float64) -> float:
    """Return the variance of a sum of independent moves."""
    return float(moves.var(ddof=1) * len(moves)) if len(moves) > 1 else 0.0


def _groups(moves: Float64, variance: float) -> tuple[float, ...]:
    if not len(moves):
        return ()
    sums = np.zeros(GROUPS)
    np.add.at(sums, np.arange(len(moves)) % GROUPS, moves - moves.mean())
    sums -= sums.mean()
    spread = float((sums**2).sum()) * GROUPS / (GROUPS - 1)
    if spread > 0:
        sums *= math.sqrt(variance / spread)
    return tuple(float(f"{value:.3g}") for value in sums)
