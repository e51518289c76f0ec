"""Run an audit: every check of every score of the metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from genbench.array_types import Float64
from genbench.checks.audit.criteria import AuditedScore
from genbench.checks.audit.human_agreement import human_agreement
from genbench.checks.audit.image_checks import image_checks
from genbench.checks.audit.measurement import AuditedMetric, MeasuredScore, measured_case, metric_cost
from genbench.checks.audit.mode_checks import mode_checks
from genbench.checks.audit.record import Audit, Cell, Curve, ScoreAudit, finite_or_none
from genbench.checks.audit.sample_checks import sample_checks
from genbench.checks.audit.score_kinds import kind_of, truth_of, worst_of
from genbench.checks.audit.shape_checks import shape_checks
from genbench.checks.audit.sides import AuditCase, AuditCheck, AuditSize
from genbench.checks.audit.support_checks import support_checks
from genbench.errors import UsageError, did_you_mean
from genbench.plugs import registry
from genbench.plugs.contract_checks import check_metric
from genbench.plugs.specs import parse_specs

FULL = AuditSize(count=500, repeats=3)
QUICK = AuditSize(count=200, repeats=3, dimensions=(8,), fine=False, interval_repeats=15)

QUICK_METRICS = "fid,kid,pr,prdc,clipped,mind"
"""What the quick audit takes by default."""

WITH_OPTIONS = {"rke": "rke,sigma=4", "rrke": "rrke,sigma=4,rows=200"}
"""Metrics with an option that has no default, and the spec that is audited."""
LEFT_OUT = {
    "divergences": "compares with a known density",
    "fd": "is the same function as fid",
    "lpips": "reads images, and the checks of diversity have points",
    "msssim": "reads images, and the checks of diversity have points",
    "sfid": "reads positions in images, and is the same function as fid",
}
"""Metrics that ``all`` leaves out, and why."""


@dataclass(frozen=True)
class AuditRequest:
    """What to audit."""

    metrics: str = "all"
    """``all``, or specs separated by commas, also of guests: ``my.module:Metric``."""
    checks: str = "all"
    """``all``, or names separated by commas."""
    size: AuditSize = FULL
    seed: int = 0
    quick: bool = False


def all_checks(size: AuditSize) -> list[AuditCheck]:
    """Return all checks, in the order of the page."""
    parts = (shape_checks, mode_checks, support_checks, image_checks, sample_checks)
    return [check for part in parts for check in part(size)]


def run_audit(request: AuditRequest, progress: Callable[[str], None] = lambda words: None) -> Audit:
    """Return the audit. Raises UsageError for unknown names, PlugError if a guest's metric raises.

    ``progress`` is called with the title of each check when it begins.
    """
    began = time.monotonic()
    # complain about names before the long work
    metrics, notes = _requested_metrics(request.metrics)
    checks = _requested_checks(request)
    # cases that several checks share are measured once
    measured: dict[AuditCase, Mapping[tuple[str, str], MeasuredScore]] = {}
    cells: dict[tuple[str, str], list[Cell]] = {}
    kinds: dict[tuple[str, str], tuple[AuditedMetric, str]] = {}
    for check in checks:
        progress(check.title)
        for case in check.cases:
            usable = [metric for metric in metrics if check.without_reference or metric.plug.reference != "none"]
            if case not in measured:
                measured[case] = measured_case(usable, case, request.size, request.seed)
            for (spec, name), found in measured[case].items():
                kinds.setdefault((spec, name), (next(one for one in metrics if one.spec == spec), found.better))
    # a score without a direction cannot pass or fail
    directed = {key: value for key, value in kinds.items() if value[1]}
    notes += [
        f"{name} of {spec} has no direction, so it is not audited." for spec, name in kinds if not kinds[spec, name][1]
    ]
    for key, (metric, better) in directed.items():
        cells[key] = [_judged_cell(check, measured, key, metric, better) for check in checks]
    # the record of each score, in the order of the request
    scores = [
        ScoreAudit(spec, name, kind_of(name, metric.plug), better, tuple(cells[spec, name]))
        for (spec, name), (metric, better) in _in_order(directed, metrics)
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


def _in_order(
    directed: Mapping[tuple[str, str], tuple[AuditedMetric, str]], metrics: Sequence[AuditedMetric]
) -> Iterator[tuple[tuple[str, str], tuple[AuditedMetric, str]]]:
    """Yield the scores in the order of the metrics, and of the scores of each."""
    for metric in metrics:
        yield from ((key, value) for key, value in directed.items() if key[0] == metric.spec)


def _judged_cell(
    check: AuditCheck,
    measured: Mapping[AuditCase, Mapping[tuple[str, str], MeasuredScore]],
    key: tuple[str, str],
    metric: AuditedMetric,
    better: str,
) -> Cell:
    # a check applies if the metric could be computed in all of its cases
    found = {case.name: measured[case].get(key) for case in check.cases}
    known = {name: one for name, one in found.items() if one is not None and np.isfinite(one.value).any()}
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
    criteria = tuple(check.judge(score))
    curves = [_curve(case, known[case.name].value) for case in check.cases] if criteria else []
    return Cell(check.name, criteria, tuple(curves))


def _curve(case: AuditCase, value: Float64) -> Curve:
    # mean and standard error over repeats
    errors = value.std(axis=1, ddof=1) / np.sqrt(value.shape[1])
    means = value.mean(axis=1)
    return Curve(
        case.name, case.axis, case.x, tuple(map(finite_or_none, means)), tuple(finite_or_none(e, 3) for e in errors)
    )


def _requested_metrics(request: str) -> tuple[list[AuditedMetric], list[str]]:
    """Return the metrics, and sentences about those that ``all`` leaves out."""
    if request == "all":
        # all installed metrics, with the options that they need
        names = [name for name in registry.installed("metrics") if name not in LEFT_OUT]
        specs: list[Any] = [WITH_OPTIONS.get(name, name) for name in names]
        notes = [f"{name} is left out: it {why}." for name, why in LEFT_OUT.items()]
    else:
        specs, notes = [str(spec) for spec in parse_specs(request)], []
    metrics = []
    for spec in dict.fromkeys(specs):
        plug = registry.load("metrics", spec)
        # a guest's class without options is made here
        check_metric(plug, spec)
        metrics.append(AuditedMetric(spec, plug))
    return metrics, notes


def _requested_checks(request: AuditRequest) -> list[AuditCheck]:
    # unknown names get a suggestion
    known = {check.name: check for check in all_checks(request.size)}
    if request.checks == "all":
        return list(known.values())
    names = [name.strip() for name in request.checks.split(",") if name.strip()]
    if not names:
        raise UsageError("The list has no check; write all, or names such as mean-shift,copies.")
    for name in names:
        if name not in known:
            raise UsageError(f"There is no check called {name!r}{did_you_mean(name, known)}")
    return [known[name] for name in dict.fromkeys(names)]
