"""The kernel (Inception) distance: the squared maximum mean discrepancy of a polynomial kernel, with its error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array, Float64
from genbench.errors import InputError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.group_influence import influence_of
from genbench.metrics.kernel_sums import RowSums
from genbench.metrics.pair_sums import evaluate_together, gather_pair_sums
from genbench.metrics.tiles import TILE, Rows, Tile, pair_of
from genbench.plugs.contracts import Influence, RowwiseDistance, Score

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class KernelDistance:
    """KID over all rows, and its mean over random subsets, the usual KID (``kernel_distance``)."""

    degree: int = 3
    gamma: float | None = None
    """Factor of the inner product; None means 1 / D."""
    coef0: float = 1.0
    subsets: int = 100
    subset_size: int = 1000
    seed: int = 2020
    """Seed of the subsets, independent of the seed of the run, so that the subsets are those of torch-fidelity."""

    # The contract of a metric.
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    least_samples: ClassVar[tuple[int, int]] = (2, 2)
    evaluate_together: ClassVar[Callable[..., list[list[Score]]]] = staticmethod(evaluate_together)

    def __post_init__(self) -> None:
        if self.degree < 1 or self.subsets < 1 or self.subset_size < 2:
            raise UsageError(
                "kid needs degree and subsets of at least 1 and subset_size of at least 2, "
                f"not {self.degree}, {self.subsets} and {self.subset_size}."
            )
        if not all(map(math.isfinite, (self.gamma or 0.0, self.coef0))):
            raise UsageError(f"kid needs finite gamma and coef0, not {self.gamma} and {self.coef0}.")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"The seed of the subsets of kid must be in 0..{2**32 - 1}, not {self.seed}.")

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        return evaluate_together([self], generated, reference, seed=seed)[0]

    def row_influence(self, generated: Features, reference: Features | Moments, *, seed: int) -> RowwiseDistance:
        """Return the V-statistic and the influence of each row, for panels."""
        from genbench.metrics.panel_distances import kernel_row_influence  # it imports this module

        return kernel_row_influence(self, generated, reference)

    def pair_sums(self) -> type[KernelSums]:
        """Return the class of the sums that it reads."""
        return KernelSums

    def scores(self, pair_sums: KernelSums) -> list[Score]:
        """Return ``kid`` over all rows and ``kid_subsets``, the mean over subsets."""
        # Over all rows the estimate is unbiased, so a perfect sampler is expected to get 0.
        estimate = pair_sums.estimate(self)
        detail = {"expected": 0.0, "least": 0.0, "error_by": "U-statistic variance"}
        subset_detail: dict[str, Any] = {
            "least": 0.0,
            "std": estimate.subset_std,
            "subsets": self.subsets,
            "subset_size": estimate.subset_size,
            "error_by": "U-statistic variance and the draw of subsets",
        }
        # Small sides have small subsets, whose values are not comparable with published ones.
        if estimate.subset_size < self.subset_size:
            subset_detail["warning"] = (
                f"kid_subsets draws {estimate.subset_size:,} rows instead of {self.subset_size:,}, because a side "
                "has no more: its spread is too small to compare with published values."
            )
        name, (influence, subset_influence) = "kernel_inception_distance", pair_sums.influence(self)
        value, subset_mean = (estimate.value, estimate.error), (estimate.subset_mean, estimate.subset_error)
        return [
            Score("kid", *value, "lower", detail, name, influence),
            Score("kid_subsets", *subset_mean, "lower", subset_detail, f"{name}_mean", subset_influence),
        ]


@dataclass(frozen=True)
class KernelEstimate:
    """A squared maximum mean discrepancy, in the unit of the kernel."""

    value: float
    """Over all rows. The estimate is unbiased, so it can be negative."""
    error: float | None
    """Standard error of ``value``; None if a side has fewer than 4 rows."""
    subset_mean: float
    subset_std: float
    """Standard deviation (ddof 0) over the subsets; it is not a standard error."""
    subset_error: float | None
    """Standard error of ``subset_mean``."""
    subset_size: int


class KernelOptions(TypedDict, total=False):
    """The keyword options of ``kernel_distance``; they are the fields of ``KernelDistance``, with its defaults."""

    degree: int
    gamma: float | None
    coef0: float
    subsets: int
    subset_size: int
    seed: int


def kernel_distance(
    generated: npt.ArrayLike, reference: npt.ArrayLike, *, tile: int = TILE, **options: Unpack[KernelOptions]
) -> KernelEstimate:
    """Compute the unbiased squared maximum mean discrepancy of k(x, y) = (gamma x.y + coef0)^degree.

    ``MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{ij} k(x_i, y_j)``. Its expected value is 0
    if both sets come from one distribution. Binkowski, Sutherland, Arbel, Gretton 2018 (arXiv 1801.01401). The subsets
    are those that torch-fidelity draws with the same seed. The error is the square root of the unbiased variance of the
    two-sample U-statistic (Sutherland and Deka 2019, arXiv 1906.02104). It includes the second order, so it is also
    right for equal distributions, for which the first order vanishes. The error of the mean over subsets adds the
    variance of the random draw.

    Rows are [N, D] and [M, D], float32 or float64. Raises InputError if a side has fewer than two rows, or if the rows
    are not finite or differ in width; UsageError if an option is out of range.
    """
    # The defaults and the checks of the options are those of the metric.
    metric = KernelDistance(**options)
    pair = pair_of(generated, reference)
    sums: KernelSums = gather_pair_sums([metric], *pair, seed=metric.seed, tile=tile)[KernelSums]
    return sums.estimate(metric)


class KernelSums:
    """Sums of kernel values by row, squared, and by subset, for each of several KernelDistances."""

    def __init__(self, metrics: Sequence[KernelDistance], generated: Rows, reference: Rows, *, seed: int) -> None:
        """Raises InputError if a side has fewer than 2 rows. ``seed`` has no effect: each metric has its own seed."""
        for rows in (generated, reference):
            if len(rows) < 2:
                raise InputError(f"kid needs at least 2 {rows.role} rows, not {len(rows)}.")
        self._sums = {metric: _SumsOfOneKernel(metric, generated, reference) for metric in metrics}

    def add_within(self, tile: Tile) -> None:
        """Add the kernel values of a tile of one set with itself."""
        for sums in self._sums.values():
            sums.add_within(tile)

    def add_between(self, tile: Tile) -> None:
        """Add the kernel values of a tile of generated rows with reference rows."""
        for sums in self._sums.values():
            sums.add_between(tile)

    def of(self, metric: KernelDistance) -> _SumsOfOneKernel:
        """Return the sums of one metric."""
        return self._sums[metric]

    def estimate(self, metric: KernelDistance) -> KernelEstimate:
        """Compute the estimate of one metric from its sums."""
        return self._sums[metric].estimate()

    def influence(self, metric: KernelDistance) -> tuple[Influence | None, Influence | None]:
        """Return the influence of the rows on the value over all rows and on the mean over subsets."""
        estimate, sides = self.estimate(metric), self._sums[metric].rows.row_influence
        return influence_of(*sides, error=estimate.error), influence_of(*sides, error=estimate.subset_error)


class _SumsOfOneKernel:
    """The sums for one KernelDistance: over all rows, and by subset."""

    def __init__(self, metric: KernelDistance, generated: Rows, reference: Rows) -> None:
        self.metric = metric
        width = generated.values.shape[1]
        self.gamma = 1 / width if metric.gamma is None else metric.gamma
        # Subtracting a constant from all kernel values does not change MMD^2, and reduces the rounding of squares.
        self.constant = (self.gamma * float(generated.centre @ generated.centre) + metric.coef0) ** metric.degree
        # The subsets are the same size on both sides.
        self.size = min(metric.subset_size, len(generated), len(reference))
        self.members = _draw_subsets(generated, reference, self.size, metric.subsets, metric.seed)
        # Sums of kernel values over all rows, and by subset [subsets].
        self.rows = RowSums(generated, reference)
        self.own_subsets = {rows.role: np.zeros(metric.subsets) for rows in (generated, reference)}
        self.cross_subsets = np.zeros(metric.subsets)

    def add_within(self, tile: Tile) -> None:
        # The estimate has no pairs of a row with itself.
        values = self._kernel(tile)
        if tile.diagonal:
            np.fill_diagonal(values, 0)
        self.rows.add_within(tile, values)
        # The pass visits only one half of the symmetric matrix.
        self.own_subsets[tile.left.role] += (1 if tile.diagonal else 2) * self._subset_sums(tile, values)

    def add_between(self, tile: Tile) -> None:
        values = self._kernel(tile)
        self.rows.add_between(tile, values)
        self.cross_subsets += self._subset_sums(tile, values)

    def estimate(self) -> KernelEstimate:
        # The estimate of MMD^2 for each subset [subsets].
        pairs, size = self.size * (self.size - 1), self.size
        subsets = (
            self.own_subsets["generated"] / pairs
            + self.own_subsets["reference"] / pairs
            - 2 * self.cross_subsets / size**2
        )
        # The variance over the rows, and for the subsets also over their draw.
        variance, subset_error = self.rows.variance, None
        if variance is not None and len(subsets) > 1:
            # For fixed rows the subsets are independent draws around the value over all rows.
            subset_error = math.sqrt(variance + float(subsets.var(ddof=1)) / len(subsets))
        mean, std = float(subsets.mean()), float(subsets.std())
        return KernelEstimate(self.rows.value, self.rows.error, mean, std, subset_error, self.size)

    def _kernel(self, tile: Tile) -> Array:
        """Return the kernel values [A, B] of the rows without centring, minus the constant."""
        left, right = tile.left, tile.right
        dtype = tile.products.dtype
        # gamma x.y + coef0, from the centred product and the shifts.
        row_terms = self.gamma * (left.shift[tile.rows] + float(left.centre @ left.centre)) + self.metric.coef0
        linear = tile.products * dtype.type(self.gamma)
        linear += row_terms.astype(dtype)[:, None]
        linear += (self.gamma * right.shift[tile.columns]).astype(dtype)
        # A whole power by repeated products, in place.
        values: Array = linear.copy()
        for _ in range(self.metric.degree - 1):
            values *= linear
        values -= dtype.type(self.constant)
        return values

    def _subset_sums(self, tile: Tile, values: Array) -> Float64:
        # S is 1 where a row is in a subset and 0 elsewhere; the sum of each subset is on the diagonal of S' K S.
        left = self.members[tile.left.role][tile.rows]
        right = self.members[tile.right.role][tile.columns]
        return np.asarray(((values @ np.asarray(right, values.dtype)) * left).sum(axis=0, dtype=np.float64))


def _draw_subsets(generated: Rows, reference: Rows, size: int, subsets: int, seed: int) -> dict[str, Array]:
    """Return by role which rows are in which subset, float32 0 or 1 [N, subsets], drawn in torch-fidelity's order."""
    # The legacy generator, and the generated side first in each subset, as torch-fidelity does.
    rng = np.random.RandomState(seed)
    members: dict[str, Array] = {
        rows.role: np.zeros((len(rows), subsets), np.float32) for rows in (generated, reference)
    }
    for subset in range(subsets):
        for rows in (generated, reference):
            members[rows.role][rng.choice(len(rows), size, replace=False), subset] = 1
    return members
