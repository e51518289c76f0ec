"""``compare``: the public comparison of results, files of results, and samples that are scored first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from genbench.comparison.pairwise import Comparison, compare_results
from genbench.comparison.subjects import read_subjects
from genbench.results import Result
from genbench.scoring.score import score


def compare(
    *subjects: object,
    metrics: str | None = None,
    confidence: float = 0.95,
    paired: bool = False,
    allow_mixed: bool = False,
    **options: Any,
) -> Comparison:
    """Compare every pair of subjects in every metric that both have.

    A subject is a file of results (``.jsonl``, all that is in it), a Result, a list of Results that are the training
    seeds of one subject, or whatever ``score`` takes, scored on the spot with its ``options``.

    ``metrics``: names of scores, ``"fd,recall"``; all common ones of which a direction is better, if not given. Where a
    subject is scored without a benchmark, they are the metrics that it is scored with. ``paired``: sample i of both
    sides was drawn with one seed. Raises InputError where the protocols differ and ``allow_mixed`` is not set
    (then those pairs have no verdict), UsageError for unknown metrics and fewer than two subjects.
    """
    chosen = metrics is not None and options.get("benchmark") is None and not all(map(_is_scored, subjects))
    named = _named(subjects, options | {"metrics": metrics} if chosen else options)
    wanted = None if metrics is None or chosen else [metric.strip() for metric in metrics.split(",")]
    return compare_results(named, wanted, confidence=confidence, paired=paired, allow_mixed=allow_mixed)


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
        yield from read_subjects(subject).items()
    else:
        results = [subject] if isinstance(subject, Result) else list(subject)  # type: ignore[call-overload]
        yield results[0].name, results


def _is_scored(subject: object) -> bool:
    """Whether a subject is a result, some, or a file of them."""
    if isinstance(subject, (str, Path)):
        return str(subject).endswith(".jsonl")
    several = isinstance(subject, (list, tuple)) and bool(subject) and all(isinstance(one, Result) for one in subject)
    return several or isinstance(subject, Result)
