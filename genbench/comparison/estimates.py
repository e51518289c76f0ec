"""The mean of each subject on the scale of the test, and its variance; a spread that is small by luck is raised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma

from genbench.array_types import Float64
from genbench.comparison.subject_scores import SubjectScores

EXACT = math.inf
"""Degrees of freedom of a variance that counts as known."""
MOST_PRIOR_DEGREES = 4.0
"""Largest number of degrees of freedom that the other subjects lend to the spread of one."""


@dataclass(frozen=True, eq=False)
class Noise:
    """Independent normal noise whose variance is estimated."""

    variance: float
    degrees: float
    """Degrees of freedom of ``variance``."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """The mean of one subject over its training seeds, on the scale of the comparison."""

    mean: float
    noise: Noise
    """Of the seeds and the generated samples together."""
    sampling: float
    """Variance due to the generated samples alone."""
    reference: Float64
    """[G], influence of the reference samples; 0 if unknown."""
    spread: float | None
    """Standard deviation over seeds (ddof 1); None for one seed."""
    typical_spread: float | None
    """What the spreads of all subjects together suggest; None if no subject has two seeds."""
    scores: SubjectScores


@dataclass(frozen=True)
class Moderated:
    """Variances over seeds after moderation."""

    variances: Float64
    """[M]"""
    degrees: Float64
    """[M]"""
    typical: float
    """The scale of the prior: the variance towards which small ones are raised."""
    center: float
    """The geometric mean of the true variances."""


def estimates(subjects: Sequence[SubjectScores]) -> list[Estimate]:
    """Return the estimates of subjects whose scores are on one scale.

    Subjects with one seed have their sampling variance only: they stand for one checkpoint, not for a method. For the
    others the spread over seeds includes the noise of their generated samples; the larger variance counts.
    """
    # the spreads of all subjects with two seeds or more inform each other
    several = [scores for scores in subjects if len(scores.values) > 1]
    counts = np.array([len(scores.values) for scores in several])
    spreads = np.array([scores.values.var(ddof=1) for scores in several])
    moderated = moderate(spreads, counts) if several else None
    # look up the moderated variance by subject
    position = {id(scores): index for index, scores in enumerate(several)}
    result = []
    for scores in subjects:
        noise = Noise(scores.own, EXACT)
        index = position.get(id(scores))
        # the spread over seeds, unless the error of the samples is larger
        if index is not None and moderated is not None:
            over_seeds = float(moderated.variances[index]) / len(scores.values)
            noise = Noise(max(over_seeds, scores.own), float(moderated.degrees[index]))
        result.append(
            Estimate(
                mean=float(scores.values.mean()),
                noise=noise,
                sampling=scores.own,
                reference=scores.mean_reference,
                spread=None if index is None else math.sqrt(spreads[index]),
                typical_spread=None if moderated is None else math.sqrt(moderated.typical),
                scores=scores,
            )
        )
    return result


def moderate(variances: Float64, counts: Float64) -> Moderated:
    """Raise variances [M] of ``counts`` [M] seeds that are small by luck towards what all suggest together.

    A scaled inverse chi-squared prior is fitted to all variances (Smyth 2004, Linear models and empirical Bayes
    methods, with at most ``MOST_PRIOR_DEGREES``). Variances below their posterior mean are raised to it and gain the
    degrees of freedom of the prior; larger ones stay, because lowering them would let an unstable method pass.
    """
    # subjects without any spread say nothing about the typical one
    degrees = np.asarray(counts, np.float64) - 1
    positive = variances > 0
    if not positive.any():
        return Moderated(variances, degrees, 0.0, 0.0)
    # logarithms of the variances without the bias of their degrees of freedom
    half = degrees[positive] / 2
    logs = np.log(variances[positive]) - digamma(half) + np.log(half)
    # the spread of the logarithms beyond chance decides how much the prior weighs
    excess = logs.var(ddof=1) - polygamma(1, half).mean() if len(logs) > 1 else 0.0
    prior = min(2 * _trigamma_inverse(excess), MOST_PRIOR_DEGREES) if excess > 0 else MOST_PRIOR_DEGREES
    # the center of the prior
    typical = math.exp(logs.mean() + digamma(prior / 2) - math.log(prior / 2))
    # the others cannot lend a subject more degrees of freedom than they have
    lent = np.minimum(prior, degrees.sum() - degrees)
    posterior = (lent * typical + degrees * variances) / (lent + degrees)
    # one-sided: only small variances change
    raised = variances <= posterior
    return Moderated(
        variances=np.where(raised, posterior, variances),
        degrees=np.where(raised, lent + degrees, degrees),
        typical=typical,
        center=float(np.exp(logs.mean())),
    )


def _trigamma_inverse(value: float) -> float:
    """Solve trigamma(x) = value for x > 0 by Newton's method (Smyth 2004, appendix)."""
    # very large and very small values have simple limits
    if value > 1e7:
        return 1 / math.sqrt(value)
    if value < 1e-6:
        return 1 / value
    # from a start below the solution the steps never overshoot
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-8:
            break
    return x
