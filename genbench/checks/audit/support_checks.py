"""The checks of supports: spheres, cubes that overlap by a known share, disjoint supports, discrete rows."""

from __future__ import annotations

from functools import partial

import numpy as np

from genbench.array_types import Float64
from genbench.checks.audit.criteria import (
    SMALL,
    AuditedScore,
    criterion_best_at,
    criterion_close,
    criterion_worsens,
    for_cases,
)
from genbench.checks.audit.record import Criterion
from genbench.checks.audit.sides import AuditCase, AuditCheck, AuditSides, AuditSize, normal_rows, points

RADII = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0)
CUBE_ROWS = (0.125, 0.25, 0.5, 1.0)
"""Numbers of rows, as shares of the audit's number."""
OVERLAP = 0.8
"""Edge of the cube that both cubes of edge 1 share."""
DISJOINT_GAP = 0.1
"""Gap between the two disjoint intervals of length 1."""


def support_checks(size: AuditSize) -> list[AuditCheck]:
    """Return these checks."""
    return [
        _sphere_check(size),
        _cube_check(size, "hypercube-size"),
        _cube_check(size, "hypercube-generated"),
        _disjoint_check(size),
        _discrete_check(size),
    ]


def _sphere_check(size: AuditSize) -> AuditCheck:
    grid = size.grid(RADII, (0.5, 0.75, 1.0, 1.25, 1.5))

    def case(dimensions: int) -> AuditCase:
        def make(radius: float, rng: np.random.Generator) -> AuditSides:
            # directions are uniform on the sphere
            generated, *real = (_unit_rows(rows) for rows in normal_rows(rng, size.count, dimensions))
            return points(radius * generated, *real)

        return AuditCase(f"d={dimensions}", "radius", grid, make)

    about = (
        "The reference lies on the surface of the unit sphere, the generated rows on a sphere of another radius, 0 to "
        "4; d = 2, 8, 64. The supports are disjoint. The score is best at radius 1; it is worse at radius 0.5; it is "
        "worse at radius 1.5, each by more than 10 % of its range."
    )
    cases = tuple(case(d) for d in size.several_dimensions)
    return AuditCheck("hypersphere", "Hypersphere", about, cases, partial(_judge_sphere, grid))


def _unit_rows(rows: Float64) -> Float64:
    scaled: Float64 = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def _judge_sphere(grid: tuple[float, ...], score: AuditedScore) -> list[Criterion]:
    if score.measures == "memorisation":
        return []
    best, inside, outside = (grid.index(radius) for radius in (1.0, 0.5, 1.5))

    def judge(case: str) -> list[Criterion]:
        badness = score.badness(case)
        # radii 0.5 and 1.5 decide the range of scores without a bound
        size = SMALL * score.span(badness, best, [inside, outside])
        return [
            criterion_best_at(case, "best at radius 1", badness, best, size),
            criterion_worsens(case, "a smaller sphere is worse", badness, (inside, best), size),
            criterion_worsens(case, "a larger sphere is worse", badness, (outside, best), size),
        ]

    return for_cases(list(score.value), judge)


def _cube_check(size: AuditSize, name: str) -> AuditCheck:
    # two checks with the same cubes
    both = name == "hypercube-size"

    def case(dimensions: int, shift: float) -> AuditCase:
        def make(share: float, rng: np.random.Generator) -> AuditSides:
            generated, reference, train = rng.random((3, size.count, dimensions))
            # fewer rows of the generated side, or of all
            few = max(round(share * size.count), 30)
            rest = few if both else size.count
            return points(generated[:few] + shift, reference[:rest], train[:rest])

        return AuditCase(f"d={dimensions}{', shifted' if shift else ''}", "share of the rows", CUBE_ROWS, make)

    whose = "both sides have" if both else "the generated side has"
    about = (
        f"Uniform rows in unit cubes that are shifted by 0.2 in each dimension, so the supports share 0.8^d; d = 1, 8, "
        f"64; {whose} 1/8 to all of the rows. The value depends on the number of rows by at most 10 % of the range. "
        "Fidelity and diversity: it is 0.8^d within 0.1 for all rows. Both: worse than for equal cubes."
    )
    cases = tuple(case(d, shift) for d in size.dimensions for shift in (0.0, 1 - OVERLAP))
    title = "Hypercube, rows of both sides" if both else "Hypercube, generated rows"
    return AuditCheck(name, title, about, cases, partial(_judge_cube, size))


