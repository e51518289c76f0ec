"""The class that metrics of balls inherit from: what they need, and their place in the shared pass over all pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from genbench.errors import UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.ball_counts import BallCounts
from genbench.metrics.ball_hits import Balls
from genbench.metrics.pair_sums import evaluate_together
from genbench.metrics.soft_balls import SoftBalls
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class BallMetric(ABC):
    """A metric that counts rows in balls, each of which reaches to the k-th neighbour of a row."""

    k: int

    # The contract of a metric.
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    evaluate_together: ClassVar[Callable[..., list[list[Score]]]] = staticmethod(evaluate_together)

    @property
    @abstractmethod
    def balls(self) -> tuple[Balls | SoftBalls, ...]:
        """The balls that it reads."""

    @abstractmethod
    def scores(self, pair_sums: BallCounts) -> list[Score]:
        """Return the scores from the counts of all balls."""

    @property
    def least_samples(self) -> tuple[int, int]:
        """Fewest generated and reference rows: a row has k neighbours besides itself."""
        return self.k + 1, self.k + 1

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"k is a number of neighbours and must be at least 1, not {self.k}.")

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        return evaluate_together([self], generated, reference, seed=seed)[0]

    def pair_sums(self) -> type[BallCounts]:
        """Return the class of the counts that it reads."""
        return BallCounts
