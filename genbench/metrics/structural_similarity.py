"""Diversity by multi-scale structural similarity (MS-SSIM) of pairs of samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array, Float64, Int64
from genbench.errors import InputError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import spans
from genbench.metrics.pair_means import (
    FEWEST_PAIRED_ROWS,
    PairMean,
    PairScore,
    classes_with_pairs,
    mean_of_sampled_pairs,
    random_pairs,
    scores_of_pairs,
)
from genbench.plugs.contracts import Score

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, from the finest (Wang et al. 2003)."""
WINDOW, WINDOW_SIGMA = 11, 1.5
"""Width of the Gaussian window and its standard deviation in pixels."""
STABILISERS = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)
"""C1 and C2 of SSIM for values of 0..255."""
LEAST_SIZE = 2 ** (len(SCALE_WEIGHTS) - 1)
"""Pixels of the smallest image that can be halved for each scale."""
PAIRS_PER_CLASS = 100
"""Fewest pairs within a class, as in AC-GAN's protocol."""


@dataclass(frozen=True)
class MultiScaleSimilarity:
    """MS-SSIM: mean structural similarity of pairs of samples; 1 if all are equal (``multi_scale_similarity``).

    ``msssim`` is the mean over ``pairs`` random pairs of samples (10,000 as in Karras et al. 2018, arXiv 1710.10196).
    ``msssim_per_class`` is the mean over classes of the mean over pairs within a class, at least 100 for each, for
    samples with classes (Odena et al. 2017, arXiv 1610.09585). The pairs are drawn with the seed. Lower is more
    diverse, but only real images say how low is right: noise has the lowest value.
    """

    pairs: int = 10_000
    size: int = 64
    """Pixels of the edges to which images are resized; published values are often those of 128 pixels."""

    needs: ClassVar[tuple[str, ...]] = ("image",)
    reference: ClassVar[Literal["none"]] = "none"
    least_samples: ClassVar[tuple[int, int]] = (FEWEST_PAIRED_ROWS, 0)

    def __post_init__(self) -> None:
        # True is an int in Python
        if not isinstance(self.pairs, int) or isinstance(self.pairs, bool) or self.pairs < 2:
            raise UsageError(f"msssim needs a whole number of pairs of at least 2, not pairs={self.pairs!r}.")

    @property
    def extractor(self) -> str:
        """The extractor that gives images of this size."""
        return f"images,size={self.size}"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``msssim`` and, for samples with classes, ``msssim_per_class``. Raises InputError below 16 pixels."""
        images = generated["image"]
        _check_shape(images)
        # samples are often drawn by default_rng(seed); the pairs must not repeat its numbers
        rng = np.random.default_rng([seed, 0x5353494D])
        overall = _mean_similarity(images, random_pairs(np.arange(len(images)), self.pairs, rng))
        # the same number of pairs within each class
        of_class = classes_with_pairs(generated.label)
        each = max(PAIRS_PER_CLASS, self.pairs // max(1, len(of_class)))
        classes = {number: _mean_similarity(images, random_pairs(rows, each, rng)) for number, rows in of_class.items()}
        detail: dict[str, Any] = {
            "height_and_width": list(images.shape[2:]),
            "window_by_scale": [_window_width(size) for size in _sizes_by_scale(min(images.shape[2:]))],
            "pairs_by": f"random, without repetition, seed {seed}",
            "error_by": "variance over pairs, with the covariance of pairs that share a sample",
        }
        names = PairScore("msssim", "multi_scale_structural_similarity", "lower")
        return scores_of_pairs(names, overall, classes, generated, detail)


def _mean_similarity(images: Array, pairs: Int64) -> PairMean:
    values = []
    # arrays of about 8 MB
    for span in spans(len(pairs), max(1, 2**20 // images[0].size)):
        # the images of some pairs, each once
        rows, place = np.unique(pairs[span], return_inverse=True)
        values.append(_similarity_of_pairs(images[rows].astype(np.float64), place.reshape(-1, 2)))
    return mean_of_sampled_pairs(np.concatenate(values), pairs)


def multi_scale_similarity(x: npt.ArrayLike, y: npt.ArrayLike) -> Float64:
    """Return MS-SSIM of each pair of images, float64 [P] in 0..1: ``l_5^w_5 prod_j cs_j^w_j`` over five scales.

    ``cs = (2 s_xy + C2) / (s_xx + s_yy + C2)`` compares contrast and structure, and ``l = (2 m_x m_y + C1) / (m_x^2 +
    m_y^2 + C1)`` brightness; m and s are local means and (co)variances in a Gaussian window of 11 pixels (sigma 1.5)
    that lies within the image. ``cs`` is averaged over places and channels, at the coarsest scale ``l cs``. Each scale
    halves the image by means over 2 x 2 pixels, and drops an odd last row or column. Negative averages count as 0.
    Wang, Simoncelli and Bovik 2003 (doi 10.1109/ACSSC.2003.1292216), with their weights.

    Five scales of the whole window need more than 160 pixels. In a smaller scale the window is as wide as the scale,
    and sigma shrinks with it, as in the code by which progressive GANs were measured (Karras et al. 2018).

    ``x`` and ``y`` are [P, C, H, W] in 0..255. Raises InputError for other or different shapes, and below 16 pixels.
    """
    # both sides must have one shape
    first, second = (np.asarray(side, np.float64) for side in (x, y))
    if first.shape != second.shape:
        raise InputError(f"MS-SSIM needs images of one shape, not {list(first.shape)} and {list(second.shape)}.")
    _check_shape(first)
    # image i of one side with image i of the other
    own = np.arange(len(first))
    return _similarity_of_pairs(np.concatenate([first, second]), np.stack([own, own + len(first)], axis=1))


def _check_shape(images: Array) -> None:
    if images.ndim != 4 or min(images.shape[2:]) < LEAST_SIZE:
        raise InputError(
            f"MS-SSIM needs images [N, C, H, W] of at least {LEAST_SIZE} x {LEAST_SIZE} pixels, not "
            f"{list(images.shape)}."
        )


def _similarity_of_pairs(images: Float64, pairs: Int64) -> Float64:
    """Return MS-SSIM of pairs int64 [P, 2] of images [N, C, H, W]; what belongs to one image is computed once."""
    similarity = np.ones(len(pairs))
    for scale, weight in enumerate(SCALE_WEIGHTS):
        # only the coarsest scale compares brightness
        last = scale == len(SCALE_WEIGHTS) - 1
        similarity *= np.maximum(_similarity_at_scale(images, pairs, brightness=last), 0) ** weight
        images = images if last else _halved(images)
    return similarity


def _similarity_at_scale(images: Float64, pairs: Int64, *, brightness: bool) -> Float64:
    """Return the average similarity of contrast and structure, with ``brightness`` times that of brightness, [P]."""
    # the window is a product, so rows and columns are smoothed one after the other
    left, right = (_smoothing(size) for size in images.shape[2:])

    def smooth(values: Float64) -> Float64:
        return np.asarray(left @ values @ right.T)

    # local moments of each image, then of each pair
    means = smooth(images)
    square = means**2
    variance = smooth(images**2) - square
    x, y = pairs.T
    product = means[x] * means[y]
    covariance = smooth(images[x] * images[y]) - product
    # the similarity at each place
    terms = (2 * covariance + STABILISERS[1]) / (variance[x] + variance[y] + STABILISERS[1])
    if brightness:
        terms *= (2 * product + STABILISERS[0]) / (square[x] + square[y] + STABILISERS[0])
    return np.asarray(terms.mean(axis=(1, 2, 3)))


def _smoothing(size: int) -> Float64:
    """Return the matrix [size - width + 1, size] that smooths an axis by a Gaussian window within the image."""
    # a small scale has a small window of the same shape
    width = _window_width(size)
    sigma = WINDOW_SIGMA * width / WINDOW
    window = np.exp(-((np.arange(width) - (width - 1) / 2) ** 2) / (2 * sigma**2))
    matrix = np.zeros((size - width + 1, size))
    for row in range(len(matrix)):
        matrix[row, row : row + width] = window / window.sum()
    return matrix


def _window_width(size: int) -> int:
    return min(WINDOW, size)


def _sizes_by_scale(size: int) -> Iterator[int]:
    for _ in SCALE_WEIGHTS:
        yield size
        size //= 2


def _halved(images: Float64) -> Float64:
    """Return the means over 2 x 2 pixels."""
    # an odd last row or column has no partner
    height, width = (size // 2 for size in images.shape[2:])
    blocks = images[:, :, : 2 * height, : 2 * width].reshape(*images.shape[:2], height, 2, width, 2)
    return np.asarray(blocks.mean(axis=(3, 5)))
