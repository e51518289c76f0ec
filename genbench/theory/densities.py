"""Distributions whose log density is known exactly beside their samples: on the line, at points, in d dimensions."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, ndtr, ndtri

from genbench.arrays import Float64
from genbench.errors import UsageError
from genbench.theory.mixtures import Mixture

LN_TWO_PI = math.log(2 * math.pi)


class Density(Protocol):
    """What an estimator asks of a distribution; a point is a number on the line or a row of [N, d]."""

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        """Return ln p, float64 [N]; -inf outside the support."""
        ...

    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count] or [count, d]; the same seed gives the same points."""
        ...


class Line(ABC):
    """A density on the real line."""

    @property
    @abstractmethod
    def knots(self) -> Float64:
        """Ascending points between which the density is smooth; less than 1e-30 of its mass lies outside them."""

    @abstractmethod
    def logpdf(self, points: npt.ArrayLike) -> Float64:
        """Return ln p(x), -inf outside the support; float64 of the shape of ``points``."""

    @abstractmethod
    def cdf(self, points: npt.ArrayLike) -> Float64:
        """Return P(X <= x), 0..1."""

    @abstractmethod
    def quantile(self, share: npt.ArrayLike) -> Float64:
        """Return the point below which that share (0..1) of the mass lies: the inverse of ``cdf``."""

    @abstractmethod
    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count]; the same seed gives the same points."""

    def pdf(self, points: npt.ArrayLike) -> Float64:
        """Return p(x)."""
        return np.exp(self.logpdf(points))


@dataclass(frozen=True)
class Normal(Line):
    """N(mean, std^2) on the line. Raises UsageError unless std > 0."""

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        _require(self.std > 0, "Normal needs std > 0", self.std)

    @property
    def knots(self) -> Float64:
        return self.mean + self.std * np.array([-12.0, -4.0, 0.0, 4.0, 12.0])

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        return np.asarray(-0.5 * self._standard(points) ** 2 - math.log(self.std) - 0.5 * LN_TWO_PI)

    def cdf(self, points: npt.ArrayLike) -> Float64:
        return np.asarray(ndtr(self._standard(points)))

    def quantile(self, share: npt.ArrayLike) -> Float64:
        return np.asarray(self.mean + self.std * ndtri(np.asarray(share, np.float64)))

    def sample(self, count: int, seed: int) -> Float64:
        return self.mean + self.std * np.random.default_rng(seed).standard_normal(count)

    def _standard(self, points: npt.ArrayLike) -> Float64:
        return np.asarray((np.asarray(points, np.float64) - self.mean) / self.std)


@dataclass(frozen=True)
class Uniform(Line):
    """U[low, high]. Raises UsageError unless low < high."""

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        _require(self.low < self.high, "Uniform needs low < high", (self.low, self.high))

    @property
    def width(self) -> float:
        return self.high - self.low

    @property
    def knots(self) -> Float64:
        return np.array([self.low, self.high])

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        x = np.asarray(points, np.float64)
        return np.where((x >= self.low) & (x <= self.high), -math.log(self.width), -np.inf)

    def cdf(self, points: npt.ArrayLike) -> Float64:
        return np.clip((np.asarray(points, np.float64) - self.low) / self.width, 0.0, 1.0)

    def quantile(self, share: npt.ArrayLike) -> Float64:
        return self.low + self.width * np.asarray(share, np.float64)

    def sample(self, count: int, seed: int) -> Float64:
        return self.quantile(np.random.default_rng(seed).random(count))


@dataclass(frozen=True)
class Exponential(Line):
    """Density rate exp(-rate x) on x >= 0. Raises UsageError unless rate > 0."""

    rate: float = 1.0

    def __post_init__(self) -> None:
        _require(self.rate > 0, "Exponential needs rate > 0", self.rate)

    @property
    def knots(self) -> Float64:
        return np.array([0.0, 1.0, 5.0, 20.0, 80.0]) / self.rate

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        x = np.asarray(points, np.float64)
        return np.where(x >= 0, math.log(self.rate) - self.rate * x, -np.inf)

    def cdf(self, points: npt.ArrayLike) -> Float64:
        return -np.expm1(-self.rate * np.maximum(np.asarray(points, np.float64), 0.0))

    def quantile(self, share: npt.ArrayLike) -> Float64:
        return -np.log1p(-np.asarray(share, np.float64)) / self.rate

    def sample(self, count: int, seed: int) -> Float64:
        return self.quantile(np.random.default_rng(seed).random(count))


@dataclass(frozen=True)
class Blend(Line):
    """The mixture sum_k weight_k p_k of densities on the line. Raises UsageError unless the weights sum to 1."""

    parts: tuple[Line, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        _require(len(self.parts) == len(self.weights), "Blend needs one weight for each part", self.weights)
        _require_probabilities(self.weights)

    @property
    def knots(self) -> Float64:
        return np.unique(np.concatenate([part.knots for part in self.parts]))

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        terms = np.stack([part.logpdf(points) for part in self.parts], axis=-1)
        return np.asarray(logsumexp(terms, axis=-1, b=np.asarray(self.weights)))

    def cdf(self, points: npt.ArrayLike) -> Float64:
        terms = np.stack([part.cdf(points) for part in self.parts], axis=-1)
        return np.asarray(terms @ np.asarray(self.weights))

    def quantile(self, share: npt.ArrayLike) -> Float64:
        wanted = np.asarray(share, np.float64)
        of_parts = np.stack([part.quantile(wanted) for part in self.parts])
        low, high = of_parts.min(axis=0), of_parts.max(axis=0)
        for _ in range(80):  # bisection: the quantile lies between those of the parts
            middle = (low + high) / 2
            below = self.cdf(middle) < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray(high, np.float64)

    def sample(self, count: int, seed: int) -> Float64:
        rng = np.random.default_rng(seed)
        part = rng.choice(len(self.parts), size=count, p=self.weights)
        seeds = rng.integers(2**63, size=len(self.parts))
        drawn = np.stack([p.sample(count, int(s)) for p, s in zip(self.parts, seeds, strict=True)])
        return np.asarray(drawn[part, np.arange(count)])


@dataclass(frozen=True)
class Discrete:
    """Probability mass on isolated points of the line: a categorical variable, or a point mass.

    Raises UsageError unless the probabilities are >= 0 and sum to 1 and the values ascend.
    """

    values: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        _require(len(self.values) == len(self.probabilities), "Discrete needs one probability a value", self.values)
        _require(bool((np.diff(self.values) > 0).all()), "Discrete needs ascending values", self.values)
        _require_probabilities(self.probabilities)

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        """Return ln P(X = x), -inf where no mass lies."""
        x = np.asarray(points, np.float64)
        place = np.minimum(np.searchsorted(self.values, x), len(self.values) - 1)
        mass = np.where(np.asarray(self.values)[place] == x, np.asarray(self.probabilities)[place], 0.0)
        return np.log(mass, out=np.full(mass.shape, -np.inf), where=mass > 0)

    def pdf(self, points: npt.ArrayLike) -> Float64:
        """Return P(X = x)."""
        return np.exp(self.logpdf(points))

    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count]; the same seed gives the same points."""
        return np.random.default_rng(seed).choice(np.asarray(self.values), size=count, p=self.probabilities)


