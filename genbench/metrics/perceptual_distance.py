"""Diversity by LPIPS, a perceptual distance of pairs of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from genbench.array_types import Array, Float64, Int64
from genbench.features.features import Features, Moments
from genbench.metrics.pair_means import (
    FEWEST_PAIRED_ROWS,
    PairMean,
    PairScore,
    classes_with_pairs,
    mean_of_all_pairs,
    scores_of_pairs,
)
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class PerceptualDiversity:
    """LPIPS: mean perceptual distance of all pairs of samples; 0 if all are equal (``mean_square_distances``).

    ``lpips`` is the mean over all pairs of samples. ``lpips_per_class`` is the mean over classes of the mean over all
    pairs within a class, for samples with classes; classes may be inputs of which a model made several outputs, as in
    Choi et al. 2020 (arXiv 1912.01865). Zhang et al. 2018 (arXiv 1801.03924). Higher is more diverse, but only real
    images say how high is right: noise is far from everything.
    """

    net: str = "alex"
    """Network whose activations are compared: alex or vgg."""
    size: int = 64
    """Pixels of the edges to which images are resized."""

    needs: ClassVar[tuple[str, ...]] = ("perceptual",)
    reference: ClassVar[Literal["none"]] = "none"
    least_samples: ClassVar[tuple[int, int]] = (FEWEST_PAIRED_ROWS, 0)

    @property
    def extractor(self) -> str:
        """The extractor that gives these features."""
        return f"lpips,net={self.net},size={self.size}"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``lpips`` and, for samples with classes, ``lpips_per_class``."""

        def blocks() -> Iterator[Array]:
            return generated.each("perceptual")

        # all pairs, then those within each class
        everything = np.zeros(len(generated), np.int64)
        overall = mean_of_all_pairs(mean_square_distances(blocks, everything), np.arange(len(generated)))
        classes: dict[int, PairMean] = {}
        of_class = classes_with_pairs(generated.label)
        if generated.label is not None and of_class:
            row_means = mean_square_distances(blocks, np.unique(generated.label, return_inverse=True)[1])
            classes = {number: mean_of_all_pairs(row_means[rows], rows) for number, rows in of_class.items()}
        detail: dict[str, Any] = {
            "features": generated.extractor,
            "pairs_by": "all pairs",
            "error_by": "jackknife over samples",
        }
        names = PairScore("lpips", "learned_perceptual_image_patch_similarity", "higher")
        return scores_of_pairs(names, overall, classes, generated, detail)


def mean_square_distances(blocks: Callable[[], Iterator[Array]], group: Int64) -> Float64:
    """Return the mean squared distance of each row to the other rows of its group, float64 [N]; 0 if there are none.

    ``sum_j |z_i - z_j|^2 = n |z_i|^2 + sum_j |z_j|^2 - 2 z_i . sum_j z_j``. So two passes over the rows suffice,
    and only a block and the sum of each group are in memory. The squared distance of perceptual features is LPIPS.

    ``blocks`` gives float arrays [n, D] whenever it is called; ``group`` int64 [N] numbers the groups from 0.
    """
    counts = np.bincount(group)
    # distances from the first row: rows that are all equal have a distance of exactly 0
    first = next(blocks())[0].astype(np.float64)
    sums = np.zeros((len(counts), len(first)))
    squares: list[Float64] = []
    start = 0
    for block in blocks():
        # sums of rows by group, and the squared length of each row
        rows = block - first
        np.add.at(sums, group[start : start + len(rows)], rows)
        squares.append(np.einsum("ij,ij->i", rows, rows))
        start += len(rows)
    # sums of squared lengths by group
    square = np.concatenate(squares)
    square_sums = np.bincount(group, square)

    # the second pass needs the sums of all rows
    products: list[Float64] = []
    start = 0
    for block in blocks():
        of_rows = sums[group[start : start + len(block)]]
        products.append(np.einsum("ij,ij->i", block - first, of_rows))
        start += len(block)
    # rounding may give a small negative number
    total = counts[group] * square + square_sums[group] - 2 * np.concatenate(products)
    return np.asarray(np.maximum(total, 0) / np.maximum(counts[group] - 1, 1))
