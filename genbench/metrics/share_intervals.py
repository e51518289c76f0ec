"""Errors and 95 % confidence intervals of shares and ratios, which are not symmetric near their bounds."""

from __future__ import annotations

import math

from scipy.special import expit, gammaincinv, logit, ndtri, stdtrit

Ends = tuple[float, float]
"""Lower and upper end of an interval."""

Z = float(ndtri(0.975))


def binomial_error(share: float, count: int) -> float:
    """Return the standard error of a share of ``count`` independent samples, above 0 also for shares of 0 and 1.

    It is the larger of sqrt(p (1 - p) / N) for the share p and for the share after two successes and two failures are
    added (Agresti and Coull 1998).
    """
    total = count + 4
    adjusted = (share * count + 2) / total
    return math.sqrt(max(share * (1 - share) / count, adjusted * (1 - adjusted) / total))


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of ``count`` independent samples (Wilson 1927), within 0..1.

    Next to 0 and 1 Wilson's interval contains the true share too rarely (91 % at .999 with 100 samples). For up to 3
    successes (2 for fewer than 50 samples) the lower end is therefore that of a Poisson variable, and likewise for up
    to 3 failures the upper one (Brown, Cai, DasGupta 2001, section 4.1.1).
    """
    centre = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z / (1 + Z**2 / count) * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    low, high = max(centre - half, 0.0), min(centre + half, 1.0)
    # the number of successes or failures that counts as rare
    successes, rare = round(share * count), 2 if count < 50 else 3
    if successes <= rare:
        low = _rare_share(successes, count)
    if count - successes <= rare:
        high = 1 - _rare_share(count - successes, count)
    return low, high


def _rare_share(events: int, count: int) -> float:
    """Return the share at which more events than this, or as many, have a probability of 5 %; 0 for no event."""
    return float(gammaincinv(events, 0.05)) / count if events else 0.0


def logit_interval(share: float, error: float, degrees: float) -> tuple[float, float]:
    """Return the 95 % interval of a share in 0..1 (both excluded), symmetric in ln(share / (1 - share)).

    ``error`` is the standard error of the share, with ``degrees`` degrees of freedom (Student's t).
    """
    half = float(stdtrit(degrees, 0.975)) * error / (share * (1 - share))
    return float(expit(logit(share) - half)), float(expit(logit(share) + half))


def log_interval(value: float, error: float, degrees: float) -> tuple[float, float] | None:
    """Return the 95 % interval of a number above 0, symmetric in its logarithm; arguments as ``logit_interval``.

    Returns None if the error is larger than the value, where the logarithm says nothing.
    """
    if error > value:
        return None
    factor = math.exp(float(stdtrit(degrees, 0.975)) * error / value)
    return value / factor, value * factor
