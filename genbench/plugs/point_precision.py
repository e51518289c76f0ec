"""Whether points keep their differences in float32, the dtype of all points in batches."""

from __future__ import annotations

import numpy as np

from genbench.array_types import Array

LOST_SHARE = 1 / 128
"""Rounding to float32 that is allowed, as a share of the range of a coordinate."""


def lost_digits(rows: Array, points: Array) -> str:
    """Return what is wrong with ``rows`` [N, D] that are so far from 0 that float32 changes their differences.

    ``points`` are the rows in float32. The text begins with "points"; it is empty if nothing is lost.
    """
    # dtypes whose values all fit into float32, and single rows, lose no differences
    if np.can_cast(rows.dtype, points.dtype) or len(rows) < 2:
        return ""
    # the rounding of each coordinate beside its spread; a constant has no differences
    spread, lost = np.ptp(rows, axis=0), np.abs(rows - points).max(axis=0)
    worst = int(np.argmax(np.where(spread > 0, lost - LOST_SHARE * spread, -1.0)))
    if not (spread[worst] > 0 and lost[worst] > LOST_SHARE * spread[worst]):
        return ""
    return (
        f"points whose coordinate {worst} is near {rows[0, worst]:.6g} and varies by {spread[worst]:.3g}, which "
        "float32 cannot tell; subtract one constant from both sides"
    )
