"""The checks of location and scale: shifts, outliers, wider and narrower samples, one dimension of another unit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from genbench.checks.audit.criteria import (
    SMALL,
    AuditedScore,
    criterion_best_at,
    criterion_close,
    criterion_monotone,
    criterion_not_worse,
    criterion_worsens,
    for_cases,
)
from genbench.checks.audit.record import Criterion
from genbench.checks.audit.sides import AuditCase, AuditCheck, AuditSides, AuditSize, normal_rows, points

MEAN_SHIFTS = (-6.0, -4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0, 6.0)
SCALES = (0.03, 0.1, 0.25, 0.5, 0.75, 1.0, 1.33, 2.0, 4.0, 10.0, 30.0)
UNITS = (1.0, 10.0, 100.0, 1000.0)
OUTLIER = 4.0
"""Each coordinate of the outlier, in standard deviations of the rows."""


def shape_checks(size: AuditSize) -> list[AuditCheck]:
    """Return these checks."""
    return [*_shift_checks(size), _scale_check(size), _unit_check(size)]


def _shift_checks(size: AuditSize) -> list[AuditCheck]:
    grid = size.grid(MEAN_SHIFTS, MEAN_SHIFTS[1::2])
    # the same rows with no outlier, one in the reference, one in the generated rows
    places = {"mean-shift": "", "reference-outlier": "reference", "generated-outlier": "generated"}
    plain = [_shift_case(size, d, grid, "") for d in size.dimensions]
    about = (
        "Each coordinate of the generated rows N(m, 1) is shifted by m from -6 to 6; d = 1, 8, 64. The score is best "
        "at m = 0; it worsens on both sides; it comes within 10 % of its worst value at both ends, or, without a "
        "bound, still worsens there."
    )
    checks = [AuditCheck("mean-shift", "Mean shift", about, tuple(plain), partial(_judge_shift, grid))]
    for name, place in list(places.items())[1:]:
        cases = tuple(plain) + tuple(_shift_case(size, d, grid, place) for d in size.dimensions)
        about = (
            f"Mean shift with one {place} row at 4 standard deviations in every coordinate. The score is best at 0; it "
            "worsens on both sides; no value differs from that without the outlier by more than 10 % of the range."
        )
        title = f"Outlier in the {place} rows"
        checks.append(AuditCheck(name, title, about, cases, partial(_judge_outlier, grid)))
    return checks


def _shift_case(size: AuditSize, dimensions: int, grid: tuple[float, ...], place: str) -> AuditCase:
    def make(shift: float, rng: np.random.Generator) -> AuditSides:
        generated, reference, train = normal_rows(rng, size.count, dimensions)
        generated = generated + shift
        # the last row is replaced
        if place:
            (generated if place == "generated" else reference)[-1] = OUTLIER
        return points(generated, reference, train)

    return AuditCase(f"d={dimensions}{', outlier' if place else ''}", "shift", grid, make)


def _outward(grid: tuple[float, ...], best: float) -> tuple[int, list[list[int]]]:
    """Return the index of the best point, and the paths of indices from it to both ends."""
    middle = grid.index(best)
    return middle, [list(range(middle, -1, -1)), list(range(middle, len(grid)))]


def _both_sides(score: AuditedScore, case: str, grid: tuple[float, ...], best: float) -> list[Criterion]:
    """Best at the middle of the grid, and worse towards both ends."""
    badness = score.badness(case)
    middle, paths = _outward(grid, best)
    # steps next to the middle decide the range of scores without a bound
    span = score.span(badness, middle, [middle - 1, middle + 1])
    return [
        criterion_best_at(case, f"best at {best:g}", badness, middle, SMALL * span),
        criterion_monotone(case, "worsens on both sides", badness, paths, SMALL * span),
    ]


def _judge_shift(grid: tuple[float, ...], score: AuditedScore) -> list[Criterion]:
    if score.measures == "memorisation":
        return []

    def judge(case: str) -> list[Criterion]:
        # both ends of the grid, where the supports are disjoint
        badness = score.badness(case)
        ends = [0, len(grid) - 1]
        # the worst value, or growth without a bound
        if score.worst is not None:
            span = score.span(badness, grid.index(0.0))
            far = criterion_close(case, "worst value at both ends", badness[ends] - score.worst, SMALL * span)
        else:
            growing = [criterion_worsens(case, "", badness, pair) for pair in ((0, 1), (ends[1], ends[1] - 1))]
            weakest = min(growing, key=lambda one: one.passed)
            far = Criterion(case, "still worsens at both ends", weakest.passed, weakest.found)
        return [*_both_sides(score, case, grid, 0.0), far]

    return for_cases([case for case in score.value if "outlier" not in case], judge)


def _judge_outlier(grid: tuple[float, ...], score: AuditedScore) -> list[Criterion]:
    if score.measures == "memorisation":
        return []

    def judge(case: str) -> list[Criterion]:
        badness, plain = score.badness(case), score.badness(case.removesuffix(", outlier"))
        middle = grid.index(0.0)
        # differences relative to the badness at each shift: distances without a bound grow by orders of magnitude
        size = score.span(plain, middle, [middle - 1, middle + 1])
        relative = np.maximum(np.abs(plain.mean(axis=1) - plain[middle].mean()), size)[:, None]
        allowed = SMALL if size > 0 else 0.0
        scaled = (badness - plain) / np.where(relative > 0, relative, 1.0)
        same = criterion_close(case, "as without the outlier (differences as shares of the range)", scaled, allowed)
        return [*_both_sides(score, case, grid, 0.0), same]

    return for_cases([case for case in score.value if "outlier" in case], judge)


def _scale_check(size: AuditSize) -> AuditCheck:
    grid = size.grid(SCALES, SCALES[1::2])

    def make(dimensions: int) -> Callable[[float, np.random.Generator], AuditSides]:
        def sides(scale: float, rng: np.random.Generator) -> AuditSides:
            generated, reference, train = normal_rows(rng, size.count, dimensions)
            return points(scale * generated, reference, train)

        return sides

    def judge(score: AuditedScore) -> list[Criterion]:
        return (
            [] if score.measures == "memorisation" else for_cases(list(score.value), partial(_judge_scale, score, grid))
        )

    about = (
        "The generated rows are N(0, s²), s from 0.03 to 30; d = 1, 8, 64. Fidelity: not worse for s < 1 by more than "
        "10 % of the range, and worsens for s > 1. Diversity: the reverse. Both: best at 1, and worsens on both sides."
    )
    cases = [AuditCase(f"d={d}", "scale", grid, make(d)) for d in size.dimensions]
    return AuditCheck("scale", "Scale", about, tuple(cases), judge)


def _judge_scale(score: AuditedScore, grid: tuple[float, ...], case: str) -> list[Criterion]:
    if score.measures == "both":
        return _both_sides(score, case, grid, 1.0)
    badness = score.badness(case)
    middle, (narrower, wider) = _outward(grid, 1.0)
    span = score.span(badness, middle)
    # narrow samples are faithful, wide ones are diverse
    good, bad, words = (narrower, wider, "<>") if score.measures == "fidelity" else (wider, narrower, "><")
    return [
        criterion_not_worse(case, f"not worse for scale {words[0]} 1", badness, good, middle, SMALL * span),
        criterion_monotone(case, f"worsens for scale {words[1]} 1", badness, [bad], SMALL * span),
    ]


def _unit_check(size: AuditSize) -> AuditCheck:
    dimensions = size.several_dimensions
    grid = size.grid(UNITS, (1.0, 1000.0))

    def case(count: int, shift: float) -> AuditCase:
        def make(unit: float, rng: np.random.Generator) -> AuditSides:
            sides = normal_rows(rng, size.count, count)
            # the first dimension is equal on both sides, the others differ by the shift
            sides[0][:, 1:] += shift
            for rows in sides:
                rows[:, 0] *= unit
            return points(*sides)

        return AuditCase(f"d={count}{', shifted' if shift else ''}", "unit of dimension 1", grid, make, 2)

    def judge(score: AuditedScore) -> list[Criterion]:
        if score.measures == "memorisation":
            return []
        return for_cases([f"d={count}" for count in dimensions], partial(_judge_unit, score))

    about = (
        "The first dimension of both sides is multiplied by 1 to 1,000; d = 2, 8, 64. The value for equal "
        "distributions changes by at most 10 % of the effect of a shift by 2 in all other dimensions; this shift keeps "
        "at least half of its effect, whatever the unit."
    )
    cases = tuple(case(count, shift) for count in dimensions for shift in (0.0, 2.0))
    return AuditCheck("scaled-dimension", "One dimension in another unit", about, cases, judge)


def _judge_unit(score: AuditedScore, case: str) -> list[Criterion]:
    # the effect of the shift in each unit
    null, shifted = score.badness(case), score.badness(f"{case}, shifted")
    effect = shifted - null
    size = abs(float(effect[0].mean()))
    # the effect that is left in the largest unit, beyond half of the first one
    left = effect[-1] - 0.5 * effect[0]
    grid = np.stack([np.zeros_like(left), left])
    return [
        criterion_close(case, "equal distributions: the unit does not matter", null[1:] - null[0], SMALL * size),
        criterion_worsens(case, "a shift elsewhere keeps half of its effect", grid, (1, 0)),
    ]
