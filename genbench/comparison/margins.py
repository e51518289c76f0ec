"""Margins: how large a difference has to be to matter, in percent or in the unit of a score."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from genbench.benchmarks import Benchmark
from genbench.comparison.scales import SHARES, ScoreScale
from genbench.errors import UsageError

DEFAULT = "10%"
"""Margin of scores that are not shares."""
DEFAULT_OF_SHARES = "0.02"
UNIT = "units"
"""Word after a number that says that it is meant in the unit of the score, however large it is."""


@dataclass(frozen=True)
class Margin:
    """A difference that does not matter yet."""

    amount: float
    relative: bool
    """Whether ``amount`` is a share of the baseline's value, and not in the unit of the score."""
    explicit: bool = False
    """Whether the unit was written, as in ``2 units`` or ``2%``."""
    default: bool = field(default=False, compare=False)
    """Whether nobody chose it."""

    @staticmethod
    def of(text: str | float, option: str = "--margin") -> Margin:
        """Read ``"10%"``, ``"0.02"``, ``"2 units"`` or a number. Raises UsageError that names the option."""
        # a number, and perhaps a unit
        words = str(text).strip()
        match = re.fullmatch(rf"([^%\s]+?)\s*(%|{UNIT})?", words)
        try:
            number = float(match[1]) if match else math.nan
        except ValueError:
            number = math.nan
        if not (match and math.isfinite(number) and number >= 0):
            raise UsageError(
                f"{option} must be 0 or more, as a percentage such as 2% or a number in the unit of the score such as "
                f"0.5, not {text!r}."
            )
        # percentages become shares of the baseline
        relative = match[2] == "%"
        return Margin(number / 100 if relative else number, relative, explicit=match[2] is not None)

    def limits(self, scale: ScoreScale, value: float) -> tuple[float, float]:
        """Return how far the margin reaches below and above a value, on the scale; infinite if it reaches the end."""
        # a relative margin of 10 % is a factor of 1.1 in both directions
        below = abs(value) * self.amount / (1 + self.amount) if self.relative else self.amount
        above = abs(value) * self.amount if self.relative else self.amount
        # limits outside the domain of the scale are never reached
        at = float(scale.forward(value))
        lowest = value - below
        reachable = not (scale.kind == "log" and lowest <= 0) and not (scale.kind == "logit" and lowest < 0)
        down = at - float(scale.forward(lowest)) if reachable else math.inf
        up = math.inf if scale.kind == "logit" and value + above > 1 else float(scale.forward(value + above)) - at
        return down, up

    def __str__(self) -> str:
        return f"{100 * self.amount:.3g} %" if self.relative else f"{self.amount:.3g}"


def margin_of(metric: str, recipe: Benchmark | None) -> Margin:
    """Return the margin of a score by its full name: the recipe's, or the default."""
    # fd_debiased has the margin of fd
    short = metric.partition("@")[0]
    margins: Mapping[str, str] = recipe.margins if recipe is not None else {}
    for name in (short, short.removesuffix("_debiased")):
        if name in margins:
            return replace(Margin.of(margins[name]), default=True)
    return replace(Margin.of(DEFAULT_OF_SHARES if short in SHARES else DEFAULT), default=True)
