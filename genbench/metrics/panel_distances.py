"""MIND and the kernel distance for panels: their values with the influence of each row.

Both are 0 or more and above 0 for samples of one distribution, as a unit has to be.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from genbench.array_types import Float64
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import embedding
from genbench.metrics.kernel import KernelDistance, KernelSums
from genbench.metrics.pair_sums import gather_pair_sums
from genbench.metrics.projected_transport import transport
from genbench.metrics.sliced import MongeDistance, direction_generator, subsample
from genbench.metrics.tiles import Rows, pair_of
from genbench.plugs.contracts import RowwiseDistance


def kernel_row_influence(
    metric: KernelDistance, generated: Features, reference: Features | Moments | None
) -> RowwiseDistance:
    """Return the V-statistic of the kernel distance: ``kid`` with the pairs of each row with itself.

    ``mean_ij k(x_i, x_j) + mean_ij k(y_i, y_j) - 2 mean_ij k(x_i, y_j)``. The unbiased ``kid`` of real samples is 0 on
    average and as often negative as positive, so it is no unit. Gretton et al. 2012, equation 5.
    """
    # the sums of all rows; the subsets are not needed
    sides = pair_of(embedding(generated, "generated"), embedding(reference, "reference"))
    whole = replace(metric, subsets=1, subset_size=2)
    sums: KernelSums = gather_pair_sums([whole], *sides, seed=0)[KernelSums]
    of_rows = sums.of(whole)
    own, cross = of_rows.rows.own, of_rows.rows.cross
    # the kernel value of each row with itself, without the constant that the sums lack
    x, y = (own[rows.role] + _with_itself(rows, whole, of_rows.gamma) - of_rows.constant for rows in sides)
    to_y, to_x = cross["generated"], cross["reference"]
    n, m = len(x), len(y)
    # the estimate, and its derivative by the weight of each row
    value = x.sum() / n**2 + y.sum() / m**2 - 2 * to_y.sum() / (n * m)
    influence = (2 / n * (x / n - to_y / m), 2 / m * (y / m - to_x / n))
    return RowwiseDistance(max(float(value), 0.0), *(side - side.mean() for side in influence))


def _with_itself(rows: Rows, metric: KernelDistance, gamma: float) -> Float64:
    # |x|^2 of the rows without centring
    squares = rows.squares + 2 * rows.shift + float(rows.centre @ rows.centre)
    return np.asarray((gamma * squares + metric.coef0) ** metric.degree)


def monge_row_influence(
    metric: MongeDistance, generated: Features, reference: Features | Moments | None, seed: int
) -> RowwiseDistance:
    """Return MIND, that of ``mind`` bit for bit, and the influence of each row at the given directions.

    If the counts differ, some rows of the larger side are drawn, and the others have no influence.
    """
    # the same draws as those of monge_distance
    x, y = embedding(generated, "generated"), embedding(reference, "reference")
    rng, count = direction_generator(seed), min(len(x), len(y))
    drawn = [subsample(np.arange(len(rows)), count, rng) for rows in (x, y)]
    costs = transport(x[drawn[0]], y[drawn[1]], metric.projections, rng)
    factor = 3 * x.shape[1]
    # the potentials of order 2
    influence = [np.zeros(len(rows)) for rows in (x, y)]
    for side, rows, own in zip(influence, drawn, costs.influence, strict=True):
        side[rows] = factor * (own[1] - own[1].mean())
    return RowwiseDistance(float(factor * costs.costs[1].mean()), *influence)
