"""Divergences between the histograms of a sampler and of a reference: KL, total variation and Jensen-Shannon, in nats.

Each has a function for the value, its standard error and its expected value, and one for the influence of the samples.
The influence of a sample is the slope of its cell, the derivative of the divergence by the share of that cell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genbench.array_types import Bool, Float64, Int64
from genbench.metrics.group_influence import influence_of
from genbench.plugs.contracts import Influence


class FiniteSampleEstimate(NamedTuple):
    """A number, its standard error, and its expected value for a perfect sampler with the same number of samples.

    For a divergence of high-quality samples, the number of samples is the number of these.
    """

    value: float
    error: float
    expected: float


def histogram_kl(counts: Int64, share: Float64, size: float) -> FiniteSampleEstimate:
    """Return KL(q || p) = sum_k q_k ln(q_k / p_k) of the histogram q of ``counts`` [K] and the ``share`` p [K].

    ``size`` is the number of samples behind p, or infinity if p is exact. p must be above 0 wherever q is. Without any
    count, the value is the largest possible one. The error is that of the delta method, with a variance of at least
    (K - 1)/2 (1/N + 1/M)^2, which remains if the histograms agree.
    """
    # without any count, all mass lies on the rarest cell
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


def kl_influence(generated: Int64, reference: Int64, share: Float64, *, used: Bool, error: float) -> Influence | None:
    """Return the influence of the samples on KL(q || p), with the slopes ln(q / p) and -q / p.

    ``generated`` int64 [N] and ``reference`` int64 [M] are the cells of the samples; ``reference`` is empty if the
    ``share`` p [K] is exact. q is the histogram of the samples that ``used`` bool [N] selects. Returns None if it
    selects none.
    """
    ratio = _shares_of(generated[used], len(share)) / np.where(share > 0, share, 1.0)
    slopes = np.log(np.where(ratio > 0, ratio, 1.0)), -ratio
    return _influence_from_slopes(slopes, generated, reference, used, error)


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


def tv_influence(generated: Int64, reference: Int64, share: Float64, *, used: Bool, error: float) -> Influence | None:
    """Return the influence of the samples on the total variation, with the slopes ± sign(q - p) / 2.

    Arguments and result are those of ``kl_influence``.
    """
    sign = np.sign(_shares_of(generated[used], len(share)) - share) / 2
    return _influence_from_slopes((sign, -sign), generated, reference, used, error)


def _shares_of(cells: Int64, count: int) -> Float64:
    return np.asarray(np.bincount(cells, minlength=count) / max(len(cells), 1))


def _influence_from_slopes(
    slopes: tuple[Float64, Float64], generated: Int64, reference: Int64, used: Bool, error: float
) -> Influence | None:
    # without a histogram there is no slope
    if not used.any():
        return None
    slope, reference_slope = slopes
    # samples outside the histogram do not move the divergence
    influence = np.where(used, slope[generated] - slope[generated[used]].mean(), 0.0) / used.sum()
    return influence_of(influence, reference_slope[reference] / max(len(reference), 1), error=error)


def histogram_jsd(generated_counts: Int64, reference_counts: Int64) -> FiniteSampleEstimate:
    """Return the Jensen-Shannon divergence 1/2 KL(q || m) + 1/2 KL(p || m), m = (p + q)/2, 0..ln 2.

    q and p are the histograms of two lists of counts int64 [K], neither empty. The error is that of the delta method,
    with a variance of at least (K - 1)/32 (1/N + 1/M)^2, which remains if the histograms agree.
    """
    count, size = int(generated_counts.sum()), int(reference_counts.sum())
    generated, reference = generated_counts / count, reference_counts / size

    # each side adds half its KL to the mixture m
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


def jsd_influence(generated: Int64, reference: Int64, cells: int, *, error: float) -> Influence | None:
    """Return the influence of the samples on the divergence, with the slopes ln(q / m) / 2 and ln(p / m) / 2.

    ``generated`` int64 [N] and ``reference`` int64 [M] are the cells of the samples, in 0..cells-1.
    """
    q, p = _shares_of(generated, cells), _shares_of(reference, cells)
    slopes = [np.log(np.where(side > 0, 2 * side / (p + q), 1.0)) / 2 for side in (q, p)]
    return influence_of(slopes[0][generated] / len(generated), slopes[1][reference] / len(reference), error=error)
