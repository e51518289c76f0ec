"""Exact answers by direct formulas in high precision or float64. Nothing here is shared with genbench."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from mpmath import mp, mpf
from numpy.typing import NDArray

Array = NDArray[np.float64]

mp.dps = 50


def frechet_of_moments(mu1: Array, sigma1: Array, mu2: Array, sigma2: Array) -> float:
    """Return |mu1 - mu2|^2 + Tr(sigma1 + sigma2 - 2 (sigma1 sigma2)^(1/2)) with 50 digits."""
    first, second = (mp.matrix(sigma.tolist()) for sigma in (sigma1, sigma2))
    # the root of one covariance by its eigenvectors; rounding of the input may leave eigenvalues just below 0
    values, vectors = mp.eigsy(first)
    root = vectors * mp.diag([mp.sqrt(max(value, mpf(0))) for value in values]) * vectors.T
    inner = root * second * root
    inner = (inner + inner.T) / 2
    trace = sum(mp.sqrt(max(value, mpf(0))) for value in mp.eigsy(inner, eigvals_only=True))
    gap = sum((mpf(float(a)) - mpf(float(b))) ** 2 for a, b in zip(mu1, mu2, strict=True))
    diagonal = sum(first[i, i] + second[i, i] for i in range(len(mu1)))
    return float(gap + diagonal - 2 * trace)


def moments_of_rows(rows: NDArray[np.floating]) -> tuple[Array, Array]:
    """Return mean and covariance (ddof 1) of rows in the longest floating-point type."""
    values = rows.astype(np.longdouble)
    centred = values - values.mean(axis=0)
    covariance = (centred.T @ centred) / (len(values) - 1)
    return values.mean(axis=0).astype(np.float64), covariance.astype(np.float64)


def kernel_distance(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """Return the U-statistic of MMD^2 with the kernel (x.y / D + 1)^3, by exact fractions for whole numbers."""
    exact = np.issubdtype(x.dtype, np.integer)
    number = Fraction if exact else np.longdouble

    def kernel(a: NDArray[np.floating], b: NDArray[np.floating]) -> list[list[Any]]:
        products = a.astype(object if exact else np.longdouble) @ b.T.astype(object if exact else np.longdouble)
        width = a.shape[1]
        return [[(number(value) / width + 1) ** 3 for value in row] for row in products]

    def off_diagonal(a: NDArray[np.floating]) -> Any:
        values = kernel(a, a)
        return sum(v for i, row in enumerate(values) for j, v in enumerate(row) if i != j) / (len(a) * (len(a) - 1))

    between = sum(value for row in kernel(x, y) for value in row) / (len(x) * len(y))
    return float(off_diagonal(x) + off_diagonal(y) - 2 * between)


def inception_score(logits: NDArray[np.floating], splits: int = 1) -> float:
    """Return the mean over splits of exp(mean KL(p(y|x) || p(y))).

    Splits are in file order: split i of S ends before row (i + 1) N // S.
    """
    rows = logits.astype(np.longdouble)
    shifted = rows - rows.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    scores = []
    for split in range(splits):
        part = log_p[split * len(rows) // splits : (split + 1) * len(rows) // splits]
        p = np.exp(part)
        marginal = p.mean(axis=0)
        # a class of probability 0 adds nothing
        terms = np.where(p > 0, p * (part - np.log(np.where(marginal > 0, marginal, 1))), 0)
        scores.append(np.exp(terms.sum(axis=1).mean()))
    return float(np.mean(scores))


def distances(x: NDArray[np.floating], y: NDArray[np.floating]) -> Array:
    """Return all distances [N, M] from differences, so that equal rows have exactly 0."""
    gaps = x[:, None].astype(np.float64) - y[None].astype(np.float64)
    return np.asarray(np.sqrt((gaps**2).sum(axis=2)))


def radii(rows: NDArray[np.floating], k: int) -> Array:
    """Return the distance of each row to its k-th neighbour, [N]."""
    return np.asarray(np.sort(distances(rows, rows), axis=1)[:, k])


def precision_recall(x: NDArray[np.floating], y: NDArray[np.floating], k: int) -> list[float]:
    """Return improved precision and recall of generated rows x and reference rows y, by distance <= radius."""
    between = distances(x, y)
    return [
        float((between <= radii(y, k)).any(axis=1).mean()),
        float((between <= radii(x, k)[:, None]).any(axis=0).mean()),
    ]


def density_coverage(x: NDArray[np.floating], y: NDArray[np.floating], k: int) -> list[float]:
    """Return density and coverage of generated rows x and reference rows y, by distance < radius."""
    inside = distances(x, y) < radii(y, k)
    return [float(inside.sum() / (k * len(x))), float(inside.any(axis=0).mean())]


def vendi(rows: NDArray[np.floating]) -> float:
    """Return exp of the entropy of the eigenvalues of K / n for the cosine similarity."""
    unit = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    values = np.linalg.eigvalsh(unit @ unit.T / len(unit))
    values = values[values > 1e-15]
    return float(np.exp(-(values * np.log(values)).sum()))


# Resizing to 299 x 299, in float64. Each axis is a matrix [299, length].


def tensorflow_axis(length: int, size: int) -> Array:
    """Return the weights of TensorFlow 1's bilinear filter: corners not aligned, no half-pixel centres."""
    weights = np.zeros((size, length))
    for output in range(size):
        position = output * (length / size)
        left = int(position)
        weights[output, left] += 1 - (position - left)
        weights[output, min(left + 1, length - 1)] += position - left
    return weights


