"""The number of modes that samples capture, with the error that comes from modes which they hit by chance."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import bdtrc, betainc

from genbench.array_types import Bool, Float64, Int64

SMOOTHING = 10
"""Number of terms of the Good-Toulmin series, with binomial weights (Efron and Thisted 1976)."""

RARE = 10.0
"""A mode of which the target expects fewer samples than this is rare: a model like the target may miss it."""


class CapturedModes(NamedTuple):
    """Number of captured modes."""

    value: float
    error: float
    """Standard error, from the samples and from those of the reference."""
    expected: float
    """Expected number for a perfect sampler."""
    reference_error: float
    """Part of ``error`` from the samples of the reference; 0 if the target is known exactly."""


def captured_modes(
    least: float, counts: Int64, share: Float64, *, samples: int, target: Float64 | None, present: Bool
) -> CapturedModes:
    """Count the modes of the target that have ``least`` of their fair share of the counts, and at least one.

    The variance of the number of modes with a sample is f_1 - f_2 + f_3 - ... - f_1^2 / N, where f_k modes have k of
    the N samples: the expected number of further modes in as many new samples (Good and Toulmin 1956), less what a
    fixed number of samples takes from it. The alternating series is smoothed, and the variance is at least that of a
    model in which the modes that are rare in the target have the shares of the target, though at most f_1 + f_2 + 1:
    otherwise one rare mode that is missed, or hit twice, would seem certain. The modes of a counted target vary alike.

    If ``least`` requires more than one sample of a mode, each mode has the variance c (1 - c), where c is the chance
    that a repetition captures it: the hits of a repetition are negative binomial, because the share of the mode is
    uncertain. With the observed share instead, 83 to 92 % of intervals of a few modes near the limit held.

    ``counts`` [K] are samples per mode, of ``samples`` in all; ``share`` [K] the target, from ``target`` counts [K] or,
    if None, known exactly; ``present`` bool [K] its modes.
    """
    total = int(counts.sum())
    required = _required_counts(least, total, share)[present]
    hits = counts[present]
    # a mode counts only in full
    captured = hits >= required
    if (required <= 1).all():
        variance = _variance_of_hit_modes(hits, total * share[present], total)
    else:
        # whether a repetition captures a mode, given the hits: its share is known from them only (Jeffreys' prior)
        chance = betainc(required, hits + 0.5, 0.5)
        variance = float((chance * (1 - chance)).sum())
    # a mode of the reference that has one sample there could as well be missing
    reference_variance = 0.0
    if target is not None:
        seen = target[present][captured]
        reference_variance = _variance_of_hit_modes(np.round(seen).astype(np.int64), seen, float(target.sum()))
    # a perfect sampler hits each mode with the probability that its share of the target suggests
    perfect = _chance(_required_counts(least, samples, share)[present], samples, share[present])
    error = math.sqrt(variance + reference_variance)
    return CapturedModes(float(captured.sum()), error, float(perfect.sum()), math.sqrt(reference_variance))


def _variance_of_hit_modes(counts: Int64, likely: Float64, total: float) -> float:
    """Return the variance of the number of modes with a sample: observed and ``likely`` numbers [K] of ``total``."""
    # the series, from how many modes have 1, 2, ... samples
    frequencies = np.bincount(counts[counts <= SMOOTHING], minlength=SMOOTHING + 1)[1:]
    order = np.arange(1, SMOOTHING + 1)
    weights = bdtrc(order - 1, SMOOTHING, 0.5)
    series = float(((-1.0) ** (order - 1) * weights * frequencies).sum()) - frequencies[0] ** 2 / max(total, 1)
    # the variance for the target's own shares
    rare = likely[likely < RARE]
    missed = np.exp(-rare)
    own = (missed * (1 - missed)).sum() - (rare * missed).sum() ** 2 / max(total, 1)
    return max(float(series), min(float(own), float(frequencies[:2].sum() + 1)), 0.0)


def _required_counts(least: float, total: int, share: Float64) -> Float64:
    # the small number keeps 20 % of 25 at 5 when it is 5.000000000000001
    return np.asarray(np.maximum(np.ceil(least * total * share - 1e-9), 1))


def _chance(required: Float64, total: int, share: Float64) -> Float64:
    """Return the probability that at least ``required`` of ``total`` samples fall into each mode, [K]."""
    return np.asarray(bdtrc(required - 1, total, share), np.float64)
