"""Two unbiased estimators of the gradient of an expectation: reparameterization and the score function."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from genbench.array_types import Float64
from genbench.theory.estimates import EstimateWithError, mean_of

# vectorised: float64 [N] -> float64 [N]
RealFunction = Callable[[Float64], Float64]


class Gradient(NamedTuple):
    """The derivatives of E[f(z)], z ~ N(mean, std^2), by the mean and by the std."""

    by_mean: EstimateWithError
    by_std: EstimateWithError


def reparameterized_gradient(
    derivative: RealFunction, mean: float, std: float, *, count: int = 10_000, seed: int = 0
) -> Gradient:
    """Estimate the gradient from f' as (E[f'(z)], E[f'(z) e]), with z = mean + std e and e ~ N(0, 1).

    Kingma and Welling 2014 (arXiv 1312.6114), section 2.4. For f = z^2 the exact gradient is (2 mean, 2 std).
    """
    noise = np.random.default_rng(seed).standard_normal(count)
    slope = derivative(mean + std * noise)
    # chain rule: dz/dmean = 1 and dz/dstd = e
    return Gradient(mean_of(slope), mean_of(slope * noise))


def score_function_gradient(
    function: RealFunction, mean: float, std: float, *, count: int = 10_000, seed: int = 0
) -> Gradient:
    """Estimate the gradient from f alone as E[f(z) grad ln p(z)] (Williams 1992, REINFORCE).

    grad ln p is e/std by the mean and (e^2 - 1)/std by the std. This is unbiased too, but its variance is much larger.
    """
    noise = np.random.default_rng(seed).standard_normal(count)
    value = function(mean + std * noise)
    # the score of N(mean, std^2) times f
    return Gradient(mean_of(value * noise / std), mean_of(value * (noise**2 - 1) / std))
