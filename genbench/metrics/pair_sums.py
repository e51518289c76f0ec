"""One tiled pass over the inner products within and between two sets of rows, shared by all metrics of pairs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from genbench.arrays import Array, Float64, Int64
from genbench.errors import InputError
from genbench.features.features import Features, Moments
from genbench.plugs.contracts import Score

TILE = 1024
"""Rows and columns of one tile: its arrays stay near the cache, and the pass needs no more memory than a few tiles."""


class Survey(Protocol):
    """Gathers what some metrics want from the tiles: first those within each set, then those between the sets."""

    def within(self, tile: Tile) -> None:
        """See one tile of the upper triangle of a set against itself."""
        ...

    def between(self, tile: Tile) -> None:
        """See one tile of the generated rows (left) against the reference rows (right)."""
        ...


class PairMetric(Protocol):
    """A metric whose numbers come from pairs of rows."""

    def survey(self) -> type[Any]:
        """The kind of Survey it reads; made once for all metrics that name the same kind."""
        ...

    def scores(self, survey: Any) -> list[Score]:
        """Turn what the survey gathered into scores."""
        ...


def evaluate_together(
    metrics: Sequence[PairMetric], generated: Features, reference: Features | Moments | None, *, seed: int
) -> list[list[Score]]:
    """Evaluate several metrics of pairs in one pass over the Gram matrix; one list of scores for each metric."""
    rows = pair_of(embedding(generated, "generated"), embedding(reference, "reference"))
    surveys = take_surveys(metrics, *rows, seed=seed)
    return [metric.scores(surveys[metric.survey()]) for metric in metrics]


def embedding(features: Features | Moments | None, role: str) -> Array:
    """Return the rows of the view ``embedding``; raises InputError where only statistics or nothing is there."""
    if not isinstance(features, Features):
        found = "a mean and a covariance" if isinstance(features, Moments) else "nothing"
        raise InputError(f"This metric needs the rows of the {role} samples, not {found}; give samples or features.")
    return features["embedding"]


def take_surveys(
    metrics: Sequence[PairMetric], generated: Rows, reference: Rows, *, seed: int, tile: int = TILE
) -> dict[type[Any], Any]:
    """Run the pass for the surveys that the metrics want and return these by their kind."""
    wanted: dict[type[Any], list[PairMetric]] = {}
    for metric in metrics:
        wanted.setdefault(metric.survey(), []).append(metric)
    surveys = {kind: kind(group, generated, reference, seed=seed) for kind, group in wanted.items()}
    sweep(list(surveys.values()), generated, reference, tile=tile)
    return surveys


def sweep(surveys: Sequence[Survey], generated: Rows, reference: Rows, *, tile: int = TILE) -> None:
    """Show every tile to every survey: the upper triangles within both sets, then all between them."""
    for rows in (generated, reference):
        for found in _made(_tiles(rows, rows, tile, upper=True)):
            for survey in surveys:
                survey.within(found)
    for found in _made(_tiles(generated, reference, tile)):
        for survey in surveys:
            survey.between(found)


def _made(tiles: Iterator[Callable[[], Tile]]) -> Iterator[Tile]:
    """Yield tiles in order, those to come being made on all cores meanwhile, each on one.

    All cores at one product would wait for each other, and for what looks at the tiles, which keeps one core busy.
    """
    from threadpoolctl import threadpool_info, threadpool_limits

    cores = max((library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"), default=1)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores) as pool:
        coming = deque(pool.submit(make) for make in islice(tiles, cores + 1))
        while coming:
            yield coming.popleft().result()
            coming.extend(pool.submit(make) for make in islice(tiles, 1))


@dataclass(frozen=True, eq=False)
class Rows:
    """One set of rows, looked at from a common centre."""

    role: str
    """``"generated"`` or ``"reference"``"""
    values: Array
    """float32 or float64 [N, D]"""
    centre: Float64
    """[D], subtracted before the products: it takes away most of what cancels in a distance."""
    dtype: npt.DTypeLike
    """In what the products are made."""
    squares: Float64
    """[N], squared length of the centred rows."""
    shift: Float64
    """[N], product of the centred rows with the centre: gives back the products of the rows as they were."""

    def __len__(self) -> int:
        return len(self.values)

    def centred(self, index: slice, dtype: npt.DTypeLike) -> Array:
        """Return rows minus the centre."""
        values = self.values[index]
        if values.dtype != dtype:
            return np.asarray(np.subtract(values, self.centre, dtype=np.float64), dtype)
        return np.asarray(values - self.centre.astype(dtype))

    def take(self, index: Int64) -> Rows:
        """Return some of the rows, in the order of the index."""
        return replace(self, values=self.values[index], squares=self.squares[index], shift=self.shift[index])

    @cached_property
    def content(self) -> npt.NDArray[np.uint64]:
        """A 64-bit hash of each row: equal rows have equal ones."""
        count, bytes_each = len(self.values), self.values[:1].nbytes
        factors = np.random.default_rng(0).integers(2**63, size=bytes_each // 4, dtype=np.uint64) | np.uint64(1)
        found = np.empty(count, np.uint64)
        for span in spans(count, 64):  # in 32 bits a word: of 64, the sign bits of two would cancel
            words: Array = np.ascontiguousarray(self.values[span]).view(np.uint32)
            np.sum(words * factors, axis=1, out=found[span])
        return found

    def distances(self, index: Int64, other: Rows, other_index: Int64) -> Float64:
        """Return the squared distances of given pairs from their differences in float64: exactly 0 for equal rows."""
        found = np.zeros(len(index))
        # without this, a sampler that gives one image only would ask for the differences of all pairs there are
        differ = np.flatnonzero(self.content[index] != other.content[other_index])
        step = max(1, 65536 // self.values.shape[1])  # differences that stay in the cache
        for start in range(0, len(differ), step):
            part = differ[start : start + step]
            gap = np.subtract(self.values[index[part]], other.values[other_index[part]], dtype=np.float64)
            found[part] = np.einsum("ij,ij->i", gap, gap)
        return found


@dataclass(frozen=True, eq=False)
class Tile:
    """The inner products of some left rows with some right rows, both centred."""

    left: Rows
    right: Rows
    rows: slice
    columns: slice
    products: Array
    """float32 or float64 [A, B]"""
    _bounds: dict[str, Array] = field(default_factory=dict)

    @property
    def diagonal(self) -> bool:
        """Whether the tile compares rows with themselves, each with itself on the diagonal."""
        return self.left is self.right and self.rows == self.columns

    @property
    def exact(self) -> bool:
        """Whether the products are as exact as they get, in float64."""
        return bool(self.products.dtype == np.float64)

    def sharper(self) -> Tile:
        """Return the same tile in float64."""
        return block(self.left, self.rows, self.right, self.columns, np.float64)

    def lower(self) -> Array:
        """Return a lower bound of the squared distances [A, B]; the upper one lies ``width`` above it. Made once.

        A product of length D errs by at most D u |x| |y| (u: unit roundoff; Higham 2002, 3.5), centring and the sums by
        a few u (|x|^2 + |y|^2) more.
        """
        if "lower" not in self._bounds:
            dtype = self.products.dtype
            keep = 1 - self._slack()
            lower = self.products * dtype.type(-2)
            lower += (self.left.squares[self.rows] * keep).astype(dtype)[:, None]
            lower += (self.right.squares[self.columns] * keep).astype(dtype)
            self._bounds["lower"] = lower
        return self._bounds["lower"]

    def width(self, i: Int64, j: Int64) -> Float64:
        """Return for pairs of the tile how far the upper bound of the squared distance lies above the lower one."""
        lengths = self.left.squares[self.rows][i] + self.right.squares[self.columns][j]
        return np.asarray(2 * self._slack() * lengths)

    def distances(self, i: Int64, j: Int64) -> Float64:
        """Return the squared distances of pairs of the tile from their differences in float64."""
        return self.left.distances(i + self.rows.start, self.right, j + self.columns.start)

    def _slack(self) -> float:
        return float((self.left.values.shape[1] + 32) * np.finfo(self.products.dtype).eps / 2)


def block(left: Rows, rows: slice, right: Rows, columns: slice, dtype: npt.DTypeLike) -> Tile:
    """Return the tile of some left rows against a range of right rows."""
    return Tile(left, right, rows, columns, left.centred(rows, dtype) @ right.centred(columns, dtype).T)


def spans(count: int, size: int) -> list[slice]:
    """Return the consecutive ranges of ``size`` that cover ``count``."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _tiles(left: Rows, right: Rows, size: int, *, upper: bool = False) -> Iterator[Callable[[], Tile]]:
    """Yield what makes each tile: of the upper triangle alone where that is all there is to know."""
    for rows in spans(len(left), size):
        first = left.centred(rows, left.dtype)
        for columns in spans(len(right), size):
            if not (upper and columns.start < rows.start):
                yield partial(_tile, left, rows, first, right, columns)


