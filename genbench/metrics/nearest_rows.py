"""The exact nearest row of another set, or of the same set, for each row."""

from __future__ import annotations

import numpy as np

from genbench.array_types import Float64, Int64
from genbench.features.features import Features
from genbench.metrics.embedding_checks import embedding, spans
from genbench.metrics.tiles import TILE, Rows, Tile, compute_tile, pair_of


def nearest_distances(of: Features, to: Features) -> Float64:
    """Return the distance of each row of ``of`` to its nearest row of ``to``, float64 [N], cached with ``of``.

    If both are the same features, a row is not a neighbour of itself. Raises InputError as ``pair_of`` does.
    """

    def make() -> dict[str, Float64]:
        left, right = pair_of(embedding(of, "first"), embedding(to, "second"))
        return {"distance": np.sqrt(nearest_rows(left, left if of is to else right)[1])}

    # features of unknown content cannot be cached
    if not (of.fingerprint and to.fingerprint):
        return make()["distance"]
    itself = "itself" if of is to else f"{to.identity} {to.fingerprint}"
    return np.asarray(of.derived(f"distance to the nearest row of {itself}", make)["distance"])


def nearest_rows(left: Rows, right: Rows) -> tuple[Int64, Float64]:
    """Return the exact nearest right row of each left row, but not the row itself, and its squared distance."""
    index, best = np.zeros(len(left), np.int64), np.full(len(left), np.inf)
    for rows in spans(len(left), TILE):
        for columns in spans(len(right), TILE):
            tile = compute_tile(left, rows, right, columns, left.dtype)
            # A row is not a neighbour of itself.
            if tile.diagonal:
                np.fill_diagonal(tile.lower_bounds, np.inf)
            _improve(index[rows], best[rows], tile)
    return index, best


def _improve(index: Int64, best: Float64, tile: Tile) -> None:
    """Write the nearer rows of a tile into ``index`` and ``best``, which are views for the left rows of the tile."""
    # Measure the most promising pair of each row first: a small best distance excludes most of the other pairs.
    lower = tile.lower_bounds
    guess = lower.argmin(axis=1)
    real = np.flatnonzero(np.isfinite(lower[np.arange(len(lower)), guess]))
    _measure(index, best, tile, real, guess[real])
    # Measure all pairs that the bounds do not exclude. No distance is smaller than 0.
    i, j = np.divmod(np.flatnonzero(lower < np.where(best > 0, best, -np.inf)[:, None]), lower.shape[1])
    _measure(index, best, tile, i, j)


def _measure(index: Int64, best: Float64, tile: Tile, i: Int64, j: Int64) -> None:
    """Measure the pairs (i, j) and write those that are nearer than the best."""
    distance = tile.squared_distances(i, j)
    # Of each row keep the nearest pair; of equal distances the first column.
    order = np.lexsort((j, distance, i))
    i, j, distance = i[order], j[order], distance[order]
    first = np.flatnonzero(np.diff(i, prepend=-1))
    nearer = first[distance[first] < best[i[first]]]
    best[i[nearer]] = distance[nearer]
    index[i[nearer]] = j[nearer] + tile.columns.start
