"""Run an audit: every check of every score of the metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from genbench.array_types import Float64
from genbench.checks.audit.criteria import AuditedScore
from genbench.checks.audit.human_agreement import human_agreement
from genbench.checks.audit.measurement import AuditedMetric, MeasuredScore, measured_case, metric_cost
from genbench.checks.audit.record import Audit, Cell, Criterion, Curve, ScoreAudit, finite_or_none
from genbench.checks.audit.request import AuditRequest, requested_checks, requested_metrics
from genbench.checks.audit.score_kinds import kind_of, truth_of, worst_of
from genbench.checks.audit.sides import AuditCase, AuditCheck
from genbench.plugs.contracts import Metric

_Measured = Mapping[tuple[str, str], MeasuredScore]
"""The scores of a case, by spec of the metric and name of the score."""

Mapped = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
"""Yields the results of a function of one argument for each item, in order."""


def audit(
    metrics: str | list[str] | Metric | None = None,
    checks: str | list[str] = "all",
    *,
    quick: bool = False,
    seed: int = 0,
) -> Audit:
    """Put metrics through checks with known answers, like ``genbench audit`` but in one process.

    ``metrics``: ``"all"``, names or specs separated by commas or in a list, also of your own (``"my_module:Metric"``),
    or one metric itself (any object of the contract ``Metric``); default: all, with ``quick`` six. ``checks``:
    ``"all"``, or names separated by commas or in a list. ``quick``: fewer rows, points and dimensions. ``seed``, a
    whole number from 0: of the data.

    ``to_text()`` of the returned Audit is the table of the command, ``to_frame()`` a DataFrame, ``to_json()`` all
    curves and criteria. Raises UsageError for unknown names, for a seed that is no whole number from 0, and for a class
    instead of a metric; PlugError if a metric raises or breaks the contract.
    """
    return run_audit(AuditRequest.of(metrics, checks, quick, seed))


def run_audit(
    request: AuditRequest, progress: Callable[[str], None] = lambda words: None, mapped: Mapped = map
) -> Audit:
    """Return the audit. Raises UsageError for unknown names, PlugError if a guest's metric raises.

    ``progress`` is called with the title of each check when it begins. ``mapped`` works like ``map``, perhaps in
    several processes.
    """
    began = time.monotonic()
    # complain about names before the long work
    metrics, notes = requested_metrics(request.metrics)
    checks = requested_checks(request)
    measured = _measured_cases(request, checks, progress, mapped)
    # the metric and the direction of each score, in the order in which they appear
    known = {metric.spec: metric for metric in metrics}
    kinds: dict[tuple[str, str], tuple[AuditedMetric, str]] = {}
    for found in measured.values():
        for key, score in found.items():
            kinds.setdefault(key, (known[key[0]], score.better))
    # a score without a direction cannot pass or fail
    directed = {key: value for key, value in kinds.items() if value[1]}
    notes += [
        f"{name} of {spec} has no direction, so it is not audited." for spec, name in kinds if not kinds[spec, name][1]
    ]
    # the record of each score, in the order of the request
    scores = [
        ScoreAudit(
            key[0], key[1], kind_of(key[1], metric.plug), better,
            tuple(_judged_cell(check, measured, key, metric, better) for check in checks),
        )
        for key, (metric, better) in _in_order(directed, metrics)
    ]  # fmt: skip
    finite = {key for found in measured.values() for key, score in found.items() if np.isfinite(score.value).any()}
    notes += [
        f"{name} of {spec} gave no finite value, so it passes no check."
        for spec, name in directed
        if (spec, name) not in finite
    ]
    # metrics whose views no check has
    empty = [metric.spec for metric in metrics if metric.spec not in {spec for spec, _ in kinds}]
    notes += [f"{spec} gave no score on these checks." for spec in empty]
    # one call of each metric, alone
    progress("Time and memory")
    rows = 500 if request.quick else 2000
    costs = tuple(metric_cost(metric, rows, 64, request.seed) for metric in metrics)
    return Audit(
        tuple(scores), tuple((check.name, check.title, check.about) for check in checks), costs,
        tuple(human_agreement(request.seed)), tuple(notes), request.size.count, request.size.repeats, request.seed,
        request.quick, round(time.monotonic() - began, 1), version("genbench"),
    )  # fmt: skip


def _measured_cases(
    request: AuditRequest, checks: Sequence[AuditCheck], progress: Callable[[str], None], mapped: Mapped
) -> dict[AuditCase, _Measured]:
    """Measure every case of the checks; those that several checks share are measured once."""
    places: dict[AuditCase, tuple[int, int]] = {}
    for number, check in enumerate(checks):
        for position, case in enumerate(check.cases):
            places.setdefault(case, (number, position))
    # the results come in the order of the cases
    results = iter(mapped(partial(_measured_at, request), list(places.values())))
    measured: dict[AuditCase, _Measured] = {}
    for check in checks:
        progress(check.title)
        for case in check.cases:
            if case not in measured:
                measured[case] = next(results)
    return measured


def _measured_at(request: AuditRequest, place: tuple[int, int]) -> _Measured:
    """Return what ``measured_case`` returns for a case, given the numbers of its check and of the case in the check."""
    from threadpoolctl import threadpool_limits

    # checks and guests are made again, because not all of them can be sent to another process
    metrics, _ = requested_metrics(request.metrics)
    check = requested_checks(request)[place[0]]
    usable = [metric for metric in metrics if check.without_reference or metric.plug.reference != "none"]
    # several threads would only wait for each other on so few rows
    with threadpool_limits(1):
        return measured_case(usable, check.cases[place[1]], request.size, request.seed)


def _in_order(
    directed: Mapping[tuple[str, str], tuple[AuditedMetric, str]], metrics: Sequence[AuditedMetric]
) -> Iterator[tuple[tuple[str, str], tuple[AuditedMetric, str]]]:
    """Yield the scores in the order of the metrics, and of the scores of each."""
    for metric in metrics:
        yield from ((key, value) for key, value in directed.items() if key[0] == metric.spec)


def _judged_cell(
    check: AuditCheck,
    measured: Mapping[AuditCase, _Measured],
    key: tuple[str, str],
    metric: AuditedMetric,
    better: str,
) -> Cell:
    # a check applies if the metric could be computed in all of its cases
    found = {case.name: measured[case].get(key) for case in check.cases}
    known = {name: one for name, one in found.items() if one is not None}
    if len(known) < len(check.cases):
        return Cell(check.name, (), ())
    # everything that the criteria are decided from
    score = AuditedScore(
        kind_of(key[1], metric.plug),
        worst_of(key[1], metric.plug, better),
        truth_of(key[1]),
        1 if better == "lower" else -1,
        {name: one.value for name, one in known.items()},
        {name: one.low for name, one in known.items()},
        {name: one.high for name, one in known.items()},
        reads_train=metric.reads_train,
    )
    # a check without criteria does not apply to this kind of score
    # values may be infinite or NaN, which passes no criterion
    with np.errstate(invalid="ignore"):
        criteria = judged_criteria(check, score)
        curves = [_curve(case, known[case.name].value) for case in check.cases] if criteria else []
    return Cell(check.name, criteria, tuple(curves))


def judged_criteria(check: AuditCheck, score: AuditedScore) -> tuple[Criterion, ...]:
    """Return the criteria; one is sure if its decision stays the same whichever repeat is left out."""
    # without a repeat, a check may have other criteria
    criteria = check.judge(score)
    others = [
        {(other.case, other.text): other.passed for other in check.judge(score.without(repeat))}
        for repeat in range(score.repeats if criteria else 0)
    ]
    return tuple(
        replace(each, sure=all(other.get((each.case, each.text)) == each.passed for other in others))
        for each in criteria
    )


def _curve(case: AuditCase, value: Float64) -> Curve:
    # mean and standard error over repeats
    errors = value.std(axis=1, ddof=1) / np.sqrt(value.shape[1])
    means = value.mean(axis=1)
    return Curve(
        case.name, case.axis, case.x, tuple(map(finite_or_none, means)), tuple(finite_or_none(e, 3) for e in errors)
    )
