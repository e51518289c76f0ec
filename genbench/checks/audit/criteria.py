"""The criteria of the checks, decided beyond chance.

Criteria are about badness: the value of a score, with its sign changed if higher is better. A grid holds badness,
float64 [points, repeats]. All points of one repeat are made of the same random numbers, so differences of points are
paired. A change counts only if it exceeds LIMIT standard errors, and also a stated size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from genbench.array_types import Float64
from genbench.checks.audit.record import Criterion

LIMIT = 3.0
"""Standard errors that a change must exceed to count."""
SMALL = 0.1
"""Share of the range of a score below which a change does not count."""


@dataclass(frozen=True, eq=False)
class AuditedScore:
    """What the criteria of one score are decided from."""

    measures: str
    """``fidelity``, ``diversity``, ``both`` or ``memorisation``."""
    worst: float | None
    """Badness of the worst possible value; None if there is no bound."""
    truth: float | None
    """Expected value for equal distributions, if it is known at every number of rows."""
    sign: int
    """1 if lower is better, -1 if higher is better."""
    value: Mapping[str, Float64]
    """The values of each case, float64 [points, repeats]; NaN where the score cannot be computed."""
    low: Mapping[str, Float64]
    high: Mapping[str, Float64]
    """Ends of the score's own 95 % interval."""
    reads_train: bool = False
    """Whether its metric reads training rows."""

    def badness(self, case: str) -> Float64:
        """Return the values of a case with the sign by which lower is better."""
        return self.sign * self.value[case]

    @property
    def repeats(self) -> int:
        """Number of repeats of the case that has the fewest."""
        return int(min(values.shape[1] for values in self.value.values()))

    def without(self, repeat: int) -> AuditedScore:
        """Return the same without one repeat."""
        value, low, high = (
            {case: np.delete(values, repeat, axis=1) for case, values in each.items()}
            for each in (self.value, self.low, self.high)
        )
        return replace(self, value=value, low=low, high=high)

    def span(self, grid: Float64, best: int, points: Sequence[int] | None = None) -> float:
        """Return the distance from the badness at the best point to the worst possible badness.

        Without a bound: to the largest badness of the points (default: of all).
        """
        # the range is known for scores with a bound
        means = grid.mean(axis=1)
        if self.worst is not None:
            return abs(self.worst - float(means[best]))
        chosen = means if points is None else means[list(points)]
        return float(np.max(np.abs(chosen - means[best])))


@dataclass(frozen=True)
class Change:
    """A mean difference and its standard error over repeats."""

    mean: float
    error: float

    @property
    def words(self) -> str:
        """The change for people."""
        return f"{self.mean:.3g} ± {self.error:.2g}"

    def exceeds(self, size: float) -> bool:
        """Whether the change is above ``size`` and above LIMIT standard errors."""
        return self.mean > max(size, LIMIT * self.error)

    def at_most(self, size: float) -> bool:
        """Whether the change does not exceed ``size`` beyond LIMIT standard errors; False for NaN."""
        return self.mean <= max(size, LIMIT * self.error)


def change_between(grid: Float64, point: int, other: int) -> Change:
    """Return badness at ``point`` minus badness at ``other``; the spread is pooled over the neighbours of the point."""
    # few repeats give a poor estimate of the spread, and neighbours have a similar one
    near = [k for k in (point - 1, point, point + 1) if 0 <= k < len(grid) and k != other] or [point]
    differences = grid[near] - grid[other]
    spread = math.sqrt(float(np.mean(np.var(differences, axis=1, ddof=1))))
    return Change(float(np.mean(grid[point] - grid[other])), spread / math.sqrt(grid.shape[1]))


def criterion_worsens(case: str, text: str, grid: Float64, points: tuple[int, int], size: float = 0.0) -> Criterion:
    """The score is worse at the first of two points than at the second, by more than ``size``."""
    # the paired change
    change = change_between(grid, *points)
    # rounding alone is no change
    rounding = 1e-9 * abs(float(grid[points[1]].mean()))
    return Criterion(case, text, change.exceeds(max(size, rounding)), f"worse by {change.words}")


def criterion_not_worse(
    case: str, text: str, grid: Float64, points: Sequence[int], best: int, size: float
) -> Criterion:
    """The score is not worse at any of the points than at ``best``, by more than ``size``."""
    changes = [change_between(grid, point, best) for point in points if point != best]
    return _largest_change(case, text, changes, size)


def criterion_best_at(case: str, text: str, grid: Float64, best: int, size: float) -> Criterion:
    """No point of the grid is better than ``best`` by more than ``size``, and the worst point is truly worse."""
    # all points but the best
    others = [point for point in range(len(grid)) if point != best]
    better = _largest_change(case, text, [change_between(-grid, point, best) for point in others], size)
    # a constant score has no best point
    worst = max(others, key=lambda point: float(grid[point].mean()))
    seen = change_between(grid, worst, best).exceeds(0.0)
    return Criterion(case, text, better.passed and seen, better.found if seen else "no point is worse")


def criterion_monotone(case: str, text: str, grid: Float64, paths: Sequence[Sequence[int]], size: float) -> Criterion:
    """Along each path no step improves the score by more than ``size``, and the end is worse than the start."""
    steps = [change_between(-grid, after, before) for path in paths for before, after in pairwise(path)]
    # steps back within the errors are allowed
    backward = _largest_change(case, text, steps, size)
    # both ends must be detected
    ends = [change_between(grid, path[-1], path[0]) for path in paths]
    weakest = min(ends, key=lambda end: end.mean)
    passed = backward.passed and all(end.exceeds(size) for end in ends)
    return Criterion(case, text, passed, f"ends worse by {weakest.words}; {backward.found}")


def criterion_close(case: str, text: str, differences: Float64, size: float) -> Criterion:
    """Paired differences [points, repeats] are 0 within ``size``."""
    # a change in either direction counts
    zero = np.zeros_like(differences[:1])
    grid = np.concatenate([zero, differences])
    changes = [change_between(sign * grid, point, 0) for point in range(1, len(grid)) for sign in (1, -1)]
    return _largest_change(case, text, changes, size)


def for_cases(cases: Sequence[str], judge: Callable[[str], Sequence[Criterion]]) -> list[Criterion]:
    """Return the criteria of every case."""
    return [criterion for case in cases for criterion in judge(case)]


def _largest_change(case: str, text: str, changes: Sequence[Change], size: float) -> Criterion:
    # the most serious change stands for all
    largest = max(changes, key=lambda change: change.mean - max(size, LIMIT * change.error))
    # every change must be allowed
    passed = all(change.at_most(size) for change in changes)
    return Criterion(case, text, passed, f"largest change {largest.words}, allowed {size:.3g}")
