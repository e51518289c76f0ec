"""The lists of the nearest rows, filled tile by tile, against sorting all rows."""

from __future__ import annotations

import numpy as np
import pytest

from genbench.metrics.neighbours import NearestRows
from genbench.metrics.tiles import pair_of


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("width", [10, 47, 300, 1000])
@pytest.mark.parametrize("length", [1, 5, 26])
def test_lists_hold_the_smallest_bounds(length: int, width: int, transposed: bool) -> None:
    rng = np.random.default_rng(width)
    # the first rows have all their neighbours in the last tile, and some bounds are equal
    lower = rng.integers(0, 4000, (50, 1000)).astype(np.float32)
    lower[:7] = np.sort(lower[:7], axis=1)[:, ::-1]
    lower[7] = 3
    nearest = NearestRows(pair_of(rng.random((50, 3)), rng.random((50, 3)))[0], length)
    for start in range(0, 1000, width):
        columns = slice(start, min(start + width, 1000))
        tile = np.ascontiguousarray(lower[:, columns])
        nearest.offer(slice(0, 50), columns, np.asfortranarray(tile) if transposed else tile)
    assert np.array_equal(nearest.lower, np.sort(lower, axis=1)[:, :length])
    assert np.array_equal(np.take_along_axis(lower, nearest.index, 1), nearest.lower)
    assert all(len(set(row)) == length for row in nearest.index)
