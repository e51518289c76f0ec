"""The gate: whether a result is worse than its baseline by more than is allowed and more than chance explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from scipy import stats

from genbench.benchmarks import followed
from genbench.comparison.comparability import require_comparable
from genbench.comparison.differences import Difference, difference
from genbench.comparison.multiple_testing import adjusted
from genbench.comparison.subjects import by_subject, metric_name, read_subjects
from genbench.errors import InputError, UsageError
from genbench.results import Result

Outcome = Literal["passed", "undecided", "failed"]


@dataclass(frozen=True)
class Check:
    """One metric of one subject against the baseline."""

    difference: Difference
    """Of the result minus the baseline."""
    allowed: float
    """By how much it may be worse, in the metric's unit."""
    p: float | None
    """One-sided p-value of being worse than allowed, after Holm's correction over the checks."""
    count: int | None
    """How many samples of the result were scored."""

    @property
    def worse_by(self) -> float:
        """By how much the result is worse than the baseline; negative where it is better."""
        return self.difference.value if self.difference.better == "lower" else -self.difference.value

    @property
    def outcome(self) -> Outcome:
        """``failed`` where it is worse than allowed beyond chance, ``undecided`` where it may be chance."""
        if self.worse_by <= self.allowed:
            return "passed"
        if self.p is None or self.p >= 1 - self.difference.confidence:
            return "undecided"
        return "failed"

    @property
    def decided_by(self) -> str:
        """What would decide an undecided case, if the difference stays as it is; empty for the others."""
        if self.outcome != "undecided":
            return ""
        one = self.difference
        if one.error is None or self.count is None:
            return "it has no error, so nothing can be said"
        wanted = ((self.worse_by - self.allowed) / float(stats.norm.ppf(one.confidence))) ** 2
        left = wanted - one.reference_error**2
        if left <= 0:
            return "more samples would not decide: the reference is too small for such a difference"
        times = max((one.error**2 - one.reference_error**2) / left, 1.0)
        if one.training_error is not None and min(one.seeds) > 1:
            return f"about {math.ceil(times * min(one.seeds)) + 1:,} training seeds a side ({min(one.seeds)} now) would"
        more = _rounded_up(times * self.count)
        return f"about {more:,} samples a side ({self.count:,} now) would decide"


def gate(
    result: str | Path | Sequence[Result],
    baseline: str | Path | Sequence[Result],
    *,
    metrics: Sequence[str] | None = None,
    max_increase: str | float = 0.0,
    confidence: float = 0.95,
) -> list[Check]:
    """Check results against a baseline, each given as a file of results or as a list of them.

    Subjects meet by name; a single one on both sides meets whatever it is called. ``metrics`` are by default the one
    that the benchmark sorts by, or the first of the result. ``max_increase``: how much worse they may get, in their own
    unit or, as in ``"2%"``, relative to the baseline. Raises InputError where protocols differ or nothing meets,
    UsageError for a wrong option.
    """
    checks = [
        _check(ours, theirs, metric_name(ours, metric), max_increase, confidence)
        for ours, theirs in _meetings(_subjects(result), _subjects(baseline))
        for metric in metrics or [_main_metric(ours[0])]
    ]
    tested = [at for at, check in enumerate(checks) if check.p is not None]
    values = adjusted([check.p for check in checks if check.p is not None])
    for at, p in zip(tested, values, strict=True):
        checks[at] = replace(checks[at], p=p)
    return checks


def _subjects(given: str | Path | Sequence[Result]) -> dict[str, list[Result]]:
    return read_subjects(given) if isinstance(given, (str, Path)) else by_subject(given)


def _meetings(
    ours: dict[str, list[Result]], theirs: dict[str, list[Result]]
) -> list[tuple[list[Result], list[Result]]]:
    if len(ours) == len(theirs) == 1:
        return list(zip(ours.values(), theirs.values(), strict=True))
    common = [name for name in ours if name in theirs]
    if not common:
        raise InputError(
            f"The result has {', '.join(ours)} and the baseline {', '.join(theirs)}: no name is in both; name the "
            "result like its baseline with --name."
        )
    return [(ours[name], theirs[name]) for name in common]


def _check(
    ours: list[Result], theirs: list[Result], metric: str, max_increase: str | float, confidence: float
) -> Check:
    require_comparable([*ours, *theirs])
    found = difference(ours, theirs, metric, confidence=confidence, names=(ours[0].name, "baseline"))
    if found.better is None:
        raise UsageError(f"Neither more nor less of {metric} is better, so it cannot get worse; choose another metric.")
    allowed = _allowed(max_increase, found.means[1])
    check = Check(found, allowed, None, ours[0].generated.count)
    if found.error is None or not math.isfinite(found.value):
        return check
    return replace(check, p=found.tail(check.worse_by - allowed))


def _allowed(max_increase: str | float, baseline: float) -> float:
    text = str(max_increase).strip()
    try:
        number = float(text.removesuffix("%"))
    except ValueError as error:
        raise UsageError(f"--max-increase is a number or a percentage such as 2%, not {max_increase!r}.") from error
    if not (math.isfinite(number) and number >= 0):
        raise UsageError(f"--max-increase is 0 or more, not {max_increase!r}.")
    return number / 100 * abs(baseline) if text.endswith("%") else number


def _main_metric(result: Result) -> str:
    """Return the metric by which the result's benchmark sorts, or the result's first."""
    names = {entry.name.partition("@")[0] for entry in result.scores}
    recipe = followed(result.benchmark)
    columns = recipe.columns if recipe else ()
    return next((column for column in columns if column in names), result.scores[0].name)


def _rounded_up(number: float) -> int:
    """Round up to two digits."""
    unit = int(10 ** max(math.floor(math.log10(number)) - 1, 0))
    return math.ceil(number / unit) * unit
