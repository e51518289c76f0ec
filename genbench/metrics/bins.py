"""NDB: in how many bins of the reference's space the generated samples are too many or too few."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from genbench.arrays import Array, Bool, Float64, Int64
from genbench.errors import InputError, PlugError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.influence import influence_of
from genbench.plugs.contracts import Score

ROWS_PER_BIN = 10


class Bins(NamedTuple):
    """Cells of the reference's space, each the points nearest to one centre."""

    centres: Float64
    """float64 [K, D]"""
    counts: Int64
    """int64 [K], how many reference rows lie in each"""

    def histogram(self, rows: npt.ArrayLike) -> Int64:
        """Return how many of the rows [N, D] lie in each bin, int64 [K]."""
        return np.bincount(self.labels(rows), minlength=len(self.centres))

    def labels(self, rows: npt.ArrayLike) -> Int64:
        """Return in which bin each of the rows [N, D] lies, int64 [N]."""
        return _nearest(np.asarray(rows), self.centres)


def reference_bins(reference: npt.ArrayLike, *, bins: int = 100, seed: int = 0) -> Bins:
    """Return bins by k-means on the reference rows, as NDB asks (Richardson and Weiss 2018, arXiv 1805.12462).

    Lloyd's algorithm in the raw space, one k-means++ start from the seed, at most 100 iterations, on one thread (with
    more, rounding would depend on their order). Rows are sorted first, so that their order does not matter. There are
    fewer bins where the reference has less than 10 rows for each, or fewer distinct rows.

    Rows float [N, D]. Raises InputError for other shapes, NaN or infinity, fewer than 20 rows, or equal rows only.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    rows = _sorted(_checked(np.asarray(reference), "reference"))
    distinct = 1 + int((rows[1:] != rows[:-1]).any(axis=1).sum())
    size = min(bins, len(rows) // ROWS_PER_BIN, distinct)
    if size < 2:
        raise InputError(
            f"The reference has {len(rows)} rows, {distinct} of them distinct; bins need at least {2 * ROWS_PER_BIN} "
            f"rows, 2 of them distinct."
        )
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        means = KMeans(size, n_init=1, max_iter=100, random_state=seed).fit(rows)
    centres = means.cluster_centers_.astype(np.float64)
    return Bins(centres, np.bincount(_nearest(rows, centres), minlength=size))


def different_bins(generated_counts: npt.ArrayLike, reference_counts: npt.ArrayLike, *, alpha: float = 0.05) -> Bool:
    """Return which bins hold significantly different shares of the two sets, bool [K].

    Two-proportion z-test with pooled share P, |p - q| / sqrt(P (1 - P)(1/N + 1/M)) above the normal quantile
    1 - alpha/2 (Richardson and Weiss 2018, arXiv 1805.12462). Equal distributions differ in a share ``alpha`` of bins.

    Counts int [K] each. Raises InputError where they differ in length or a side is empty.
    """
    return np.asarray(np.abs(_z(generated_counts, reference_counts)) > stats.norm.isf(alpha / 2))


def _z(generated_counts: npt.ArrayLike, reference_counts: npt.ArrayLike) -> Float64:
    ours, theirs = np.asarray(generated_counts, np.float64), np.asarray(reference_counts, np.float64)
    if ours.ndim != 1 or ours.shape != theirs.shape or not (ours.sum() > 0 and theirs.sum() > 0):
        raise InputError(
            f"Bins need two lists of counts of one length, neither empty; shapes {list(ours.shape)} and "
            f"{list(theirs.shape)} came."
        )
    count, size = ours.sum(), theirs.sum()
    pooled = (ours + theirs) / (count + size)
    scale = np.sqrt(pooled * (1 - pooled) * (1 / count + 1 / size))
    return np.asarray((ours / count - theirs / size) / np.where(scale > 0, scale, np.inf))


@dataclass(frozen=True)
class DifferentBins:
    """The metric ``ndb``: share of bins with a significantly different share of samples, and the histograms' JSD.

    Bins are made once on the reference and kept with it. Errors: ``ndb`` binomial, as if bins were independent, with a
    rate not below alpha (no different bin does not mean no error); ``ndb_js`` by the delta method, with a variance not
    below the one that is left where the histograms agree.
    """

    bins: int = 100
    alpha: float = 0.05

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["none", "rows", "moments"]] = "rows"

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise UsageError(f"NDB needs at least 2 bins, not {self.bins}; write ndb,bins=100.")
        if not 0 < self.alpha < 1:
            raise UsageError(f"NDB's level alpha lies between 0 and 1, but {self.alpha} was given.")

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``ndb`` (0..1, about alpha for a perfect sampler) and ``ndb_js`` (0..ln 2 nats)."""
        if not isinstance(reference, Features):
            raise PlugError("NDB needs reference samples, for it makes its bins of their rows; name some.")
        made = reference.derived(
            f"bins of embedding, {self.bins}, seed {seed}",
            lambda: reference_bins(reference["embedding"], bins=self.bins, seed=seed)._asdict(),
        )
        bins = Bins(made["centres"], made["counts"])
        labels = []
        for rows in generated.each("embedding"):
            if rows.shape[1] != bins.centres.shape[1]:
                raise InputError(
                    f"{generated.name} has embeddings of {rows.shape[1]} dimensions and {reference.name} of "
                    f"{bins.centres.shape[1]}; NDB needs both from the same extractor."
                )
            labels.append(bins.labels(rows))
        own = reference.derived(
            f"labels of bins of embedding, {self.bins}, seed {seed}",
            lambda: {"labels": bins.labels(reference["embedding"])},
        )
        return self._scores(np.concatenate(labels), own["labels"], bins.counts)

    def _scores(self, labels: Int64, reference_labels: Int64, theirs: Int64) -> list[Score]:
        ours = np.bincount(labels, minlength=len(theirs))
        count, size, bins = int(ours.sum()), int(theirs.sum()), len(theirs)
        share = float(different_bins(ours, theirs, alpha=self.alpha).mean())
        detail: dict[str, Any] = {"expected": self.alpha, "bins": bins, "generated": count, "reference": size}
        detail["error_by"] = "binomial over bins"
        said = []
        if bins < self.bins:
            said.append(f"{size} reference samples allow only {bins} bins instead of {self.bins}")
        if count < 5 * bins:
            said.append(f"{count} generated samples for {bins} bins are few: the test misses most differences")
        if said:
            detail["warning"] = "; ".join(said) + "."
        p, q = ours / count, theirs / size
        divergence, error = _jensen_shannon(p, q, count, size)
        logs = [np.log(np.where(side > 0, 2 * side / (p + q), 1.0)) / 2 for side in (p, q)]
        parts = influence_of(logs[0][labels] / count, logs[1][reference_labels] / size, error=error)
        error_of_share = float(np.sqrt(max(share * (1 - share), self.alpha * (1 - self.alpha)) / bins))
        about = {"expected": (bins - 1) / 8 * (1 / count + 1 / size), "error_by": "delta method"}
        return [
            Score("ndb", share, error_of_share, "lower", detail, "number_of_different_bins_share"),
            Score("ndb_js", divergence, error, "lower", about, "bins_jensen_shannon_divergence", parts),
        ]


