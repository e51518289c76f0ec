"""The kernel (Inception) distance: the squared maximum mean discrepancy of a polynomial kernel, with its error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from genbench.arrays import Array, Float64
from genbench.errors import InputError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.influence import influence_of
from genbench.metrics.pair_sums import TILE, Rows, Tile, evaluate_together, pair_of, take_surveys
from genbench.plugs.contracts import Influence, Score


@dataclass(frozen=True)
class KernelDistance:
    """KID: ``kernel_distance`` of the embeddings, over all rows, and the mean over subsets under its usual name."""

    degree: int = 3
    gamma: float | None = None
    """Factor of the inner product; None is 1 / D."""
    coef0: float = 1.0
    subsets: int = 100
    subset_size: int = 1000
    seed: int = 2020
    """The seed of the subsets; it is not the run's seed, so that they are those of torch-fidelity."""

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    evaluate_together: ClassVar[Callable[..., list[list[Score]]]] = staticmethod(evaluate_together)

    def __post_init__(self) -> None:
        if self.degree < 1 or self.subsets < 1 or self.subset_size < 2:
            raise UsageError("kid needs degree and subsets of at least 1 and subset_size of at least 2.")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"The seed of kid's subsets lies in 0..{2**32 - 1}, but {self.seed} was given.")

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        return evaluate_together([self], generated, reference, seed=seed)[0]

    def survey(self) -> type[KernelSurvey]:
        """The pass over the Gram matrix that it reads."""
        return KernelSurvey

    def scores(self, survey: KernelSurvey) -> list[Score]:
        """Return ``kid`` over all rows and ``kid_subsets``, the mean over subsets."""
        found = survey.estimate(self)
        detail: dict[str, Any] = {"std": found.subset_std, "subsets": self.subsets, "subset_size": found.subset_size}
        detail["error_by"] = "U-statistic variance and the draw of subsets"
        if found.subset_size < self.subset_size:
            detail["warning"] = (
                f"Subsets hold {found.subset_size} rows instead of {self.subset_size}, since there are no more; "
                "the spread over subsets is then too small to be compared with published ones."
            )
        about = {"expected": 0.0, "error_by": "U-statistic variance"}
        name, (parts, subset_parts) = "kernel_inception_distance", survey.influence(self)
        return [
            Score("kid", found.value, found.error, "lower", about, name, parts),
            Score("kid_subsets", found.subset_mean, found.subset_error, "lower", detail, f"{name}_mean", subset_parts),
        ]


@dataclass(frozen=True)
class KernelEstimate:
    """A squared maximum mean discrepancy; its unit is that of the kernel."""

    value: float
    """Over all rows: unbiased, so it may be negative."""
    error: float | None
    """Standard error of ``value``; None with fewer than 4 rows on a side."""
    subset_mean: float
    subset_std: float
    """Spread (ddof 0) of the subsets' values: not a standard error of anything."""
    subset_error: float | None
    """Standard error of ``subset_mean``."""
    subset_size: int


def kernel_distance(
    generated: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    degree: int = KernelDistance.degree,
    gamma: float | None = KernelDistance.gamma,
    coef0: float = KernelDistance.coef0,
    subsets: int = KernelDistance.subsets,
    subset_size: int = KernelDistance.subset_size,
    seed: int = KernelDistance.seed,
    tile: int = TILE,
) -> KernelEstimate:
    """Return the unbiased squared maximum mean discrepancy of k(x, y) = (gamma x.y + coef0)^degree.

    ``MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{ij} k(x_i, y_j)``; expected 0 where both
    sets come from one distribution. Binkowski, Sutherland, Arbel, Gretton 2018 (arXiv 1801.01401). The subsets are
    those that torch-fidelity draws with the same seed. The error is the square root of the unbiased variance of the
    two-sample U-statistic, first and second order (as Sutherland and Deka 2019, arXiv 1906.02104), so that it holds at
    the null too, where the first order vanishes; that of the subsets' mean adds the chance of the draw.

    Rows are [N, D] and [M, D], float32 or float64. Raises InputError for fewer than two rows on a side, and where rows
    are not finite or differ in width.
    """
    metric = KernelDistance(degree, gamma, coef0, subsets, subset_size, seed)
    surveys = take_surveys([metric], *pair_of(generated, reference), seed=seed, tile=tile)
    survey: KernelSurvey = surveys[KernelSurvey]
    return survey.estimate(metric)


