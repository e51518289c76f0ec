"""Divergences between the histogram of a sampler and a reference: KL, total variation and Jensen-Shannon, in nats.

Each divergence has a function for its value, standard error and expected value, and one for its slopes, from which
``influence_from_slopes`` makes the influence of each sample. Slopes are the derivatives by the share of each cell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genbench.arrays import Bool, Float64, Int64
from genbench.metrics.influence import influence_of
from genbench.plugs.contracts import Influence


class FiniteSampleEstimate(NamedTuple):
    """A number, its standard error, and its expected value for a perfect sampler with the same number of samples.

    For a divergence of high-quality samples, the number of samples is the number of these.
    """

    value: float
    error: float
    expected: float


class Slopes(NamedTuple):
    """First derivatives of a divergence by the shares of the K cells of both histograms."""

    generated: Float64
    """float64 [K]"""
    reference: Float64
    """float64 [K]"""


def influence_from_slopes(
    slopes: Slopes, generated: Int64, reference: Int64, *, error: float, used: Bool | None = None
) -> Influence | None:
    """Return the influence of all samples on a divergence, or None if no sample is used.

    ``generated`` int64 [N] and ``reference`` int64 [M] are the cells of the samples; ``reference`` is empty if its
    shares are known exactly. ``used`` bool [N] tells which generated samples are in the histogram; default: all.
    """
    if used is None:
        influence = slopes.generated[generated] / len(generated)
    elif used.any():
        # samples outside the histogram do not move the score
        centre = slopes.generated[generated[used]].mean()
        influence = np.where(used, slopes.generated[generated] - centre, 0.0) / used.sum()
    else:
        return None
    return influence_of(influence, slopes.reference[reference] / max(len(reference), 1), error=error)


def histogram_kl(counts: Int64, share: Float64, size: float) -> FiniteSampleEstimate:
    """Return KL(q || p) = sum_k q_k ln(q_k / p_k) of the histogram q of ``counts`` [K] and the ``share`` p [K].

    ``size`` is the number of samples behind p, or infinity if p is exact. p must be above 0 wherever q is. Without any
    count, the value is the largest possible one: all mass on the rarest cell. The error is that of the delta method,
    with a variance of at least (K - 1)/2 (1/N + 1/M)^2, which remains if the histograms agree.
    """
    total = int(counts.sum())
    if not total:
        return FiniteSampleEstimate(float(-np.log(share[share > 0].min())), 0.0, 0.0)
    generated = counts / total
    hit = generated > 0
    ratio = generated[hit] / share[hit]
    value = float((generated[hit] * np.log(ratio)).sum())

    # delta method: the variance of the slopes on each side
    spread = float((generated[hit] * np.log(ratio) ** 2).sum()) - value**2
    reference_spread = float((generated[hit] * ratio).sum()) - 1

    # if the histograms agree, the KL is chi-squared, and noise makes the delta method's variance twice too large
    expected = (int((share > 0).sum()) - 1) / 2 * (1 / total + 1 / size)
    floor = expected * (1 / total + 1 / size)
    variance = max(spread / total + reference_spread / size - floor, floor)
    return FiniteSampleEstimate(max(value, 0.0), float(np.sqrt(variance)), expected)


def kl_slopes(generated: Float64, reference: Float64) -> Slopes:
    """Return the slopes of KL(generated [K] || reference [K]): ln(q / p) and -q / p."""
    ratio = generated / np.where(reference > 0, reference, 1.0)
    return Slopes(np.log(np.where(ratio > 0, ratio, 1.0)), -ratio)


def histogram_tv(counts: Int64, share: Float64, size: float) -> FiniteSampleEstimate:
    """Return the total variation 1/2 sum_k |q_k - p_k|, 0..1, of the histogram q of ``counts`` and the ``share`` p.

    ``size`` and the case without counts are those of ``histogram_kl``. The error is that of the delta method; it is up
    to 1.6 times too large if the histograms agree.
    """
    total = int(counts.sum())
    if not total:
        return FiniteSampleEstimate(float(1 - share[share > 0].min()), 0.0, 0.0)
    generated = counts / total
    difference = generated - share

    # delta method: the variance of the slopes on each side
    sign = np.sign(difference) / 2
    spread = float((generated * sign**2).sum() - (generated * sign).sum() ** 2) / total
    reference_spread = float((share * sign**2).sum() - (share * sign).sum() ** 2) / size

    # the mean absolute value of a normal variable is sqrt(2 / pi) standard deviations
    expected = float(np.sqrt(2 / np.pi * share * (1 - share) * (1 / total + 1 / size)).sum()) / 2
    return FiniteSampleEstimate(
        float(np.abs(difference).sum() / 2),
        float(np.sqrt(max(spread + reference_spread, 0.0))),
        float(min(expected, 1.0)),
    )


def tv_slopes(generated: Float64, reference: Float64) -> Slopes:
    """Return the slopes of the total variation between two histograms [K]: half the sign of the difference."""
    sign = np.sign(generated - reference) / 2
    return Slopes(sign, -sign)


def histogram_jsd(generated_counts: Int64, reference_counts: Int64) -> FiniteSampleEstimate:
    """Return the Jensen-Shannon divergence 1/2 KL(q || m) + 1/2 KL(p || m), m = (p + q)/2, 0..ln 2.

    q and p are the histograms of two lists of counts int64 [K], neither empty. The error is that of the delta method,
    with a variance of at least (K - 1)/32 (1/N + 1/M)^2, which remains if the histograms agree.
    """
    count, size = int(generated_counts.sum()), int(reference_counts.sum())
    generated, reference = generated_counts / count, reference_counts / size
    middle = (generated + reference) / 2
    value = variance = 0.0
    for share, samples in ((generated, count), (reference, size)):
        hit = share > 0
        logs = np.log(share[hit] / middle[hit]) / 2
        mean = float((share[hit] * logs).sum())
        value += mean
        # delta method: the variance of the slopes on this side
        variance += (float((share[hit] * logs**2).sum()) - mean**2) / samples

    # if the histograms agree, noise makes the delta method's variance twice too large, as for the KL
    floor = (len(middle) - 1) / 32 * (1 / count + 1 / size) ** 2
    return FiniteSampleEstimate(
        max(value, 0.0),
        float(np.sqrt(max(variance - floor, floor))),
        (len(middle) - 1) / 8 * (1 / count + 1 / size),
    )


def jsd_slopes(generated: Float64, reference: Float64) -> Slopes:
    """Return the slopes of the Jensen-Shannon divergence of two histograms [K]: 1/2 ln(2q / (p + q)), and likewise."""
    total = generated + reference
    sides = (np.log(np.where(side > 0, 2 * side / total, 1.0)) / 2 for side in (generated, reference))
    return Slopes(*sides)
