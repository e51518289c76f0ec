"""Group results by subject: the newest result of each training seed, together under one name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from genbench.errors import InputError, PlugError, UsageError, did_you_mean
from genbench.plugs.contracts import IN_PLANE, WITH_TRAIN
from genbench.plugs.registry import load
from genbench.plugs.specs import Spec, parse_spec
from genbench.results import Entry, Result, read_results


def newest(results: Sequence[Result], *, one_protocol: bool = False) -> list[Result]:
    """Return the newest result of each name, budget, training seed and protocol, in the order of their first lines.

    Results of one name, budget and protocol with equal generated samples are copies, not replicates: the newest counts.
    ``one_protocol``: the results are known to be comparable, so those of other metrics count as repeats, too.
    """
    # first by seed, then by samples; samples without a fingerprint count as different
    latest = list(results)
    for of_seeds in (True, False):
        groups: dict[tuple[object, ...], Result] = {}
        for number, result in enumerate(latest):
            protocol = "" if one_protocol else result.protocol_fingerprint
            repeat = result.replicate_seed if of_seeds else result.generated.fingerprint or number
            key = (result.name, result.budget, repeat, protocol)
            # a later line replaces an earlier one of the same age or older
            if key not in groups or created_at(result) >= created_at(groups[key]):
                groups[key] = result
        latest = list(groups.values())
    return latest


def created_at(result: Result) -> datetime:
    """Return when a result was made. A time without a zone is in UTC. Raises InputError if it is not in ISO 8601."""
    try:
        time = datetime.fromisoformat(result.created.replace("Z", "+00:00"))
    except ValueError as error:
        raise InputError(
            f"{result.name} was created at {result.created!r}, which is not a time in ISO 8601; score it again."
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def by_subject(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the newest results by subject: by name, with the budget in parentheses if a name has several budgets."""
    replicates = newest(results)
    # the budgets of each name
    budgets: dict[str, set[str]] = {}
    for result in replicates:
        budgets.setdefault(result.name, set()).add(result.budget)
    # two budgets of one sampler are two subjects
    groups: dict[str, list[Result]] = {}
    for result in replicates:
        several = len(budgets[result.name]) > 1
        label = f"{result.name} ({result.budget})" if several and result.budget else result.name
        groups.setdefault(label, []).append(result)
    return groups


def read_subjects(path: str | Path) -> dict[str, list[Result]]:
    """Return the subjects in a file of results. Raises InputError if the file holds none."""
    results = read_results(Path(path).expanduser())
    if not results:
        raise InputError(f"{path} holds no result; make one with `genbench score ... --to {path}`.")
    return by_subject(results)


def metric_name(results: Sequence[Result], metric: str) -> str:
    """Return the full name of a metric, ``fd@digits`` for ``fd`` or ``fid``. Raises UsageError unless it names one."""
    names = list(dict.fromkeys(entry.name for result in results for entry in result.scores))
    keys = {entry.key: entry.name for result in results for entry in result.scores}
    # a full name, or a long key such as frechet_distance@digits
    if metric in names or metric in keys:
        return keys.get(metric, metric)
    # a short name: it must have one extractor only
    matches = [name for name in names if name.partition("@")[0] == metric]
    # fid and kid are fd and kd with the canonical features
    if not matches:
        matches = [name for name in names if _general(metric) in (_general(name), _general(name).partition("@")[0])]
    if not matches and "," in metric:
        matches = _names_of_spec(results, metric, names)
    if not matches:
        known = names if "@" in metric else {name.partition("@")[0] for name in names}
        raise UsageError(f"These results have no metric {metric!r}{did_you_mean(metric, known)}")
    # the average over planes stands for slices in several
    matches = [name for name in matches if IN_PLANE not in name] or matches
    if len(matches) > 1:
        raise UsageError(f"{metric!r} is ambiguous in these results; write {' or '.join(matches)}.")
    return matches[0]


def _names_of_spec(results: Sequence[Result], text: str, names: Sequence[str]) -> list[str]:
    """Return the scores that a spec with options names: ``fid,view=768`` is ``fd@inception,view=768``.

    ``kid,degree=2`` is ``kid_degree2``, or ``kid`` if the results were scored with that degree.
    """
    spec, options = parse_spec(text), text.partition(",")[2]
    suffix = "".join(f"_{option}{value}" for option, value in spec.options.items())
    places = {name: name.partition("@")[2] for name in names}
    of_place = [name for name in names if spec.extractor is None or f"{places[name]},".startswith(f"{spec.extractor},")]
    # the options stand behind the extractor, or in the short name, or only in the record
    short_names = {name: _general(name.partition("@")[0]) for name in of_place}
    called = [name for name, short in short_names.items() if short == _general(spec.name)]
    return (
        [name for name in called if f",{places[name]}".endswith(f",{options}")]
        or [name for name, short in short_names.items() if short == _general(spec.name + suffix)]
        or [name for name in called if _is_by(results, name, spec)]
    )


def _is_by(results: Sequence[Result], name: str, spec: Spec) -> bool:
    """Whether all results that have a score record these options of its metric."""
    try:
        plain, metric = (load("metrics", Spec(spec.name, options)) for options in ({}, spec.options))
    except (UsageError, PlugError):  # no metric, or no such option
        return False
    # an option that is not recorded gives its scores other names
    if metric != plain and repr(metric) == repr(plain):
        return False
    # in each result, by the extractor of the score
    for result in results:
        recorded = [(each.removesuffix(WITH_TRAIN), extractor) for each, extractor in result.placed_metrics]
        scores = [entry for entry in result.scores if entry.name == name]
        if any((repr(metric), entry.extractor) not in recorded for entry in scores):
            return False
    return True


def _general(name: str) -> str:
    """Return ``fd_debiased`` for ``fid_debiased``, and ``kd@digits`` for ``kid@digits``."""
    return re.sub(r"^(f|k)id(?![a-z])", r"\1d", name)


def entries_of(results: Sequence[Result], metric: str) -> list[Entry]:
    """Return the score of each result in a metric, given by its full name. Raises InputError if a result lacks it."""
    lacking = [result for result in results if metric not in {entry.name for entry in result.scores}]
    if lacking:
        features = ", ".join(lacking[0].extractors)
        raise InputError(
            f"{lacking[0].name} has no {metric} (its features: {features}); score it with that metric and extractor."
        )
    return [result[metric] for result in results]