class KernelSurvey:
    """Sums of kernel values, by row, by square and by subset, for each of some KernelDistances."""

    def __init__(self, metrics: Sequence[KernelDistance], generated: Rows, reference: Rows, *, seed: int) -> None:
        for rows in (generated, reference):
            if len(rows) < 2:
                raise InputError(f"kid needs at least 2 {rows.role} rows, not {len(rows)}.")
        self._sums = {metric: _Sums(metric, generated, reference) for metric in metrics}

    def within(self, tile: Tile) -> None:
        """Add the kernel values of a tile of one set against itself."""
        for sums in self._sums.values():
            sums.within(tile)

    def between(self, tile: Tile) -> None:
        """Add the kernel values of a tile of the generated against the reference rows."""
        for sums in self._sums.values():
            sums.between(tile)

    def estimate(self, metric: KernelDistance) -> KernelEstimate:
        """Return what the sums of one metric amount to."""
        return self._sums[metric].estimate()

    def influence(self, metric: KernelDistance) -> tuple[Influence | None, Influence | None]:
        """Return where the errors of the value over all rows and of the subsets' mean come from."""
        found, moves = self.estimate(metric), self._sums[metric].moves()
        return influence_of(*moves, error=found.error), influence_of(*moves, error=found.subset_error)


class _Sums:
    def __init__(self, metric: KernelDistance, generated: Rows, reference: Rows) -> None:
        self.metric = metric
        width = generated.values.shape[1]
        self.gamma = 1 / width if metric.gamma is None else metric.gamma
        # A constant in all three means leaves their sum alone; without it little is lost to rounding in squares.
        self.constant = (self.gamma * float(generated.centre @ generated.centre) + metric.coef0) ** metric.degree
        self.size = min(metric.subset_size, len(generated), len(reference))
        self.drawn = _draw(generated, reference, self.size, metric.subsets, metric.seed)
        self.own = {rows.role: np.zeros(len(rows)) for rows in (generated, reference)}
        self.own_squares = {rows.role: 0.0 for rows in (generated, reference)}
        self.own_subsets = {rows.role: np.zeros(metric.subsets) for rows in (generated, reference)}
        self.cross = {rows.role: np.zeros(len(rows)) for rows in (generated, reference)}
        self.cross_squares = 0.0
        self.cross_subsets = np.zeros(metric.subsets)

    def within(self, tile: Tile) -> None:
        role, rows, columns = tile.left.role, tile.rows, tile.columns
        values = self._kernel(tile)
        if tile.diagonal:
            np.fill_diagonal(values, 0)
        times = 1 if tile.diagonal else 2  # only one of both halves of the symmetric matrix is visited
        self.own[role][rows] += _sum(values, 1)
        if not tile.diagonal:
            self.own[role][columns] += _sum(values, 0)
        self.own_squares[role] += times * _sum_squares(values)
        self.own_subsets[role] += times * self._subset_sums(tile, values)

    def between(self, tile: Tile) -> None:
        values = self._kernel(tile)
        self.cross["generated"][tile.rows] += _sum(values, 1)
        self.cross["reference"][tile.columns] += _sum(values, 0)
        self.cross_squares += _sum_squares(values)
        self.cross_subsets += self._subset_sums(tile, values)

    def estimate(self) -> KernelEstimate:
        x, y = self.own["generated"], self.own["reference"]
        value = _mean_pairs(x) + _mean_pairs(y) - 2 * self.cross["generated"].sum() / (len(x) * len(y))
        pairs, size = self.size * (self.size - 1), self.size
        subsets = (
            self.own_subsets["generated"] / pairs
            + self.own_subsets["reference"] / pairs
            - 2 * self.cross_subsets / size**2
        )
        variance = self._variance() if min(len(x), len(y)) >= 4 else None
        error = None if variance is None else math.sqrt(variance)
        subset_error = None
        if variance is not None and len(subsets) > 1:
            # given the rows, subsets are independent draws around the value over all rows
            subset_error = math.sqrt(variance + float(subsets.var(ddof=1)) / len(subsets))
        return KernelEstimate(float(value), error, float(subsets.mean()), float(subsets.std()), subset_error, self.size)

    def moves(self) -> tuple[Float64, Float64]:
        """Return by how much each row of both sides moves the value, to first order."""
        x, y = self.own["generated"], self.own["reference"]
        to_y, to_x = self.cross["generated"], self.cross["reference"]
        n, m = len(x), len(y)
        return 2 / n * (x / (n - 1) - to_y / m), 2 / m * (y / (m - 1) - to_x / n)

    def _kernel(self, tile: Tile) -> Array:
        left, right = tile.left, tile.right
        dtype = tile.products.dtype
        whole = self.gamma * (left.shift[tile.rows] + float(left.centre @ left.centre)) + self.metric.coef0
        linear = tile.products * dtype.type(self.gamma)
        linear += whole.astype(dtype)[:, None]
        linear += (self.gamma * right.shift[tile.columns]).astype(dtype)
        values: Array = linear.copy()
        for _ in range(self.metric.degree - 1):
            values *= linear
        values -= dtype.type(self.constant)
        return values

    def _subset_sums(self, tile: Tile, values: Array) -> Float64:
        # with 0/1 indicators S of the subsets, every subset's sum is on the diagonal of S' K S
        left = self.drawn[tile.left.role][tile.rows]
        right = self.drawn[tile.right.role][tile.columns]
        return np.asarray(((values @ np.asarray(right, values.dtype)) * left).sum(axis=0, dtype=np.float64))

    def _variance(self) -> float:
        x, y = self.own["generated"], self.own["reference"]
        to_y, to_x = self.cross["generated"], self.cross["reference"]
        n, m = len(x), len(y)
        first_x, second_x = _own_orders(x, self.own_squares["generated"], to_y, to_x, self.cross_squares)
        first_y, second_y = _own_orders(y, self.own_squares["reference"], to_x, to_y, self.cross_squares)
        # an unbiased difference of larger numbers: it scatters around 0 at the null, and cut off there it makes the
        # error a tenth too wide
        first = max(first_x / n + first_y / m, 0.0)
        second_xy = _cross_second(to_y, to_x, self.cross_squares)
        second = 2 * second_x / (n * (n - 1)) + 2 * second_y / (m * (m - 1)) + 4 * second_xy / (n * m)
        return 4 * first + max(second, 0.0)


