"""One look of a sequential gate: the difference between the samples so far and the baseline, measured at the margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from genbench.benchmarks import installed_benchmark
from genbench.comparison.comparability import require_comparable
from genbench.comparison.gate import BASELINE
from genbench.comparison.gate_checks import Check, check_of, require_sensible_margin
from genbench.comparison.margins import Margin, margin_of
from genbench.comparison.scored_subjects import ScoredSubjects, Tested
from genbench.comparison.sequential import Measured
from genbench.errors import InputError
from genbench.results import Result


@dataclass(frozen=True)
class LookedAt:
    """How a look compares with the baseline."""

    metric: str
    """Full name of the score that decides."""
    max_increase: str | float | None
    confidence: float
    paired: bool
    baseline_grows: bool
    """Whether the baseline is scored in the same looks, so that its error falls, too."""

    def require_margin(self, baseline: Sequence[Result]) -> Margin:
        """Return the margin. Raises UsageError if it means nothing for the baseline, InputError without a value."""
        recipe = installed_benchmark(baseline[0].benchmark)
        margin = (
            margin_of(self.metric, recipe)
            if self.max_increase is None
            else Margin.of(self.max_increase, "--max-increase")
        )
        subjects = ScoredSubjects.of({BASELINE: baseline}, self.metric, margin)
        if BASELINE not in subjects.estimates:
            raise InputError(
                f"The baseline's {self.metric} of {baseline[0].name} is not a finite number; choose another baseline."
            )
        require_sensible_margin(margin, subjects, BASELINE)
        return margin

    def measured(
        self, result: Result, baseline: Sequence[Result], *, same_samples: bool = False
    ) -> tuple[Measured, Check]:
        """Return what a look measures, and its check; ``same_samples`` if both are known to be of the same samples.

        Raises InputError if the protocols differ in more than the number of samples, or if a score lacks an error;
        UsageError for a margin that means nothing for the baseline's value.
        """
        count = result.generated.count or 0
        # the scores that decide do not depend on the number of samples, nor do independent draws on their seeds
        alike = replace(result, generated=replace(result.generated, count=baseline[0].generated.count))
        if not self.paired:
            alike = replace(alike, seed=baseline[0].seed)
        require_comparable([alike, *baseline])
        name = result.name if result.name != BASELINE else f"{BASELINE} (new)"
        margin = self.require_margin(baseline)
        # with its own number of samples, which is the unit of the scale of shares
        subjects = ScoredSubjects.of(
            {name: [result], BASELINE: baseline},
            self.metric,
            margin,
            allowed=("count",) if self.paired else ("count", "seed"),
        )
        tested = subjects.tested(name, BASELINE, confidence=self.confidence, paired=self.paired)
        if same_samples:
            tested = replace(tested, difference=replace(tested.difference, same_samples=True))
        check = check_of(tested, margin)
        value = result[self.metric].value
        return Measured(count, value, *self._excess(tested, check)), check

    def _excess(self, tested: Tested, check: Check) -> tuple[float, float, float]:
        """Return by how much the score is worse than allowed, its error, and the part that falls with the samples."""
        difference = tested.difference
        if not math.isfinite(difference.shift):
            return math.nan, 0.0, 0.0
        excess = check.worse_shift - check.allowed
        # the same samples are not worse at all
        if difference.same_samples:
            return -check.allowed, 0.0, 0.0
        if difference.shift_error is None or tested.contrast is None:
            raise InputError(
                f"{self.metric} has no error in {difference.a} or in the baseline, so looks cannot decide; score the "
                "baseline again with this version."
            )
        # the noise of the new samples, or of both sides if both grow
        noises = [noise.variance for noise, _ in tested.contrast.noises]
        own = sum(noises[:2]) if self.baseline_grows else noises[0]
        return excess, difference.shift_error, math.sqrt(own)
