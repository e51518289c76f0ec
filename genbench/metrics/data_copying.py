"""C_T: whether generated samples lie closer to the training samples than held-out samples do, in cells of the space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array, Float64, Int64
from genbench.errors import InputError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.bins import reference_bins
from genbench.metrics.embedding_checks import embedding
from genbench.metrics.frechet.components import Projection
from genbench.metrics.nearest_rows import nearest_rows
from genbench.metrics.tiles import pair_of
from genbench.plugs.contracts import GROUPS, Influence, Score

COMPONENTS = 64
"""Rows of more dimensions are projected to as many principal components of the training rows."""

# tau = 20 / N in the authors' notation
LEAST_GENERATED = 20
"""Cells with no more generated rows than this are left out."""


@dataclass(frozen=True)
class DataCopying:
    """C_T, the three-sample test of data copying (Meehan, Chaudhuri, Dasgupta 2020, arXiv 2004.05675).

    ``copying_test`` gives the formula. The cells are those of k-means on the training rows: one k-means++ start from
    the seed, which does not depend on the order of the rows. With more than 64 dimensions, rows are first projected to
    the 64 leading principal components of the training rows. The error is that of a jackknife that leaves out one of 32
    groups of generated and of held-out rows, for fixed training rows and cells.
    """

    cells: int = 3

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    training_rows: ClassVar[Literal["needed"]] = "needed"
    least_samples: ClassVar[tuple[int, ...]] = (LEAST_GENERATED + 1, 2, 20)

    def __post_init__(self) -> None:
        if self.cells < 1:
            raise UsageError(f"cells={self.cells} is no number of cells; write ct,cells=3.")

    def __call__(
        self, generated: Features, reference: Features | Moments | None, *, seed: int, train: Features
    ) -> list[Score]:
        """Return ``ct``: below 0 the samples copy, above 0 they lie too far from the training samples.

        Raises InputError if no cell has enough rows, or if the embeddings differ in width.
        """
        # the rows of all three sides
        sides = [embedding(side, role) for side, role in ((generated, "generated"), (reference, "held-out"))]
        assert isinstance(reference, Features)
        rows = [embedding(train, "training"), *sides]
        # few dimensions, in which distances are measured as well
        if rows[0].shape[1] > COMPONENTS:
            projection = Projection.of(train, "embedding", COMPONENTS)
            rows = [projection.of_features(side)["embedding"] for side in (train, generated, reference)]
        # the training rows define the cells
        bins = reference_bins(rows[0], bins=self.cells, seed=seed) if self.cells > 1 else None
        labels = [np.zeros(len(side), np.int64) if bins is None else bins.labels(side) for side in rows]
        test = copying_test(rows[1], rows[0], rows[2], cells=(labels[1], labels[0], labels[2]))
        detail: dict[str, Any] = {
            "expected": 0.0,
            "cells": [cell._asdict() for cell in test.cells],
            "left_out_cells": test.left_out,
            "error_by": "jackknife",
            "note": "below 0: copies of training samples; above 0: too far from them.",
        }
        return [Score("ct", test.value, test.error, None, detail, "data_copying_ct", test.influence)]


class CellTest(NamedTuple):
    """The rank test in one cell."""

    z: float
    generated: int
    held_out: int
    train: int


@dataclass(frozen=True)
class CopyingTest:
    """The statistic C_T with its error."""

    value: float
    error: float
    influence: Influence
    cells: tuple[CellTest, ...]
    left_out: int
    """Number of cells with too few generated rows, or without held-out or training rows."""


def copying_test(
    generated: npt.ArrayLike,
    train: npt.ArrayLike,
    held_out: npt.ArrayLike,
    *,
    cells: tuple[Int64, Int64, Int64],
) -> CopyingTest:
    """Return C_T for rows [N, D], [T, D] and [M, D] and the cell 0, 1, ... of each of their rows.

    In each cell, U counts the pairs of its n generated and m held-out rows in which the generated row is farther from
    its nearest training row *of the cell* (ties count 1/2), and Z = (U - (n m / 2 - 1/2)) / sqrt(n m (n + m + 1) / 12).
    C_T is the mean of Z weighted by the shares of held-out rows, over the cells with more than 20 generated rows; as in
    the authors' program. For equal distributions C_T is about normal, with a standard deviation of at most 1.

    Raises InputError if no cell has enough rows, or as ``pair_of`` does.
    """
    # the distances of both sides in each cell, with the jackknife's group of each row
    sides = [np.asarray(side) for side in (generated, train, held_out)]
    groups = [np.arange(len(side)) % GROUPS for side in (sides[0], sides[2])]
    parts, sizes = [], []
    for cell in range(1 + max(int(label.max()) for label in cells)):
        inside = [np.flatnonzero(label == cell) for label in cells]
        # a cell without training rows has no distances, and one with few generated rows says little
        if len(inside[0]) <= LEAST_GENERATED or not len(inside[1]) or not len(inside[2]):
            continue
        # squared distances have the same ranks
        own, other = (nearest_rows(*pair_of(sides[side][inside[side]], sides[1][inside[1]]))[1] for side in (0, 2))
        parts.append(_Cell(own, other, groups[0][inside[0]], groups[1][inside[2]]))
        sizes.append(len(inside[1]))
    if not parts:
        raise InputError(
            f"No cell holds more than {LEAST_GENERATED} generated rows beside held-out and training rows; give more "
            "samples, or fewer cells (ct,cells=1)."
        )

    # the test in all rows, and without each group of either side
    scores = [part.z() for part in parts]
    value = _mean_over_cells([part.held_out for part in parts], scores)
    influences = [_deleted_groups(parts, side) for side in (0, 1)]
    # the variance of each side is G / (G - 1) times its sum of squares
    variance = GROUPS / (GROUPS - 1) * sum(float((influence**2).sum()) for influence in influences)
    influence = Influence(*(tuple(float(f"{one:.9g}") for one in each) for each in influences))
    # the record of each cell
    tests = (CellTest(z, len(p.generated), len(p.held_out), t) for z, p, t in zip(scores, parts, sizes, strict=True))
    left_out = len(set(np.unique(np.concatenate(cells)))) - len(parts)
    return CopyingTest(value, math.sqrt(variance), influence, tuple(tests), left_out)


class _Cell(NamedTuple):
    """Distances to the nearest training row of a cell, and the group of each row."""

    generated: Float64
    held_out: Float64
    generated_group: Int64
    held_out_group: Int64

    def z(self) -> float:
        """Return the standardised rank sum."""
        from scipy.stats import rankdata

        # U of the generated rows: ranks among both sides, without those among themselves
        n, m = len(self.generated), len(self.held_out)
        ranks = rankdata(np.concatenate([self.generated, self.held_out]))
        farther = float(ranks[:n].sum()) - n * (n + 1) / 2
        return (farther - (n * m / 2 - 0.5)) / math.sqrt(n * m * (n + m + 1) / 12)

    def without(self, group: int, side: int) -> _Cell:
        """Return the cell without one group of generated (0) or held-out (1) rows."""
        # the other side keeps all its rows
        keep = [self.generated_group != group, np.ones(len(self.held_out), bool)]
        if side == 1:
            keep = [np.ones(len(self.generated), bool), self.held_out_group != group]
        return _Cell(self.generated[keep[0]], self.held_out[keep[1]], self[2][keep[0]], self[3][keep[1]])


def _deleted_groups(parts: Sequence[_Cell], side: int) -> Float64:
    """Return the influence of each group of a side, [G], which sums to 0."""
    deleted = np.full(GROUPS, np.nan)
    for group in range(GROUPS):
        # a cell may lose all its rows
        rest = [part.without(group, side) for part in parts]
        rest = [part for part in rest if len(part.generated) and len(part.held_out)]
        if rest:
            deleted[group] = _mean_over_cells([part.held_out for part in rest], [part.z() for part in rest])
    # a group without which no cell remains has no influence that could be known
    known = deleted[np.isfinite(deleted)]
    deleted = np.where(np.isfinite(deleted), deleted, known.mean() if len(known) else 0.0)
    return np.asarray((GROUPS - 1) / GROUPS * (deleted.mean() - deleted))


def _mean_over_cells(held_out: Sequence[Array], scores: Sequence[float]) -> float:
    return float(np.average(scores, weights=[len(rows) for rows in held_out]))