def _judge_cube(size: AuditSize, score: AuditedScore) -> list[Criterion]:
    if score.measures == "memorisation":
        return []

    def judge(case: str) -> list[Criterion]:
        # equal and shifted cubes, with the same numbers of rows
        null, shifted = score.badness(case), score.badness(f"{case}, shifted")
        last = len(CUBE_ROWS) - 1
        # scores with a known range of 0 to 1 have a known value
        shares = score.measures != "both" and score.worst is not None
        span = 1.0 if shares else abs(float((shifted - null)[last].mean()))
        same = criterion_close(case, "the number of rows does not matter", shifted[:last] - shifted[last], SMALL * span)
        if shares:
            overlap = OVERLAP ** int(case.removeprefix("d="))
            return [same, criterion_close(case, f"value {overlap:.3g}", -shifted[last:] - overlap, SMALL)]
        return [
            same,
            criterion_worsens(case, "worse than for equal cubes", np.stack([null[last], shifted[last]]), (1, 0)),
        ]

    return for_cases([f"d={d}" for d in size.dimensions], judge)


def _disjoint_check(size: AuditSize) -> AuditCheck:
    def case(dimensions: int) -> AuditCase:
        def make(shift: float, rng: np.random.Generator) -> AuditSides:
            generated, reference, train = rng.random((3, size.count, dimensions + 1))
            # no point of one support lies in the other
            generated[:, 0] += shift
            return points(generated, reference, train)

        return AuditCase(f"d=1+{dimensions}", "shift of one dimension", (0.0, 1 + DISJOINT_GAP), make, 2)

    about = (
        "All dimensions are uniform on [0, 1], but one dimension of the generated rows is uniform on [1.1, 2.1]: the "
        "supports are disjoint; d = 1, 8, 64 equal dimensions. The score has its worst value within 10 % of its range, "
        "or, without a bound, is worse than for equal distributions."
    )

    def judge(score: AuditedScore) -> list[Criterion]:
        return [] if score.measures == "memorisation" else for_cases(list(score.value), partial(_judge_disjoint, score))

    return AuditCheck(
        "disjoint-dimension", "One disjoint dimension", about, tuple(case(d) for d in size.dimensions), judge
    )


def _judge_disjoint(score: AuditedScore, case: str) -> list[Criterion]:
    badness = score.badness(case)
    # without a bound
    if score.worst is None:
        return [criterion_worsens(case, "worse than for equal distributions", badness, (1, 0))]
    close = criterion_close(case, "worst value", badness[1:] - score.worst, SMALL * score.span(badness, 0))
    # a score that is always at its worst sees nothing
    seen = criterion_worsens(case, "", badness, (1, 0))
    return [Criterion(case, "worst value", close.passed and seen.passed, close.found)]


def _discrete_check(size: AuditSize) -> AuditCheck:
    def case(dimensions: int, side: str) -> AuditCase:
        def make(rounded: float, rng: np.random.Generator) -> AuditSides:
            generated, reference, train = normal_rows(rng, size.count, dimensions)
            # 0: both sides are of one kind; 1: one side is rounded to whole numbers
            if side == "reference":
                reference, train = np.round(reference), np.round(train)
                generated = generated if rounded else np.round(generated)
            elif rounded:
                generated = np.round(generated)
            return points(generated, reference, train)

        return AuditCase(f"d={dimensions}, {side} rounded", "one side discrete", (0.0, 1.0), make, 2)

    about = (
        "One side is N(0, 1) rounded to whole numbers, the other is N(0, 1); d = 1, 8, 64. The score is worse than for "
        "two sides of the same kind by more than 10 % of its range, with the reference rounded and with the generated "
        "rows rounded."
    )

    def judge_case(score: AuditedScore, case: str) -> list[Criterion]:
        # the effect of rounding, beyond a share of the range
        badness = score.badness(case)
        size_of_effect = SMALL * score.span(badness, 0) if score.worst is not None else 0.0
        return [criterion_worsens(case, "detected", badness, (1, 0), size_of_effect)]

    def judge(score: AuditedScore) -> list[Criterion]:
        return [] if score.measures == "memorisation" else for_cases(list(score.value), partial(judge_case, score))

    cases = tuple(case(d, side) for d in size.dimensions for side in ("reference", "generated"))
    return AuditCheck("discrete", "Discrete against continuous", about, cases, judge)
