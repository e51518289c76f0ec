"""Recognise paired sides: sample i of both belong together, as an original and its reconstruction."""

from __future__ import annotations

import numpy as np

from genbench.array_types import Float64
from genbench.features.chosen_rows import chosen_rows
from genbench.features.features import Features

ROWS = 1000
"""Number of rows that are compared."""

SHIFTS = (*range(1, 61), 100, 200)
"""Row i is also compared with row i + shift. One of them keeps the class if samples without labels are sorted by class,
or if up to 60, 100 or 200 classes take turns."""

FEWEST = 20
"""A shift of fewer rows decides nothing."""

SHARE = 0.7
"""For independent sides, half of the rows are closer to the row at the same position; for paired ones nearly all."""

PAIRED = (
    "sample i of one side belongs to sample i of the other, so the two sides are not independent: are they originals "
    "and their reconstructions? Distances between them measure the reconstruction, not new samples."
)


def is_paired(generated: Features, reference: Features | None) -> bool:
    """Whether rows of the embeddings at equal positions are closer than rows at any other offset.

    For each shift, the share of rows i with ``|x_i - y_i| < |x_i - y_(i + shift)|`` must be at least 0.7, and above 0.5
    by 4 standard errors. For independent sides some shift is as close, even if both sides are in the order of their
    classes. If both sides have labels, only rows of one class are compared; of volumes, only the middle slice of each.
    """
    # paired sides have equal numbers of samples
    if reference is None or len(generated) != len(reference):
        return False
    if "embedding" not in generated.views or "embedding" not in reference.views:
        return False
    # neighbouring slices are so alike that depth alone would decide: compare one slice of each volume
    if generated.volume is not None and reference.volume is not None:
        generated, reference = (_middle_slices(features) for features in (generated, reference))
    x, y = (_first_rows(features) for features in (generated, reference))
    if x.shape != y.shape:
        return False

    # rows in the order of the classes of the reference, if it has any
    label = np.zeros(len(y), np.int64)
    if generated.label is not None and reference.label is not None:
        label = reference.label[: len(y)]
        order = np.argsort(label, kind="stable")
        x, y, label = x[order], y[order], label[order]

    # |x - y|^2 without |x|^2, which is the same for every shift
    squares = (y**2).sum(axis=1)
    own = squares - 2 * np.einsum("ij,ij->i", x, y)
    decided = False
    for shift in (shift for shift in SHIFTS if shift < len(x) / 2):
        other = np.roll(squares, -shift) - 2 * np.einsum("ij,ij->i", x, np.roll(y, -shift, axis=0))
        closer = (own < other)[label == np.roll(label, -shift)]
        if len(closer) < FEWEST:
            continue
        if closer.mean() < max(SHARE, 0.5 + 2 / np.sqrt(len(closer))):
            return False
        decided = True
    return decided


def _middle_slices(features: Features) -> Features:
    """Return the middle slice of each volume, in the first plane."""
    assert features.volume is not None
    plane = np.zeros(len(features), np.int64) if features.plane is None else features.plane
    rows = np.flatnonzero(plane == plane.min())
    _, starts, counts = np.unique(features.volume[rows], return_index=True, return_counts=True)
    return chosen_rows(features, rows[starts + counts // 2])


def _first_rows(features: Features) -> Float64:
    # only as many blocks as needed
    rows: list[Float64] = []
    for block in features.each("embedding"):
        rows.append(np.asarray(block[:ROWS], np.float64))
        if sum(map(len, rows)) >= ROWS:
            break
    first = np.concatenate(rows)[:ROWS]
    # centring reduces the rounding of the squares
    return np.asarray(first - first.mean(axis=0))
