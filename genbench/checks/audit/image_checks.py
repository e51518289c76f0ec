"""The check of disturbances of images, after Heusel et al. 2017 (TTUR, arXiv 1706.08500, appendix A1)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from genbench.array_types import Array, Float64, Int64
from genbench.checks.audit.criteria import SMALL, AuditedScore, criterion_monotone, for_cases
from genbench.checks.audit.record import Criterion
from genbench.checks.audit.sides import AuditCase, AuditCheck, AuditSides, AuditSize, features_of_images
from genbench.plugs import registry

LEVELS_OF_DISTURBANCE = (0.0, 1.0, 2.0, 3.0)
EDGE = 8
"""Pixels of an edge of scikit-learn's digits."""

Disturbance = Callable[[Float64, float, np.random.Generator], Float64]
"""Disturbs images [N, 8, 8] in 0..255 at a level of 0 to 3, and returns them."""


def image_checks(size: AuditSize) -> list[AuditCheck]:
    """Return the check; its images are scikit-learn's digits, its features those of the shipped classifier."""
    grid = size.grid(LEVELS_OF_DISTURBANCE, (0.0, 1.0, 3.0))

    def case(name: str, disturb: Disturbance) -> AuditCase:
        return AuditCase(name, "level", grid, partial(_disturbed_sides, size, disturb))

    about = (
        "Real 8x8 digits of scikit-learn, seen by genbench's classifier of digits. Levels 0 to 3 of Gaussian noise, "
        "Gaussian blur, black rectangles, swirl, salt and pepper, and contamination with digits whose pixels are "
        "permuted. Fidelity and both: worsens without a step back by more than 10 % of the range."
    )
    cases = tuple(case(name, disturb) for name, disturb in DISTURBANCES.items())
    return [AuditCheck("disturbances", "Disturbed images", about, cases, _judge_disturbances)]


def _judge_disturbances(score: AuditedScore) -> list[Criterion]:
    # a wider cloud of samples may be as diverse as the reference
    if score.measures not in ("fidelity", "both"):
        return []

    def judge(case: str) -> list[Criterion]:
        badness = score.badness(case)
        # from no disturbance to the strongest
        path = list(range(len(badness)))
        return [criterion_monotone(case, "worsens", badness, [path], SMALL * score.span(badness, 0))]

    return for_cases(list(score.value), judge)


def _disturbed_sides(size: AuditSize, disturb: Disturbance, level: float, rng: np.random.Generator) -> AuditSides:
    digit_images, target = _digits()
    order = rng.permutation(len(digit_images))
    extractors = _digit_extractors()
    # three disjoint parts, of at most the number of rows of the audit
    part = min(size.count, len(order) // 3)
    sides = []
    for role in range(3):
        rows = order[role * part : (role + 1) * part]
        images = digit_images[rows]
        if role == 0:
            images = disturb(images, level, rng)
        sides.append(features_of_images(_colour_images(images), target[rows], extractors))
    return AuditSides(*sides)


@cache
def _digits() -> tuple[Float64, Int64]:
    """Return the images float64 [1797, 8, 8] in 0..255 and their digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images * (255 / 16), digits.target.astype(np.int64)


@cache
def _digit_extractors() -> tuple[Any, ...]:
    return tuple(registry.load("extractors", name) for name in ("digits", "spectrum"))


def _colour_images(images: Float64) -> Array:
    """Return gray images as uint8 [N, 3, 8, 8]."""
    gray = np.clip(np.round(images), 0, 255).astype(np.uint8)
    return np.repeat(gray[:, None], 3, axis=1)


def _with_noise(images: Float64, level: float, rng: np.random.Generator) -> Float64:
    noise: Float64 = images + 40 * level * rng.standard_normal(images.shape)
    return noise


def _blurred(images: Float64, level: float, rng: np.random.Generator) -> Float64:
    from scipy.ndimage import gaussian_filter

    blurred: Float64 = gaussian_filter(images, (0, 0.5 * level, 0.5 * level))
    return blurred


def _with_rectangles(images: Float64, level: float, rng: np.random.Generator) -> Float64:
    # each level adds one black square of 3 pixels to each image, at the same places
    corners = rng.integers(0, EDGE - 2, (3, len(images), 2))
    covered = images.copy()
    for row, column in corners[: int(level)].transpose(0, 2, 1):
        for index in range(len(images)):
            covered[index, row[index] : row[index] + 3, column[index] : column[index] + 3] = 0
    return covered


def _swirled(images: Float64, level: float, rng: np.random.Generator) -> Float64:
    from scipy.ndimage import map_coordinates

    # the angle falls with the distance from the centre
    y, x = np.mgrid[:EDGE, :EDGE] - (EDGE - 1) / 2
    angle = np.arctan2(y, x) + level * np.exp(-np.hypot(x, y) / 4)
    place = np.stack([np.hypot(x, y) * np.sin(angle), np.hypot(x, y) * np.cos(angle)]) + (EDGE - 1) / 2
    return np.stack([map_coordinates(image, place, order=1, mode="nearest") for image in images])


def _with_salt_and_pepper(images: Float64, level: float, rng: np.random.Generator) -> Float64:
    # a pixel that is hit at one level is hit at all higher ones
    hit, white = rng.random(images.shape), rng.random(images.shape) < 0.5
    return np.where(hit < 0.1 * level, 255.0 * white, images)


def _contaminated(images: Float64, level: float, rng: np.random.Generator) -> Float64:
    # the same permutation for all images: another kind of images with the same pixels
    strange = images.reshape(len(images), -1)[:, rng.permutation(EDGE * EDGE)].reshape(images.shape)
    chosen = rng.random(len(images)) < 0.25 * level
    return np.where(chosen[:, None, None], strange, images)


DISTURBANCES: dict[str, Disturbance] = {
    "noise": _with_noise,
    "blur": _blurred,
    "rectangles": _with_rectangles,
    "swirl": _swirled,
    "salt and pepper": _with_salt_and_pepper,
    "contamination": _contaminated,
}
