"""The checks of modes: dropping all but one at once or one after the other, inventing, and collapse within modes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from genbench.checks.audit.criteria import (
    SMALL,
    AuditedScore,
    criterion_monotone,
    criterion_not_worse,
    for_cases,
)
from genbench.checks.audit.record import Criterion
from genbench.checks.audit.sides import AuditCase, AuditCheck, AuditSides, AuditSize, ModeMixture, labels_by_weight

MODES = 10
LEVELS = tuple(round(0.1 * level, 1) for level in range(11))
WIDTHS = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)

ModeWeights = Callable[[float], Sequence[float]]
"""The weight of each mode of the generated rows, at a point of the grid."""


def mode_checks(size: AuditSize) -> list[AuditCheck]:
    """Return these checks."""
    modes, levels = f"{MODES} equally frequent, well separated modes; d = 2, 8, 64. ", size.grid(LEVELS, LEVELS[::5])
    diverse = "Diversity and both: worsens without a step back. Fidelity: not worse by more than 10 % of the range."
    # whole numbers of missing and of invented modes
    dropped = size.grid(tuple(range(MODES)), (0, 4, MODES - 1))
    invented = size.grid((0, 1, 2, 3, 4, 5), (0, 2, 5))
    return [
        _weights_check(
            # name, title and axis; description; the weights along the grid
            ("simultaneous-dropping", "Mode dropping, all at once", "shift of weight to one mode"),
            f"{modes}The weight of all modes moves to one of them. {diverse}",
            size,
            levels,
            lambda t: [1.0] + [1.0 - t] * (MODES - 1),
        ),
        _weights_check(
            ("sequential-dropping", "Mode dropping, one by one", "missing modes"),
            f"{modes}One mode after the other is missing, up to nine. {diverse}",
            size,
            dropped,
            lambda missing: [1.0] * (MODES - int(missing)) + [0.0] * int(missing),
        ),
        _weights_check(
            ("inventing", "Mode inventing", "invented modes"),
            "The reference has 5 modes, the generated rows 5 to 10; d = 2, 8, 64. Fidelity and both: worsens without a "
            "step back. Diversity: not worse by more than 10 % of the range.",
            size,
            invented,
            lambda more: [1.0] * (5 + int(more)) + [0.0] * (5 - int(more)),
        ),
        _collapse_check(size, f"{modes}Each mode shrinks to 0.01 of its width. {diverse}"),
    ]


def _weights_check(
    names: tuple[str, str, str], about: str, size: AuditSize, grid: Sequence[float], weights: ModeWeights
) -> AuditCheck:
    # inventing has a reference of half of the modes
    name, title, axis = names
    invents = name == "inventing"
    real = [1.0] * 5 + [0.0] * 5 if invents else [1.0] * MODES

    def case(dimensions: int) -> AuditCase:
        # the centres are the same at all points and repeats
        mixture = ModeMixture.drawn(dimensions, MODES)

        def make(level: float, rng: np.random.Generator) -> AuditSides:
            return _mixture_sides(size, mixture, rng, (weights(level), real), 1.0)

        return AuditCase(f"d={dimensions}", axis, tuple(grid), make)

    cases = tuple(case(d) for d in size.several_dimensions)
    # the kind of score that must not change
    blind = "diversity" if invents else "fidelity"
    return AuditCheck(name, title, about, cases, partial(_judge_modes, blind), without_reference=not invents)


def _collapse_check(size: AuditSize, about: str) -> AuditCheck:
    # the centres stay, and all modes become narrower
    grid = size.grid(WIDTHS, (1.0, 0.3, 0.01))

    def case(dimensions: int) -> AuditCase:
        mixture = ModeMixture.drawn(dimensions, MODES)

        def make(width: float, rng: np.random.Generator) -> AuditSides:
            return _mixture_sides(size, mixture, rng, ([1.0] * MODES, [1.0] * MODES), width)

        return AuditCase(f"d={dimensions}", "width of the modes", grid, make)

    cases = tuple(case(d) for d in size.several_dimensions)
    return AuditCheck(
        "collapse", "Mode collapse", about, cases, partial(_judge_modes, "fidelity"), without_reference=True
    )


def _mixture_sides(
    size: AuditSize,
    mixture: ModeMixture,
    rng: np.random.Generator,
    weights: tuple[Sequence[float], Sequence[float]],
    width: float,
) -> AuditSides:
    """Return generated rows of the first weights and a width, and real rows of the second weights."""
    # generated, reference and training rows, in this order
    sides = []
    for side, wide in ((weights[0], width), (weights[1], 1.0), (weights[1], 1.0)):
        label = labels_by_weight(rng, size.count, side)
        sides.append(mixture.features(label, rng.standard_normal((size.count, mixture.centres.shape[1])), wide))
    return AuditSides(*sides)


def _judge_modes(blind: str, score: AuditedScore) -> list[Criterion]:
    """Scores of the kind ``blind`` must stay, all others must worsen along the grid."""
    if score.measures == "memorisation":
        return []

    def judge(case: str) -> list[Criterion]:
        badness = score.badness(case)
        # the whole grid, from no fault to the largest
        path = list(range(len(badness)))
        size = SMALL * score.span(badness, 0)
        # the fault is not of the kind that the score measures
        if score.measures == blind:
            return [criterion_not_worse(case, "not worse", badness, path, 0, size)]
        return [criterion_monotone(case, "worsens", badness, [path], size)]

    return for_cases(list(score.value), judge)
