"""``compare``: compare results, files of results, and samples that are scored first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.comparison.group_by_subject import read_subjects
from genbench.comparison.pairwise import Comparison, compare_results
from genbench.results import Result
from genbench.scoring.options import CompareOptions
from genbench.scoring.score import score

if TYPE_CHECKING:
    from typing_extensions import Unpack


def compare(
    *subjects: object,
    metrics: str | None = None,
    confidence: float = 0.95,
    paired: bool = False,
    allow_mixed: bool = False,
    **options: Unpack[CompareOptions],
) -> Comparison:
    """Compare every pair of subjects in every metric that both have.

    A subject is a file of results (``.jsonl``, with one or more subjects), a Result, a list of Results that are the
    training seeds of one subject, or anything that ``score`` takes; the latter is scored with the ``options``.

    ``metrics``: names of scores, ``"fd,recall"``; by default all common scores that have a direction. If subjects are
    scored without a benchmark, these are the metrics that they are scored with. ``paired``: sample i of both subjects
    was drawn with the same seed. Raises InputError if the protocols differ and ``allow_mixed`` is not set (if it is
    set, those pairs have no verdict), UsageError for unknown metrics and for fewer than two subjects.
    """
    # subjects that are scored here are scored with the metrics that are compared
    scored_by_metrics = (
        metrics is not None and options.get("benchmark") is None and not all(map(_has_results, subjects))
    )
    by_name = _results_by_name(subjects, {**options, "metrics": metrics} if scored_by_metrics else options)
    names = None if metrics is None or scored_by_metrics else [metric.strip() for metric in metrics.split(",")]
    return compare_results(by_name, names, confidence=confidence, paired=paired, allow_mixed=allow_mixed)


def _results_by_name(subjects: Sequence[object], options: Mapping[str, Any]) -> dict[str, list[Result]]:
    """Return the results of each subject. A name that is already in use gets the subject's path or position."""
    by_name: dict[str, list[Result]] = {}
    for position, subject in enumerate(subjects, 1):
        for name, results in _results_of(subject, options):
            origin = str(subject) if isinstance(subject, (str, Path)) else str(position)
            by_name[name if name not in by_name else f"{name} ({origin})"] = results
    return by_name


def _results_of(subject: object, options: Mapping[str, Any]) -> Iterator[tuple[str, list[Result]]]:
    # samples, a file of results, a result or the results of several seeds
    if not _has_results(subject):
        result = score(subject, **options)
        yield result.name, [result]
    elif isinstance(subject, (str, Path)):
        yield from read_subjects(subject).items()
    else:
        results = [subject] if isinstance(subject, Result) else list(subject)  # type: ignore[call-overload]
        yield results[0].name, results


def _has_results(subject: object) -> bool:
    """Whether a subject is a Result, a list of Results, or a file of Results."""
    if isinstance(subject, (str, Path)):
        return str(subject).endswith(".jsonl")
    is_list = isinstance(subject, (list, tuple)) and bool(subject) and all(isinstance(one, Result) for one in subject)
    return is_list or isinstance(subject, Result)
