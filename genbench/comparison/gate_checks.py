"""One check of a gate: it passes and it fails only on evidence, and is undecided in between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from genbench.comparison.differences import ADVISED_POWER, Difference
from genbench.comparison.margins import Margin
from genbench.comparison.multiple_testing import Contrast
from genbench.comparison.scored_subjects import ScoredSubjects, Tested
from genbench.errors import UsageError

Outcome = Literal["passed", "undecided", "failed", "not checked"]

RUNS = 20
"""Number of runs for which the rate of false alarms is given."""


@dataclass(frozen=True)
class FalseAlarms:
    """How often a gate fails a result whose true score is that of the baseline."""

    average: float
    """Share of runs, over all baselines."""
    unlucky: float
    """Share of runs against a baseline that is by chance too good, as 5 % of baselines are."""
    in_many_runs: float
    """Probability of at least one failure in ``RUNS`` runs against one baseline."""


@dataclass(frozen=True)
class Check:
    """One metric of one subject, compared with the baseline."""

    subject: str
    metric: str
    outcome: Outcome
    reason: str = ""
    """Why, if the outcome does not follow from the numbers."""
    difference: Difference | None = None
    """The result minus the baseline; None if there is no baseline or no result."""
    margin: Margin | None = None
    """By how much the result may be worse."""
    allowed: float = 0.0
    """``margin`` on the scale of the test."""
    p: float | None = None
    """One-sided p-value of the hypothesis "not worse than allowed", after Holm's correction over all checks."""
    false_alarms: FalseAlarms | None = None
    seconds: float = 0.0
    """How long the scoring of the result took: all its training seeds and metrics together."""

    @property
    def worse_shift(self) -> float:
        """By how much the result is worse than the baseline, on the scale of the test."""
        assert self.difference is not None
        return self.difference.shift if self.difference.better == "lower" else -self.difference.shift

    @property
    def worse_by(self) -> float:
        """By how much the result is worse than the baseline, in the unit of the metric; negative if it is better."""
        assert self.difference is not None
        return self.difference.value if self.difference.better == "lower" else -self.difference.value

    @property
    def improved(self) -> bool:
        """Whether the result is significantly better than the baseline."""
        # one-sided, with margin 0
        difference = self.difference
        if difference is None or difference.shift_error is None or not math.isfinite(difference.shift):
            return False
        return self.worse_shift + difference.reach(difference.confidence) < 0

    @property
    def decided_by(self) -> str:
        """The data that would decide an undecided check with 80 % power if the difference stays as it is, as words."""
        # other outcomes need no more data
        if self.outcome != "undecided" or self.difference is None:
            return ""
        if self.difference.shift_error is None:
            return "scores with errors"
        # until the distance from the margin is significant
        distance, level = abs(self.worse_shift - self.allowed), 1 - self.difference.confidence
        return self.difference.data_for(
            lambda error, degrees: distance >= error * float(stdtrit(degrees, ADVISED_POWER) - stdtrit(degrees, level))
        )


def check_of(tested: Tested, margin: Margin) -> Check:
    """Return the check of one difference before the correction for the number of checks."""
    difference = tested.difference
    subject, metric = difference.a, difference.metric
    # a value that is not finite is a failed run, and never a pass
    if not math.isfinite(difference.shift):
        return Check(subject, metric, "failed", "the score is not a finite number", difference, margin)
    # the allowance on the scale, in the direction that is worse
    below, above = margin.limits(difference.scale, difference.means[1])
    allowed = above if difference.better == "lower" else below
    check = Check(subject, metric, "undecided", "", difference, margin, allowed)
    # nothing was drawn anew, so there is nothing to test
    if difference.same_samples:
        return _with(check, "passed", "the same samples")
    # the point estimate alone
    if difference.shift_error is None:
        # without an error nothing passes, but what is far beyond the margin is not let through
        if check.worse_shift > allowed:
            return _with(check, "failed", "there is no error, so the difference counts as it is")
        return _with(check, "undecided", "there is no error")
    # non-inferior if the upper bound is below the margin; the failure waits for the correction of all p-values
    p = difference.tail(check.worse_shift - allowed)
    upper = check.worse_shift + difference.reach(difference.confidence)
    # how often an equal result would fail
    alarms = None if tested.contrast is None else false_alarms(tested.contrast, allowed, difference.confidence)
    outcome: Outcome = "passed" if upper < allowed else "undecided"
    return Check(subject, metric, outcome, "", difference, margin, allowed, p, alarms)


def require_sensible_margin(margin: Margin, subjects: ScoredSubjects, baseline: str) -> None:
    """Raise UsageError for a relative margin near 0, and for a number that is more than the whole score."""
    # a baseline that is not finite is refused elsewhere
    estimate, value = subjects.estimates.get(baseline), subjects.typical(baseline)
    if estimate is None:
        return
    # on these scales 0 is an ordinary value, and the interval may include it
    error = math.sqrt(Contrast(0.0, ((estimate.noise, 1.0),), estimate.reference).variance)
    near_zero = subjects.scale.kind in ("asinh", "identity") and estimate.mean <= 1.96 * error
    if margin.relative and margin.amount > 0 and (near_zero or value <= 0):
        what = f"the default allowance, {margin}," if margin.default else f"--max-increase: {margin}"
        # two standard errors of the baseline, in the unit of the score
        some = abs(2 * error / float(subjects.scale.slope(value)))
        example = f', for example --max-increase "{some:.2g} units",' if 0 < some < math.inf else ""
        raise UsageError(
            f"{what} of the baseline's {subjects.metric} means nothing, because {value:.4g} is not clearly above 0; "
            f"give a number in the unit of the score{example} or --no-worse."
        )
    # a percentage was meant, most likely
    if not margin.relative and not margin.explicit and margin.amount >= 1 and margin.amount > abs(value):
        raise UsageError(
            f"--max-increase {margin} is more than the whole {subjects.metric} of the baseline, {value:.4g}; write "
            f"{margin}% for a share of it, or '{margin} units' for the unit of the score."
        )


def false_alarms(contrast: Contrast, allowed: float, confidence: float) -> FalseAlarms:
    """Return how often an equal result fails. The errors of the baseline and of the reference are those of all runs."""
    error = math.sqrt(contrast.variance)
    # a result fails if it seems worse by more than this
    threshold = allowed + float(ndtri(confidence)) * error
    if error == 0 or not math.isfinite(threshold):
        return FalseAlarms(0.0, 0.0, 0.0)
    # only the result is drawn anew in every run, and the error of the baseline stays;
    # paired samples are all drawn anew
    fresh = math.sqrt(contrast.noises[0][0].variance)
    fixed = math.sqrt(max(error**2 - fresh**2, 0.0)) if len(contrast.noises) > 1 else 0.0
    if fresh == 0 or len(contrast.noises) == 1:
        fresh = error
    # average over the error of the baseline by Gauss-Hermite quadrature
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    rates = ndtr((fixed * nodes - threshold) / fresh)
    weights = weights / weights.sum()
    return FalseAlarms(
        average=float(ndtr(-threshold / error)),
        unlucky=float(ndtr((fixed * float(ndtri(0.95)) - threshold) / fresh)),
        in_many_runs=float(weights @ (1 - (1 - rates) ** RUNS)),
    )


def _with(check: Check, outcome: Outcome, reason: str) -> Check:
    return Check(check.subject, check.metric, outcome, reason, check.difference, check.margin, check.allowed)
