"""Samples of the 2-D mixtures of Gaussians, float32 [N, 2]: the exact reference of mode coverage."""

from __future__ import annotations

import numpy as np

from genbench.errors import UsageError
from genbench.sources.memory import ArraySource
from genbench.theory.mixtures import GRID, RING, Mixture


def ring(count: int = 2500, seed: int = 0) -> ArraySource:
    """Return points of eight Gaussians on the unit circle. Raises UsageError for a count below 1."""
    return _draw_points(RING, count, seed)


def grid(count: int = 2500, seed: int = 0) -> ArraySource:
    """Return points of twenty-five Gaussians on a grid. Raises UsageError for a count below 1."""
    return _draw_points(GRID, count, seed)


def _draw_points(mixture: Mixture, count: int, seed: int) -> ArraySource:
    # the values may come from the command line, so their types are checked
    if not isinstance(count, int) or count < 1 or not isinstance(seed, int) or seed < 0:
        raise UsageError(f"{mixture.name} needs a count of 1 or more and a seed of 0 or more, both whole numbers.")
    # float32, as Batch.data has it
    points = mixture.sample(count, seed).astype(np.float32)
    return ArraySource(points, name=f"{mixture.name},count={count},seed={seed}")
