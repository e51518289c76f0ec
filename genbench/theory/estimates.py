"""A number with its standard error, and how to make one from independent draws."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from genbench.arrays import Float64


class Estimate(NamedTuple):
    """A value and the standard error that is known of it."""

    value: float
    error: float


def mean_of(draws: Float64) -> Estimate:
    """Return the mean of independent draws float64 [N] and std / sqrt(N).

    One infinite draw makes the mean infinite for certain, so its error is 0, not nan. A single draw has an infinite
    error.
    """
    if not np.isfinite(draws).all():
        return Estimate(math.inf if bool((draws == np.inf).any()) else -math.inf, 0.0)
    if len(draws) < 2:
        return Estimate(float(draws.mean()), math.inf)
    return Estimate(float(draws.mean()), float(draws.std(ddof=1) / math.sqrt(len(draws))))


def halves(first: Estimate, second: Estimate) -> Estimate:
    """Return the average of two independent estimates."""
    return Estimate((first.value + second.value) / 2, math.hypot(first.error, second.error) / 2)


def seeds(seed: int, count: int) -> list[int]:
    """Return that many independent seeds made from one."""
    return [int(word) for word in np.random.SeedSequence(seed).generate_state(count, np.uint64)]
