"""Distributions with an exact log density and a sampler: on the real line, on isolated points, in d dimensions."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, ndtr, ndtri

from genbench.array_types import Float64
from genbench.errors import UsageError

LN_TWO = math.log(2)
LN_TWO_PI = math.log(2 * math.pi)


class Density(Protocol):
    """Interface that the estimators need; a point is a number on the line or a row of [N, d]."""

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
        """Ascending points [K]: the density is smooth between them and has less than 1e-30 of its mass outside."""

    @abstractmethod
    def logpdf(self, points: npt.ArrayLike) -> Float64:
        """Return ln p(x), -inf outside the support; float64 of the shape of ``points``."""

    @abstractmethod
    def cdf(self, points: npt.ArrayLike) -> Float64:
        """Return P(X <= x), 0..1."""

    @abstractmethod
    def quantile(self, probability: npt.ArrayLike) -> Float64:
        """Return the x with P(X <= x) = ``probability`` (0..1), the inverse of ``cdf``."""

    @abstractmethod
    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count]; the same seed gives the same points."""

    def pdf(self, points: npt.ArrayLike) -> Float64:
        """Return the density p(x); float64 of the shape of ``points``."""
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
        # the inner knots help the quadrature to find the peak
        return self.mean + self.std * np.array([-12.0, -4.0, 0.0, 4.0, 12.0])

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        return np.asarray(-0.5 * self._standard(points) ** 2 - math.log(self.std) - 0.5 * LN_TWO_PI)

    def cdf(self, points: npt.ArrayLike) -> Float64:
        return np.asarray(ndtr(self._standard(points)))

    def quantile(self, probability: npt.ArrayLike) -> Float64:
        return np.asarray(self.mean + self.std * ndtri(np.asarray(probability, np.float64)))

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
        # the density jumps at both ends and has no mass outside
        return np.array([self.low, self.high])

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        x = np.asarray(points, np.float64)
        return np.where((x >= self.low) & (x <= self.high), -math.log(self.width), -np.inf)

    def cdf(self, points: npt.ArrayLike) -> Float64:
        return np.clip((np.asarray(points, np.float64) - self.low) / self.width, 0.0, 1.0)

    def quantile(self, probability: npt.ArrayLike) -> Float64:
        return self.low + self.width * np.asarray(probability, np.float64)

    def sample(self, count: int, seed: int) -> Float64:
        # the quantile of a uniform number
        return self.quantile(np.random.default_rng(seed).random(count))


@dataclass(frozen=True)
class Exponential(Line):
    """Density rate exp(-rate x) on x >= 0. Raises UsageError unless rate > 0."""

    rate: float = 1.0

    def __post_init__(self) -> None:
        _require(self.rate > 0, "Exponential needs rate > 0", self.rate)

    @property
    def knots(self) -> Float64:
        # P(X > 80 / rate) = exp(-80), about 1e-35
        return np.array([0.0, 1.0, 5.0, 20.0, 80.0]) / self.rate

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        x = np.asarray(points, np.float64)
        # zero density left of 0
        return np.where(x >= 0, math.log(self.rate) - self.rate * x, -np.inf)

    def cdf(self, points: npt.ArrayLike) -> Float64:
        # 1 - exp(-rate x) without cancellation for small x
        return -np.expm1(-self.rate * np.maximum(np.asarray(points, np.float64), 0.0))

    def quantile(self, probability: npt.ArrayLike) -> Float64:
        # solve 1 - exp(-rate x) = probability for x
        return -np.log1p(-np.asarray(probability, np.float64)) / self.rate

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
        # the mixture is smooth wherever all parts are
        return np.unique(np.concatenate([part.knots for part in self.parts]))

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        # ln sum_k weight_k exp(ln p_k), stable for very small densities
        terms = np.stack([part.logpdf(points) for part in self.parts], axis=-1)
        return np.asarray(logsumexp(terms, axis=-1, b=np.asarray(self.weights)))

    def cdf(self, points: npt.ArrayLike) -> Float64:
        terms = np.stack([part.cdf(points) for part in self.parts], axis=-1)
        return np.asarray(terms @ np.asarray(self.weights))

    def quantile(self, probability: npt.ArrayLike) -> Float64:
        target = np.asarray(probability, np.float64)
        # the quantile lies between the smallest and the largest quantile of the parts: bisect this interval
        part_quantiles = np.stack([part.quantile(target) for part in self.parts])
        low, high = part_quantiles.min(axis=0), part_quantiles.max(axis=0)
        for _ in range(80):
            middle = (low + high) / 2
            below = self.cdf(middle) < target
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray(high, np.float64)

    def sample(self, count: int, seed: int) -> Float64:
        rng = np.random.default_rng(seed)
        choice = rng.choice(len(self.parts), size=count, p=self.weights)
        seeds = rng.integers(2**63, size=len(self.parts))
        # draw ``count`` points from every part, then keep one of them in each position
        samples = np.stack([part.sample(count, int(seed)) for part, seed in zip(self.parts, seeds, strict=True)])
        return np.asarray(samples[choice, np.arange(count)])


