"""Wasserstein distances of samples: sorted on the line, by optimal assignment in the plane and higher."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from genbench.arrays import Float64
from genbench.errors import InputError
from genbench.theory.closed_forms import coupled_distance
from genbench.theory.densities import Density
from genbench.theory.estimates import Estimate, mean_of, seeds


def sorted_distance(generated: npt.ArrayLike, reference: npt.ArrayLike, *, order: int = 1) -> float:
    """Return W1 or W2 of two sample sets on the line, float64 [N] and [M]: equal quantiles are matched.

    With N = M it is the mean absolute difference of the sorted samples (order 1), exact for the two sample sets; as
    an estimate of the distributions' distance it is biased upwards by O(1/sqrt(N)) where they agree.
    """
    x, y = _samples(generated, 1), _samples(reference, 1)
    equal_x, equal_y = np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))
    return coupled_distance(np.sort(x), np.sort(y), equal_x, equal_y, order=order)


def assignment_distance(generated: npt.ArrayLike, reference: npt.ArrayLike, *, order: int = 1) -> float:
    """Return W1 or W2 of two sample sets [N, d] of one size, (min over pairings of mean |x - y|^order)^(1/order).

    Exact for the two sample sets (N^3 work: seconds from about 2,000 points on); as an estimate of the
    distributions' distance it is biased upwards by O(N^(-1/d)), and by more than that in high dimension. Raises
    InputError for sets of unequal shape.
    """
    x, y = _samples(generated, 2), _samples(reference, 2)
    if x.shape != y.shape:
        raise InputError(f"Two sets of one shape are wanted; {x.shape} and {y.shape} came: draw as many of each.")
    cost = cdist(x, y, "sqeuclidean" if order == 2 else "euclidean")
    return float(cost[linear_sum_assignment(cost)].mean() ** (1 / order))


def transport_to(
    generated: npt.ArrayLike, reference: Density, *, order: int = 1, block: int = 500, seed: int = 0
) -> tuple[Estimate, Estimate]:
    """Estimate W1 or W2 between samples [N, d] and a known distribution, and what a perfect sampler would show.

    The samples are cut into N // block blocks; each is matched with as many fresh samples. Returned are the mean over
    the blocks with its standard error, and the same for blocks of the reference itself: the bias that finite blocks
    bring (the floor). Raises InputError for fewer than two blocks.
    """
    points = _samples(generated, 2)
    blocks = len(points) // block
    if blocks < 2:
        raise InputError(f"Two blocks of {block} samples are needed; {len(points)} samples came: draw more.")
    fresh_seed, floor_seed = seeds(seed, 2)
    fresh = reference.sample(blocks * block, fresh_seed)
    perfect = reference.sample(blocks * block, floor_seed)

    def over_blocks(of: Callable[[slice], float]) -> Estimate:
        return mean_of(np.array([of(slice(i * block, (i + 1) * block)) for i in range(blocks)]))

    return (
        over_blocks(lambda rows: assignment_distance(points[rows], fresh[rows], order=order)),
        over_blocks(lambda rows: assignment_distance(perfect[rows], fresh[rows], order=order)),
    )


def _samples(points: npt.ArrayLike, dimensions: int) -> Float64:
    array = np.asarray(points, np.float64)
    if array.ndim != dimensions or len(array) == 0 or not np.isfinite(array).all():
        shape = "[N]" if dimensions == 1 else "[N, d]"
        raise InputError(f"Finite samples {shape} are wanted; an array {array.shape} came.")
    return array
