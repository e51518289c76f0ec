"""The gate: fail if a result is worse than its baseline by more than is allowed and more than chance explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from scipy import stats

from genbench.benchmarks import installed_benchmark
from genbench.comparison.comparability import require_comparable
from genbench.comparison.differences import Difference, difference
from genbench.comparison.group_by_subject import by_subject, metric_name, read_subjects
from genbench.comparison.multiple_testing import adjusted
from genbench.errors import InputError, UsageError
from genbench.results import Result

Outcome = Literal["passed", "undecided", "failed"]


@dataclass(frozen=True)
class Check:
    """One metric of one subject, compared with the baseline."""

    difference: Difference
    """The result minus the baseline."""
    allowed: float
    """By how much the result may be worse, in the unit of the metric."""
    p: float | None
    """One-sided p-value of the hypothesis "not worse than allowed", after Holm's correction over all checks."""
    count: int | None
    """Number of samples of the result."""

    @property
    def worse_by(self) -> float:
        """By how much the result is worse than the baseline; negative if it is better."""
        return self.difference.value if self.difference.better == "lower" else -self.difference.value

    @property
    def outcome(self) -> Outcome:
        """``failed`` if it is significantly worse than allowed, ``undecided`` if chance may explain the excess."""
        # within the allowance no test is needed
        if self.worse_by <= self.allowed:
            return "passed"
        if self.p is None or self.p >= 1 - self.difference.confidence:
            return "undecided"
        return "failed"

    @property
    def decided_by(self) -> str:
        """What would decide an undecided check if the difference stays as it is; empty for other checks."""
        if self.outcome != "undecided":
            return ""
        difference = self.difference
        if difference.error is None or self.count is None:
            return "there is no error, so nothing can be decided"
        # the variance at which the excess is significant; only the part that is not the reference's can be reduced
        significant = ((self.worse_by - self.allowed) / float(stats.norm.ppf(difference.confidence))) ** 2
        reducible = significant - difference.reference_error**2
        if reducible <= 0:
            return "more samples would not decide: the reference is too small for such a difference"
        times = max((difference.error**2 - difference.reference_error**2) / reducible, 1.0)
        # more seeds if the error comes from training, more samples otherwise
        seeds = min(difference.seeds)
        if difference.training_error is not None and seeds > 1:
            return f"about {math.ceil(times * seeds) + 1:,} training seeds per subject ({seeds} now) would decide"
        return f"about {_rounded_up(times * self.count):,} samples per subject ({self.count:,} now) would decide"


def gate(
    result: str | Path | Sequence[Result],
    baseline: str | Path | Sequence[Result],
    *,
    metrics: Sequence[str] | None = None,
    max_increase: str | float = 0.0,
    confidence: float = 0.95,
) -> list[Check]:
    """Check results against a baseline; each is a file of results or a list of results.

    Subjects are matched by name; if both have one subject, these are matched whatever their names are. ``metrics``: by
    default the one by which the benchmark sorts, or the first of the result. ``max_increase``: how much worse they may
    get, in the unit of the metric or relative to the baseline, as in ``"2%"``. Raises InputError if protocols differ or
    no subjects match, UsageError for a wrong option.
    """
    checks = [
        _gate_check(candidate, base, metric_name(candidate, metric), max_increase, confidence)
        for candidate, base in _matched_subjects(_subjects_of(result), _subjects_of(baseline))
        for metric in metrics or [_main_metric(candidate[0])]
    ]
    # correct the p-values for the number of checks that have one
    tested = [index for index, check in enumerate(checks) if check.p is not None]
    p_values = adjusted([check.p for check in checks if check.p is not None])
    for index, p in zip(tested, p_values, strict=True):
        checks[index] = replace(checks[index], p=p)
    return checks


def _subjects_of(results: str | Path | Sequence[Result]) -> dict[str, list[Result]]:
    return read_subjects(results) if isinstance(results, (str, Path)) else by_subject(results)


def _matched_subjects(
    candidates: dict[str, list[Result]], baselines: dict[str, list[Result]]
) -> list[tuple[list[Result], list[Result]]]:
    """Return each subject of the result with its baseline."""
    # a single subject may have been renamed
    if len(candidates) == len(baselines) == 1:
        return list(zip(candidates.values(), baselines.values(), strict=True))
    common = [name for name in candidates if name in baselines]
    if not common:
        raise InputError(
            f"The result has {', '.join(candidates)} and the baseline has {', '.join(baselines)}: no name is in both; "
            "name the result like its baseline with --name."
        )
    return [(candidates[name], baselines[name]) for name in common]


def _gate_check(
    candidate: list[Result], baseline: list[Result], metric: str, max_increase: str | float, confidence: float
) -> Check:
    require_comparable([*candidate, *baseline])
    change = difference(candidate, baseline, metric, confidence=confidence, names=(candidate[0].name, "baseline"))
    if change.better is None:
        raise UsageError(f"{metric} has no better direction, so it cannot get worse; choose another metric.")
    # relative to the mean of the baseline
    allowed = _allowed_increase(max_increase, change.means[1])
    check = Check(change, allowed, None, candidate[0].generated.count)
    # without an error there is no p-value, and the check cannot fail
    if change.error is None or not math.isfinite(change.value):
        return check
    return replace(check, p=change.tail(check.worse_by - allowed))


def _allowed_increase(max_increase: str | float, baseline: float) -> float:
    """Return ``max_increase`` in the unit of the metric."""
    text = str(max_increase).strip()
    try:
        number = float(text.removesuffix("%"))
    except ValueError as error:
        raise UsageError(
            f"--max-increase must be a number or a percentage such as 2%, not {max_increase!r}."
        ) from error
    if not (math.isfinite(number) and number >= 0):
        raise UsageError(f"--max-increase must be 0 or more, not {max_increase!r}.")
    return number / 100 * abs(baseline) if text.endswith("%") else number


def _main_metric(result: Result) -> str:
    """Return the metric by which the result's benchmark sorts, or the result's first metric."""
    # benchmarks name their columns without the extractor
    names = {entry.name.partition("@")[0] for entry in result.scores}
    recipe = installed_benchmark(result.benchmark)
    columns = recipe.columns if recipe else ()
    return next((column for column in columns if column in names), result.scores[0].name)


def _rounded_up(number: float) -> int:
    """Round up to two significant digits."""
    # the unit of the second digit
    unit = int(10 ** max(math.floor(math.log10(number)) - 1, 0))
    return math.ceil(number / unit) * unit
