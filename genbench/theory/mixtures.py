"""The 2-D mixtures of the mode-collapse literature: means, spread, and where a high-quality sample lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genbench.arrays import Float64, Int64
from genbench.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Mixture:
    """An equally weighted mixture of isotropic Gaussians N(mean_i, std^2 I)."""

    name: str
    centres: tuple[tuple[float, float], ...]
    std: float

    @property
    def means(self) -> Float64:
        """float64 [K, 2]"""
        return np.array(self.centres)

    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count, 2] points; the same seed gives the same points."""
        rng = np.random.default_rng(seed)
        mode = rng.integers(len(self.centres), size=count)
        return np.asarray(self.means[mode] + self.std * rng.standard_normal((count, 2)))

    def nearest(self, points: npt.ArrayLike) -> tuple[Int64, Float64]:
        """Return the nearest mean's number int64 [N] and the distance to it in units of std, float64 [N]."""
        apart = np.asarray(points, np.float64)[:, None, :] - self.means
        distance = np.sqrt((apart**2).sum(axis=2))
        return distance.argmin(axis=1), distance.min(axis=1) / self.std


def _circle(count: int) -> tuple[tuple[float, float], ...]:
    # endpoint=False: with the end point included two of the eight modes coincide, as in some published code
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return tuple((float(np.cos(a)), float(np.sin(a))) for a in angles)


RING = Mixture("ring", _circle(8), 0.01)
"""Eight modes on the unit circle, std .01 (Srivastava et al. 2017, arXiv 1705.07761; 1712.04086)."""

GRID = Mixture("grid", tuple((float(x), float(y)) for x in range(-4, 5, 2) for y in range(-4, 5, 2)), 0.05)
"""Twenty-five modes on {-4, -2, 0, 2, 4}^2, std .05 (the same papers)."""

MIXTURES = {mixture.name: mixture for mixture in (RING, GRID)}


def mixture(name: str) -> Mixture:
    """Return the mixture of that name. Raises UsageError for an unknown one."""
    if name not in MIXTURES:
        raise UsageError(f"No 2-D mixture is called {name!r}{did_you_mean(name, MIXTURES)}")
    return MIXTURES[name]
