"""Remove most of the bias of a Frechet distance, which falls as 1/N: by a jackknife, or by an extrapolation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genbench.array_types import Float64
from genbench.metrics.frechet.balance import LARGE_SIZE
from genbench.metrics.frechet.deletions import deleted_distances
from genbench.metrics.frechet.gaussian import Gaussian, terms
from genbench.metrics.frechet.pair import Pair
from genbench.metrics.frechet.sides import GaussianSide, blocks_of, rows_per_class, volumes_of

SIZES = 15
"""Number of sample sizes in the extrapolation, as in Chong and Forsyth 2020."""


@dataclass(frozen=True)
class Jackknife:
    """Result of the block jackknife."""

    value: float
    """The distance without its 1/N term."""
    error: float
    """Standard error of the distance, and of ``value``."""
    blocks: int


def jackknife(pair: Pair, *, blocks: int | None = None) -> Jackknife | None:
    """Return B F - (B - 1) mean_b F_(-b), where F is the distance and F_(-b) is computed without block b of both sides.

    By default B is that of ``number_of_blocks``. Returns None for fewer than 3 blocks.
    """
    blocks = number_of_blocks(pair.generated, pair.reference, blocks)
    if blocks < 3:
        return None

    # compute the distance without each block, and the spread of these distances
    deleted = deleted_distances(pair) if blocks == pair.blocks else None
    if deleted is None:
        sides = (_deletions(side, blocks, pair.seed) for side in (pair.generated, pair.reference))
        deleted = np.array([sum(terms(left, right)) for left, right in zip(*sides, strict=True)])
    centre = deleted.mean()
    spread = np.sqrt((blocks - 1) / blocks * ((deleted - centre) ** 2).sum())
    return Jackknife(float(blocks * pair.distance - (blocks - 1) * centre), float(spread), blocks)


def number_of_blocks(generated: GaussianSide, reference: GaussianSide, blocks: int | None = None) -> int:
    """Return the number of blocks of the jackknife, at most ``blocks`` if that is given.

    It is 20 below 512 dimensions or samples, where it costs little. From 512 on it is 5, with a root mean-square error
    within a tenth of that of 20 blocks in a quarter of the time; or 10 if a side has no more rows than dimensions,
    because the jackknife is then also needed for the error.
    """
    counts = [side.count or 0 for side in (generated, reference) if side.features is not None]
    # the cost of a distance grows with the third power of the dimension
    if blocks is None:
        full_rank = generated.full_rank and reference.full_rank
        blocks = 20 if min(generated.size, *counts) < LARGE_SIZE else 5 if full_rank else 10
    # a stratified sample has whole classes in its blocks, if these are 5 or more
    strata = [rows for rows in map(rows_per_class, (generated, reference)) if rows is not None and rows >= 5]
    volumes = [count for count in map(volumes_of, (generated, reference)) if count is not None]
    return min([blocks, *counts, *strata, *volumes])


def extrapolation(pair: Pair) -> float | None:
    """Return the value at 1/N = 0 of a line through the distances of 15 subsets of both sides (FID infinity).

    The sizes are evenly spaced from a tenth of all rows (5,000 at most) to all rows, as in Chong and Forsyth 2020
    (arXiv 1911.07023). Returns None for fewer than 30 samples.
    """
    sides = (pair.generated, pair.reference)
    counts = [side.count or 0 for side in sides if side.features is not None]
    if not counts or min(counts) < 2 * SIZES:
        return None

    # compute the distances of random subsets, and fit a line over 1/N
    least = min(counts)
    shares = np.linspace(min(5000, max(least // 10, 2)), least, SIZES) / least
    subsets = [_subsets(side, shares, pair.seed) for side in sides]
    values = [sum(terms(left, right)) for left, right in zip(*subsets, strict=True)]
    return float(np.polynomial.polynomial.polyfit(1 / np.append(shares[:-1], 1.0), [*values, pair.distance], 1)[0])


def _deletions(side: GaussianSide, blocks: int, seed: int) -> Iterator[Gaussian]:
    """Yield the Gaussian without each block in turn, or the unchanged Gaussian if the side has no rows."""
    # moments from a file are exact: nothing can be deleted
    if side.features is None:
        yield from [side.gaussian] * blocks
        return
    labels = blocks_of(side, blocks, seed)
    yield from (side.without(labels == block) for block in range(blocks))


def _subsets(side: GaussianSide, shares: Float64, seed: int) -> Iterator[Gaussian]:
    """Yield the Gaussian of a random subset for each share except the last, which stands for all rows."""
    # moments from a file are exact: there are no subsets
    if side.features is None:
        yield from [side.gaussian] * (len(shares) - 1)
        return
    count = len(side.features)
    for number, share in enumerate(shares[:-1]):
        # as many blocks as rows: a random permutation of the rows
        place = blocks_of(side, count, seed + number)
        yield side.without(place >= max(2, round(share * count)))