def categorical(*probabilities: float) -> Discrete:
    """Return the law of a label in 0..K-1."""
    return Discrete(tuple(float(k) for k in range(len(probabilities))), probabilities)


def bernoulli(probability: float) -> Discrete:
    """Return the law of a coin that shows 1 with that probability, else 0."""
    return categorical(1 - probability, probability)


def point_mass(value: float) -> Discrete:
    """Return the law of a constant."""
    return Discrete((value,), (1.0,))


@dataclass(frozen=True, eq=False)
class MultivariateNormal:
    """N(mean, covariance) in d dimensions; mean float64 [d], covariance float64 [d, d].

    Raises UsageError unless the covariance is symmetric and positive definite.
    """

    mean: Float64
    covariance: Float64

    def __post_init__(self) -> None:
        mean, covariance = np.asarray(self.mean, np.float64), np.asarray(self.covariance, np.float64)
        _require(covariance.shape == (mean.size, mean.size), "The covariance must be [d, d]", covariance.shape)
        _require(bool(np.allclose(covariance, covariance.T)), "The covariance must be symmetric", covariance.tolist())
        smallest = float(np.linalg.eigvalsh(covariance)[0])
        _require(smallest > 0, "The covariance must be positive definite; its smallest eigenvalue", smallest)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    @property
    def dimension(self) -> int:
        return self.mean.size

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        """Return ln p of float64 [N, d] points, float64 [N]."""
        root = np.linalg.cholesky(self.covariance)
        white = np.linalg.solve(root, (np.asarray(points, np.float64) - self.mean).T)  # [d, N]
        volume = np.log(np.diag(root)).sum() + 0.5 * self.dimension * LN_TWO_PI
        return np.asarray(-0.5 * (white**2).sum(axis=0) - volume)

    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count, d]; the same seed gives the same points."""
        noise = np.random.default_rng(seed).standard_normal((count, self.dimension))
        return np.asarray(self.mean + noise @ np.linalg.cholesky(self.covariance).T)


@dataclass(frozen=True)
class MixtureDensity:
    """The exact density of one of the 2-D mixtures: ln p(x) = ln (1/K) sum_k N(x; mean_k, std^2 I)."""

    mixture: Mixture

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        """Return ln p of float64 [N, 2] points, float64 [N]."""
        x, means, std = np.asarray(points, np.float64), self.mixture.means, self.mixture.std
        apart = ((x[:, None, :] - means) ** 2).sum(axis=2) / std**2  # [N, K]
        return np.asarray(logsumexp(-0.5 * apart, axis=1) - math.log(len(means)) - LN_TWO_PI - 2 * math.log(std))

    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count, 2]: the mixture's own samples."""
        return self.mixture.sample(count, seed)


def _require(holds: bool, wanted: str, came: object) -> None:
    if not holds:
        raise UsageError(f"{wanted}; {came} came.")


def _require_probabilities(weights: tuple[float, ...]) -> None:
    fine = len(weights) > 0 and min(weights) >= 0 and abs(math.fsum(weights) - 1) < 1e-9
    _require(fine, "Probabilities must be >= 0 and sum to 1", weights)