def _own_orders(
    own: Float64, squares: float, cross: Float64, other_cross: Float64, cross_squares: float
) -> tuple[float, float]:
    """Return unbiased estimates of the variance of E k(x, x') - E k(x, y) over x and of the doubly centred k(x, x')."""
    n, m = len(own), len(other_cross)
    pairs, triples = n * (n - 1), n * (n - 1) * (n - 2)
    total, ends, both = own.sum(), own @ own, own @ cross
    square = squares / pairs
    path = (ends - squares) / triples  # E k(x, x') k(x, x'')
    apart = (total**2 - 4 * ends + 2 * squares) / (triples * (n - 3))  # (E k(x, x'))^2
    cross_path, cross_apart = _cross_means(cross, other_cross, cross_squares)
    mixed = both / (pairs * m) - (total * cross.sum() - 2 * both) / (triples * m)
    first = path - apart + cross_path - cross_apart - 2 * mixed
    return float(first), float(square - 2 * path + apart)


def _cross_means(cross: Float64, other_cross: Float64, squares: float) -> tuple[float, float]:
    """Return E k(x, y) k(x, y') and (E k(x, y))^2, unbiased."""
    n, m = len(cross), len(other_cross)
    ends, other_ends = cross @ cross, other_cross @ other_cross
    apart = (cross.sum() ** 2 - ends - other_ends + squares) / (n * (n - 1) * m * (m - 1))
    return float((ends - squares) / (n * m * (m - 1))), float(apart)


def _cross_second(cross: Float64, other_cross: Float64, squares: float) -> float:
    path, apart = _cross_means(cross, other_cross, squares)
    other_path, _ = _cross_means(other_cross, cross, squares)
    return squares / (len(cross) * len(other_cross)) - path - other_path + apart


def _mean_pairs(own: Float64) -> float:
    return float(own.sum() / (len(own) * (len(own) - 1)))


def _sum(values: Array, axis: int) -> Float64:
    # single precision holds a sum of 32 terms without loss worth the name; the rest is added in double
    if values.dtype == np.float64:
        return np.asarray(values.sum(axis=axis))
    if axis == 1:
        return np.asarray(np.add.reduceat(values, np.arange(0, values.shape[1], 32), axis=1).sum(1, dtype=np.float64))
    parts = [part.sum(axis=0) for part in np.array_split(values, -(-len(values) // 32))]
    return np.asarray(np.sum(parts, axis=0, dtype=np.float64))


def _sum_squares(values: Array) -> float:
    return float(np.einsum("ij,ij->i", values, values).sum(dtype=np.float64))


def _draw(generated: Rows, reference: Rows, size: int, subsets: int, seed: int) -> dict[str, Array]:
    """Return which rows are in which subset, float32 0 or 1 [N, subsets], drawn in torch-fidelity's order."""
    rng = np.random.RandomState(seed)
    drawn: dict[str, Array] = {rows.role: np.zeros((len(rows), subsets), np.float32) for rows in (generated, reference)}
    for subset in range(subsets):
        for rows in (generated, reference):
            drawn[rows.role][rng.choice(len(rows), size, replace=False), subset] = 1
    return drawn
