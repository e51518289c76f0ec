"""Frechet distance (FID in Inception's space) between the Gaussians fitted to two embeddings, with error and bias."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from genbench.arrays import Array
from genbench.errors import InputError, PlugError, UsageError, did_you_mean
from genbench.features.features import Features, Moments
from genbench.metrics.frechet.bias import extrapolation, jackknife
from genbench.metrics.frechet.error import uncertainty
from genbench.metrics.frechet.gaussian import of_moments, of_rows, terms
from genbench.metrics.frechet.sides import Side
from genbench.plugs.contracts import Influence, Score

LIMITS = {"jackknife": "debiased", "extrapolation": "infinity"}
"""The ways to take the bias away, and what the score is then called."""


def frechet_distance(
    mean1: npt.ArrayLike, covariance1: npt.ArrayLike, mean2: npt.ArrayLike, covariance2: npt.ArrayLike
) -> float:
    """Return the squared 2-Wasserstein distance of two Gaussians, a number from 0 up.

    |mean1 - mean2|^2 + Tr(C1) + Tr(C2) - 2 Tr((C1 C2)^(1/2)); Heusel et al. 2017 (arXiv 1706.08500). The last trace is
    the sum of the roots of the eigenvalues of L' C1 L with C2 = L L' (Cholesky), or of the singular values of the
    covariances' roots where one of them is singular; it agrees with ``scipy.linalg.sqrtm`` to 1e-9 where that is exact.

    Means float [D], covariances float [D, D]. Raises InputError where the shapes do not belong together or a number
    is NaN or infinite.
    """
    one = Moments(np.asarray(mean1, np.float64), np.asarray(covariance1, np.float64), name="The first Gaussian")
    two = Moments(np.asarray(mean2, np.float64), np.asarray(covariance2, np.float64), name="The second Gaussian")
    return sum(terms(of_moments(one.mean, one.covariance), of_moments(two.mean, two.covariance)))


def frechet_distance_of_rows(generated: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Return the Frechet distance of the Gaussians (covariance with ddof 1) fitted to two sets of rows.

    A side with no more rows than dimensions enters by its centred rows: for two such sides the trace is the nuclear
    norm |Xc Yc'|_* / sqrt((N - 1)(M - 1)), which is exact where a singular covariance has lost digits.

    Rows float [N, D] and [M, D], N and M at least 2. Raises InputError for other shapes, NaN or infinity.
    """
    sides = []
    for role, given in (("generated", generated), ("reference", reference)):
        rows = np.asarray(given, np.float64)
        if rows.ndim != 2 or len(rows) < 2:
            raise InputError(
                f"The {role} rows have shape {list(rows.shape)}, but [N, D] with N of 2 or more is wanted."
            )
        if not np.isfinite(rows).all():
            raise InputError(f"The {role} rows hold NaN or infinity.")
        sides.append(of_rows(rows))
    return sum(terms(*sides))


