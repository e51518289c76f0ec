"""Frechet distance (FID with the Inception extractor) between two embeddings, with its error and without its bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array
from genbench.errors import InputError, PlugError, UsageError, did_you_mean
from genbench.features.features import Features, Moments
from genbench.metrics.frechet.bias import extrapolation, jackknife, number_of_blocks
from genbench.metrics.frechet.components import Projection
from genbench.metrics.frechet.error import ERROR_METHODS, ONLY_MOMENTS, Uncertainty, uncertainty
from genbench.metrics.frechet.gaussian import gaussian_of_moments, gaussian_of_rows, terms
from genbench.metrics.frechet.pair import Pair
from genbench.metrics.frechet.sides import GaussianSide, has_strata, rows_and_dimensions, volume_hash
from genbench.metrics.group_influence import influence_of
from genbench.plugs.contracts import RowwiseDistance, Score

LIMITS = {"jackknife": "debiased", "extrapolation": "infinity"}
"""The methods that remove the bias, and the suffix of the name of their score."""

ENOUGH = 50
"""With fewer samples, one in twenty debiased distances of equal distributions lies more than 3 errors below 0."""


def frechet_distance(
    mean1: npt.ArrayLike, covariance1: npt.ArrayLike, mean2: npt.ArrayLike, covariance2: npt.ArrayLike
) -> float:
    """Return the squared 2-Wasserstein distance of two Gaussians, 0 or more.

    |mean1 - mean2|^2 + Tr(C1) + Tr(C2) - 2 Tr((C1 C2)^(1/2)); Heusel et al. 2017 (arXiv 1706.08500). The last trace is
    the sum of the roots of the eigenvalues of L' C1 L with C2 = L L' (Cholesky). If a covariance is singular, it is the
    sum of the singular values of the product of the covariances' roots. The result agrees with ``scipy.linalg.sqrtm``
    to 1e-9 wherever that is accurate.

    Means float [D], covariances float [D, D]. Raises InputError if the shapes do not fit or a number is NaN or
    infinite.
    """
    first = Moments(np.asarray(mean1, np.float64), np.asarray(covariance1, np.float64), name="The first Gaussian")
    second = Moments(np.asarray(mean2, np.float64), np.asarray(covariance2, np.float64), name="The second Gaussian")
    gaussians = [gaussian_of_moments(side.mean, side.covariance) for side in (first, second)]
    return sum(terms(gaussians[0], gaussians[1]))


def frechet_distance_of_rows(generated: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Return the Frechet distance of the Gaussians (covariance with ddof 1) fitted to two sets of rows.

    If a side has no more rows than dimensions, its centred rows replace its singular covariance, which would lose
    digits. For two such sides the trace is the nuclear norm |Xc Yc'|_* / sqrt((N - 1)(M - 1)).

    Rows float [N, D] and [M, D], N and M at least 2. Raises InputError for other shapes, NaN or infinity.
    """
    # fit both Gaussians
    sides = []
    for role, side in (("generated", generated), ("reference", reference)):
        rows = np.asarray(side, np.float32 if getattr(side, "dtype", None) == np.float32 else np.float64)
        if rows.ndim != 2 or len(rows) < 2:
            raise InputError(
                f"The {role} rows must have shape [N, D] with N of 2 or more, but the shape is {list(rows.shape)}."
            )
        if not np.isfinite(rows).all():
            raise InputError(f"The {role} rows contain NaN or infinity; check the extractor.")
        sides.append(gaussian_of_rows(rows))
    return sum(terms(sides[0], sides[1]))


