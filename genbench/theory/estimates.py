"""A value with its standard error, computed from independent draws."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from genbench.array_types import Float64


class EstimateWithError(NamedTuple):
    """An estimate and its standard error."""

    value: float
    error: float


def mean_of(draws: Float64) -> EstimateWithError:
    """Return the mean of independent draws float64 [N] with the error std / sqrt(N).

    If a draw is infinite, the mean is certainly infinite and its error is 0, not nan. A single draw has an infinite
    error.
    """
    if not np.isfinite(draws).all():
        return EstimateWithError(math.inf if bool((draws == np.inf).any()) else -math.inf, 0.0)
    # one draw says nothing about the spread
    if len(draws) < 2:
        return EstimateWithError(float(draws.mean()), math.inf)
    return EstimateWithError(float(draws.mean()), float(draws.std(ddof=1) / math.sqrt(len(draws))))


def average_of_two(first: EstimateWithError, second: EstimateWithError) -> EstimateWithError:
    """Return the average of two independent estimates."""
    # errors of independent estimates add in quadrature
    return EstimateWithError((first.value + second.value) / 2, math.hypot(first.error, second.error) / 2)


def seeds(seed: int, count: int) -> list[int]:
    """Derive ``count`` independent seeds from one."""
    # SeedSequence hashes the seed, so that neighbouring seeds give unrelated streams
    return [int(word) for word in np.random.SeedSequence(seed).generate_state(count, np.uint64)]
