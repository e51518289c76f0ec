"""Compare a score with that of real samples: the answer to "is this number large?"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtrit

from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class RealAgainstReal:
    """A score of generated samples and the same score of real ones, with equal numbers and the same reference."""

    generated: Score
    real: Score
    rows: int
    """Number of generated, and of real samples; a distance depends on it."""
    units: int
    """Number of independent samples a side: the volumes of slices, and otherwise the rows."""

    @property
    def outcome(self) -> Literal["worse", "better", "equal"] | None:
        """Whether the generated samples score worse or better than the real ones beyond chance (95 %).

        None if an error is unknown. The errors are added as if they were independent. Both scores share a reference,
        so this overstates the error of their difference: ``worse`` and ``better`` are said too rarely rather than too
        often. Few units need a larger difference: the quantile is that of Student's t with ``units`` - 1 degrees.
        """
        errors = (self.generated.error, self.real.error)
        # a diverged score is not finite
        if None in errors or not math.isfinite(self.generated.value - self.real.value):
            return None
        # the same sign as a worse score, or not
        difference = self.generated.value - self.real.value
        critical_value = float(stdtrit(max(self.units - 1, 1), 0.975))
        if abs(difference) <= critical_value * math.hypot(*(error or 0.0 for error in errors)):
            return "equal"
        return "worse" if (difference > 0) == (self.generated.better == "lower") else "better"
