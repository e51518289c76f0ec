"""Memorisation: whether generated samples lie too close to training samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.array_types import Float64, Int64
from genbench.errors import InputError
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import checked_rows, embedding, spans
from genbench.metrics.group_influence import INDEPENDENT
from genbench.metrics.share_intervals import binomial_error, wilson_interval
from genbench.metrics.tiles import TILE, Rows, Tile, compute_tile, pair_of
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class AuthenticShare:
    """AuthPct: ``authentic_share`` of the embeddings, in percent; the reference must be the training set."""

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    least_samples: ClassVar[tuple[int, int]] = (1, 2)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        share = authentic_share(embedding(generated, "generated"), embedding(reference, "reference"))
        detail = {"note": "0 for copies; the value of new samples depends on the data: score a test set too."}
        detail["error_by"] = "binomial"
        key = "authentic_percentage"
        # The error holds for a fixed training set, so the reference does not contribute to it.
        low, high = wilson_interval(share.value, len(generated))
        error, interval = 100 * share.error, (100 * low, 100 * high)
        return [Score("authpct", 100 * share.value, error, None, detail, key, INDEPENDENT, interval)]


class Share(NamedTuple):
    """A share of the generated rows, in 0..1."""

    value: float
    error: float
    """Binomial standard error, for a fixed training set."""


def authentic_share(generated: npt.ArrayLike, reference: npt.ArrayLike) -> Share:
    """Compute the share of generated rows that are authentic: not closer to a training row than training rows are.

    If t is the training (reference) row nearest to g, then g is authentic iff ``min_{s != t} |t - s| < |g - t|``. Alaa
    et al. 2022 (arXiv 2102.08921); as in dgm-eval. Copies give 0. New samples of the same distribution do not give 0.5:
    for a Gaussian they give 0.37 in 2 dimensions and 0.80 in 64. Compare the value with that of a test set.

    Rows are [N, D] and [M, D]. Raises InputError if there are fewer than 2 training rows, or if the rows are not finite
    or differ in width.
    """
    left, right = pair_of(generated, reference)
    if len(right) < 2:
        raise InputError(f"authpct needs at least 2 reference rows, not {len(right)}.")
    # Distance of each generated row to its training row t, and of each training row to its own neighbour.
    nearest, distance = _nearest_rows(left, right)
    own_distance = _nearest_rows(right, right)[1]
    share = float((own_distance[nearest] < distance).mean())
    return Share(share, binomial_error(share, len(left)))


def copying_score(
    generated: npt.ArrayLike, train: npt.ArrayLike, test: npt.ArrayLike, *, cells: int = 3, seed: int = 0
) -> float:
    """Compute C_T: whether generated rows lie farther from the training rows than test rows do, as a z value.

    In each k-means cell of the training rows, ``Z = (U - n m / 2) / sqrt(n m (n + m + 1) / 12)``, where U counts the
    pairs of the n generated and m test rows in which the generated row is farther from its nearest training row. C_T is
    the mean of Z over the cells, weighted by their numbers of test rows; cells with fewer than 20 generated or test
    rows are left out. Meehan, Chaudhuri, Dasgupta 2020 (arXiv 2004.05675). Below 0: copying; above 0: underfitting. For
    equal distributions C_T is standard normal or narrower. With more than 64 dimensions, the cells are those of the
    first 64 principal components.

    Rows are [N, D]. Raises InputError if no cell has enough rows, or if the rows are not finite or differ in width.
    """
    from scipy.stats import mannwhitneyu

    # Distances to the training set, and the cell of each row.
    generated_distance, test_distance = (_nearest_rows(*pair_of(rows, train))[1] for rows in (generated, test))
    generated_cell, test_cell = _k_means_cells(train, (generated, test), cells, seed)
    # A rank test in each cell, on which of the two distances is larger.
    total = weight = 0.0
    for cell in range(cells):
        x, y = generated_distance[generated_cell == cell], test_distance[test_cell == cell]
        if min(len(x), len(y)) < 20:
            continue
        # The U statistic of the first sample (as of SciPy 1.7).
        pairs = len(x) * len(y)
        farther = mannwhitneyu(x, y, method="asymptotic").statistic
        spread = math.sqrt(pairs * (len(x) + len(y) + 1) / 12)
        total += len(y) * (float(farther) - pairs / 2) / spread
        weight += len(y)
    if not weight:
        raise InputError("No cell holds 20 generated and 20 test rows; give more rows or fewer cells.")
    return total / weight


def _k_means_cells(train: npt.ArrayLike, others: tuple[npt.ArrayLike, ...], cells: int, seed: int) -> list[Int64]:
    """Return the k-means cell of each row of the other sets; the training rows define the cells."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    # With many dimensions, k-means runs on the first principal components of the training rows.
    rows = [checked_rows(other, train)[0] for other in (train, *others)]
    if rows[0].shape[1] > 64:
        axes = PCA(n_components=min(64, len(rows[0])), random_state=seed).fit(rows[0])
        rows = [axes.transform(other) for other in rows]
    means = KMeans(cells, n_init=1, random_state=seed).fit(rows[0])
    return [np.asarray(means.predict(other)) for other in rows[1:]]


def _nearest_rows(left: Rows, right: Rows) -> tuple[Int64, Float64]:
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
