"""Which results are repeats of one subject: the newest of each training seed, together under one name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genbench.errors import InputError, UsageError, did_you_mean
from genbench.results import Entry, Result, read_results


def newest(results: Sequence[Result]) -> list[Result]:
    """Return one result, the newest, for each name, training seed and budget; in the order of their first lines."""
    found: dict[tuple[str, str, int, str], Result] = {}
    for result in results:
        key = (result.name, result.budget, result.replicate_seed, result.protocol_fingerprint)
        if key not in found or result.created >= found[key].created:
            found[key] = result
    return list(found.values())


def by_subject(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the newest results by subject: the name, and the budget beside it where a name has several."""
    kept = newest(results)
    budgets: dict[str, set[str]] = {}
    for result in kept:
        budgets.setdefault(result.name, set()).add(result.budget)
    groups: dict[str, list[Result]] = {}
    for result in kept:
        several = len(budgets[result.name]) > 1
        label = f"{result.name} ({result.budget})" if several and result.budget else result.name
        groups.setdefault(label, []).append(result)
    return groups


def read_subjects(path: str | Path) -> dict[str, list[Result]]:
    """Return the subjects in a file of results. Raises InputError where it holds none."""
    results = read_results(Path(path).expanduser())
    if not results:
        raise InputError(f"{path} holds no result; make one with `genbench score ... --to {path}`.")
    return by_subject(results)


def metric_name(results: Sequence[Result], metric: str) -> str:
    """Return the full name of a metric, ``fd@digits`` for ``fd``; raises UsageError where it names none or several."""
    names = list(dict.fromkeys(entry.name for result in results for entry in result.scores))
    keys = {entry.key: entry.name for result in results for entry in result.scores}
    if metric in names or metric in keys:
        return keys.get(metric, metric)
    close = [name for name in names if name.partition("@")[0] == metric]
    if not close:
        known = names if "@" in metric else {name.partition("@")[0] for name in names}
        raise UsageError(f"These results have no metric {metric!r}{did_you_mean(metric, known)}")
    if len(close) > 1:
        raise UsageError(f"{metric!r} may be {' or '.join(close)} here; write one of these.")
    return close[0]


def entries_of(results: Sequence[Result], metric: str) -> list[Entry]:
    """Return the score of that full name of each result. Raises InputError where one lacks it."""
    lacking = [result.name for result in results if metric not in {entry.name for entry in result.scores}]
    if lacking:
        raise InputError(f"{lacking[0]} has no {metric}; score it with that metric.")
    return [result[metric] for result in results]