def _tile(left: Rows, rows: slice, first: Array, right: Rows, columns: slice) -> Tile:
    second = first if left is right and rows == columns else right.centred(columns, left.dtype)
    return Tile(left, right, rows, columns, first @ second.T)


def pair_of(generated: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[Rows, Rows]:
    """Return both sets as seen from the middle between their means.

    Raises InputError where they are not two dimensional, not finite, or differ in width.
    """
    left, right = matched(generated, reference)
    centre = (left.mean(axis=0, dtype=np.float64) + right.mean(axis=0, dtype=np.float64)) / 2
    centre = centre.astype(left.dtype).astype(np.float64)  # the same in both precisions
    squares, shifts = zip(*(_lengths(values, centre) for values in (left, right)), strict=True)
    # Single precision halves the time of a large pass; a small one takes no time, and large numbers would overflow.
    work = (len(left) + len(right)) ** 2 * left.shape[1]
    reach = max(float(square.max()) for square in squares) + float(centre @ centre)
    single = left.dtype == right.dtype == np.float32 and work > 2e10 and reach / left.shape[1] < 1e8
    dtype = np.dtype(np.float32 if single else np.float64)
    return (
        Rows("generated", left, centre, dtype, squares[0], shifts[0]),
        Rows("reference", right, centre, dtype, squares[1], shifts[1]),
    )


def matched(generated: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[Array, Array]:
    """Return both as float32 or float64 [N, D] and [M, D] without NaN; raises InputError where they are not."""
    left, right = _finite(generated, "generated"), _finite(reference, "reference")
    if left.shape[1] != right.shape[1]:
        raise InputError(
            f"The generated rows have {left.shape[1]} dimensions and the reference rows {right.shape[1]}; "
            "make both with the same extractor."
        )
    return left, right


def _finite(rows: npt.ArrayLike, role: str) -> Array:
    values = np.asarray(rows)
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    if values.ndim != 2 or not values.size:
        raise InputError(f"The {role} rows have shape {values.shape}; wanted [N, D] with at least one row.")
    if not all(np.isfinite(values[span]).all() for span in spans(len(values), TILE)):
        raise InputError(f"The {role} rows hold NaN or infinity; look for the cause in the samples or the extractor.")
    return values


def _lengths(values: Array, centre: Float64) -> tuple[Float64, Float64]:
    squares, shift = np.empty(len(values)), np.empty(len(values))
    for span in spans(len(values), TILE):
        centred = values[span] - centre
        squares[span] = np.einsum("ij,ij->i", centred, centred)
        shift[span] = centred @ centre
    return squares, shift
