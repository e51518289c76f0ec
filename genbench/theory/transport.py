"""Wasserstein distances of sample sets: by sorting on the real line, by optimal assignment in higher dimension."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from genbench.array_types import Float64
from genbench.errors import InputError
from genbench.theory.closed_forms import coupled_distance
from genbench.theory.densities import Density
from genbench.theory.estimates import EstimateWithError, mean_of, seeds


def sorted_distance(generated: npt.ArrayLike, reference: npt.ArrayLike, *, order: int = 1) -> float:
    """Return W1 or W2 (``order`` 1 or 2) of two sample sets on the real line, float64 [N] and [M].

    Equal quantiles are matched; for N = M and order 1 this is the mean absolute difference of the sorted samples. It
    is exact for the two sample sets. As an estimate of the distance of the distributions it is biased upwards, by
    O(1/sqrt(N)) if these are equal. Raises InputError for an empty set or values that are not finite.
    """
    x, y = _finite_samples(generated, 1), _finite_samples(reference, 1)
    # every sample has equal mass
    x_mass, y_mass = np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))
    return coupled_distance(np.sort(x), np.sort(y), x_mass, y_mass, order=order)


def assignment_distance(generated: npt.ArrayLike, reference: npt.ArrayLike, *, order: int = 1) -> float:
    """Return W1 or W2 of two sample sets of equal shape [N, d]: (min over pairings of mean |x - y|^order)^(1/order).

    It is exact for the two sample sets and takes O(N^3) time: seconds from about 2,000 points on. As an estimate of the
    distance of the distributions it is biased upwards by O(N^(-1/d)). Raises InputError for sets of unequal shape.
    """
    x, y = _finite_samples(generated, 2), _finite_samples(reference, 2)
    if x.shape != y.shape:
        raise InputError(f"Two sample sets of equal shape are needed; got {x.shape} and {y.shape}.")
    # float64 [N, N]; the optimal pairing is a permutation
    cost = cdist(x, y, "sqeuclidean" if order == 2 else "euclidean")
    return float(cost[linear_sum_assignment(cost)].mean() ** (1 / order))


def transport_to(
    generated: npt.ArrayLike, reference: Density, *, order: int = 1, block: int = 500, seed: int = 0
) -> tuple[EstimateWithError, EstimateWithError]:
    """Estimate W1 or W2 between samples float64 [N, d] and a known distribution, and the value of a perfect sampler.

    The samples are split into N // block blocks, and each block is matched with ``block`` new reference samples. The
    first result is the mean over the blocks with its standard error. The second one (the floor) is the same for blocks
    of reference samples: the bias of finite blocks. Raises InputError for fewer than two blocks.
    """
    # a last, incomplete block is left out
    points = _finite_samples(generated, 2)
    blocks = len(points) // block
    if blocks < 2:
        raise InputError(f"At least two blocks of {block} samples are needed; got {len(points)} samples.")
    # independent streams for the two reference sample sets
    fresh_seed, floor_seed = seeds(seed, 2)
    fresh = reference.sample(blocks * block, fresh_seed)
    perfect = reference.sample(blocks * block, floor_seed)

    def mean_over_blocks(distance: Callable[[slice], float]) -> EstimateWithError:
        return mean_of(np.array([distance(slice(i * block, (i + 1) * block)) for i in range(blocks)]))

    # both sides are matched with the same reference samples
    return (
        mean_over_blocks(lambda rows: assignment_distance(points[rows], fresh[rows], order=order)),
        mean_over_blocks(lambda rows: assignment_distance(perfect[rows], fresh[rows], order=order)),
    )


def _finite_samples(points: npt.ArrayLike, dimensions: int) -> Float64:
    array = np.asarray(points, np.float64)
    if array.ndim != dimensions or len(array) == 0 or not np.isfinite(array).all():
        shape = "[N]" if dimensions == 1 else "[N, d]"
        raise InputError(f"Samples must be finite and of shape {shape}; got an array of shape {array.shape}.")
    return array
