"""The two time-scale update rule on a toy game: a noisy saddle whose players bear very different learning rates."""

from __future__ import annotations

import numpy as np

from genbench.arrays import Float64


def noisy_saddle(
    rate_x: float,
    rate_y: float,
    *,
    steps: int = 5000,
    noise: float = 1.0,
    start: tuple[float, float] = (0.5, -0.4),
    seed: int = 0,
) -> Float64:
    """Return |(x, y)| along steps on min over x, max over y of (1 + x^2)(100 - y^2), float64 [steps + 1].

    Each derivative comes with normal noise of that std, and each player has its own rate. The saddle is (0, 0), where
    x is curved 100 times as much as y: x bears no rate above .01, while y is in no danger. A path that leaves every
    bound ends in inf. After Heusel et al. 2017 (TTUR, arXiv 1706.08500), figure 2.
    """
    rng = np.random.default_rng(seed)
    shocks = noise * rng.standard_normal((steps, 2))
    x, y = start
    norms = np.full(steps + 1, np.inf)
    norms[0] = np.hypot(x, y)
    for step, (to_x, to_y) in enumerate(shocks.tolist(), start=1):
        by_x, by_y = 2 * x * (100 - y**2) + to_x, -2 * y * (1 + x**2) + to_y
        x, y = x - rate_x * by_x, y + rate_y * by_y
        if abs(x) + abs(y) > 1e6:
            break
        norms[step] = np.hypot(x, y)
    return norms
