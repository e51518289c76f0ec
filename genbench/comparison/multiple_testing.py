"""Corrections of p-values for the number of comparisons: step-down max-T for differences, Holm's for any tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genbench.array_types import Float64
from genbench.comparison.estimates import Noise
from genbench.comparison.subject_scores import variance_of

Floats = npt.NDArray[np.float32]

DRAWS = 10_000
"""Number of draws of the null hypothesis."""
LARGEST_BLOCK = 4_000_000
"""Largest number of statistics in memory at once."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """The difference of two means: a sum of independent noises with signs, and the noise of a shared reference."""

    value: float
    noises: tuple[tuple[Noise, float], ...]
    """Each noise with its sign, 1 or -1. Contrasts of one subject share its noise."""
    reference: Float64
    """[G], influence of the reference samples."""

    @property
    def variance(self) -> float:
        """Variance of ``value``."""
        return sum(noise.variance for noise, _ in self.noises) + variance_of(self.reference)


@np.errstate(all="ignore")
def step_down(contrasts: Sequence[Contrast], *, draws: int = DRAWS, seed: int = 0) -> list[float]:
    """Return adjusted two-sided p-values: the chance of any false rejection stays below the level.

    The joint distribution of all statistics under the null hypothesis is simulated: normal noise, estimated variances
    with their degrees of freedom, and the shared reference. The adjusted p-value is the share of draws in which the
    largest statistic of the hypotheses not yet rejected is at least the observed one (Westfall and Young 1993, free
    step-down max-T), kept from falling.
    """
    if not contrasts:
        return []
    # each noise is drawn once and enters all its contrasts with a sign
    noises = list(dict.fromkeys(noise for contrast in contrasts for noise, _ in contrast.noises))
    column = {noise: index for index, noise in enumerate(noises)}
    signs = np.zeros((len(noises), len(contrasts)), np.float32)
    for test, contrast in enumerate(contrasts):
        for noise, sign in contrast.noises:
            signs[column[noise], test] = sign
    # the observed statistics
    variances = np.array([noise.variance for noise in noises])
    degrees = np.array([noise.degrees for noise in noises])
    reference = np.array([contrast.reference for contrast in contrasts])
    shared = np.array([variance_of(row) for row in reference])
    observed = _ratio(np.abs([contrast.value for contrast in contrasts]), np.sqrt(variances @ np.abs(signs) + shared))
    # from the least to the most significant: the running maximum is that of the hypotheses not yet rejected
    order = np.argsort(observed, kind="stable")
    # count the draws whose largest statistic is at least the observed one
    exceeding = np.zeros(len(contrasts))
    rng = np.random.default_rng(seed)
    block = max(1, min(draws, LARGEST_BLOCK // len(contrasts)))
    for start in range(0, draws, block):
        null = _null_statistics(rng, min(block, draws - start), variances, degrees, signs, reference)
        largest = np.maximum.accumulate(null[:, order], axis=1)
        exceeding[order] += (largest >= observed[order]).sum(axis=0)
    p_values = (exceeding + 1) / (draws + 1)
    # kept from falling: a less significant test has no smaller p-value
    p_values[order[::-1]] = np.maximum.accumulate(p_values[order[::-1]])
    return [float(p) for p in p_values]


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values: the chance of any false rejection stays below the level (Holm 1979).

    The i-th smallest of m p-values is multiplied by m - i + 1, and is at least as large as the adjusted one before it.
    """
    # from the smallest p-value to the largest
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, largest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        # the running maximum keeps the order of the p-values
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = largest
    return corrected


def _null_statistics(
    rng: np.random.Generator, draws: int, variances: Float64, degrees: Float64, signs: Floats, reference: Float64
) -> Float64:
    """Draw the absolute statistics [draws, M] of all contrasts if no difference exists."""
    # the noise of the means
    noise = rng.standard_normal((draws, len(variances)), np.float32) * np.sqrt(variances).astype(np.float32)
    # the estimated variances; a known variance is exact
    estimated = np.broadcast_to(variances, noise.shape).astype(np.float32)
    finite = np.isfinite(degrees)
    if finite.any():
        ratio = rng.chisquare(degrees[finite], (draws, int(finite.sum()))) / degrees[finite]
        estimated[:, finite] *= ratio
    # all contrasts of one draw see the same reference
    groups = reference.shape[1]
    factor = np.sqrt(groups / max(groups - 1, 1))
    common = (rng.standard_normal((draws, groups), np.float32) * np.float32(factor)) @ reference.T.astype(np.float32)
    shared = np.array([variance_of(row) for row in reference])
    error = np.sqrt(estimated @ np.abs(signs) + shared.astype(np.float32))
    return _ratio(np.abs(noise @ signs + common), error)


def _ratio(values: Float64, errors: Float64) -> Float64:
    """Divide; 0 / 0 is 0: without any noise, equal values do not differ."""
    with np.errstate(all="ignore"):
        ratio = values / errors
    return np.where(values == 0, 0.0, ratio)
