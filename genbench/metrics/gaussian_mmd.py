"""The squared maximum mean discrepancy of a Gaussian kernel, and CMMD, its form for CLIP embeddings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array
from genbench.errors import InputError, UsageError, did_you_mean
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import checked_rows, embedding
from genbench.metrics.group_influence import influence_of
from genbench.metrics.kernel_sums import RowSums
from genbench.metrics.pair_sums import evaluate_together, gather_pair_sums
from genbench.metrics.tiles import TILE, Rows, Tile, pair_of
from genbench.plugs.contracts import Score

KERNELS = ("rbf",)

CMMD_SIGMA = 10.0
CMMD_SCALE = 1000.0


@dataclass(frozen=True)
class GaussianMMD:
    """MMD: squared maximum mean discrepancy of a Gaussian kernel (``gaussian_mmd``).

    ``mmd`` is the U-statistic, which has no bias; ``mmd_biased`` is the V-statistic, which is never negative. The
    default ``sigma`` is the root mean square distance of two reference rows, which is near their median distance. It is
    the same for all models that are scored against one reference.
    """

    kernel: str = field(default="rbf", repr=False)
    sigma: float | None = None
    """Width of the kernel, in the unit of the embedding; None means the typical distance of reference rows."""

    # The contract of a metric.
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    least_samples: ClassVar[tuple[int, int]] = (2, 2)
    evaluate_together: ClassVar[Callable[..., list[list[Score]]]] = staticmethod(evaluate_together)

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            hint = did_you_mean(str(self.kernel), KERNELS)
            raise UsageError(f"'mmd' has no kernel={self.kernel}{hint} The metric kid has the polynomial kernel.")
        if self.sigma is not None and not (math.isfinite(self.sigma) and self.sigma > 0):
            raise UsageError(f"mmd needs a sigma above 0, not {self.sigma}.")

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        return evaluate_together([self], generated, reference, seed=seed)[0]

    def pair_sums(self) -> type[GaussianSums]:
        """Return the class of the sums that it reads."""
        return GaussianSums

    def scores(self, pair_sums: GaussianSums) -> list[Score]:
        """Return ``mmd`` and ``mmd_biased``."""
        sums, sigma = pair_sums.by_metric[self], pair_sums.sigmas[self]
        detail: dict[str, Any] = {"sigma": sigma, "error_by": "U-statistic variance", "least": 0.0}
        influence = influence_of(*sums.row_influence, error=sums.error)
        key = "maximum_mean_discrepancy_squared"
        return [
            Score("mmd", sums.value, sums.error, "lower", detail | {"expected": 0.0}, key, influence),
            Score("mmd_biased", sums.biased_value, sums.error, "lower", detail, f"{key}_biased", influence),
        ]


@dataclass(frozen=True)
class ClipMMD:
    """CMMD: MMD of CLIP embeddings of length 1, times 1,000 (Jayasumana et al. 2024, arXiv 2401.09603).

    sigma is 10. ``cmmd`` is the V-statistic, as published, and ``cmmd_unbiased`` the U-statistic. Published values are
    those of CLIP ViT-L/14 at 336 pixels: ``cmmd@clip,variant=vit-l-14-336px``. Squared distances of unit vectors are at
    most 4, so the kernel is nearly linear there, and the value is about 10 times the squared distance of the means.
    """

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    least_samples: ClassVar[tuple[int, int]] = (2, 2)
    extractor: ClassVar[str] = "clip,variant=vit-l-14-336px"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``cmmd`` and ``cmmd_unbiased``. Raises InputError if a row is all zeros."""
        sides = (unit_rows(generated, "generated"), unit_rows(reference, "reference"))
        estimate = gaussian_mmd(*sides, sigma=CMMD_SIGMA)
        error = None if estimate.error is None else CMMD_SCALE * estimate.error
        influence = influence_of(*estimate.row_influence, error=error)
        detail: dict[str, Any] = {"sigma": CMMD_SIGMA, "factor": CMMD_SCALE, "error_by": "U-statistic variance"}
        key, values = "clip_maximum_mean_discrepancy", (CMMD_SCALE * estimate.biased_value, CMMD_SCALE * estimate.value)
        unbiased = {"expected": 0.0, "least": 0.0}
        return [
            Score("cmmd", values[0], error, "lower", detail | {"least": 0.0}, key, influence),
            Score("cmmd_unbiased", values[1], error, "lower", detail | unbiased, f"{key}_unbiased", influence),
        ]


