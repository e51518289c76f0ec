"""Memorisation: whether generated samples lie closer to their training samples than they should."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.arrays import Float64, Int64
from genbench.errors import InputError
from genbench.features.features import Features, Moments
from genbench.metrics.influence import INDEPENDENT
from genbench.metrics.pair_sums import TILE, Rows, Tile, block, embedding, matched, pair_of, spans
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class AuthenticShare:
    """AuthPct: ``authentic_share`` of the embeddings, in percent; the reference must be the training set."""

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        found = authentic_share(embedding(generated, "generated"), embedding(reference, "reference"))
        detail = {"note": "0 for copies; the share that fresh samples have depends on the data: score a test set too."}
        detail["error_by"] = "binomial"
        # the error is that for this very training set
        return [
            Score("authpct", 100 * found.value, 100 * found.error, None, detail, "authentic_percentage", INDEPENDENT)
        ]


class Share(NamedTuple):
    """A share of the generated rows, in 0..1."""

    value: float
    error: float
    """Standard error for this very training set: binomial."""


def authentic_share(generated: npt.ArrayLike, reference: npt.ArrayLike) -> Share:
    """Return the share of generated rows that are farther from their nearest training row than that from its own.

    With t the training (reference) row nearest to g, g is authentic iff ``min_{s != t} |t - s| < |g - t|``. Alaa et al.
    2022 (arXiv 2102.08921); as in dgm-eval. Copies give 0. Fresh samples do not give one half: for a Gaussian .37 in 2
    dimensions, .80 in 64; so the number means something only beside that of a test set.

    Rows are [N, D] and [M, D]. Raises InputError for fewer than 2 training rows, and where rows are not finite or
    differ in width.
    """
    left, right = pair_of(generated, reference)
    if len(right) < 2:
        raise InputError("Authenticity needs at least 2 reference rows.")
    nearest, distance = _nearest(left, right)
    own_distance = _nearest(right, right)[1]
    share = float((own_distance[nearest] < distance).mean())
    return Share(share, math.sqrt(share * (1 - share) / len(left)))


def copying_score(
    generated: npt.ArrayLike, train: npt.ArrayLike, test: npt.ArrayLike, *, cells: int = 3, seed: int = 0
) -> float:
    """Return C_T: how much farther generated rows lie from the training rows than test rows do, as a z value.

    In each cell of a k-means of the training rows, ``Z = (U - n m / 2) / sqrt(n m (n + m + 1) / 12)``, U counting the
    pairs in which the generated row is farther; mean over cells by the test rows' shares, leaving out cells with fewer
    than 20 of either. Meehan, Chaudhuri, Dasgupta 2020 (arXiv 2004.05675). Below 0: copying; above 0: underfitting;
    standard normal, or narrower, at equal distributions. Above 64 dimensions cells are those of the first 64 principal
    components.

    Rows are [N, D]. Raises InputError where no cell has enough rows, or rows are not finite or differ in width.
    """
    from scipy.stats import mannwhitneyu

    near = {}
    for name, rows in (("generated", generated), ("test", test)):
        left, right = pair_of(rows, train)
        near[name] = _nearest(left, right)[1]
    cell = _cells(train, (generated, test), cells, seed)
    total = weight = 0.0
    for number in range(cells):
        ours, theirs = near["generated"][cell[0] == number], near["test"][cell[1] == number]
        if min(len(ours), len(theirs)) < 20:
            continue
        pairs = len(ours) * len(theirs)
        farther = mannwhitneyu(ours, theirs, method="asymptotic").statistic  # of the first sample, since SciPy 1.7
        spread = math.sqrt(pairs * (len(ours) + len(theirs) + 1) / 12)
        total += len(theirs) * (float(farther) - pairs / 2) / spread
        weight += len(theirs)
    if not weight:
        raise InputError("No cell holds 20 generated and 20 test rows; give more rows or ask for fewer cells.")
    return total / weight


def _cells(train: npt.ArrayLike, others: tuple[npt.ArrayLike, ...], cells: int, seed: int) -> list[Int64]:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    rows = [matched(other, train)[0] for other in (train, *others)]
    if rows[0].shape[1] > 64:
        axes = PCA(n_components=min(64, len(rows[0])), random_state=seed).fit(rows[0])
        rows = [axes.transform(other) for other in rows]
    means = KMeans(cells, n_init=1, random_state=seed).fit(rows[0])
    return [np.asarray(means.predict(other)) for other in rows[1:]]


def _nearest(left: Rows, right: Rows) -> tuple[Int64, Float64]:
    """Return the nearest right row of each left row, never itself, and its squared distance, both exact."""
    index, best = np.zeros(len(left), np.int64), np.full(len(left), np.inf)
    for rows in spans(len(left), TILE):
        for columns in spans(len(right), TILE):
            tile = block(left, rows, right, columns, left.dtype)
            lower = tile.lower()
            if tile.diagonal:
                np.fill_diagonal(lower, np.inf)
            _improve(index[rows], best[rows], tile)
    return index, best


def _improve(index: Int64, best: Float64, tile: Tile) -> None:
    """Put into views of a tile's rows what is nearer in the tile than the best so far."""
    lower = tile.lower()
    guess = lower.argmin(axis=1)
    real = np.flatnonzero(np.isfinite(lower[np.arange(len(lower)), guess]))
    _update(index, best, tile, real, guess[real])
    # what the bound cannot exclude is measured; nothing is nearer than 0
    i, j = np.divmod(np.flatnonzero(lower < np.where(best > 0, best, -np.inf)[:, None]), lower.shape[1])
    _update(index, best, tile, i, j)


def _update(index: Int64, best: Float64, tile: Tile, i: Int64, j: Int64) -> None:
    distance = tile.distances(i, j)
    order = np.lexsort((j, distance, i))
    i, j, distance = i[order], j[order], distance[order]
    first = np.flatnonzero(np.diff(i, prepend=-1))
    nearer = first[distance[first] < best[i[first]]]
    best[i[nearer]] = distance[nearer]
    index[i[nearer]] = j[nearer] + tile.columns.start
