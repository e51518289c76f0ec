"""NDB: the share of bins of the embedding space that hold too many or too few generated samples."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from genbench.array_types import Array, Bool, Float64, Int64
from genbench.errors import InputError, PlugError, UsageError, number_of
from genbench.features.features import Features, Moments
from genbench.metrics.histogram_divergences import histogram_jsd, jsd_influence
from genbench.plugs.contracts import Score

ROWS_PER_BIN = 10
"""Smallest average number of reference rows per bin."""


class Bins(NamedTuple):
    """Cells of the embedding space; each holds the points that are nearest to one centre."""

    centres: Float64
    """float64 [K, D]"""
    counts: Int64
    """int64 [K], number of reference rows in each bin"""

    def histogram(self, rows: npt.ArrayLike) -> Int64:
        """Return the number of ``rows`` float [N, D] in each bin, int64 [K]."""
        return np.bincount(self.labels(rows), minlength=len(self.centres))

    def labels(self, rows: npt.ArrayLike) -> Int64:
        """Return the bin of each of the ``rows`` float [N, D], int64 [N]. Raises InputError for NaN or infinity."""
        return _nearest_centre(np.asarray(rows), self.centres)


def reference_bins(reference: npt.ArrayLike, *, bins: int = 100, seed: int = 0) -> Bins:
    """Return bins by k-means on the reference rows, as in NDB (Richardson and Weiss 2018, arXiv 1805.12462).

    Lloyd's algorithm on the unscaled rows, one k-means++ start from the seed, at most 100 iterations. It runs on one
    thread, because the rounding of several depends on their order. The rows are sorted first, so their order does not
    matter. There are fewer bins if the reference has less than 10 rows per bin, or fewer distinct rows than bins.

    Rows float [N, D]. Raises InputError for other shapes, NaN or infinity, fewer than 20 rows, or only equal rows.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # each bin needs some rows, and distinct centres
    rows = sorted_by_bytes(_checked_bin_rows(np.asarray(reference), "reference"))
    distinct = 1 + int((rows[1:] != rows[:-1]).any(axis=1).sum())
    size = min(bins, len(rows) // ROWS_PER_BIN, distinct)
    if size < 2:
        raise InputError(
            f"The reference has {len(rows)} rows, {distinct} of them distinct, but bins need at least "
            f"{2 * ROWS_PER_BIN} rows, 2 of them distinct; add reference samples."
        )

    # k-means warns if it has not converged after 100 iterations; such bins serve as well
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        means = KMeans(size, n_init=1, max_iter=100, random_state=seed).fit(rows)
    # count by the rule that labels all other rows, not by k-means' own labels
    centres = means.cluster_centers_.astype(np.float64)
    return Bins(centres, np.bincount(_nearest_centre(rows, centres), minlength=size))


def different_bins(generated_counts: npt.ArrayLike, reference_counts: npt.ArrayLike, *, alpha: float = 0.05) -> Bool:
    """Return which bins hold significantly different shares of the two sets, bool [K].

    Two-proportion z-test with pooled share P: |p - q| / sqrt(P (1 - P)(1/N + 1/M)) is above the normal quantile
    1 - alpha/2 (Richardson and Weiss 2018, arXiv 1805.12462). For equal distributions, a share ``alpha`` of the bins
    differs.

    Counts int [K] of both sides. Raises InputError if they differ in length or a side has no counts.
    """
    generated, reference = np.asarray(generated_counts, np.float64), np.asarray(reference_counts, np.float64)
    if generated.ndim != 1 or generated.shape != reference.shape or not (generated.sum() > 0 and reference.sum() > 0):
        raise InputError(
            f"Bins need two lists of counts of one length, neither of them empty or all 0, but the shapes are "
            f"{list(generated.shape)} and {list(reference.shape)}."
        )

    # z-test of two proportions in each bin
    count, size = generated.sum(), reference.sum()
    pooled = (generated + reference) / (count + size)
    scale = np.sqrt(pooled * (1 - pooled) * (1 / count + 1 / size))
    # a bin that is empty or full on both sides has scale 0 and does not differ
    z = (generated / count - reference / size) / np.where(scale > 0, scale, np.inf)
    return np.asarray(np.abs(z) > -ndtri(alpha / 2))


@dataclass(frozen=True)
class DifferentBins:
    """NDB: share of k-means bins that differ significantly, and the Jensen-Shannon divergence of the histograms.

    Number of statistically different bins (Richardson and Weiss 2018, arXiv 1805.12462) divided by the number of bins;
    see ``different_bins`` for the formula. The bins are computed once per reference and cached with it. The error of
    ``ndb`` is binomial, as if bins were independent, with a rate of at least alpha, because no different bin does not
    mean no error. ``metrics/histogram_divergences.py`` describes the error of ``ndb_js``.
    """

    bins: int = 100
    alpha: float = 0.05

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["none", "rows", "moments"]] = "rows"
    least_samples: ClassVar[tuple[int, int]] = (1, 2 * ROWS_PER_BIN)

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise UsageError(f"NDB needs at least 2 bins, not {self.bins}; write ndb,bins=100.")
        if not 0 < self.alpha < 1:
            raise UsageError(
                f"The level alpha of NDB must lie between 0 and 1, but it is {self.alpha}; write ndb,alpha=0.05."
            )

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``ndb`` (0..1, about alpha for a perfect sampler) and ``ndb_js`` (0..ln 2 nats).

        Raises PlugError without reference rows, and InputError if the embeddings differ in dimension.
        """
        if not isinstance(reference, Features):
            raise PlugError("NDB needs reference samples, because it makes its bins of their rows; name some.")
        # bins and labels of the reference are cached with its features
        cached = reference.derived(
            f"bins of embedding, {self.bins}, seed {seed}",
            lambda: reference_bins(reference["embedding"], bins=self.bins, seed=seed)._asdict(),
        )
        bins = Bins(cached["centres"], cached["counts"])
        reference_labels = reference.derived(
            f"labels of bins of embedding, {self.bins}, seed {seed}",
            lambda: {"labels": bins.labels(reference["embedding"])},
        )["labels"]

        # label the generated rows block by block, so that they need not fit into memory
        labels = []
        for rows in generated.each("embedding"):
            if rows.shape[1] != bins.centres.shape[1]:
                raise InputError(
                    f"{generated.name} has embeddings of {rows.shape[1]} dimensions and {reference.name} of "
                    f"{bins.centres.shape[1]}, but NDB needs equal ones; use the same extractor for both."
                )
            labels.append(bins.labels(rows))
        return self._bin_scores(np.concatenate(labels), reference_labels, bins.counts)

    def _bin_scores(self, labels: Int64, reference_labels: Int64, reference_counts: Int64) -> list[Score]:
        counts = np.bincount(labels, minlength=len(reference_counts))
        count, size, bins = int(counts.sum()), int(reference_counts.sum()), len(reference_counts)

        # ndb: the share of different bins
        share = float(different_bins(counts, reference_counts, alpha=self.alpha).mean())
        # with no different bin, the binomial error would be 0; alpha is the rate of a perfect sampler
        error = float(np.sqrt(max(share * (1 - share), self.alpha * (1 - self.alpha)) / bins))
        detail: dict[str, Any] = {"expected": self.alpha, "bins": bins, "generated": count, "reference": size}
        detail["error_by"] = "binomial over bins"
        # warn of a test with little power
        reasons = []
        if bins < self.bins:
            reasons.append(f"{size} reference samples allow only {bins} bins instead of {self.bins}")
        if count < 5 * bins:
            few = f"{number_of(count, 'generated samples')} for {bins} bins {'is' if count == 1 else 'are'} few"
            reasons.append(f"{few}: the test misses most differences")
        if reasons:
            detail["warning"] = "; ".join(reasons) + "."

        # ndb_js: the divergence of the two histograms
        jsd = histogram_jsd(counts, reference_counts)
        influence = jsd_influence(labels, reference_labels, bins, error=jsd.error)
        jsd_detail = {"expected": jsd.expected, "error_by": "delta method"}
        return [
            Score("ndb", share, error, "lower", detail, "number_of_different_bins_share"),
            Score("ndb_js", jsd.value, jsd.error, "lower", jsd_detail, "bins_jensen_shannon_divergence", influence),
        ]


def _checked_bin_rows(rows: Array, role: str) -> Array:
    if rows.ndim != 2 or not rows.size:
        raise InputError(f"The {role} rows must have shape [N, D], but the shape is {list(rows.shape)}.")
    if not np.isfinite(rows).all():
        raise InputError(f"The {role} rows contain NaN or infinity; check the extractor.")
    return rows


def sorted_by_bytes(rows: Array) -> Array:
    """Return the rows in the order of their bytes."""
    rows = np.ascontiguousarray(rows) + 0  # + 0 makes -0 the same as 0
    return rows[np.argsort(rows.view(f"V{rows.dtype.itemsize * rows.shape[1]}").ravel(), kind="stable")]


def _nearest_centre(rows: Array, centres: Float64) -> Int64:
    """Return the index of the nearest centre of each row, int64 [N]; the first of equally near ones."""
    labels = []
    for start in range(0, len(rows), 4096):
        chunk = _checked_bin_rows(rows[start : start + 4096], "generated").astype(np.float64)
        # the squared distance without the square of the row, which is the same for all centres
        labels.append(((centres**2).sum(axis=1) - 2 * chunk @ centres.T).argmin(axis=1))
    return np.concatenate(labels)
