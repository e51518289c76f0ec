"""Compare subjects with the best of them, with a baseline, or all with each other, in one metric or several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from genbench.comparison.chosen_scores import deciding, main_metric, one_of_each_family
from genbench.comparison.comparability import require_comparable
from genbench.comparison.differences import Difference, differences_table
from genbench.comparison.group_by_subject import metric_name, newest
from genbench.comparison.margins import Margin
from genbench.comparison.scored_subjects import ScoredSubjects, Tested, corrected
from genbench.errors import InputError, UsageError, did_you_mean
from genbench.results import Result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Question:
    """What is compared with what."""

    metrics: Sequence[str] | None = None
    """Short or full names of scores; None means the main metric of the recipe."""
    all_metrics: bool = False
    """Compare in all common scores that have a direction, one of each family."""
    baseline: str | None = None
    """The subject with which all others are compared; None means the best one, or the second of two."""
    all_pairs: bool = False
    """Compare every pair of subjects."""
    margin: str | float | None = None
    """A difference that does not matter; None means that of the recipe or the default."""
    confidence: float = 0.95
    paired: bool = False
    allow_mixed: bool = False


@dataclass(frozen=True, repr=False)
class Comparison:
    """The differences of subjects in one metric or several."""

    subjects: dict[str, list[Result]]
    """The results of each subject, one per training seed."""
    differences: tuple[Difference, ...]
    """Their p-values are corrected for their number, so that all verdicts hold at once."""
    confidence: float
    baselines: Mapping[str, str]
    """By metric, the subject with which the others are compared; empty if all pairs are compared."""
    tests: int
    """Number of tests that the correction counts."""
    warnings: tuple[str, ...] = ()
    """Sentences about samples that were scored for the comparison, each with the names of the subjects."""

    def __getitem__(self, metric: str) -> Difference:
        """Return the difference of the only pair in a metric, by its full or its short name.

        ``fd`` also finds ``fd_debiased``, which decides about it.
        """
        # several pairs, or several extractors, make the name ambiguous
        for name in (metric, _debiased(metric)):
            matches = [each for each in self.differences if name in (each.metric, each.metric.partition("@")[0])]
            if len(matches) == 1:
                return matches[0]
        raise KeyError(f"{metric!r} names {len(matches)} of these differences")

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self.subjects)}: {', '.join(map(repr, self.differences))}>"

    def _repr_html_(self) -> str:
        return differences_table(self.differences)

    def to_frame(self) -> pd.DataFrame:
        """Return a DataFrame with one row per pair and metric.

        Columns: metric, a, b, value (a - b), error, low and high (95 % confidence interval), p (corrected) and verdict.
        """
        import pandas as pd

        columns = ("metric", "a", "b", "value", "error", "low", "high", "p", "verdict")
        rows = [
            [
                each.metric,
                each.a,
                each.b,
                each.value,
                each.error,
                *(each.interval or (None, None)),
                each.adjusted,
                each.verdict,
            ]
            for each in self.differences
        ]
        return pd.DataFrame(rows, columns=columns)


def compare_results(subjects: Mapping[str, list[Result]], question: Question | None = None) -> Comparison:
    """Compare subjects, given by name as the results of their training seeds.

    Distances with a debiased form are compared by it. The p-values are corrected over all pairs and metrics, or over
    the comparisons with the baseline if one is given (step-down max-T). Raises InputError if the results follow
    different protocols and this is not allowed, or if the subjects share no metric; UsageError for an unknown metric or
    baseline and for fewer than two subjects.
    """
    # check the names and the protocols before the work
    question = question or Question()
    if len(subjects) < 2:
        names = ", ".join(subjects) or "none"
        raise UsageError(f"A comparison needs at least two subjects, but {names} was given; add another subject.")
    if question.baseline is not None and question.baseline not in subjects:
        raise UsageError(f"No subject is called {question.baseline!r}{did_you_mean(question.baseline, subjects)}")
    everything = [result for results in subjects.values() for result in results]
    if not question.allow_mixed:
        require_comparable(everything, can_mix=True)
    margin = None if question.margin is None else Margin.of(question.margin)
    # test every pair, or all subjects against a baseline that was chosen before looking at the values
    tested: list[Tested] = []
    baselines: dict[str, str] = {}
    for metric in _metrics(everything, question):
        # a metric is compared among the subjects that have it
        having = _without_repeats(subjects, metric, one_protocol=not question.allow_mixed)
        if len(having) < 2 or (question.baseline is not None and question.baseline not in having):
            continue
        scored = ScoredSubjects.of(having, metric, margin)
        baseline = question.baseline or _default_baseline(scored, list(having))
        # without a named baseline, all pairs are tested, because the best one is known only afterwards
        if not question.all_pairs:
            baselines[scored.metric] = baseline
        # sorted, so that the order of the results plays no role
        pairs: Iterable[tuple[str, str]] = combinations(sorted(having), 2)
        if question.baseline is not None and not question.all_pairs:
            pairs = [(name, baseline) for name in having if name != baseline]
        tested += [
            scored.tested(*_towards(pair, baseline), confidence=question.confidence, paired=question.paired)
            for pair in pairs
        ]
    if not tested:
        # the features tell apart what two machines chose, one of which could not get Inception's weights
        by = {name: ", ".join(results[0].extractors) for name, results in list(subjects.items())[:2]}
        pair = " and ".join(f"{name} (features: {extractors})" for name, extractors in by.items())
        raise InputError(f"{pair} have no metric in common; score them with the same --metrics and --features.")
    # the correction counts all pairs, also those that are not shown
    shown = [each for each in corrected(tested) if baselines.get(each.metric, each.b) == each.b]
    tests = sum(each.contrast is not None for each in tested)
    return Comparison(dict(subjects), tuple(shown), question.confidence, baselines, tests)


def _metrics(results: Sequence[Result], question: Question) -> list[str]:
    """Return the full names of the scores that are compared."""
    # what was asked for, all scores, or the main one
    if question.metrics is not None:
        chosen = [metric_name(results, metric) for metric in question.metrics]
    elif question.all_metrics:
        names = [entry.name for result in results for entry in result.scores if entry.better is not None]
        chosen = one_of_each_family(list(dict.fromkeys(names)))
    else:
        chosen = [main_metric(results)]
    return list(dict.fromkeys(deciding(results, name) for name in chosen))


def _without_repeats(
    subjects: Mapping[str, list[Result]], metric: str, *, one_protocol: bool
) -> dict[str, list[Result]]:
    """Return the subjects all of whose results have a metric."""
    # in one protocol, a result with other metrics besides is a repeat, and not another training seed
    return {
        name: newest(results, one_protocol=one_protocol)
        for name, results in subjects.items()
        if all(metric in {entry.name for entry in result.scores} for result in results)
    }


def _default_baseline(scored: ScoredSubjects, names: Sequence[str]) -> str:
    """Return the best subject, or the second of two in the order of ``names``."""
    if len(names) == 2 or not scored.estimates:
        return names[1]
    sign = -1 if scored.better == "higher" else 1
    return min(scored.estimates, key=lambda name: sign * scored.estimates[name].mean)


def _towards(pair: tuple[str, str], baseline: str) -> tuple[str, str]:
    """Return a pair with the baseline as its second member."""
    return (pair[1], pair[0]) if pair[0] == baseline else pair


def _debiased(metric: str) -> str:
    short, at, extractor = metric.partition("@")
    return f"{short}_debiased{at}{extractor}"
