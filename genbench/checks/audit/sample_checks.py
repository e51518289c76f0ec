"""The checks of samples: copies, few rows, 1 % outliers, invariances, and the score's own interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from genbench.array_types import Float64
from genbench.checks.audit.criteria import (
    SMALL,
    AuditedScore,
    criterion_close,
    criterion_not_worse,
    for_cases,
)
from genbench.checks.audit.record import Criterion
from genbench.checks.audit.sides import AuditCase, AuditCheck, AuditSides, AuditSize, normal_rows, points

SHARES_OF_ROWS = (0.125, 0.25, 0.5, 1.0)
OUTLIERS = 0.01
PLAIN, ORDER, TWICE, ROUNDED = 0.0, 1.0, 2.0, 3.0
"""The points of the check of invariance."""
ONE_DIMENSION = 8
"""Dimensions of checks that need one case only."""
SURE = 0.00135
"""Chance beyond 3 standard errors on one side of a Gaussian."""


def sample_checks(size: AuditSize) -> list[AuditCheck]:
    """Return these checks."""
    return [
        _copies_check(size),
        _few_check(size),
        _outliers_check(size),
        _invariance_check(size),
        _interval_check(size),
    ]


def _cases_of(
    dimensions: tuple[int, ...],
    axis: str,
    grid: tuple[float, ...],
    make: Callable[[int, float, np.random.Generator], AuditSides],
    more_repeats: int = 2,
) -> tuple[AuditCase, ...]:
    return tuple(AuditCase(f"d={d}", axis, grid, partial(make, d), more_repeats) for d in dimensions)


def _copies_check(size: AuditSize) -> AuditCheck:
    def make(dimensions: int, copied: float, rng: np.random.Generator) -> AuditSides:
        fresh, reference, train = normal_rows(rng, size.count, dimensions)
        # metrics that read training rows get copies of them, the others copies of the reference
        return points((fresh, reference, train)[int(copied)], reference, train)

    def judge(score: AuditedScore) -> list[Criterion]:
        def one(case: str) -> list[Criterion]:
            badness = score.badness(case)
            # training rows are copied for metrics that read them
            place = 2 if score.reads_train else 1
            span = score.span(badness, 0) if score.worst is not None else 0.0
            whom = "training" if score.reads_train else "reference"
            text = f"copies of the {whom} rows are no better than new rows"
            return [criterion_not_worse(case, text, -badness[[0, place]], [1], 0, SMALL * span)]

        return for_cases(list(score.value), one)

    about = (
        "The generated rows are exact copies: of the training rows for metrics that read them (the reference is "
        "held-out), of the reference for the others; d = 2, 8, 64. They do not score better than new rows."
    )
    cases = _cases_of(size.several_dimensions, "0 new rows, 1 copies of the reference, 2 of the training rows",
                      (0.0, 1.0, 2.0), make)  # fmt: skip
    return AuditCheck("copies", "Copies", about, cases, judge)


def _few_check(size: AuditSize) -> AuditCheck:
    def case(dimensions: int, change: float, words: str) -> AuditCase:
        def make(share: float, rng: np.random.Generator) -> AuditSides:
            generated, *real = normal_rows(rng, size.count, dimensions)
            few = max(round(share * size.count), 30)
            # a shift, or a narrower model, which is truly worse
            generated = generated + change if words == "shifted" else generated * (1 - change)
            return points(generated[:few], *(rows[:few] for rows in real))

        return AuditCase(f"d={dimensions}{f', {words}' if words else ''}", "share of the rows", SHARES_OF_ROWS, make, 2)

    def judge(score: AuditedScore) -> list[Criterion]:
        if score.measures == "memorisation":
            return []
        return for_cases([f"d={d}" for d in size.several_dimensions], partial(_judge_few, score))

    about = (
        "1/8 to all of the rows of both sides; d = 2, 8, 64. The value for equal distributions changes by at most 10 % "
        "of the effect of a shift by 0.5 in each dimension. Diversity and both: with 1/8 of the rows, a model of 0.9 "
        "times the true width is not ranked before a perfect one (order reversal)."
    )
    cases = [
        case(d, change, words)
        for d in size.several_dimensions
        for change, words in ((0.0, ""), (0.5, "shifted"), (0.1, "narrower"))
    ]
    return AuditCheck("few-rows", "Few rows", about, tuple(cases), judge)


def _judge_few(score: AuditedScore, case: str) -> list[Criterion]:
    null, shifted, narrower = (score.badness(f"{case}{words}") for words in ("", ", shifted", ", narrower"))
    # a moderate fault is the measure of a change
    effect = abs(float((shifted - null)[-1].mean()))
    same = criterion_close(case, "the number of rows does not matter", null[:-1] - null[-1], SMALL * effect)
    # narrow samples are faithful
    if score.measures == "fidelity":
        return [same]
    pair = np.stack([null[0], narrower[0]])
    return [same, criterion_not_worse(case, "the better model is not ranked second", -pair, [1], 0, 0.0)]


def _outliers_check(size: AuditSize) -> AuditCheck:
    def make(dimensions: int, point: float, rng: np.random.Generator) -> AuditSides:
        generated, reference, train = normal_rows(rng, size.count, dimensions)
        # 0: plain, 1: outliers, 2: a shift as the measure of the effect
        if point == 1:
            generated[: max(1, round(OUTLIERS * size.count))] += 10
        return points(generated + (0.5 if point == 2 else 0.0), reference, train)

    def judge(score: AuditedScore) -> list[Criterion]:
        def one(case: str) -> list[Criterion]:
            badness = score.badness(case)
            span = score.span(badness, 0, [2])
            return [
                criterion_close(case, "changes by at most 10 % of the range", badness[1:2] - badness[:1], SMALL * span)
            ]

        return [] if score.measures == "memorisation" else for_cases(list(score.value), one)

    about = (
        "1 % of the generated rows are moved by 10 standard deviations in each coordinate; d = 2, 8, 64. The value "
        "changes by at most 10 % of its range; without a bound, of the effect of a shift by 0.5 in each dimension."
    )
    cases = _cases_of(size.several_dimensions, "0 plain, 1 outliers, 2 shift by 0.5", (0.0, 1.0, 2.0), make)
    return AuditCheck("outliers", "1 % outliers", about, cases, judge)


def _invariance_check(size: AuditSize) -> AuditCheck:
    def make(dimensions: int, point: float, rng: np.random.Generator) -> AuditSides:
        sides = normal_rows(rng, size.count, dimensions)
        # the last point is a shift, the measure of the effect
        if point > ROUNDED:
            sides[0][:] += 0.5
        return points(*(_rearranged(rows, point, rng) for rows in sides))

    def judge(score: AuditedScore) -> list[Criterion]:
        def one(case: str) -> list[Criterion]:
            badness = score.badness(case)
            span = score.span(badness, 0, [len(badness) - 1])
            words = ("the order of the rows", "every row twice", "noise of 1e-6")
            return [
                criterion_close(case, f"{text}: no change", badness[point : point + 1] - badness[:1], SMALL * span)
                for point, text in enumerate(words, start=1)
            ]

        return for_cases(list(score.value), one)

    about = (
        "The rows of all sides in another order; every row twice; noise of 1e-6 added to all rows; d = 8. The value "
        "changes by at most 10 % of its range; without a bound, of the effect of a shift by 0.5 in each dimension."
    )
    cases = _cases_of((ONE_DIMENSION,), "0 plain, 1 order, 2 twice, 3 noise of 1e-6, 4 shift by 0.5",
                      (PLAIN, ORDER, TWICE, ROUNDED, 4.0), make)  # fmt: skip
    return AuditCheck("invariance", "Order, duplicates, noise", about, cases, judge)


def _rearranged(rows: Float64, point: float, rng: np.random.Generator) -> Float64:
    # each point of the grid changes the rows in another way
    if point == ORDER:
        return rows[rng.permutation(len(rows))]
    if point == TWICE:
        return np.repeat(rows, 2, axis=0)
    return rows + 1e-6 * rng.standard_normal(rows.shape) if point == ROUNDED else rows


def _interval_check(size: AuditSize) -> AuditCheck:
    def make(dimensions: int, share: float, rng: np.random.Generator) -> AuditSides:
        # the first rows of both sides
        few = max(round(share * size.count), 30)
        return points(*(rows[:few] for rows in normal_rows(rng, size.count, dimensions)))

    about = (
        f"{size.interval_repeats} draws of equal distributions, with a quarter of the rows and with all; d = 8. The "
        "score's 95 % interval contains its mean over the draws, and, where the expected value is known, the truth, as "
        "often as it says (the share is not below 95 % beyond 3 standard errors); the spread of the values does not "
        "grow with the number of rows."
    )
    more = max(1, size.interval_repeats // size.repeats)
    cases = _cases_of((ONE_DIMENSION,), "share of the rows", (0.25, 1.0), make, more)
    return AuditCheck("interval", "Own interval and spread", about, cases, _judge_interval)


def _judge_interval(score: AuditedScore) -> list[Criterion]:
    from scipy.stats import binom, f

    def one(case: str) -> list[Criterion]:
        few, value = score.value[case]
        low, high = score.low[case][1], score.high[case][1]
        # one interval for each draw of the data
        draws = len(value)
        criteria = []
        # scores without an error have no interval
        targets = [("its mean", float(value.mean())), *([] if score.truth is None else [("the truth", score.truth)])]
        for words, target in targets if np.isfinite(low).all() else ():
            slack = 1e-9 * max(1.0, abs(target))
            inside = int(np.sum((low - slack <= target) & (target <= high + slack)))
            passed = math.isfinite(target) and float(binom.cdf(inside, draws, 0.95)) > SURE
            criteria.append(Criterion(case, f"the interval contains {words}", passed, f"{inside} of {draws} draws"))
        # ratio of variances, against that of equal spreads
        ratio = float(np.var(value, ddof=1)) / max(float(np.var(few, ddof=1)), 1e-300)
        passed = ratio <= float(f.isf(SURE, draws - 1, draws - 1)) or bool(np.ptp(value) == 0)
        criteria.append(
            Criterion(case, "the spread does not grow with the rows", passed, f"variance times {ratio:.3g}")
        )
        return criteria

    return for_cases(list(score.value), one)
