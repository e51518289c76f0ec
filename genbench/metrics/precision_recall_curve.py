"""PRD: the curve of precision against recall of two histograms over common clusters."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array, Float64, Int64
from genbench.errors import InputError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.ball_hits import HALF_SPLITS
from genbench.metrics.ball_scores import HALVES_DEGREES
from genbench.metrics.bins import sorted_by_bytes
from genbench.metrics.embedding_checks import checked_rows, embedding, spans
from genbench.metrics.group_influence import influence_of
from genbench.metrics.share_intervals import binomial_error, logit_interval, wilson_interval
from genbench.plugs.contracts import Score

ANGLES = 1001
"""Number of points of the curve; the one in the middle has slope 1."""

SHOWN_EVERY = 20
"""The detail of a score holds each point of the curve whose index is a multiple of this."""

STARTS = 3
"""Number of starts of k-means in each run, of which the best counts. The mean over the runs evens out poor starts."""

START_ROWS = 50
"""Number of rows per cluster from which a start chooses its centres."""

RELABELLED = 20
"""How many times the labels are exchanged between the sides at random, for the values of equal distributions."""

UNEQUAL_SIDES = 0.05
"""Scores carry a warning if the counts differ by more than this share of the larger count."""


class PrdCurve(NamedTuple):
    """Precision alpha and recall beta by slope, all float64 [ANGLES], in 0..1."""

    slopes: Float64
    precision: Float64
    recall: Float64

    def best(self, beta: float) -> tuple[float, int]:
        """Return the largest F score and its index.

        With precision P and recall R it is ``(1 + b^2) P R / (b^2 P + R)``, where b is ``beta``.
        """
        # recall is precision over slope, which cancels the precision in the denominator
        scores = (1 + beta**2) * self.precision / (beta**2 * self.slopes + 1)
        return float(scores.max()), int(scores.argmax())


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """PRD: F8 (mostly recall) and F1/8 (mostly precision) of the precision-recall curve of histograms.

    k-means of the rows of both sides together gives two histograms, q of the generated and p of the reference rows.
    ``alpha(l) = sum_k min(l p_k, q_k)`` and ``beta(l) = alpha(l) / l``, for 1,001 slopes l = tan(angle); alpha(1) is 1
    minus the total variation of the histograms. The curve is the mean over the runs of k-means. Sajjadi et al. 2018
    (arXiv 1806.00035), with their 20 clusters and 10 runs of mini-batch k-means.

    The scores do not see differences within the clusters. The error comes from the differences of random halves of both
    sides, for given clusters, and from the spread over the runs. Near equal distributions it was 1.3 to 1.9 times too
    large in simulations, most for few rows per cluster. The detail has the expected value of equal distributions: the
    sides are drawn at random from all rows.
    """

    clusters: int = 20
    runs: int = 10

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"

    @property
    def least_samples(self) -> tuple[int, int]:
        return self.clusters, self.clusters

    def __post_init__(self) -> None:
        if self.clusters < 2 or self.runs < 1:
            raise UsageError(
                f"PRD needs at least 2 clusters and 1 run, not {self.clusters} and {self.runs}; "
                "write prd,clusters=20,runs=10."
            )

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``prd_f8`` and ``prd_f1_8``, both in 0..1.

        Raises InputError if a side has no rows or fewer rows than clusters, or if the rows are not finite or differ in
        width.
        """
        sides = checked_rows(embedding(generated, "generated"), embedding(reference, "reference"))
        for rows, role in zip(sides, ("generated", "reference"), strict=True):
            if len(rows) < self.clusters:
                raise InputError(
                    f"{self.clusters} clusters need at least as many {role} rows, not {len(rows)}; give more samples "
                    f"or write prd,clusters={max(2, len(rows) // 10)}."
                )
        # labels of each run, the same for all that follows
        seeds = np.random.default_rng(seed).integers(2**31, size=self.runs).tolist()
        ours, theirs = joint_labels(*sides, clusters=self.clusters, seeds=seeds)
        curves = RandomCurves.of(ours, theirs, seed)
        return [_prd_score(name, beta, ours, theirs, curves) for name, beta in (("prd_f8", 8.0), ("prd_f1_8", 1 / 8))]


