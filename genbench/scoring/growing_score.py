"""Scores of the first samples of a subject, again and again as their number grows, without drawing one twice."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace

import numpy as np

from genbench.array_types import Int64
from genbench.derived_sources import Drawn, Reordered
from genbench.extraction.block_reader import BLOCK_ROWS
from genbench.extraction.feature_store import HashedBlocks
from genbench.features.chosen_rows import chosen_rows
from genbench.features.features import Features
from genbench.plugs.contracts import Metric, Source
from genbench.results import Result
from genbench.scoring.plan import Plan
from genbench.scoring.slice_scores import refuse_slices


@dataclass
class GrowingScore:
    """A plan whose generated side is cut off after its first samples.

    A sampler gives its samples in their order; those of a folder, archive or data set come in an order that the seed
    decides, because their own order often has a meaning.
    """

    plan: Plan
    order: Int64 | None
    """int64 [N], the rows in the order in which they are looked at; None for a sampler."""
    most: int | None
    """Largest number of samples; None if there is none."""
    _known: dict[tuple[str, ...], dict[int, HashedBlocks]] = field(default_factory=dict)
    """Blocks of the generated side by the names of their extractors."""

    @staticmethod
    def of(plan: Plan, most: float | None) -> GrowingScore:
        """Return the growing score of a plan, up to ``most`` samples, or to all; infinity means no limit.

        Raises UsageError for slices of volumes.
        """
        source = plan.sides.generated
        refuse_slices("A sequential decision", source, plan.sides.rows)
        if isinstance(source, Drawn):
            return GrowingScore(plan, None, None if most == math.inf else int(most or len(source)))
        order = np.random.default_rng(plan.sides.options.seed).permutation(len(source))
        return GrowingScore(plan, order, int(min(most or math.inf, len(source))))

    @property
    def fingerprint(self) -> str:
        """The fingerprint of all samples in their own order; empty if it is unknown without reading them."""
        source = self.plan.sides.generated
        digest = getattr(source, "digest", None)
        if self.order is None or digest is None:
            return ""
        starts = range(0, len(source), BLOCK_ROWS)
        digests = [str(digest(start, min(start + BLOCK_ROWS, len(source)))) for start in starts]
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def planned(self, count: int, metrics: dict[str, list[Metric]] | None = None) -> Plan:
        """Return the plan to score the first ``count`` samples by some metrics, by default all of the plan."""
        source = self.plan.sides.generated
        first: Source | Features
        if self.order is None:
            first = self._first_drawn(source, count)
        elif isinstance(source, Features):
            first = chosen_rows(source, np.sort(self.order[:count]))
        else:
            first = Reordered(source, self.order[:count])
        # the other side and the extractors are those of the plan
        sides = self.plan.sides.with_generated(first, self._known)
        return replace(self.plan, sides=sides, metrics=metrics or self.plan.metrics)

    def first(self, count: int, metrics: dict[str, list[Metric]] | None = None) -> Result:
        """Return the result of the first ``count`` samples."""
        return self.planned(count, metrics).score()

    @staticmethod
    def _first_drawn(source: object, count: int) -> Drawn:
        assert isinstance(source, Drawn)
        return replace(source, count=count)