def _jensen_shannon(ours: Float64, theirs: Float64, count: int, size: int) -> tuple[float, float]:
    """Return the Jensen-Shannon divergence of two histograms in nats, and its standard error."""
    middle = (ours + theirs) / 2
    value = variance = 0.0
    for share, samples in ((ours, count), (theirs, size)):
        hit = share > 0
        logs = np.log(share[hit] / middle[hit]) / 2
        mean = float((share[hit] * logs).sum())
        value += mean
        variance += (float((share[hit] * logs**2).sum()) - mean**2) / samples
    # where the histograms agree, the variance is that of a chi-squared, and noise lends the delta method twice as much
    floor = (len(ours) - 1) / 32 * (1 / count + 1 / size) ** 2
    return max(value, 0.0), float(np.sqrt(max(variance - floor, floor)))


def _checked(rows: Array, role: str) -> Array:
    if rows.ndim != 2 or not rows.size:
        raise InputError(f"The {role} rows have shape {list(rows.shape)}, but [N, D] is wanted.")
    if not np.isfinite(rows).all():
        raise InputError(f"The {role} rows hold NaN or infinity.")
    return rows


def _sorted(rows: Array) -> Array:
    """Return the rows in the order of their bytes."""
    rows = np.ascontiguousarray(rows) + 0  # + 0 makes -0 the same as 0
    return rows[np.argsort(rows.view(f"V{rows.dtype.itemsize * rows.shape[1]}").ravel(), kind="stable")]


def _nearest(rows: Array, centres: Float64) -> Int64:
    """Return the number of the nearest centre of each row; of equally near ones, the first."""
    found = []
    for start in range(0, len(rows), 4096):
        chunk = _checked(rows[start : start + 4096], "generated").astype(np.float64)
        found.append(((centres**2).sum(axis=1) - 2 * chunk @ centres.T).argmin(axis=1))
    return np.concatenate(found)
