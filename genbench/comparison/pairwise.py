"""Compare every pair of subjects in every metric that both have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from genbench.comparison.comparability import require_comparable
from genbench.comparison.differences import Difference, difference
from genbench.comparison.group_by_subject import metric_name
from genbench.comparison.multiple_testing import holm
from genbench.errors import InputError, UsageError
from genbench.results import Result


@dataclass(frozen=True)
class Comparison:
    """The differences of every pair of subjects in every metric that both have."""

    subjects: dict[str, list[Result]]
    """The results of each subject, one per training seed."""
    differences: tuple[Difference, ...]
    """Their p-values are corrected over all of them (Holm), so that all verdicts hold at once."""
    confidence: float

    def __getitem__(self, metric: str) -> Difference:
        """Return the difference of the only pair in a metric, by its full or its short name."""
        # several pairs, or several extractors, make the name ambiguous
        matches = [each for each in self.differences if metric in (each.metric, each.metric.partition("@")[0])]
        if len(matches) != 1:
            raise KeyError(f"{metric!r} names {len(matches)} of these differences")
        return matches[0]


def compare_results(
    subjects: Mapping[str, list[Result]],
    metrics: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
    paired: bool = False,
    allow_mixed: bool = False,
) -> Comparison:
    """Compare every pair of subjects, given by name as the results of their training seeds.

    ``metrics`` are short or full names of scores; None means all common scores that have a direction. Verdicts are
    corrected for their number (Holm). Raises InputError if the results follow different protocols and ``allow_mixed``
    is not set, or if the subjects share no metric; UsageError for an unknown metric or fewer than two subjects.
    """
    if len(subjects) < 2:
        names = ", ".join(subjects) or "none"
        raise UsageError(f"A comparison needs at least two subjects, but {names} was given; add another subject.")
    # check protocols and metric names before the work
    all_results = [result for results in subjects.values() for result in results]
    if not allow_mixed:
        require_comparable(all_results)
    requested = None if metrics is None else [metric_name(all_results, metric) for metric in metrics]
    # each pair of subjects in each common metric is one test
    differences = [
        difference(subjects[a], subjects[b], metric, confidence=confidence, paired=paired, names=(a, b))
        for a, b in combinations(subjects, 2)
        for metric in _common_metrics([*subjects[a], *subjects[b]], requested)
    ]
    if not differences:
        pair = " and ".join(list(subjects)[:2])
        raise InputError(f"{pair} have no metric in common; score them with the same metrics.")
    return Comparison(dict(subjects), tuple(holm(differences)), confidence)


def _common_metrics(results: Sequence[Result], requested: Sequence[str] | None) -> list[str]:
    """Return the requested metrics that all results have; by default those with a direction, in the first's order."""
    # the metrics that no result lacks
    shared = set.intersection(*({entry.name for entry in result.scores} for result in results))
    if requested is not None:
        return [name for name in requested if name in shared]
    return [entry.name for entry in results[0].scores if entry.name in shared and entry.better is not None]
