"""Choose the rows of a panel: as many held-out rows as generated ones, and halves of a reference without a floor."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from genbench.array_types import Int64
from genbench.errors import InputError
from genbench.features.chosen_rows import chosen_rows, class_order
from genbench.features.features import Features, Moments
from genbench.scoring.panel_error import SPLIT_SEED, Trio

FEWEST_ROWS = 40
"""Fewest rows of a side: two in each group of the jackknife."""


@dataclass(frozen=True)
class RowChoice:
    """The rows of each side that the distances of a panel are computed from, the same for all extractors."""

    generated: Int64 | None
    """int64 [N], in ascending order; None means all."""
    reference: Int64 | None
    floor: Int64 | None
    """Rows of the floor, or of the reference if there is none; None means all."""
    floor_from: str
    rows: int
    """Number of rows of generated and floor."""
    sentences: list[str] = field(default_factory=list)
    """What a user should know about the choice."""

    def trio(
        self, generated: Features, reference: Features | Moments, held_out: Features | None, published: float | None
    ) -> Trio:
        """Return the features of the chosen rows of one extractor."""
        # the floor is a number, held-out samples, or a part of the reference
        floor: Features | float
        if published is not None:
            floor = published
        elif held_out is not None:
            floor = _chosen(held_out, self.floor)
        else:
            assert isinstance(reference, Features)
            floor = replace(_chosen(reference, self.floor), name=f"half of {reference.name}")
        other = _chosen(reference, self.reference) if isinstance(reference, Features) else reference
        return Trio(_chosen(generated, self.generated), other, floor)


def choose_rows(
    generated: Features, reference: Features | Moments, held_out: Features | None, *, published: bool
) -> RowChoice:
    """Return the rows of each side.

    Without ``held_out`` the reference is halved, class by class if it has labels: one half is the floor, and both
    distances are those to the other half. A Frechet distance is biased upward, and more so for fewer rows, so the
    larger of generated and floor is cut to as many rows as the smaller one has, again class by class. The choice does
    not depend on the seed of the score. Raises InputError for fewer than 40 rows.
    """
    if published:
        return RowChoice(None, None, None, "published", len(generated))
    # without a floor: two halves of the reference
    sentences, reference_rows = [], None
    if held_out is not None:
        name, floor_from, order = held_out.name, "held-out samples", _order(held_out)
    else:
        assert isinstance(reference, Features)
        both = _order(reference)
        order, reference_rows = both[0::2], np.sort(both[1::2])
        name, floor_from = f"half of {reference.name}", "half of the reference"
        sentences.append(
            f"There is no --floor: {len(order):,} of the {len(reference):,} reference samples are the floor, and the "
            f"others are the reference of both distances; give held-out real samples with --floor to use them all."
        )

    # as many rows on both sides
    rows = min(len(generated), len(order))
    _require_rows(generated, name, len(order), len(reference_rows) if reference_rows is not None else None)
    cut = _subset(_order(generated), rows) if rows < len(generated) else None
    floor = None if held_out is not None and rows == len(order) else _subset(order, rows)
    if rows < max(len(generated), len(order)):
        larger = generated.name if cut is not None else name
        sentences.append(
            f"The panel uses {rows:,} of the {max(len(generated), len(order)):,} samples of {larger}, because a "
            "distance depends on the number of samples, so generated samples and floor need equal numbers."
        )
    return RowChoice(cut, reference_rows, floor, floor_from, rows, sentences)


def _order(side: Features) -> Int64:
    return class_order(side.label, len(side), SPLIT_SEED)


def _subset(order: Int64, count: int) -> Int64:
    """Return ``count`` rows at even distances in an order, in ascending order: all classes keep their shares."""
    return np.sort(order[np.arange(count) * len(order) // count])


def _chosen(side: Features, rows: Int64 | None) -> Features:
    return side if rows is None else chosen_rows(side, rows)


def _require_rows(generated: Features, floor: str, floor_count: int, reference_count: int | None) -> None:
    # halves of the reference count one by one
    for name, count in ((generated.name, len(generated)), (floor, floor_count), ("the reference", reference_count)):
        if count is not None and count < FEWEST_ROWS:
            raise InputError(
                f"A panel needs at least {FEWEST_ROWS} samples of each side, but {name} has {count}; give more samples."
            )
