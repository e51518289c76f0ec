"""Two unbiased gradients of an expectation: through the samples (reparametrised) and through their probability."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from genbench.arrays import Float64
from genbench.theory.estimates import Estimate, mean_of

Function = Callable[[Float64], Float64]


class Gradient(NamedTuple):
    """The derivatives of E[f(z)], z ~ N(mean, std^2), by mean and by std."""

    by_mean: Estimate
    by_std: Estimate


def reparametrised(derivative: Function, mean: float, std: float, *, count: int = 10_000, seed: int = 0) -> Gradient:
    """Estimate the gradient as E[f'(z)] and E[f'(z) e] with z = mean + std e, e ~ N(0, 1), from f'.

    Kingma and Welling 2014 (arXiv 1312.6114), section 2.4. For f = z^2 the truth is (2 mean, 2 std).
    """
    noise = np.random.default_rng(seed).standard_normal(count)
    slope = derivative(mean + std * noise)
    return Gradient(mean_of(slope), mean_of(slope * noise))


def score_function(function: Function, mean: float, std: float, *, count: int = 10_000, seed: int = 0) -> Gradient:
    """Estimate the gradient as E[f(z) d ln p(z)], from f alone (Williams 1992, REINFORCE).

    d ln p is e/std by the mean and (e^2 - 1)/std by the std. Unbiased as well, with far more variance.
    """
    noise = np.random.default_rng(seed).standard_normal(count)
    value = function(mean + std * noise)
    return Gradient(mean_of(value * noise / std), mean_of(value * (noise**2 - 1) / std))