@dataclass(frozen=True)
class FrechetDistance:
    """FID, or fd with other features than Inception's: Frechet distance of the embeddings, and its debiased value.

    The error is that of the influence function if both sides have enough rows for their dimensions,
    IF(x) = 2 (m_g - m_r)'(x - m_g) + (x - m_g)'(I - T)(x - m_g) - mean, T = C_g^(-1/2) (C_g^(1/2) C_r C_g^(1/2))^(1/2)
    C_g^(-1/2) (after Rippl, Munk, Sturm 2016), and that of the block jackknife otherwise. Near 0 the first order
    vanishes, and random splits of the rows correct the error; ``error_by`` names the method. If all classes of a side
    have equal numbers of rows, the rows are a stratified sample, and the variance is that within the classes.

    ``fid`` (``frechet_distance`` gives its formula) is biased upward by about c/N (Binkowski et al. 2018, arXiv
    1801.01401). ``fid_debiased`` is the jackknife B F - (B - 1) mean_b F_(-b), which deletes one block of both sides at
    a time. It may be negative, and its error is that of ``fid``. It is left out if a side has fewer rows than twice its
    dimensions. Row i of both sides is in the same block if they have equal counts. With ``limit="extrapolation"``,
    ``fid_infinity`` replaces it: a line through subsets, which takes longer and had 1.2 to 20 times the root
    mean-square error (reports/errors.md).

    With ``components=64``, both sides are projected to the 64 leading principal components of the reference. Few rows
    suffice for the error and the debiased value of this distance, ``fid_pc64``, but it does not see what happens in the
    other components. With ``view="768"``, another view of the extractor replaces the embedding, here an earlier layer
    of Inception; the score is then called ``fd@inception,view=768``.
    """

    view: str = "embedding"
    limit: Literal["jackknife", "extrapolation"] = field(default="jackknife", repr=False)  # its score has its own name
    components: int | None = field(default=None, repr=False)  # likewise
    """Number of leading principal components of the reference to which both sides are projected; None for none."""

    reference: ClassVar[Literal["none", "rows", "moments"]] = "moments"
    least_samples: ClassVar[tuple[int, int]] = (2, 2)
    takes_moments: ClassVar[bool] = True
    score_name: ClassVar[str] = "fid"
    score_key: ClassVar[str] = "frechet_inception_distance"

    def __post_init__(self) -> None:
        if self.limit not in LIMITS:
            raise UsageError(f"The Frechet distance has no limit={self.limit}{did_you_mean(str(self.limit), LIMITS)}")
        if self.components is not None and self.components < 1:
            raise UsageError(f"components={self.components} is no number of components; write fd,components=64.")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.view,)

    def __call__(
        self, generated: Features | Moments, reference: Features | Moments | None, *, seed: int
    ) -> list[Score]:
        """Return ``fid``, and ``fid_debiased`` if each side has twice as many rows as dimensions, and 3 or more.

        If only the moments of the generated side are known, ``fid`` has no error, and there is no debiased value.
        Raises PlugError without a reference, and InputError if the embeddings differ in dimension or a side has fewer
        than 2 rows.
        """
        # check both sides
        if reference is None:
            raise PlugError("The Frechet distance needs a reference; name one with --reference.")
        # few components need few rows
        if self.components is not None:
            projection = Projection.of(reference, self.view, self.components)
            inner = replace(self, components=None)
            sides = [projection.of_side(side) for side in (generated, reference)]
            return [self._renamed(score) for score in inner(*sides, seed=seed)]

        # embeddings of different extractors cannot be compared
        shapes = [rows_and_dimensions(side, self.view) for side in (generated, reference)]
        (count, size), (reference_count, width) = shapes
        if size != width:
            raise InputError(
                f"{generated.name} has embeddings of {size} dimensions and {reference.name} of {width}, but a Frechet "
                f"distance needs equal ones; use the same extractor for both."
            )

        # score the pair
        sizes = {"generated": count, "reference": reference_count, "dimensions": size}
        numbers = self._cached_numbers(generated, reference, seed)
        sampled = [role for role, n in (("generated", generated), ("reference", reference)) if isinstance(n, Features)]
        scores = self._scores(numbers, sizes, sampled)
        # without influences, the error is that of blocks, which consist of whole volumes
        if numbers.uncertainty.influence is None and any(map(volume_hash, (generated, reference))):
            told = {"error_by_volume": "blocks of whole volumes"}
            return [score._replace(detail={**score.detail, **told}) for score in scores]
        return scores

    def row_influence(self, generated: Features, reference: Features | Moments, *, seed: int) -> RowwiseDistance:
        """Return the distance itself, that of ``fid`` bit for bit, and the influence of each row on it."""
        pair = Pair(*self._sides(generated, reference), seed)
        return RowwiseDistance(pair.distance, *(pair.influence or (None, None)))

    def _sides(self, generated: Features | Moments, reference: Features | Moments) -> tuple[GaussianSide, GaussianSide]:
        return GaussianSide.of(generated, self.view, factored=False), GaussianSide.of(reference, self.view)

    def _renamed(self, score: Score) -> Score:
        """Return the score of the projected sides under its own name: ``fid_pc64``, ``fid_pc64_debiased``."""
        # fid_debiased becomes fid_pc64_debiased
        suffix, kind = f"_pc{self.components}", score.name.removeprefix(self.score_name)
        return score._replace(name=f"{self.score_name}{suffix}{kind}", key=f"{self.score_key}{suffix}{kind}")

    def _cached_numbers(self, generated: Features | Moments, reference: Features | Moments, seed: int) -> _PairNumbers:
        """Return all numbers of a pair, cached with the generated features: the jackknife is slow at D = 2048."""

        def make() -> dict[str, Array]:
            return _PairNumbers.of(*self._sides(generated, reference), seed, self.limit).to_arrays()

        # neither moments nor features of unknown content can be cached
        if isinstance(generated, Moments) or not (generated.fingerprint and reference.fingerprint):
            return _PairNumbers.from_arrays(make())
        # the number is the version of the format of the arrays
        pair = f"{reference.identity} {reference.fingerprint} {type(reference).__name__}"
        strata = [has_strata(side) for side in (generated, reference)]
        volumes = [volume_hash(side) for side in (generated, reference)]
        pair += f", volumes {volumes}" if any(volumes) else ""
        key = f"frechet distance 10, {self.view}, {self.limit}, seed {seed}, strata {strata}, to {pair}"
        return _PairNumbers.from_arrays(generated.derived(key, make))

    def _scores(self, numbers: _PairNumbers, sizes: Mapping[str, int | None], sampled: Sequence[str]) -> list[Score]:
        error, influence = numbers.uncertainty.error, numbers.uncertainty.influence
        text = _few_rows_warning(sizes, left_out=self.limit == "jackknife")
        warning = {"warning": text} if text else {}
        detail: dict[str, Any] = {
            **sizes,
            "mean_term": numbers.mean_term,
            "covariance_term": numbers.covariance_term,
            "error_by": numbers.uncertainty.method,
            "error_covers": " and ".join(sampled),
        }

        # fid is the distance itself
        value, name, key = numbers.mean_term + numbers.covariance_term, self.score_name, self.score_key
        scores = [Score(name, value, error, "lower", detail | warning, key, influence)]

        # fid_debiased or fid_infinity is the distance without most of its bias
        if numbers.debiased is not None and not (text and self.limit == "jackknife"):
            suffix = LIMITS[self.limit]
            bias: dict[str, Any] = {"corrects": name, **({"blocks": numbers.blocks} if numbers.blocks else {})}
            # the true distance is at least 0; the error of few samples is too rough to judge a value below
            if all(count is None or count >= ENOUGH for count in (sizes["generated"], sizes["reference"])):
                bias["least"] = 0.0
            if len(sampled) < 2:
                bias["note"] = "only the moments of the reference are known, so its share of the bias remains."
            scores.append(
                Score(
                    f"{name}_{suffix}", numbers.debiased, error, "lower", bias | warning, f"{key}_{suffix}", influence
                )
            )
        return scores


