"""The 2-D Gaussian mixtures of the mode-collapse literature, with samples and exact density."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from genbench.array_types import Float64, Int64
from genbench.errors import UsageError, did_you_mean
from genbench.theory.densities import LN_TWO_PI


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians N(mean_i, std^2 I) with equal weights."""

    name: str
    centres: tuple[tuple[float, float], ...]
    std: float

    @property
    def means(self) -> Float64:
        """float64 [K, 2]"""
        return np.array(self.centres)

    def sample(self, count: int, seed: int) -> Float64:
        """Draw points float64 [count, 2]; the same seed gives the same points."""
        # choose a mode for each point, then add the noise
        rng = np.random.default_rng(seed)
        mode = rng.integers(len(self.centres), size=count)
        return np.asarray(self.means[mode] + self.std * rng.standard_normal((count, 2)))

    def nearest(self, points: npt.ArrayLike) -> tuple[Int64, Float64]:
        """Return the index of the nearest mean, int64 [N], and the distance to it in units of std, float64 [N]."""
        # the distance to every mean
        difference = np.asarray(points, np.float64)[:, None, :] - self.means  # [N, K, 2]
        distance = np.sqrt((difference**2).sum(axis=2))
        return distance.argmin(axis=1), distance.min(axis=1) / self.std


@dataclass(frozen=True)
class MixtureDensity:
    """The exact density of a 2-D mixture: p(x) = 1/K sum_k N(x; mean_k, std^2 I)."""

    mixture: Mixture

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        """Return ln p(x) for points float64 [N, 2], float64 [N]."""
        # all modes have equal weight and the same isotropic covariance
        x, means, std = np.asarray(points, np.float64), self.mixture.means, self.mixture.std
        squared = ((x[:, None, :] - means) ** 2).sum(axis=2) / std**2  # [N, K]
        return np.asarray(logsumexp(-0.5 * squared, axis=1) - math.log(len(means)) - LN_TWO_PI - 2 * math.log(std))

    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count, 2], as ``Mixture.sample`` does."""
        return self.mixture.sample(count, seed)


def _circle(count: int) -> tuple[tuple[float, float], ...]:
    # endpoint=False: including the end point makes two of the eight modes equal, an error of some published code
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return tuple((float(np.cos(a)), float(np.sin(a))) for a in angles)


RING = Mixture("ring", _circle(8), 0.01)
"""Eight modes on the unit circle, std .01 (Srivastava et al. 2017, arXiv 1705.07761; Lin et al., 1712.04086)."""

GRID = Mixture("grid", tuple((float(x), float(y)) for x in range(-4, 5, 2) for y in range(-4, 5, 2)), 0.05)
"""Twenty-five modes on {-4, -2, 0, 2, 4}^2, std .05 (same papers)."""

# by name: the values of the option ``toy``
MIXTURES = {mixture.name: mixture for mixture in (RING, GRID)}


def mixture(name: str) -> Mixture:
    """Return the mixture called ``name``. Raises UsageError for an unknown name."""
    if name not in MIXTURES:
        raise UsageError(f"No 2-D mixture is called {name!r}{did_you_mean(name, MIXTURES)}")
    return MIXTURES[name]