def joint_labels(generated: Array, reference: Array, *, clusters: int, seeds: Sequence[int]) -> tuple[Int64, Int64]:
    """Return the cluster of each row [R, N] and [R, M], by k-means of both sides together for each of R seeds.

    The rows are sorted first, so their order does not matter, nor which side they are on.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # the same rows in the same order, whatever their side
    rows = sorted_by_bytes(np.concatenate([generated, reference]))
    centres = []
    # it warns of fewer distinct rows than clusters, which only leave clusters empty
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for seed in seeds:
            means = MiniBatchKMeans(clusters, n_init=STARTS, init_size=START_ROWS * clusters, random_state=seed)
            centres.append(means.fit(rows).cluster_centers_.astype(np.float64))
    ours, theirs = (_nearest_of_each_run(side, np.stack(centres)) for side in (generated, reference))
    return ours, theirs


def _nearest_of_each_run(rows: Array, centres: Float64) -> Int64:
    """Return the index of the nearest of the centres [R, K, D] of each run, for each row, [R, N]."""
    # in double precision and without the square of the row, which is the same for all centres
    runs, clusters, width = centres.shape
    squares = (centres**2).sum(axis=2)
    labels = np.empty((runs, len(rows)), np.int64)
    for span in spans(len(rows)):
        products = rows[span].astype(np.float64) @ centres.reshape(-1, width).T
        labels[:, span] = (squares - 2 * products.reshape(-1, runs, clusters)).argmin(axis=2).T
    return labels


def prd_curve(generated: npt.ArrayLike, reference: npt.ArrayLike) -> PrdCurve:
    """Return the curve of two histograms float [K], or the mean curve of several [R, K]. Each has the sum 1."""
    # angles next to 0 and to a right angle, where a slope or its inverse is 0
    slopes = np.tan(np.linspace(1e-10, math.pi / 2 - 1e-10, ANGLES))
    # one line for each run of k-means
    q, p = (np.atleast_2d(np.asarray(each, np.float64)) for each in (generated, reference))
    precision = np.mean([np.minimum(slopes[:, None] * b, a).sum(axis=1) for a, b in zip(q, p, strict=True)], axis=0)
    return PrdCurve(slopes, np.minimum(precision, 1), np.minimum(precision / slopes, 1))


def _prd_score(name: str, beta: float, ours: Int64, theirs: Int64, curves: RandomCurves) -> Score:
    """Return the score of the labels [R, N] and [R, M] of all runs."""
    # the mean curve and its best slope
    n, m = ours.shape[1], theirs.shape[1]
    q, p = _side_histograms(ours, theirs)
    curve = prd_curve(q, p)
    value, at = curve.best(beta)

    # the derivative of min(l p, q) by q is 1 where q is the smaller one; by p it is l elsewhere
    slope = curve.slopes[at]
    factor = (1 + beta**2) / (beta**2 * slope + 1)
    generated_side = q < slope * p
    runs = np.arange(len(ours))[:, None]
    by_row = factor * generated_side[runs, ours].mean(axis=0) / n
    by_reference_row = factor * slope * (~generated_side)[runs, theirs].mean(axis=0) / m

    # the halves have half of the rows, so their difference has four times the variance of the value
    differences = [one.best(beta)[0] - other.best(beta)[0] for one, other in curves.halves]
    of_runs = [prd_curve(*pair).best(beta)[0] for pair in zip(q, p, strict=True)]
    spread_over_runs = float(np.var(of_runs, ddof=1)) / len(of_runs) if len(of_runs) > 1 else 0.0
    error = math.sqrt(float(np.mean(np.square(differences))) / 4 + spread_over_runs)
    # next to 0 and 1 the error is that of a share
    if 0 < value < 1:
        ends = logit_interval(value, error, HALVES_DEGREES)
    else:
        error, ends = max(error, binomial_error(value, min(n, m))), wilson_interval(value, min(n, m))
    detail = _curve_detail(curve) | {"expected": float(np.mean([each.best(beta)[0] for each in curves.relabelled]))}
    detail["error_by"] = "differences of random halves"
    if abs(n - m) > UNEQUAL_SIDES * max(n, m):
        detail["warning"] = (
            f"{n:,} generated and {m:,} reference rows: the clusters are mostly those of the larger side; compare "
            "scores of prd only at the same counts."
        )
    return Score(name, value, error, "higher", detail, None, influence_of(by_row, by_reference_row, error=error), ends)


class RandomCurves(NamedTuple):
    """Curves of random parts of the rows."""

    halves: list[tuple[PrdCurve, PrdCurve]]
    """Of both halves of both sides, for HALF_SPLITS splits."""
    relabelled: list[PrdCurve]
    """Of sides that are drawn from the rows of both, RELABELLED of them: those of equal distributions."""

    @staticmethod
    def of(ours: Int64, theirs: Int64, seed: int) -> RandomCurves:
        """Draw the parts, given the labels [R, N] and [R, M]."""
        # A row keeps its clusters of all runs: only its part is drawn.
        rng, n, m = np.random.default_rng(seed), ours.shape[1], theirs.shape[1]
        halves, relabelled = [], []
        for _ in range(HALF_SPLITS):
            left, right = ours[:, rng.permutation(n)], theirs[:, rng.permutation(m)]
            one, other = ((left[:, : n // 2], right[:, : m // 2]), (left[:, n // 2 :], right[:, m // 2 :]))
            halves.append((prd_curve(*_side_histograms(*one)), prd_curve(*_side_histograms(*other))))
        together = np.concatenate([ours, theirs], axis=1)
        for _ in range(RELABELLED):
            drawn = together[:, rng.permutation(n + m)]
            relabelled.append(prd_curve(*_side_histograms(drawn[:, :n], drawn[:, n:])))
        return RandomCurves(halves, relabelled)


def _side_histograms(ours: Int64, theirs: Int64) -> tuple[Float64, Float64]:
    """Return the histograms of both sides [R, K]."""
    # an empty cluster counts as well
    size = 1 + int(max(ours.max(), theirs.max()))
    q, p = (np.stack([np.bincount(run, minlength=size) / len(run) for run in side]) for side in (ours, theirs))
    return q, p


def _curve_detail(curve: PrdCurve) -> dict[str, Any]:
    # the middle of the curve, where the slope is 1, is among the shown points
    shown = slice(None, None, SHOWN_EVERY)
    return {
        "overlap": float(curve.precision[ANGLES // 2]),
        "curve_precision": [round(float(each), 6) for each in curve.precision[shown]],
        "curve_recall": [round(float(each), 6) for each in curve.recall[shown]],
    }
