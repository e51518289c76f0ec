"""The data of the checks: both sides and training rows, as features of points or of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from genbench.array_types import Array, Float64, Int64
from genbench.checks.audit.criteria import AuditedScore
from genbench.checks.audit.record import Criterion
from genbench.features.features import Features
from genbench.plugs.contract_checks import checked_views
from genbench.plugs.tensors import input_of

SPREAD_OF_MODES = 0.5
"""Standard deviation of the modes of a mixture."""


@dataclass(frozen=True, eq=False)
class AuditSides:
    """Both sides and training rows, drawn from the distribution of the reference."""

    generated: Features
    reference: Features
    train: Features


@dataclass(frozen=True)
class AuditCase:
    """One sub-case of a check: a grid, and the sides at each point of it."""

    name: str
    axis: str
    """What changes along the grid."""
    x: tuple[float, ...]
    make: Callable[[float, np.random.Generator], AuditSides]
    """Draws the sides at a point. It gets the same random numbers at all points of one repeat."""
    more_repeats: int = 1
    """How many times as many repeats as other cases it gets: grids of few points need more."""


@dataclass(frozen=True)
class AuditCheck:
    """One check: its cases, and how the criteria follow from the values of a score."""

    name: str
    title: str
    about: str
    """The data and the criteria in words."""
    cases: tuple[AuditCase, ...]
    judge: Callable[[AuditedScore], Sequence[Criterion]]
    """Returns nothing if the check does not apply to the score."""
    without_reference: bool = False
    """Whether it also applies to metrics without a reference."""


@dataclass(frozen=True)
class AuditSize:
    """How large an audit is."""

    count: int
    """Rows of each side."""
    repeats: int
    dimensions: tuple[int, ...] = (1, 8, 64)
    fine: bool = True
    """Whether grids have all their points, or the important ones only."""
    interval_repeats: int = 40

    @property
    def several_dimensions(self) -> tuple[int, ...]:
        """The dimensions of checks that need at least two."""
        return tuple(max(2, dimensions) for dimensions in self.dimensions)

    def grid(self, values: Sequence[float], coarse: Sequence[float]) -> tuple[float, ...]:
        """Return all points of a grid, or the important ones."""
        return tuple(values if self.fine else coarse)


def points(generated: Float64, reference: Float64, train: Float64) -> AuditSides:
    """Return sides of rows [N, D]."""
    return AuditSides(*(Features.of(embedding=np.float32(rows)) for rows in (generated, reference, train)))


def normal_rows(rng: np.random.Generator, count: int, dimensions: int) -> tuple[Float64, Float64, Float64]:
    """Return generated, reference and training rows of N(0, I), each float64 [count, dimensions]."""
    # one draw for all sides: a point of the grid changes the rows, and not the draw
    rows = rng.standard_normal((3, count, dimensions))
    return rows[0], rows[1], rows[2]


@dataclass(frozen=True, eq=False)
class ModeMixture:
    """A mixture of equally wide Gaussians with centres [K, D]."""

    centres: Float64

    @staticmethod
    def drawn(dimensions: int, modes: int = 10) -> ModeMixture:
        """Return well separated modes: centres on a grid in 2 dimensions, random ones in more."""
        # at least 10 standard deviations between any two centres
        # a grid in the plane
        if dimensions <= 2:
            grid = [(6.0 * (k % 4), 6.0 * (k // 4)) for k in range(modes)]
            return ModeMixture(np.array(grid)[:, :dimensions])
        # random directions are far apart in many dimensions
        centres = np.random.default_rng(99).standard_normal((modes, dimensions)) * 6
        return ModeMixture(centres)

    def features(self, label: Int64, noise: Float64, width: float = 1.0) -> Features:
        """Return rows of given modes [N], with noise [N, D] of unit variance, and the views of a perfect classifier."""
        # rows around the centres of their modes
        embedding = self.centres[label] + SPREAD_OF_MODES * width * noise
        # posterior of the modes under equal weights
        squared = (embedding**2).sum(axis=1)[:, None] - 2 * embedding @ self.centres.T + (self.centres**2).sum(axis=1)
        mode = squared.argmin(axis=1)
        # rows within 3 standard deviations of the typical distance are of high quality
        radius = SPREAD_OF_MODES * (np.sqrt(self.centres.shape[1]) + 3)
        features = Features.of(
            modes=len(self.centres),
            embedding=np.float32(embedding),
            logits=np.float32(-squared / (2 * SPREAD_OF_MODES**2)),
            mode=mode,
            quality=np.sqrt(np.maximum(squared.min(axis=1), 0)) < radius,
        )
        return replace(features, label=label.astype(np.int64))


def labels_by_weight(rng: np.random.Generator, count: int, weights: Sequence[float]) -> Int64:
    """Return a mode for each row, int64 [count], by inverting the distribution, so that nearby weights agree."""
    # the distribution function of the modes
    edges = np.cumsum(np.asarray(weights, float))
    drawn = np.searchsorted(edges / edges[-1], rng.random(count), side="right")
    return np.minimum(drawn, len(weights) - 1).astype(np.int64)


def features_of_images(images: Array, label: Int64, extractors: Sequence[Any]) -> Features:
    """Return the views of all extractors of uint8 images [N, 3, H, W]; those of the first win."""
    # each extractor gets the same images
    views: dict[str, Any] = {}
    for extractor in extractors:
        given = extractor(input_of(extractor, images))
        views = {**checked_views(given, len(images), f"The extractor {extractor.name!r}"), **views}
    return replace(Features.of(modes=getattr(extractors[0], "modes", None), **views), label=label)