@dataclass(frozen=True)
class _PairNumbers:
    """All numbers of one pair of sides; ``to_arrays`` and ``from_arrays`` are their form in the cache."""

    mean_term: float
    covariance_term: float
    uncertainty: Uncertainty
    debiased: float | None
    """None for too few samples."""
    blocks: int | None
    """Number of blocks of the jackknife; None without it."""

    @staticmethod
    def of(generated: GaussianSide, reference: GaussianSide, seed: int, limit: str) -> _PairNumbers:
        if generated.features is None:
            return _PairNumbers(*Pair(generated, reference, seed).terms, Uncertainty(None, ONLY_MOMENTS), None, None)
        # the error needs the jackknife, whatever method removes the bias
        pair = Pair(generated, reference, seed, number_of_blocks(generated, reference))
        deleted = jackknife(pair)
        debiased, blocks = (deleted.value, deleted.blocks) if deleted else (None, None)
        uncertain = uncertainty(pair, deleted)
        if limit == "extrapolation":
            debiased, blocks = extrapolation(pair), None
        return _PairNumbers(*pair.terms, uncertain, debiased, blocks)

    def to_arrays(self) -> dict[str, Array]:
        """Return named float64 arrays: [1] for each number, [N] for the influence of rows; None is an absent name."""
        numbers = {
            "mean_term": self.mean_term,
            "covariance_term": self.covariance_term,
            "error": self.uncertainty.error,
            "method": ERROR_METHODS.index(self.uncertainty.method),
            "debiased": self.debiased,
            "blocks": self.blocks,
        }
        arrays = {name: np.array([number], np.float64) for name, number in numbers.items() if number is not None}
        # the influence has two arrays, one per side, which may be empty
        influence = self.uncertainty.influence
        if influence is not None:
            arrays["influence_generated"], arrays["influence_reference"] = influence.rows
        return arrays

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array]) -> _PairNumbers:
        numbers = {name: float(array[0]) for name, array in arrays.items() if not name.startswith("influence")}
        # JSON cannot hold NumPy's scalars, so all numbers become Python's own
        influence = None
        if "influence_generated" in arrays:
            sides = (arrays["influence_generated"], arrays["influence_reference"])
            influence = influence_of(*sides, error=numbers["error"])
        return _PairNumbers(
            numbers["mean_term"],
            numbers["covariance_term"],
            Uncertainty(numbers.get("error"), ERROR_METHODS[int(numbers["method"])], influence),
            numbers.get("debiased"),
            int(numbers["blocks"]) if "blocks" in numbers else None,
        )


def _few_rows_warning(sizes: Mapping[str, int | None], *, left_out: bool) -> str | None:
    """Return a warning about sides with fewer rows than twice the dimensions, or None.

    There the bias does not fall as 1/N, so no jackknife removes it; ``left_out``: the warning says that the debiased
    value is left out.
    """
    # an unknown count passes
    dimensions = sizes["dimensions"] or 0
    counts = {side: count for side, count in sizes.items() if side != "dimensions" and count is not None}
    few = [f"{count:,} {side} samples" for side, count in counts.items() if count < 2 * dimensions]
    if not few:
        return None
    debiased = "no debiased value is given" if left_out else "the extrapolation misses the limit"
    if min(counts.values()) > dimensions:
        return (
            f"{' and '.join(few)} are fewer than twice the {dimensions:,} dimensions: the bias does not fall as 1/N, "
            f"so {debiased}; use {2 * dimensions:,} samples or more, or kid, which has no bias."
        )
    return (
        f"{' and '.join(few)} are too few for {dimensions:,} dimensions: the covariance is singular, the distance is "
        f"biased upward, and {debiased}; use many more than {2 * dimensions:,} samples, or kid, which has no bias, and "
        "compare only equal counts."
    )
