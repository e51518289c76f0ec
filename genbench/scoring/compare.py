"""``compare``: compare results, files of results, and samples that are scored first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.comparison.group_by_subject import read_subjects
from genbench.comparison.pairwise import Comparison, Question, compare_results
from genbench.plugs.specs import split_specs
from genbench.results import Result
from genbench.scoring.default_extractor import INSTALLED_NETWORK, replacements
from genbench.scoring.metric_lists import NO_REFERENCE
from genbench.scoring.options import CompareOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack


class ComparisonOptions(CompareOptions, total=False):
    """The options of ``compare``: those of ``score``, and those of ``Question``."""

    baseline: str | None
    all_metrics: bool
    all_pairs: bool
    margin: str | float | None
    confidence: float
    paired: bool
    allow_mixed: bool


def compare(*subjects: object, metrics: str | None = None, **options: Unpack[ComparisonOptions]) -> Comparison:
    """Compare subjects with the best of them; two subjects are compared with each other.

    A subject is a file of results (``.jsonl``, with one or more subjects), a Result, a list of Results that are the
    training seeds of one subject, or anything that ``score`` takes; the latter is scored with the options of ``score``.

    ``metrics``: names of scores, ``"fd,recall"``; by default the main one of the benchmark. If subjects are scored
    without a benchmark, these are the metrics that they are scored with. ``all_metrics``: all common scores that have a
    direction. ``baseline``: the name of the subject with which all others are compared. ``all_pairs``: compare every
    pair. ``margin``: a difference that does not matter, ``"10%"`` or a number in the unit of the score. ``paired``:
    sample i of all subjects was drawn with the same seed. Raises InputError if the protocols differ and ``allow_mixed``
    is not set (if it is set, those pairs have no verdict), UsageError for unknown metrics and for fewer than two
    subjects. ``warnings`` of the comparison are those of the subjects that are scored here.
    """
    # some options are about the comparison, the others about scoring
    given: dict[str, Any] = dict(options)
    asked = {each.name: given.pop(each.name) for each in fields(Question) if each.name in given}
    # subjects that are scored here are scored with the metrics that are compared
    scored_by_metrics = (
        metrics is not None and options.get("benchmark") is None and not all(map(_has_results, subjects))
    )
    by_name, fresh = _results_by_name(subjects, {**given, "metrics": metrics} if scored_by_metrics else given)
    if scored_by_metrics:
        asked["all_metrics"] = True
    elif metrics is not None:
        asked["metrics"] = split_specs(metrics)
    comparison = compare_results(by_name, Question(**asked))
    # the warnings of results from files were shown when these were scored
    return replace(comparison, warnings=_warnings_by_text(by_name, fresh))


def _results_by_name(
    subjects: Sequence[object], options: Mapping[str, Any]
) -> tuple[dict[str, list[Result]], list[str]]:
    """Return the results of each subject, and the names of the subjects that were scored for them.

    A name that is already in use gets the subject's path or position, or both.
    """
    by_name: dict[str, list[Result]] = {}
    fresh: list[str] = []
    for position, subject in enumerate(subjects, 1):
        for name, results in _results_of(subject, options):
            origin = str(subject) if isinstance(subject, (str, Path)) else str(position)
            # the first name that is free; a file may hold a subject that is called like another one with its path
            numbered = (f"{name} ({origin}, {number})" for number in count(position))
            free = next(each for each in chain([name, f"{name} ({origin})"], numbered) if each not in by_name)
            by_name[free] = results
            if not _has_results(subject):
                fresh.append(free)
                options = _with_network_of(results[0], options)
    return by_name, fresh


def _with_network_of(result: Result, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options with the network by which the first subject was scored, if it replaces Inception."""
    # otherwise each subject would try the download again, and might get another network
    return {**options, "features": INSTALLED_NETWORK} if replacements(result.hints) else options


def _warnings_by_text(by_name: Mapping[str, list[Result]], names: Sequence[str]) -> tuple[str, ...]:
    """Return each warning of the results of these subjects once, after the names of the subjects that have it."""
    having: dict[str, list[str]] = {}
    for name in names:
        for warning in dict.fromkeys(each for result in by_name[name] for each in result.warnings):
            having.setdefault(warning, []).append(name)
    # the network and the metrics of all subjects come first
    hints = [hint for name in names for result in by_name[name] for hint in result.hints]
    unreferenced = [NO_REFERENCE] if NO_REFERENCE in hints else []
    return (
        *replacements(hints),
        *unreferenced,
        *(f"{', '.join(those)}: {warning}" for warning, those in having.items()),
    )


def _results_of(subject: object, options: Mapping[str, Any]) -> Iterator[tuple[str, list[Result]]]:
    # samples, a file of results, a result or the results of several seeds
    if not _has_results(subject):
        from genbench.scoring.score import score

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