@dataclass(frozen=True)
class Discrete:
    """A discrete distribution on points of the real line, such as a categorical variable or a point mass.

    Raises UsageError unless the probabilities are >= 0 and sum to 1 and the values are in ascending order.
    """

    values: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        _require(
            len(self.values) == len(self.probabilities), "Discrete needs one probability for each value", self.values
        )
        _require(bool((np.diff(self.values) > 0).all()), "Discrete needs ascending values", self.values)
        _require_probabilities(self.probabilities)

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        """Return ln P(X = x), -inf if x is not one of the values; float64 of the shape of ``points``."""
        x = np.asarray(points, np.float64)
        # the index of the first value >= x; x has mass only if it equals this value
        index = np.minimum(np.searchsorted(self.values, x), len(self.values) - 1)
        mass = np.where(np.asarray(self.values)[index] == x, np.asarray(self.probabilities)[index], 0.0)
        # ln 0 = -inf without a warning
        return np.log(mass, out=np.full(mass.shape, -np.inf), where=mass > 0)

    def pdf(self, points: npt.ArrayLike) -> Float64:
        """Return P(X = x); float64 of the shape of ``points``."""
        return np.exp(self.logpdf(points))

    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count]; the same seed gives the same points."""
        return np.random.default_rng(seed).choice(np.asarray(self.values), size=count, p=self.probabilities)


def categorical(*probabilities: float) -> Discrete:
    """Return the distribution of a label in 0..K-1."""
    return Discrete(tuple(float(k) for k in range(len(probabilities))), probabilities)


def bernoulli(probability: float) -> Discrete:
    """Return the distribution that is 1 with the given probability, otherwise 0."""
    return categorical(1 - probability, probability)


def point_mass(value: float) -> Discrete:
    """Return the distribution of a constant."""
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
        _require(smallest > 0, "The smallest eigenvalue of the covariance must be > 0", smallest)
        # the dataclass is frozen, so the converted arrays are set through object
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    @property
    def dimension(self) -> int:
        return self.mean.size

    def logpdf(self, points: npt.ArrayLike) -> Float64:
        """Return ln p(x) for points float64 [N, d], float64 [N]."""
        # with L L^T = covariance: (x - m)^T S^-1 (x - m) = |L^-1 (x - m)|^2
        root = np.linalg.cholesky(self.covariance)
        whitened = np.linalg.solve(root, (np.asarray(points, np.float64) - self.mean).T)  # [d, N]
        log_normaliser = np.log(np.diag(root)).sum() + 0.5 * self.dimension * LN_TWO_PI
        return np.asarray(-0.5 * (whitened**2).sum(axis=0) - log_normaliser)

    def sample(self, count: int, seed: int) -> Float64:
        """Draw float64 [count, d]; the same seed gives the same points."""
        # x = mean + L e with L L^T = covariance and e ~ N(0, I)
        noise = np.random.default_rng(seed).standard_normal((count, self.dimension))
        return np.asarray(self.mean + noise @ np.linalg.cholesky(self.covariance).T)


def _require(holds: bool, requirement: str, value: object) -> None:
    if not holds:
        raise UsageError(f"{requirement}; got {value}.")


def _require_probabilities(weights: tuple[float, ...]) -> None:
    valid = len(weights) > 0 and min(weights) >= 0 and abs(math.fsum(weights) - 1) < 1e-9
    _require(valid, "Probabilities must be >= 0 and sum to 1", weights)
