"""Two time-scale updates (TTUR) on a noisy saddle: the players need very different learning rates."""

from __future__ import annotations

import numpy as np

from genbench.array_types import Float64


def noisy_saddle(
    rate_x: float,
    rate_y: float,
    *,
    steps: int = 5000,
    noise: float = 1.0,
    start: tuple[float, float] = (0.5, -0.4),
    seed: int = 0,
) -> Float64:
    """Return |(x, y)| after each step on min over x, max over y of (1 + x^2)(100 - y^2), float64 [steps + 1].

    Each derivative is disturbed by normal noise of std ``noise``, and each player has its own learning rate. At the
    saddle (0, 0) the curvature in x is 100 times the curvature in y, so x needs a rate below .01, while y stays stable
    with larger rates. A path that diverges ends in inf. After Heusel et al. 2017 (TTUR, arXiv 1706.08500), figure 2.
    """
    # all noise is drawn in advance, so a path does not depend on when it diverges
    rng = np.random.default_rng(seed)
    disturbances = noise * rng.standard_normal((steps, 2))
    x, y = start
    norms = np.full(steps + 1, np.inf)
    norms[0] = np.hypot(x, y)
    for step, (noise_x, noise_y) in enumerate(disturbances.tolist(), start=1):
        # both players step from the same point: x descends, y ascends
        by_x, by_y = 2 * x * (100 - y**2) + noise_x, -2 * y * (1 + x**2) + noise_y
        x, y = x - rate_x * by_x, y + rate_y * by_y
        # a diverged path is cut off; the rest of it stays inf
        if abs(x) + abs(y) > 1e6:
            break
        norms[step] = np.hypot(x, y)
    return norms
