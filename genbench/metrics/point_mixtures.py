"""Mixtures of isotropic Gaussians, one around each row of a set, whose widths are fitted to other rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genbench.array_types import Array, Float64
from genbench.metrics.embedding_checks import spans
from genbench.metrics.tiles import TILE, compute_tile, pair_of
from genbench.plugs.contracts import GROUPS

STEPS, RATE, MOMENTA = 50, 0.5, (0.9, 0.999)
"""Steps, step size and decay rates of Adam, as in the authors' program."""

SHRINK = 0.81
"""Factor of the squared distances to the mean of the fitted rows in the component that bounds the likelihoods."""

LOG_WIDTHS = (-40.0, 20.0)
"""Range of the logarithms of the variances."""

BYTES = 200_000_000
"""Squared distances that need more memory than this in float64 are kept in float32."""


@dataclass(frozen=True, eq=False)
class PointMixture:
    """A mixture of N isotropic Gaussians with equal weights, in D dimensions."""

    centres: Float64
    """[N, D]"""
    log_widths: Float64
    """[N], logarithms of the variances"""

    def log_likelihoods(self, rows: Float64) -> Float64:
        """Return the natural logarithm of the sum of densities of each group of centres, [M, GROUPS], for M rows.

        Centre i belongs to group i modulo GROUPS. The logarithm of the density of the mixture is the logarithm of the
        sum of exponentials over the groups, minus ln N.
        """
        # a stable order of the centres by group; small mixtures have fewer groups
        group = np.arange(len(self.centres)) % GROUPS
        order = np.argsort(group, kind="stable")
        starts = np.searchsorted(group[order], np.arange(min(GROUPS, len(order))))
        found = np.full((len(rows), GROUPS), -np.inf)
        # the terms of each group stand side by side
        centres, scale, offset = self.centres[order], *_terms(self.log_widths[order], self.centres.shape[1])
        for span in spans(len(rows), 256):
            logs = squared_distances(rows[span], centres) * scale + offset
            top = np.maximum.reduceat(logs, starts, axis=1)
            logs -= np.repeat(top, np.diff([*starts, len(order)]), axis=1)
            found[span, : len(starts)] = np.log(np.add.reduceat(np.exp(logs), starts, axis=1)) + top
        return found


def fitted_mixture(centres: Float64, rows: Float64) -> PointMixture:
    """Return the mixture around ``centres`` [N, D] whose widths maximise the likelihood of ``rows`` [M, D].

    As in Jiralerspong et al. 2023 (arXiv 2302.04440) and its program: the variances start from the squared distance to
    the nearest row, plus 0.001, divided by D; 50 steps of Adam at a rate of 0.5 follow, on all rows at once, for the
    mean log-likelihood divided by D. During the fit, the mixture has one component more, around the mean of the rows,
    of weight 1 (not 1 / N) and of fitted width, with distances shrunk to 0.9; it bounds the likelihood of every row.

    The time is that of 50 passes over the N M distances, which are kept in memory (float32 above 200 MB).
    """
    # the distances do not change during the fit
    count, dimension = len(centres), centres.shape[1]
    dtype = np.float64 if 8 * count * len(rows) <= BYTES else np.float32
    distances = squared_distances(rows, centres, dtype)
    to_mean = SHRINK * ((rows - rows.mean(axis=0)) ** 2).sum(axis=1)
    # the last width is that of the component around the mean
    widths = np.append(np.log((distances.min(axis=0) + 1e-3) / dimension), 0.0)
    first, second = np.zeros(count + 1), np.zeros(count + 1)
    for step in range(1, STEPS + 1):
        slope = _slope(distances, to_mean, widths, dimension)
        # Adam (Kingma and Ba 2015), with its correction of the bias
        first += (1 - MOMENTA[0]) * (slope - first)
        second += (1 - MOMENTA[1]) * (slope**2 - second)
        means = first / (1 - MOMENTA[0] ** step), second / (1 - MOMENTA[1] ** step)
        widths -= RATE * means[0] / (np.sqrt(means[1]) + 1e-8)
        widths[:-1] = widths[:-1].clip(*LOG_WIDTHS)
    return PointMixture(centres, widths[:-1])


def squared_distances(rows: Float64, centres: Float64, dtype: type[np.floating] = np.float64) -> Array:
    """Return the squared distances [M, N] of two sets of rows, exactly 0 for equal rows."""
    left, right = pair_of(rows, centres)
    found: Array = np.empty((len(rows), len(centres)), dtype)
    for row in spans(len(rows), TILE):
        for column in spans(len(centres), TILE):
            tile = compute_tile(left, row, right, column, np.float64)
            lengths = left.squares[row][:, None] + right.squares[column]
            part = lengths - 2 * tile.products
            # products lose the digits of small distances, on which the widths of copies depend
            i, j = np.nonzero(part <= 1e-6 * lengths)
            part[i, j] = tile.squared_distances(i, j)
            found[row, column] = part
    return found


def _terms(log_widths: Float64, dimension: int) -> tuple[Float64, Float64]:
    """Return the factor of the squared distance and the constant in the log-density of each Gaussian."""
    return -0.5 * np.exp(-log_widths), -0.5 * dimension * (log_widths + np.log(2 * np.pi))


def _slope(distances: Array, to_mean: Float64, widths: Float64, dimension: int) -> Float64:
    """Return the gradient [N + 1] of the negative mean log-likelihood, divided by the dimension, in the log-widths."""
    count = distances.shape[1]
    scale, offset = _terms(widths, dimension)
    offset[:-1] -= np.log(count)
    weights, moments = np.zeros(count + 1), np.zeros(count + 1)
    # blocks that stay in the cache
    for span in spans(len(distances), max(1, 2**17 // count)):
        block = distances[span]
        logs = block * scale[:-1]
        logs += offset[:-1]
        last = to_mean[span] * scale[-1] + offset[-1]
        # densities relative to the largest of each row
        top = np.maximum(logs.max(axis=1), last)
        logs -= top[:, None]
        densities, last = np.exp(logs, out=logs), np.exp(last - top)
        # the share of each component in the density of each row, summed over the rows
        share = 1 / (densities.sum(axis=1) + last)
        weights[:-1] += share @ densities
        weights[-1] += share @ last
        densities *= block
        moments[:-1] += share @ densities
        moments[-1] += share @ (last * to_mean[span])
    # the derivative of a log-density is d / (2 w) - D / 2 for a squared distance d and a variance w
    return np.asarray((scale * moments + 0.5 * dimension * weights) / (len(distances) * dimension))
