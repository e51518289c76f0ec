"""The difference of two subjects in one metric, with its standard error and a verdict at a margin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtr, stdtrit

from genbench.comparison.estimates import EXACT
from genbench.comparison.margins import Margin
from genbench.comparison.scales import ScoreScale
from genbench.plugs.contracts import Better
from genbench.results.display import Interval, html_table, number_text

Verdict = Literal["better", "worse", "equivalent", "not enough data", "different", "not comparable"]

ADVISED_POWER = 0.8
"""Probability of a verdict with the data that are advised."""
MOST_TIMES = 1e6
"""More data than this many times as much are not advised."""
EQUIVALENCE_LEVEL = 0.05
"""Level of each of the two one-sided tests for equivalence."""


@dataclass(frozen=True, repr=False)
class Difference:
    """Subject ``a`` minus subject ``b`` in one metric. Means over seeds are taken on ``scale``."""

    a: str
    b: str
    metric: str
    better: Better | None
    means: tuple[float, float]
    """Means of ``a`` and of ``b`` over training seeds: geometric means on the log scale."""
    seeds: tuple[int, int]
    error: float | None
    """Standard error of ``value`` to first order, from samples and seeds together; None if a score has no error."""
    sampling_error: float | None
    """Error due to the generated and the reference samples; it holds for these checkpoints only."""
    training_error: float | None
    """Error estimated by the spread over training seeds alone; None if a subject has one seed."""
    reference_error: float
    """Part of ``error`` due to the reference samples, which more generated samples do not reduce; 0 if unknown."""
    scale: ScoreScale
    """The scale of the test."""
    shift: float
    """Difference of the means on ``scale``."""
    shift_error: float | None
    """Standard error of ``shift``."""
    shift_reference: float
    """Part of ``shift_error`` due to the reference samples."""
    degrees: float
    """Degrees of freedom of the errors (Welch and Satterthwaite)."""
    margin: Margin
    """A difference that does not matter yet."""
    conservative: bool
    """Whether ``error`` may be too large, because it is unknown how much of the errors the subjects share."""
    same_samples: bool = False
    """Whether both subjects were computed from the same samples, byte for byte."""
    count: int | None = None
    """Number of samples of a seed; None if unknown."""
    fixed_count: bool = False
    """Whether a benchmark fixes the number of samples."""
    confidence: float = 0.95
    adjusted: float | None = None
    """p-value after the correction for the number of comparisons; None without a correction."""
    differs: tuple[str, ...] = ()
    """Fields in which the protocols of the subjects differ; if there are any, there is no verdict."""

    def __repr__(self) -> str:
        number = number_text(self.value, self.error)
        return f"<Difference {self.a!r} - {self.b!r} in {self.metric}: {number}, {self.verdict}>"

    def _repr_html_(self) -> str:
        return differences_table([self])

    @property
    def value(self) -> float:
        """Difference of the means, in the unit of the metric."""
        return self.means[0] - self.means[1]

    @property
    def p(self) -> float | None:
        """Two-sided p-value of the hypothesis of no difference; None without an error or with different protocols."""
        if self.shift_error is None or not math.isfinite(self.shift) or self.differs:
            return None
        return 2 * self.tail(abs(self.shift))

    def tail(self, shift: float) -> float:
        """Return the probability of a difference above ``shift`` on the scale if the true one is 0. Needs an error."""
        assert self.shift_error is not None
        # an exact difference is certain; a difference of 0 decides nothing
        if self.shift_error == 0:
            return 0.5 * float(shift <= 0) + 0.5 * float(shift < 0)
        return float(stdtr(self.degrees, -shift / self.shift_error))

    def reach(self, level: float) -> float:
        """Return the quantile of ``shift`` around the truth: ``level`` is the one-sided probability. Needs an error."""
        assert self.shift_error is not None
        return self.shift_error * float(stdtrit(self.degrees, level)) if self.shift_error else 0.0

    @property
    def interval(self) -> tuple[float, float] | None:
        """Confidence interval of ``value``, not corrected for the number of comparisons; None without an error.

        It is computed on the scale of the test around the mean of ``b``, so it holds 0 if and only if the test does not
        reject.
        """
        if self.shift_error is None or not math.isfinite(self.shift):
            return None
        # around the mean of b, which keeps the interval and the test consistent
        reach, at = self.reach((1 + self.confidence) / 2), float(self.scale.forward(self.means[1]))
        low, high = (float(self.scale.back(at + self.shift + side * reach)) - self.means[1] for side in (-1, 1))
        return low, high

    @property
    def equivalent(self) -> bool:
        """Whether the 90 % interval of the difference lies inside the margin (two one-sided tests)."""
        if self.shift_error is None or not math.isfinite(self.shift):
            return False
        # two one-sided tests: both ends of the interval are inside
        below, above = self.margin.limits(self.scale, self.means[1])
        reach = self.reach(1 - EQUIVALENCE_LEVEL)
        return self.shift - reach > -below and self.shift + reach < above

    @property
    def verdict(self) -> Verdict:
        """How ``a`` compares with ``b`` at the margin."""
        # other protocols and diverged models have no verdict
        if self.differs or not math.isfinite(self.shift):
            return "not comparable"
        if self.same_samples or self.equivalent:
            return "equivalent"
        # significant differences have a direction if the metric has one
        if not self.significant:
            return "not enough data"
        if self.better is None:
            return "different"
        return "better" if (self.shift < 0) == (self.better == "lower") else "worse"

    @property
    def significant(self) -> bool:
        """Whether the (adjusted) p-value is below 1 - confidence; the same samples never differ."""
        # rounding alone moves the score of the same samples
        p = self.p if self.adjusted is None else self.adjusted
        return not self.same_samples and p is not None and p < 1 - self.confidence

    @property
    def smallest_shown(self) -> float | None:
        """The smallest difference, in the unit of the metric, that such data show with 80 % power; None if unknown.

        These are 2.8 standard errors, or more if the degrees of freedom are few or the comparisons many.
        """
        if self.shift_error is None or not math.isfinite(self.shift):
            return None
        # from the mean of b upwards
        at = float(self.scale.forward(self.means[1]))
        shown = at + self.shift_error * self._needed_errors(self._level / 2, ADVISED_POWER, self.degrees)
        return float(self.scale.back(shown)) - self.means[1]

    @property
    def decided_by(self) -> str:
        """The data that would decide with 80 % power, as words; empty if there is a verdict already."""
        if self.verdict != "not enough data":
            return ""
        # without an error no number of samples helps
        if self.shift_error is None:
            return "scores with errors"
        margin = min(self.margin.limits(self.scale, self.means[1]))

        def decides(error: float, degrees: float) -> bool:
            # subjects as different as they seem are told apart, or equal ones become equivalent
            apart = abs(self.shift) >= error * self._needed_errors(self._level / 2, ADVISED_POWER, degrees)
            both_sides = (1 + ADVISED_POWER) / 2
            return apart or margin >= error * self._needed_errors(EQUIVALENCE_LEVEL, both_sides, degrees)

        return self.data_for(decides)

    def data_for(self, decides: Callable[[float, float], bool]) -> str:
        """Return how many seeds or samples make ``decides`` true of the error and its degrees of freedom."""
        # only the part that is not the reference's can be reduced
        if not decides(self.shift_reference, EXACT) or not decides(*self._after(MOST_TIMES)):
            return "a larger reference"
        # bisect the logarithm of the factor, until both ends round to the same number
        seeds = max(self.seeds)
        # a benchmark fixes the number of samples of a run
        count = None if self.fixed_count else self.count
        unit = seeds if seeds > 1 else count or 1
        few, many = 1.0, MOST_TIMES
        for _ in range(60):
            if rounded_up(few * unit) == rounded_up(many * unit):
                break
            middle = math.sqrt(few * many)
            few, many = (few, middle) if decides(*self._after(middle)) else (middle, many)
        # seeds if any side has several, otherwise samples
        needed = f"about {rounded_up(many * unit):,}"
        if seeds > 1:
            return f"{needed} training seeds each ({' and '.join(map(str, sorted(set(self.seeds))))} now)"
        return f"{needed} runs each with other seeds" if count is None else f"{needed} samples each ({count:,} now)"

    @property
    def _level(self) -> float:
        """The level of one test that its correction for the number of comparisons leaves."""
        # the ratio of both p-values says how much stricter each test is
        alone, together = self.p, self.adjusted
        share = min(alone / together, 1.0) if alone and together else 1.0
        return (1 - self.confidence) * share

    def _needed_errors(self, level: float, power: float, degrees: float) -> float:
        """Return the distance in standard errors that a one-sided test at ``level`` shows with ``power``."""
        return float(stdtrit(degrees, power) - stdtrit(degrees, level))

    def _after(self, times: float) -> tuple[float, float]:
        """Return the error on the scale and its degrees of freedom with ``times`` as many seeds or samples."""
        assert self.shift_error is not None
        shared = self.shift_reference * self.shift_reference
        own = max(self.shift_error * self.shift_error - shared, 0.0)
        # more seeds know their spread better
        seeds = max(self.seeds)
        growth = (seeds * times - 1) / (seeds - 1) if seeds > 1 else 1.0
        return math.sqrt(own / times + shared), self.degrees * growth


def satterthwaite(variances: Sequence[tuple[float, float]]) -> float:
    """Return the degrees of freedom of a sum of independent variances, each given with its own."""
    total = sum(variance for variance, _ in variances)
    # exact variances contribute nothing, because their degrees of freedom are infinite
    weighted = sum(variance * variance / degrees for variance, degrees in variances)
    # huge variances have no usable degrees of freedom
    degrees = total * total / weighted if weighted else EXACT
    return degrees if degrees > 0 else EXACT


def rounded_up(number: float) -> int:
    """Round up to two significant digits."""
    # the unit of the second digit
    unit = int(10 ** max(math.floor(math.log10(max(number, 1.0))) - 1, 0))
    return math.ceil(number / unit - 1e-9) * unit


def differences_table(differences: Sequence[Difference]) -> str:
    """Return differences as an HTML table with a small forest plot around 0."""
    headers = ["metric", "a", "b", "a - b", "verdict", "95 % interval"]
    rows = [[each.metric, each.a, each.b, number_text(each.value, each.error), each.verdict] for each in differences]
    # an interval around 0 is one of no difference
    intervals = [Interval(each.value, *each.interval) if each.interval else None for each in differences]
    # each metric has a unit of its own
    metrics = [each.metric for each in differences]
    return html_table("", headers, rows, intervals=intervals, scales=metrics, mark=0.0)
