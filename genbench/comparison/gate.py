"""The gate: compare results with a baseline, and decide whether they are worse than allowed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from genbench.benchmarks import installed_benchmark
from genbench.comparison.chosen_scores import deciding, direction, main_metric
from genbench.comparison.comparability import require_comparable
from genbench.comparison.gate_checks import Check, check_of, require_sensible_margin
from genbench.comparison.group_by_subject import by_subject, entries_of, metric_name, newest, read_subjects
from genbench.comparison.margins import Margin, margin_of
from genbench.comparison.multiple_testing import adjusted
from genbench.comparison.scored_subjects import ScoredSubjects
from genbench.errors import InputError, UsageError
from genbench.results import Result

BASELINE = "baseline"
"""Name of the baseline in the differences."""


def gate(
    result: str | Path | Sequence[Result],
    baseline: str | Path | Sequence[Result],
    *,
    metrics: Sequence[str] | None = None,
    max_increase: str | float | None = None,
    confidence: float = 0.95,
    paired: bool = False,
) -> list[Check]:
    """Check results against a baseline; each is a file of results or a list of results.

    A check passes only if the upper bound of "worse by" is below the allowed increase, fails only if the lower bound is
    above it, and is undecided otherwise. The bounds are one-sided; failures are corrected for the number of checks
    (Holm), and passes need no correction, because all checks must pass.

    Subjects are matched by name; if both have one subject, these are matched whatever their names are. ``metrics``: by
    default the one by which the benchmark sorts, or the first of the baseline; a distance with a debiased form is
    checked by it. ``max_increase``: how much worse they may get, relative to the baseline, as in ``"2%"``, or in the
    unit of the metric; by default the margin of the benchmark, 10 %, or .02 for shares. ``paired``: sample i of both
    was drawn with the same seed. Raises InputError if protocols differ, no subjects match, a score is missing or the
    baseline is not finite; UsageError for a wrong option and for a margin that means nothing for the baseline's value.
    """
    # read the option before the files
    margin = None if max_increase is None else Margin.of(max_increase, "--max-increase")
    candidates, baselines = _subjects_of(result), _subjects_of(baseline)
    checks = [
        _gate_check(candidate, base, metric, margin, confidence=confidence, paired=paired)
        for candidate, base in _matched_subjects(candidates, baselines)
        for metric in _checked_metrics(candidate, base, metrics)
    ]
    # correct the p-values for the number of checks that have one; only significant excess fails
    tested = [index for index, check in enumerate(checks) if check.p is not None]
    p_values = adjusted([check.p for check in checks if check.p is not None])
    for index, p in zip(tested, p_values, strict=True):
        failed = checks[index].outcome == "undecided" and p < 1 - confidence
        checks[index] = replace(checks[index], p=p, outcome="failed" if failed else checks[index].outcome)
    return checks + list(_unmatched(candidates, baselines))


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


def _unmatched(candidates: dict[str, list[Result]], baselines: dict[str, list[Result]]) -> Iterator[Check]:
    """Yield a check for each subject that only one side has, so that none disappears without a word."""
    # a single subject on each side is matched whatever its name is
    if len(candidates) == len(baselines) == 1:
        return
    for name in candidates:
        if name not in baselines:
            yield Check(name, "", "undecided", "the baseline has no such subject")
    # one new result beside a whole leaderboard is an ordinary check; a missing one among several is not
    for name in baselines:
        if name not in candidates:
            outcome = "not checked" if len(candidates) == 1 else "undecided"
            yield Check(name, "", outcome, "it is in the baseline and has no new result")  # type: ignore[arg-type]


def _checked_metrics(candidate: list[Result], baseline: list[Result], metrics: Sequence[str] | None) -> list[str]:
    """Return the full names of the scores that are checked."""
    # names are looked up on both sides
    everything = [*candidate, *baseline]
    chosen = [metric_name(everything, metric) for metric in metrics or ()] or [main_metric(baseline)]
    # the baseline decides what is checked; a score that the result lacks is an error, and not left out
    for name in chosen:
        entries_of(everything, name)
    return list(dict.fromkeys(deciding(everything, name) for name in chosen))


def _gate_check(
    candidate: list[Result],
    baseline: list[Result],
    metric: str,
    margin: Margin | None,
    *,
    confidence: float,
    paired: bool,
) -> Check:
    # the same protocol, and a direction in which it can get worse
    require_comparable([*candidate, *baseline])
    # in one protocol, a result with other metrics besides is a repeat, and not another training seed
    candidate, baseline = (newest(side, one_protocol=True) for side in (candidate, baseline))
    if direction([*candidate, *baseline], metric) is None:
        raise UsageError(f"{metric} has no better direction, so it cannot get worse; choose another metric.")
    name = candidate[0].name if candidate[0].name != BASELINE else f"{BASELINE} (new)"
    allowed = margin or margin_of(metric, installed_benchmark(baseline[0].benchmark))
    # the two subjects alone, at the margin that is allowed
    subjects = ScoredSubjects.of({name: candidate, BASELINE: baseline}, metric, allowed)
    if BASELINE not in subjects.estimates:
        raise InputError(
            f"The baseline's {metric} of {baseline[0].name} is not a finite number; choose another baseline."
        )
    require_sensible_margin(allowed, subjects, BASELINE)
    check = check_of(subjects.tested(name, BASELINE, confidence=confidence, paired=paired), allowed)
    return replace(check, seconds=sum(result.seconds for result in candidate))
