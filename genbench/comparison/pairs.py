"""compare(A, B, ...): for each metric and each pair the difference, its error and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from genbench.comparison.differences import Difference, difference
from genbench.comparison.guard import require_comparable
from genbench.comparison.ranks import holm
from genbench.comparison.replicates import by_subject, metric_name
from genbench.errors import InputError, UsageError
from genbench.results import Result, read_results
from genbench.scoring import score


@dataclass(frozen=True)
class Comparison:
    """Every pair of subjects in every metric that both have."""

    subjects: dict[str, list[Result]]
    """The results of each: its training seeds."""
    differences: tuple[Difference, ...]
    """With p-values corrected over all of them (Holm), so that all verdicts hold at once."""
    confidence: float

    def __getitem__(self, metric: str) -> Difference:
        """Return the difference of the only pair in a metric, by its full or its short name."""
        found = [one for one in self.differences if metric in (one.metric, one.metric.partition("@")[0])]
        if len(found) != 1:
            raise KeyError(f"{metric!r} names {len(found)} of these differences")
        return found[0]


def compare(
    *subjects: object,
    metrics: str | None = None,
    confidence: float = 0.95,
    paired: bool = False,
    allow_mixed: bool = False,
    **options: Any,
) -> Comparison:
    """Compare subjects: a file of results (``.jsonl``, all that is in it), a Result, a list of Results that are the
    training seeds of one subject, or whatever ``score`` takes, scored on the spot with its ``options``.

    ``metrics``: names of scores, ``"fd,recall"``; all common ones of which a direction is better, if not given. Where a
    subject is scored without a benchmark, they are the metrics that it is scored with. ``paired``: sample i of both
    sides was drawn with one seed. Raises InputError where the protocols differ and ``allow_mixed`` is not set
    (then those pairs have no verdict), UsageError for unknown metrics and fewer than two subjects.
    """
    chosen = metrics is not None and options.get("benchmark") is None and not all(map(_is_scored, subjects))
    named = _named(subjects, options | {"metrics": metrics} if chosen else options)
    if len(named) < 2:
        raise UsageError(f"A comparison needs two subjects at least, and only {', '.join(named) or 'none'} is given.")
    everyone = [result for results in named.values() for result in results]
    if not allow_mixed:
        require_comparable(everyone)
    wanted = None if metrics is None or chosen else [metric_name(everyone, one.strip()) for one in metrics.split(",")]
    found = [
        difference(named[a], named[b], metric, confidence=confidence, paired=paired, names=(a, b))
        for a, b in combinations(named, 2)
        for metric in _common([*named[a], *named[b]], wanted)
    ]
    if not found:
        raise InputError(f"{' and '.join(list(named)[:2])} have no metric in common; score them with the same.")
    return Comparison(named, tuple(holm(found)), confidence)


def opened(path: str | Path) -> dict[str, list[Result]]:
    """Return the subjects in a file of results. Raises InputError where it holds none."""
    results = read_results(Path(path).expanduser())
    if not results:
        raise InputError(f"{path} holds no result; make one with `genbench score ... --to {path}`.")
    return by_subject(results)


def _named(subjects: Sequence[object], options: dict[str, Any]) -> dict[str, list[Result]]:
    """Return the results of each subject; one that has another's name gets its place beside it."""
    named: dict[str, list[Result]] = {}
    for number, subject in enumerate(subjects, 1):
        for name, results in _results_of(subject, options):
            where = str(subject) if isinstance(subject, (str, Path)) else str(number)
            named[name if name not in named else f"{name} ({where})"] = results
    return named


def _results_of(subject: object, options: dict[str, Any]) -> Iterator[tuple[str, list[Result]]]:
    if not _is_scored(subject):
        result = score(subject, **options)
        yield result.name, [result]
    elif isinstance(subject, (str, Path)):
        yield from opened(subject).items()
    else:
        results = [subject] if isinstance(subject, Result) else list(subject)  # type: ignore[call-overload]
        yield results[0].name, results


def _is_scored(subject: object) -> bool:
    """Whether a subject is a result, some, or a file of them."""
    if isinstance(subject, (str, Path)):
        return str(subject).endswith(".jsonl")
    several = isinstance(subject, (list, tuple)) and bool(subject) and all(isinstance(one, Result) for one in subject)
    return several or isinstance(subject, Result)


def _common(results: Sequence[Result], wanted: Sequence[str] | None) -> list[str]:
    """Return the metrics that all results have, in the order of the first; by default those with a direction."""
    shared = set.intersection(*({entry.name for entry in result.scores} for result in results))
    if wanted is not None:
        return [name for name in wanted if name in shared]
    return [entry.name for entry in results[0].scores if entry.name in shared and entry.better is not None]