@dataclass(frozen=True)
class FrechetDistance:
    """The metrics ``fid`` and ``fd``: Frechet distance of the embeddings, with its standard error, and debiased.

    The error is that of the influence function on each side that has more rows than dimensions,
    IF(x) = 2 (m_g - m_r)'(x - m_g) + (x - m_g)'(I - T)(x - m_g) - mean, T = C_g^(-1/2) (C_g^(1/2) C_r C_g^(1/2))^(1/2)
    C_g^(-1/2) (after Rippl, Munk, Sturm 2016), and the block jackknife's otherwise. Near 0, where the first order
    vanishes, halves of the rows mend it; ``error_by`` says what was done.

    ``fid`` is biased upward by about c/N (Binkowski et al. 2018, arXiv 1801.01401). ``fid_debiased`` is the jackknife
    B F - (B - 1) mean_b F_(-b), which deletes a block of both sides at a time; it may be negative, and has the error of
    ``fid``. Blocks are drawn from rows sorted by content, so the order of rows does not matter. The line through
    subsets (``limit="extrapolation"``: ``fid_infinity`` in its place) takes longer and had 1.2 to 20 times the root
    mean-square error (reports/errors.md).
    """

    view: str = "embedding"
    limit: Literal["jackknife", "extrapolation"] = field(default="jackknife", repr=False)  # its score has its own name

    reference: ClassVar[Literal["none", "rows", "moments"]] = "moments"

    def __post_init__(self) -> None:
        if self.limit not in LIMITS:
            raise UsageError(f"The Frechet distance has no limit={self.limit}{did_you_mean(str(self.limit), LIMITS)}")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.view,)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``fid`` and, where a side has 3 samples or more, ``fid_debiased``."""
        if reference is None:
            raise PlugError("The Frechet distance needs a reference; name one with --reference.")
        given = [side if isinstance(side, Moments) else side.moments(self.view) for side in (generated, reference)]
        ours, theirs = given
        size = ours.mean.size
        if size != theirs.mean.size:
            raise InputError(
                f"{generated.name} has embeddings of {size} dimensions and {reference.name} of {theirs.mean.size}; "
                f"a Frechet distance needs both from the same extractor."
            )
        found = self._found(generated, reference, seed)
        both = isinstance(reference, Features)
        warning = _warning(ours.count, theirs.count, size)
        warned = {"warning": warning} if warning else {}
        detail: dict[str, Any] = {
            "generated": ours.count,
            "reference": theirs.count,
            "dimensions": size,
            "mean_term": found.mean_term,
            "covariance_term": found.covariance_term,
            "error_by": found.error_by,
            "error_covers": "generated and reference" if both else "generated",
        }
        value = found.mean_term + found.covariance_term
        name, parts = "frechet_inception_distance", found.influence
        scores = [Score("fid", value, found.error, "lower", detail | warned, name, parts)]
        if found.debiased is not None:
            about: dict[str, Any] = {"blocks": found.blocks} if found.blocks else {}
            if not both:
                about["note"] = "the reference is known by its moments alone: its own share of the bias remains."
            suffix = LIMITS[self.limit]
            scores.append(
                Score(f"fid_{suffix}", found.debiased, found.error, "lower", about | warned, f"{name}_{suffix}", parts)
            )
        return scores

    def _found(self, generated: Features, reference: Features | Moments, seed: int) -> _Found:
        """Return all numbers of a pair; kept with the generated features, since the jackknife is slow at D = 2048."""

        def make() -> dict[str, Array]:
            found = _measure(Side.of(generated, self.view), Side.of(reference, self.view), seed, self.limit)
            return {"json": np.frombuffer(json.dumps(asdict(found)).encode(), np.uint8)}

        if not (generated.fingerprint and reference.fingerprint):
            return _Found.of(make())
        pair = f"{reference.identity} {reference.fingerprint} {type(reference).__name__}"
        return _Found.of(
            generated.derived(f"frechet distance 3, {self.view}, {self.limit}, seed {seed}, to {pair}", make)
        )


@dataclass(frozen=True)
class _Found:
    """The numbers of one pair."""

    mean_term: float
    covariance_term: float
    error: float | None
    error_by: str
    influence: Influence | None = None
    debiased: float | None = None
    blocks: int | None = None

    @staticmethod
    def of(kept: Mapping[str, Array]) -> _Found:
        numbers = json.loads(kept["json"].tobytes())
        groups = numbers.pop("influence")
        return _Found(
            **numbers, influence=Influence(**{side: tuple(part) for side, part in groups.items()}) if groups else None
        )


def _measure(one: Side, two: Side, seed: int, limit: str) -> _Found:
    mean_term, covariance_term = terms(one.gaussian, two.gaussian)
    deleted = jackknife(one, two, mean_term + covariance_term, seed)
    sure = uncertainty(one, two, deleted, seed)
    debiased, blocks = (deleted.value, deleted.blocks) if deleted else (None, None)
    if limit == "extrapolation":
        debiased, blocks = extrapolation(one, two, mean_term + covariance_term, seed), None
    return _Found(mean_term, covariance_term, sure.error, sure.method, sure.influence, debiased, blocks)


def _warning(generated: int | None, reference: int | None, size: int) -> str | None:
    counts = (("generated", generated), ("reference", reference))
    few = [f"{count} {role} samples" for role, count in counts if count is not None and count <= size]
    if not few:
        return None
    return (
        f"{' and '.join(few)} are not more than the {size} dimensions: the covariance is singular and the distance "
        f"is biased upward; use many more than {size} samples, and compare only equal counts."
    )