def half_pixel_axis(length: int, size: int) -> Array:
    """Return the weights of torch's bilinear filter without antialiasing (align_corners=False)."""
    weights = np.zeros((size, length))
    for output in range(size):
        position = max((output + 0.5) * length / size - 0.5, 0.0)
        left = int(position)
        weights[output, left] += 1 - (position - left)
        weights[output, min(left + 1, length - 1)] += position - left
    return weights


def antialiased_axis(length: int, size: int) -> Array:
    """Return the weights of torch's bilinear filter with antialiasing, which has half-pixel centres."""
    return filter_axis(length, size, lambda distance: max(1 - abs(distance), 0.0), reach=1)


def bicubic_axis(length: int, size: int) -> Array:
    """Return the weights of Pillow's antialiased bicubic filter (a = -0.5)."""

    def cubic(distance: float) -> float:
        t, a = abs(distance), -0.5
        if t < 1:
            return ((a + 2) * t - (a + 3)) * t * t + 1
        return (((t - 5) * t + 8) * t - 4) * a if t < 2 else 0.0

    return filter_axis(length, size, cubic, reach=2)


def filter_axis(length: int, size: int, kernel: Callable[[float], float], *, reach: int) -> Array:
    """Return the weights of a filter that is 0 beyond ``reach`` pixels, widened as much as the image shrinks."""
    # the filter is as wide as the image shrinks
    scale = max(length / size, 1.0)
    weights = np.zeros((size, length))
    for output in range(size):
        centre = (output + 0.5) * length / size
        first, last = max(int(centre - reach * scale + 0.5), 0), min(int(centre + reach * scale + 0.5), length)
        row = [kernel((pixel + 0.5 - centre) / scale) for pixel in range(first, last)]
        weights[output, first:last] = np.array(row) / sum(row)
    return weights


def resized(image: NDArray[np.uint8], kind: str, size: int = 299) -> Array:
    """Return float64 [size, size, 3], 0..255, of uint8 [H, W, 3]."""
    axes = {
        "tf": tensorflow_axis, "torch": half_pixel_axis, "clean": bicubic_axis, "torchmetrics": antialiased_axis,
    }  # fmt: skip
    axis = axes[kind]
    rows, columns = axis(image.shape[0], size), axis(image.shape[1], size)
    return np.asarray(np.einsum("ah,hwc,bw->abc", rows, image.astype(np.float64), columns, optimize=True).clip(0, 255))