class MMDEstimate(NamedTuple):
    """Estimates of the squared maximum mean discrepancy of a Gaussian kernel."""

    value: float
    """U-statistic, without bias; it may be negative."""
    biased_value: float
    """V-statistic, 0 or more."""
    error: float | None
    """Standard error of both; None if a side has fewer than 4 rows."""
    sigma: float
    row_influence: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
    """First-order influence of each generated row [N] and reference row [M]."""


def gaussian_mmd(
    generated: npt.ArrayLike, reference: npt.ArrayLike, *, sigma: float | None = None, tile: int = TILE
) -> MMDEstimate:
    """Compute the squared maximum mean discrepancy of ``k(x, y) = exp(-|x - y|^2 / (2 sigma^2))``.

    The U-statistic is ``mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{ij} k(x_i, y_j)``; the
    V-statistic includes the pairs of a row with itself. Gretton et al. 2012 (JMLR 13, equations 3 and 5). The error is
    that of ``kernel_distance``. For N(m, I) and N(0, I) in D dimensions the value is
    ``2 a^(D/2) (1 - exp(-|m|^2 / (2 (sigma^2 + 2))))`` with ``a = sigma^2 / (sigma^2 + 2)``.

    Rows are float [N, D] and [M, D]. Raises InputError if a side has fewer than two rows, or if the rows are not finite
    or differ in width; UsageError if sigma is not above 0.
    """
    metric = GaussianMMD(sigma=sigma)
    pair = pair_of(generated, reference)
    gathered: GaussianSums = gather_pair_sums([metric], *pair, seed=0, tile=tile)[GaussianSums]
    sums = gathered.by_metric[metric]
    return MMDEstimate(sums.value, sums.biased_value, sums.error, gathered.sigmas[metric], sums.row_influence)


class GaussianSums:
    """Sums of kernel values by row for each of several GaussianMMDs."""

    def __init__(self, metrics: Sequence[GaussianMMD], generated: Rows, reference: Rows, *, seed: int) -> None:
        """Raises InputError if a side has fewer than 2 rows. ``seed`` has no effect."""
        for rows in (generated, reference):
            if len(rows) < 2:
                raise InputError(f"mmd needs at least 2 {rows.role} rows, not {len(rows)}.")
        self.sigmas = {metric: metric.sigma or _typical_distance(reference) for metric in metrics}
        self.by_metric = {metric: RowSums(generated, reference) for metric in metrics}

    def add_within(self, tile: Tile) -> None:
        """Add the kernel values of a tile of one set with itself."""
        for metric, values in self._kernels(tile):
            # A pair of a row with itself has the value 1, minus the constant.
            if tile.diagonal:
                np.fill_diagonal(values, 0)
            self.by_metric[metric].add_within(tile, values)

    def add_between(self, tile: Tile) -> None:
        """Add the kernel values of a tile of generated rows with reference rows."""
        for metric, values in self._kernels(tile):
            self.by_metric[metric].add_between(tile, values)

    def _kernels(self, tile: Tile) -> list[tuple[GaussianMMD, Array]]:
        """Return the kernel values [A, B] of each metric minus 1: small numbers keep their digits."""
        # |x - y|^2 = |x|^2 + |y|^2 - 2 x.y, and not below 0 by rounding.
        dtype = tile.products.dtype
        squared = tile.products * dtype.type(-2)
        squared += tile.left.squares[tile.rows].astype(dtype)[:, None]
        squared += tile.right.squares[tile.columns].astype(dtype)
        np.maximum(squared, 0, out=squared)
        return [(metric, np.expm1(squared * dtype.type(-0.5 / sigma**2))) for metric, sigma in self.sigmas.items()]


def unit_rows(features: Features | Moments | None, role: str) -> Array:
    """Return the embeddings [N, D] divided by their lengths. Raises InputError if a row is all zeros."""
    rows = embedding(features, role)
    values, _ = checked_rows(rows, rows)
    lengths = np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64))
    # A row of zeros has no direction.
    if not lengths.all():
        raise InputError(
            f"A {role} row is all zeros, but cmmd needs its direction; check the samples and the extractor."
        )
    return np.asarray(values / lengths.astype(values.dtype)[:, None])


def _typical_distance(reference: Rows) -> float:
    """Return the root mean square distance of two rows; 1 if all rows are equal."""
    # Half the mean squared distance of all pairs is the sum of the variances.
    variance = float(reference.values.var(axis=0, ddof=1, dtype=np.float64).sum())
    return math.sqrt(2 * variance) or 1.0
