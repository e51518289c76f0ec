"""Targets of genbench: bounds of a time or a memory, or of its ratio to that of another contestant in the same run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Runs = Mapping[str, Sequence[Mapping[str, Any]]]
"""Runs of each contestant, in the order of the rounds."""

WORDS = {"seconds": ("time", "s"), "megabytes": ("peak memory", "MB")}
"""How a report calls each quantity, and its unit."""


@dataclass(frozen=True)
class Target:
    """A bound of the median of one quantity of a contestant; without bounds, the figure is only reported."""

    contestant: str
    quantity: str = "seconds"
    """``seconds`` or ``megabytes``."""
    at_most: float | None = None
    at_least: float | None = None
    over: str | None = None
    """The contestant whose quantity divides it, run by run; None for the quantity itself."""

    def line(self, runs: Runs) -> str:
        """Return the figure, the bound, and whether it is met."""
        word, unit = WORDS[self.quantity]
        name = f"{word} of {self.contestant}" + (f" / {self.over}" if self.over else "")
        values = ratios(runs, self.contestant, self.over, self.quantity)
        if not values:
            return f"- {name}: not measured"
        value = median(values)
        spread = f" ({min(values):.3g} to {max(values):.3g}, {len(values)} runs)"
        figure = f"- {name}: {value:.3g}{'' if self.over else f' {unit}'}{spread}"
        if self.at_most is not None:
            return f"{figure}, target at most {self.at_most:g}: {'met' if value <= self.at_most else 'MISSED'}"
        if self.at_least is not None:
            return f"{figure}, target at least {self.at_least:g}: {'met' if value >= self.at_least else 'MISSED'}"
        return figure


def ratios(runs: Runs, contestant: str, over: str | None, quantity: str = "seconds") -> list[float]:
    """Return a quantity of each run, divided by that of another contestant in the same round if one is given."""
    values = [float(run[quantity]) for run in runs.get(contestant, ())]
    if over is None:
        return values
    return [value / float(other[quantity]) for value, other in zip(values, runs.get(over, ()), strict=False)]


def at_least(first: str, bounds: Mapping[str, float]) -> tuple[Target, ...]:
    """Return the targets that the others take this many times as long as the first."""
    return tuple(Target(name, at_least=bound, over=first) for name, bound in bounds.items())


def seconds(bounds: Mapping[str, float]) -> tuple[Target, ...]:
    """Return the targets that contestants take at most this many seconds."""
    return tuple(Target(name, at_most=bound) for name, bound in bounds.items())
