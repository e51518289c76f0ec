"""The rules of a sequential gate: when to look, and what the looks so far decide.

An estimate that grows with the data is looked at again and again. Each look compares its distance from the margin, in
standard errors, with a critical value; the critical values of all looks together keep both error rates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from genbench.comparison.sequential_boundaries import critical_values, sequence_width

Decided = Literal["passed", "failed", "undecided"]

STEP = 256
"""Samples between the first looks: the rows of a block of the store."""
GROWTH = 1.15
"""Ratio of the numbers of samples of later looks, so that their number grows as the logarithm of the samples."""
LEAST_RISE = 1e-3
"""Least increase of the information fraction from look to look, which estimates of the errors may otherwise miss. With
smaller steps, the numerical integration of the boundary would lose probability."""


@dataclass(frozen=True)
class Measured:
    """What one look has measured."""

    count: int
    """Number of generated samples."""
    value: float
    """The score, in its unit."""
    excess: float
    """By how much the score is worse than the margin allows, on the scale of the test; below 0 if it is within it."""
    error: float
    """Standard error of ``excess``."""
    own_error: float
    """Part of ``error`` that falls with the number of samples; the rest belongs to baseline and reference."""


@dataclass(frozen=True)
class Look:
    """A look and its judgement."""

    measured: Measured
    fraction: float
    """Information at this look as a share of the information at the largest number of samples; 0 without a largest."""
    critical: float
    """The number of standard errors from the margin that decides."""

    @property
    def z(self) -> float:
        """Distance from the margin in standard errors; above 0 if the score is worse than allowed."""
        if self.measured.error > 0:
            return self.measured.excess / self.measured.error
        # without an error, exactly as bad as allowed is allowed
        return math.inf if self.measured.excess > 0 else -math.inf

    @property
    def outcome(self) -> Decided:
        """What this look decides."""
        if not math.isfinite(self.measured.excess):
            return "failed"
        if abs(self.z) < self.critical:
            return "undecided"
        return "failed" if self.z > 0 else "passed"


def look_counts(first: int, most: int | None) -> Iterator[int]:
    """Yield the numbers of samples to look at: steps of 256, and of 15 % later, up to ``most``."""
    count = -(-first // STEP) * STEP
    while most is None or count < most:
        yield count
        count = max(count + STEP, round(count * GROWTH / STEP) * STEP)
    yield most


def judged(measured: Sequence[Measured], most: int | None, alpha: float) -> list[Look]:
    """Return the looks with their critical values; earlier ones do not depend on later ones.

    With a largest number of samples ``most``, both one-sided error rates ``alpha`` are spent over the looks (see
    ``critical_values``); without one, a confidence sequence holds at all looks.
    """
    # without a largest number of samples
    if most is None:
        information = [1 / each.error**2 if each.error > 0 else math.inf for each in measured]
        widths = [sequence_width(value, information[0], alpha) if value < math.inf else 0.0 for value in information]
        return [Look(each, 0.0, width) for each, width in zip(measured, widths, strict=True)]
    fractions: list[float] = []
    for each in measured:
        fraction = information_fraction(each, most)
        fractions.append(max(fraction, fractions[-1] + LEAST_RISE) if fractions else fraction)
    return [Look(*parts) for parts in zip(measured, fractions, critical_values(fractions, alpha), strict=True)]


def information_fraction(measured: Measured, most: int) -> float:
    """Return the information of a look as a share of that at ``most`` samples, above 0."""
    # only the own variance falls with the number of samples
    rest = max(measured.error**2 - measured.own_error**2, 0.0)
    last = rest + measured.own_error**2 * measured.count / most
    return 1.0 if measured.count >= most or measured.error == 0 else max(last / measured.error**2, LEAST_RISE)


@dataclass(frozen=True)
class SequentialRecord:
    """A sequential decision with everything that it follows from."""

    statistic: str
    """Full name of the score that decided."""
    baseline: str
    """Name of the baseline."""
    margin: str
    confidence: float
    max_count: int | None
    """Largest number of samples; None if there was none, and a confidence sequence decided."""
    outcome: Decided
    looks: tuple[Look, ...]

    @staticmethod
    def from_dict(fields: Mapping[str, Any]) -> SequentialRecord:
        """Return the record of ``to_dict``."""
        looks = tuple(
            Look(Measured(**look["measured"]), look["fraction"], look["critical"]) for look in fields["looks"]
        )
        return SequentialRecord(**{**fields, "looks": looks})

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    def replayed(self) -> Decided:
        """Return what the recorded measurements decide by the rules of this version."""
        looks = judged([look.measured for look in self.looks], self.max_count, 1 - self.confidence)
        return next((look.outcome for look in looks if look.outcome != "undecided"), "undecided")
