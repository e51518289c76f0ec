"""Populations with known scores, from which the study of coverage draws: Gaussians, mixtures, features of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

import genbench
from genbench.array_types import Array, Bool, Float64, Int64
from genbench.features.features import Features
from genbench.metrics.frechet.gaussian import gaussian_of_moments, terms
from genbench.metrics.inception_score import inception_score

Role = Literal["reference", "generated", "other"]
ROLES: tuple[Role, ...] = ("reference", "generated", "other")

DEFAULTS = "fd,is,kid,subset_size=100,subsets=20,pr,prdc,modes"
"""The default metrics of genbench."""
ALL = f"{DEFAULTS},clipped,sympr,pppr,prd,runs=3,mind,projections=100,swd,projections=100,ndb,bins=20,c2st"


@dataclass(frozen=True)
class Population:
    """A reference distribution and two generated ones."""

    name: str
    dimensions: int
    metrics: str
    draw: Callable[[np.random.Generator, int, Role], Features]
    limits: Mapping[Role, Mapping[str, float]]
    """Scores of both generated distributions for infinitely many samples, as far as they are known."""


def gaussian(dimensions: int, metrics: str = ALL) -> Population:
    """Return Gaussians: in each dimension ``generated`` has mean .2 and std 1.1, ``other`` has mean .25 and std 1."""
    moments: dict[Role, tuple[float, float]] = {"reference": (0.0, 1.0), "generated": (0.2, 1.1), "other": (0.25, 1.0)}
    weights = np.random.default_rng(7).standard_normal((dimensions, 10)) / np.sqrt(dimensions) * 2

    def draw(rng: np.random.Generator, count: int, role: Role) -> Features:
        mean, std = moments[role]
        rows = rng.standard_normal((count, dimensions)) * std + mean
        # a linear classifier with random weights gives the logits and modes
        logits = rows @ weights
        mode = logits.argmax(axis=1)
        return Features.of(embedding=rows, logits=logits, mode=mode, quality=rows[:, 0] < 1.5, modes=10)

    limits: dict[Role, Mapping[str, float]] = {}
    for role in ROLES[1:]:
        (mean, std), large = moments[role], draw(np.random.default_rng(8), 200_000, role)
        own, standard = moments[role], moments["reference"]
        kernels = [_gaussian_kernel(*pair, dimensions) for pair in ((own, own), (standard, standard), (own, standard))]
        limits[role] = {
            "fid_debiased": dimensions * (mean**2 + (std - 1) ** 2),
            "kid": kernels[0] + kernels[1] - 2 * kernels[2],
            "high_quality": 0.5 * (1 + math.erf((1.5 - mean) / std / math.sqrt(2))),
            **_predicted(large["logits"]),
        }
    return Population(f"Gaussian, d = {dimensions}", dimensions, metrics, draw, limits)


def _gaussian_kernel(a: tuple[float, float], b: tuple[float, float], dimensions: int) -> float:
    """Return E (x'y / d + 1)^3 of independent x and y with mean and std ``a`` and ``b`` in each dimension."""
    # moments of the product in one dimension
    (m, s), (n, t) = a, b
    first = m * n
    second = (m * m + s * s) * (n * n + t * t)
    third = (m**3 + 3 * m * s * s) * (n**3 + 3 * n * t * t)
    # cumulants of the mean over all dimensions, plus 1
    centre, variance = first + 1, (second - first**2) / dimensions
    skewness = (third - 3 * first * second + 2 * first**3) / dimensions**2
    return centre**3 + 3 * centre * variance + skewness


def _predicted(logits: Array) -> dict[str, float]:
    """Return the limits of the scores of predictions, from all logits of a population or very many of them.

    The other scores of predictions are biased at a finite count, so that their limit is not what they estimate.
    """
    score = inception_score(logits, splits=1)
    return {"is_infinity": score.one_split, "entropy_conditional": score.entropy_conditional}


def mixture(name: str, centres: Float64, std: float, shift: float) -> Population:
    """Return equal mixtures of Gaussians around ``centres`` [K, D].

    ``generated`` is the reference itself, ``other`` is moved by ``shift`` in the first dimension.
    """
    dimensions = centres.shape[1]

    def draw(rng: np.random.Generator, count: int, role: Role) -> Features:
        rows = centres[rng.integers(len(centres), size=count)] + std * rng.standard_normal((count, dimensions))
        return Features.of(embedding=rows + (np.eye(dimensions)[0] * shift if role == "other" else 0))

    limits: dict[Role, Mapping[str, float]] = {
        "generated": {"fid_debiased": 0.0, "kid": 0.0},
        "other": {"fid_debiased": shift**2},
    }
    return Population(name, dimensions, "fd,kid", draw, limits)


def low_dimensional() -> list[Population]:
    """Return populations of few dimensions whose first generated distribution is the reference."""
    angle = 2 * np.pi * np.arange(8) / 8
    ring = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    far = 5 * np.random.default_rng(3).standard_normal((10, 10))
    return [
        mixture("N(0, 1)", np.zeros((1, 1)), 1.0, 0.3),
        mixture("ring8", ring, 0.02, 0.4),
        mixture("ten modes in 10 dimensions", far, 0.1, 1.0),
    ]


@dataclass(frozen=True, eq=False)
class Images:
    """Features of real images."""

    name: str
    embedding: Float64
    """[N, D]"""
    logits: Array
    """[N, C]"""
    quality: Bool
    """[N]"""
    label: Int64
    """[N], the class of each image."""

    @staticmethod
    def of_digits_classifier(images: Path | None) -> Images:
        """Return features by the classifier of digits, of CIFAR-10 in a folder, or of the 1,797 digits."""
        sources = ["digits,split=train", "digits,split=test"]
        if images is not None:
            sources = [str(images / "train-10k.zip"), str(images / "test.zip")]
        sides = [genbench.features_of(source, features="digits", progress=False) for source in sources]
        views = {view: np.concatenate([side[view] for side in sides]) for view in ("embedding", "logits", "quality")}
        return Images(
            name="digits" if images is None else "CIFAR-10, classifier of digits",
            embedding=views["embedding"].astype(np.float64),
            logits=views["logits"],
            quality=views["quality"].astype(bool),
            label=np.concatenate([side.label for side in sides if side.label is not None]),
        )

    @staticmethod
    def of_files(features: Path, labels: Path, name: str) -> Images:
        """Return the features float [N, D] of a .npy file as principal components; labels are int [N].

        A linear classifier of the labels in 64 components gives the logits; a prediction above .9 is of high quality.
        """
        rows, label = np.load(features).astype(np.float64), np.load(labels).astype(np.int64)
        rows -= rows.mean(axis=0)
        vectors = np.linalg.eigh(rows.T @ rows)[1][:, ::-1]
        embedding = rows @ vectors[:, :256]
        logits = _linear_logits(embedding[:, :64], label)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return Images(name, embedding, logits, shares.max(axis=1) / shares.sum(axis=1) > 0.9, label)

    def components(self, count: int) -> Images:
        """Return the first ``count`` dimensions."""
        return replace(self, embedding=self.embedding[:, :count])


def _linear_logits(rows: Float64, label: Int64) -> Array:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    logits: Array = LinearDiscriminantAnalysis().fit(rows, label).decision_function(rows)
    return logits


Draw = Literal["7 of 10 classes", "all classes", "all classes, balanced"]


def real(images: Images, how: Draw, metrics: str = DEFAULTS) -> Population:
    """Return distributions over three pools of images that share none; each draw may take an image twice.

    With 7 of 10 classes, ``generated`` lacks the last three, and ``other`` the first three. Balanced samples have
    labels, and as many images of each class.
    """
    # pools with as many images of each class
    rng, least = np.random.default_rng(0), int(np.bincount(images.label).min()) // 3
    places = [rng.permutation(np.flatnonzero(images.label == each))[: 3 * least] for each in range(10)]
    kept: dict[Role, range] = {"reference": range(10), "generated": range(10), "other": range(10)}
    if how == "7 of 10 classes":
        kept |= {"generated": range(7), "other": range(3, 10)}
    pools = {
        role: np.stack([places[each][part * least : (part + 1) * least] for each in kept[role]])
        for part, role in enumerate(ROLES)
    }

    def rows_of(rows: Int64) -> Features:
        logits, quality = images.logits[rows], images.quality[rows]
        views = {"embedding": images.embedding[rows], "logits": logits, "quality": quality}
        return Features.of(modes=10, mode=logits.argmax(axis=1), **views)

    def draw(rng: np.random.Generator, count: int, role: Role) -> Features:
        pool = pools[role]
        if how != "all classes, balanced":
            return rows_of(rng.choice(pool.ravel(), count))
        # the same number of each class, in random order
        which = rng.permutation(np.arange(count) % len(pool))
        rows = pool[which, rng.integers(pool.shape[1], size=count)]
        return replace(rows_of(rows), label=images.label[rows])

    every = {role: rows_of(pool.ravel()) for role, pool in pools.items()}
    dimensions = images.embedding.shape[1]
    limits = {role: _limits_of_pool(every[role], every["reference"]) for role in ROLES[1:]}
    return Population(f"{images.name}, d = {dimensions}, {how}", dimensions, metrics, draw, limits)


def _limits_of_pool(pool: Features, reference: Features) -> dict[str, float]:
    """Return the scores of infinitely many draws, with replacement, from two finite pools."""
    x, y = (side["embedding"] for side in (pool, reference))
    kernels = [_mean_kernel(a, b) for a, b in ((x, x), (y, y), (x, y))]
    return {
        "fid_debiased": frechet(moments_of(x), moments_of(y)),
        "kid": kernels[0] + kernels[1] - 2 * kernels[2],
        "high_quality": float(pool["quality"].mean()),
        **_predicted(pool["logits"]),
    }


def _mean_kernel(x: Float64, y: Float64) -> float:
    """Return the mean of (x'y / d + 1)^3 over all pairs of rows."""
    total = 0.0
    # some rows at a time
    for part in np.array_split(x / x.shape[1], max(len(x) // 500, 1)):
        linear = part @ y.T + 1
        total += float(np.vdot(linear, linear * linear))
    return total / (len(x) * len(y))


MeanAndCovariance = tuple[Float64, Float64]


def moments_of(rows: npt.ArrayLike) -> MeanAndCovariance:
    """Return the mean [D] and covariance [D, D] of a population of which these are all rows [N, D]."""
    array = np.asarray(rows, np.float64)
    return array.mean(axis=0), np.atleast_2d(np.cov(array, rowvar=False, ddof=0))


def frechet(a: MeanAndCovariance, b: MeanAndCovariance) -> float:
    """Return the Frechet distance of two populations."""
    return float(sum(terms(gaussian_of_moments(*a), gaussian_of_moments(*b))))
