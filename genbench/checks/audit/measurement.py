"""Measure the scores of metrics on the sides of a case."""

from __future__ import annotations

import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genbench.array_types import Float64
from genbench.checks.audit.record import MetricCost, finite_or_none
from genbench.checks.audit.sides import AuditCase, AuditSides, AuditSize, normal_rows, points
from genbench.errors import InputError, guest_code
from genbench.plugs.contract_checks import checked_scores
from genbench.plugs.contracts import Metric, Score


@dataclass(frozen=True)
class AuditedMetric:
    """A metric and the spec that names it."""

    spec: str
    plug: Metric

    @property
    def reads_train(self) -> bool:
        """Whether it reads training rows."""
        return getattr(self.plug, "training_rows", None) is not None


@dataclass(frozen=True, eq=False)
class MeasuredScore:
    """One score over the grid of a case: float64 [points, repeats]; NaN where it cannot be computed."""

    better: str
    """``lower``, ``higher`` or an empty text."""
    value: Float64
    low: Float64
    high: Float64
    """Ends of its own 95 % interval; NaN without an error."""


def measured_case(
    metrics: Sequence[AuditedMetric], case: AuditCase, size: AuditSize, seed: int
) -> dict[tuple[str, str], MeasuredScore]:
    """Return every score of the metrics, by spec of the metric and name of the score."""
    # the arrays of a score are made when it appears first
    shape = (len(case.x), size.repeats * case.more_repeats)
    found: dict[tuple[str, str], MeasuredScore] = {}
    for repeat in range(shape[1]):
        for place, x in enumerate(case.x):
            # the same random numbers at every point of the grid
            sides = case.make(x, np.random.default_rng((seed, repeat)))
            for spec, score in scores_of(metrics, sides, seed=repeat):
                key = (spec, score.name)
                if key not in found:
                    empty = [np.full(shape, np.nan) for _ in range(3)]
                    found[key] = MeasuredScore(getattr(score, "better", None) or "", *empty)
                _store_score(found[key], (place, repeat), score)
    return found


def _store_score(measured: MeasuredScore, place: tuple[int, int], score: Score) -> None:
    # a guest's score may have no error and no interval
    error, interval = getattr(score, "error", None), getattr(score, "interval", None)
    measured.value[place] = float(score.value)
    if interval is not None:
        measured.low[place], measured.high[place] = interval
    elif error is not None:
        measured.low[place], measured.high[place] = score.value - 1.96 * error, score.value + 1.96 * error


def scores_of(metrics: Sequence[AuditedMetric], sides: AuditSides, *, seed: int) -> Iterator[tuple[str, Score]]:
    """Yield the spec and each score of all metrics whose views the sides have.

    Metrics that cannot be computed from these rows are left out. Raises PlugError if a guest raises.
    """
    # metrics that name the same function share one pass over the rows
    passes: dict[Callable[..., Any] | int, list[AuditedMetric]] = {}
    for index, metric in enumerate(metrics):
        if set(metric.plug.needs) <= set(sides.generated.views):
            passes.setdefault(getattr(metric.plug, "evaluate_together", None) or index, []).append(metric)
    for function, group in passes.items():
        try:
            lists = _evaluated_group(function, group, sides, seed)
        except InputError:
            # one of several may be possible alone
            lists = [_alone(metric, sides, seed) for metric in group]
        for metric, scores in zip(group, lists, strict=True):
            yield from ((metric.spec, score) for score in scores)


def _alone(metric: AuditedMetric, sides: AuditSides, seed: int) -> list[Score]:
    try:
        return _evaluated_group(0, [metric], sides, seed)[0]
    except InputError:
        return []


def _evaluated_group(
    function: Callable[..., Any] | int, group: Sequence[AuditedMetric], sides: AuditSides, seed: int
) -> list[list[Score]]:
    # what the metrics need beside the generated rows
    plugs = [metric.plug for metric in group]
    # the rows, also for metrics that could do with moments: the error then contains that of the reference
    reference = None if plugs[0].reference == "none" else sides.reference
    # metrics that do not read training rows do not know the keyword
    keywords: Mapping[str, Any] = {"seed": seed, **({"train": sides.train} if group[0].reads_train else {})}
    # warnings about strange data are expected here
    with warnings.catch_warnings(), guest_code(f"The metric {group[0].spec}"):
        warnings.simplefilter("ignore")
        if callable(function):
            lists = function(plugs, sides.generated, reference, **keywords)
        else:
            lists = [plugs[0](sides.generated, reference, **keywords)]
    return [checked_scores(each, f"The metric {metric.spec}") for each, metric in zip(lists, group, strict=True)]


def metric_cost(metric: AuditedMetric, rows: int, dimensions: int, seed: int) -> MetricCost:
    """Return the time and the peak memory of one call."""

    def once() -> tuple[float, bool]:
        # new sides, because features keep what was computed of them
        sides = points(*normal_rows(np.random.default_rng(seed), rows, dimensions))
        began = time.process_time()
        computed = any(True for _ in scores_of([metric], sides, seed=seed))
        return time.process_time() - began, computed

    # counting memory slows the call down, so it gets a call of its own
    seconds, computed = once()
    tracemalloc.start()
    try:
        once()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if not computed:
        return MetricCost(metric.spec, rows, dimensions, None, None)
    return MetricCost(metric.spec, rows, dimensions, finite_or_none(seconds, 2), finite_or_none(peak / 1e6, 3))
