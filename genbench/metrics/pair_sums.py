"""One tiled pass over the inner products within and between two sets of rows; all metrics of pairs share it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from genbench.array_types import Array
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import embedding, spans
from genbench.metrics.tiles import TILE, Rows, Tile, pair_of
from genbench.plugs.contracts import Score

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


class PairSums(Protocol):
    """Sums over pairs of rows. They gather first the tiles within each set, then the tiles between the sets."""

    def add_within(self, tile: Tile) -> None:
        """Add one tile of a set with itself, from the upper triangle."""
        ...

    def add_between(self, tile: Tile) -> None:
        """Add one tile of generated rows (left) with reference rows (right)."""
        ...


class PairMetric(Protocol):
    """A metric that is computed from PairSums."""

    def pair_sums(self) -> type[Any]:
        """Return the class of the PairSums; metrics that return the same class share one object of it."""
        ...

    def scores(self, pair_sums: Any) -> list[Score]:
        """Compute the scores from the gathered sums."""
        ...


def evaluate_together(
    metrics: Sequence[PairMetric], generated: Features, reference: Features | Moments | None, *, seed: int
) -> list[list[Score]]:
    """Evaluate several metrics of pairs in one pass over all pairs; return one list of scores for each metric.

    Raises InputError if a side has no rows, or if the rows are not finite or differ in width.
    """
    # Centre both sides once for all metrics.
    rows = pair_of(embedding(generated, "generated"), embedding(reference, "reference"))
    pair_sums = gather_pair_sums(metrics, *rows, seed=seed)
    return [metric.scores(pair_sums[metric.pair_sums()]) for metric in metrics]


def gather_pair_sums(
    metrics: Sequence[PairMetric], generated: Rows, reference: Rows, *, seed: int, tile: int = TILE
) -> dict[type[Any], Any]:
    """Gather the PairSums of all metrics in one pass; return them by their class."""
    # Metrics that read the same class of sums share one object.
    groups: dict[type[Any], list[PairMetric]] = {}
    for metric in metrics:
        groups.setdefault(metric.pair_sums(), []).append(metric)
    pair_sums = {kind: kind(group, generated, reference, seed=seed) for kind, group in groups.items()}
    visit_tiles(list(pair_sums.values()), generated, reference, tile)
    return pair_sums


def visit_tiles(pair_sums: Sequence[PairSums], generated: Rows, reference: Rows, size: int) -> None:
    """Add every tile to all sums: the upper triangle within each set first, then all tiles between the sets."""
    # Both sets with themselves. The products are symmetric, so half of the tiles are enough.
    for rows in (generated, reference):
        for tile in _computed_ahead(_tile_calls(rows, rows, size, upper=True)):
            for sums in pair_sums:
                sums.add_within(tile)
    # The generated rows with the reference rows.
    for tile in _computed_ahead(_tile_calls(generated, reference, size)):
        for sums in pair_sums:
            sums.add_between(tile)


def _computed_ahead(calls: Iterator[Callable[[], Tile]]) -> Iterator[Tile]:
    """Yield the tiles in order, while other threads compute the next ones.

    Each tile is computed by one thread. If one product used all cores, they would wait for each other and for the
    caller, which keeps one core busy.
    """
    # As many threads as BLAS would use itself.
    blas = _blas()
    cores = max((library["num_threads"] for library in blas.info()), default=1)
    with blas.limit(limits=1), ThreadPoolExecutor(cores) as pool:
        # At most cores + 1 tiles exist at a time.
        pending = deque(pool.submit(call) for call in islice(calls, cores + 1))
        while pending:
            yield pending.popleft().result()
            pending.extend(pool.submit(call) for call in islice(calls, 1))


@cache
def _blas() -> ThreadpoolController:
    """Return the threads of the BLAS of NumPy. It is searched once, because the search takes some milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def _tile_calls(left: Rows, right: Rows, size: int, *, upper: bool = False) -> Iterator[Callable[[], Tile]]:
    """Yield functions that compute one tile each; only those of the upper triangle if ``upper``."""
    # Line by line, so that the left rows are centred once.
    for rows in spans(len(left), size):
        centred = left.centred(rows, left.dtype)
        for columns in spans(len(right), size):
            if not (upper and columns.start < rows.start):
                yield partial(_tile_of_centred, left, rows, centred, right, columns)


def _tile_of_centred(left: Rows, rows: slice, centred: Array, right: Rows, columns: slice) -> Tile:
    # On the diagonal both factors are the same array, which BLAS multiplies in half the time.
    other = centred if left is right and rows == columns else right.centred(columns, left.dtype)
    return Tile(left, right, rows, columns, centred @ other.T)
