"""Frechet distance (FID in Inception's space) between the Gaussians fitted to two embeddings, with its error and bias.

The square root is symmetric throughout: Cholesky and eigenvalues where covariances have full rank, singular values of
the roots where they have not; nothing is complex and nothing is jittered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from scipy.linalg.blas import dtrmm

from genbench.errors import InputError, PlugError
from genbench.features import Features, Moments
from genbench.protocols import Score

Array = npt.NDArray[Any]
Float64 = npt.NDArray[np.float64]


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
    return sum(_terms(_of_moments(one.mean, one.covariance), _of_moments(two.mean, two.covariance)))


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
        sides.append(_of_rows(rows))
    return sum(_terms(*sides))


@dataclass(frozen=True, eq=False)
class _Gaussian:
    """A Gaussian in the form in which its root is cheap and exact."""

    mean: Float64
    trace: float
    covariance: Float64 | None = None
    """[D, D], where there are more rows than dimensions."""
    cholesky: Float64 | None = None
    """[D, D], where it is known already; ``_factor`` makes it otherwise."""
    rows: Float64 | None = None
    """[D, N], a root of the covariance: centred rows over sqrt(N - 1), where there is no covariance."""


def _of_moments(mean: Float64, covariance: Float64, cholesky: Float64 | None = None) -> _Gaussian:
    return _Gaussian(mean, float(np.trace(covariance)), covariance, cholesky)


def _of_rows(rows: Float64) -> _Gaussian:
    count, size = rows.shape
    mean = rows.mean(axis=0)
    root = (rows - mean).T / np.sqrt(count - 1)
    if count > size:
        return _of_moments(mean, root @ root.T)
    return _Gaussian(mean, float((root**2).sum()), rows=root)


def _terms(one: _Gaussian, two: _Gaussian) -> tuple[float, float]:
    """Return the distance's mean term and covariance term."""
    if one.mean.shape != two.mean.shape:
        raise InputError(
            f"The embeddings have {one.mean.size} and {two.mean.size} dimensions; a Frechet distance needs both sides "
            f"from the same extractor."
        )
    apart = one.mean - two.mean
    # the covariance term is never below 0; rounding leaves about 1e-12 of the trace on either side of it
    return float(apart @ apart), max(one.trace + two.trace - 2 * _trace_of_root(one, two), 0.0)


def _trace_of_root(one: _Gaussian, two: _Gaussian) -> float:
    factor = _factor(two)
    if factor is not None and one.covariance is not None and _factor(one) is not None:
        squares = np.asarray(np.linalg.eigvalsh(_seen_from(factor, one.covariance)), np.float64)
        if _accurate(squares):
            return float(np.sqrt(squares).sum())
    product = _root(one).T @ _root(two)
    return float(np.linalg.svd(product, compute_uv=False).sum()) if product.size else 0.0


def _seen_from(factor: Float64, covariance: Float64) -> Float64:
    """Return factor' covariance factor; half the work of two products, since the factor is a lower triangle."""
    lower = np.asfortranarray(factor)
    half = dtrmm(1.0, lower, np.asfortranarray(covariance), side=1, lower=1)
    return np.asarray(dtrmm(1.0, lower, half, lower=1, trans_a=1), np.float64)


def _accurate(squares: Float64) -> bool:
    """Tell whether eigenvalues that are off by eps times the largest, either sign, have accurate roots in sum.

    That is a cautious view: with a condition number of 1e15 it foretells 4e-9 where 3e-12 was measured (D = 2048).
    """
    if squares[0] <= 0:
        return False
    lost = np.finfo(np.float64).eps * squares[-1] * np.sqrt((0.25 / squares).sum())
    return bool(lost <= 5e-9 * np.sqrt(squares).sum())


def _factor(gaussian: _Gaussian) -> Float64 | None:
    if gaussian.cholesky is not None:
        return gaussian.cholesky if gaussian.cholesky.size else None
    return None if gaussian.covariance is None else _cholesky(gaussian.covariance)


def _cholesky(covariance: Float64) -> Float64 | None:
    """Return the lower Cholesky factor, or None for a matrix that is singular to rounding (where luck decides)."""
    try:
        factor: Float64 = np.asarray(np.linalg.cholesky(covariance), np.float64)
    except np.linalg.LinAlgError:
        return None
    pivots = np.diag(factor) ** 2
    return factor if pivots.min() > _noise(pivots) else None


def _root(gaussian: _Gaussian) -> Float64:
    """Return [D, r] whose product with its transpose is the covariance."""
    if gaussian.rows is not None:
        return gaussian.rows
    factor = _factor(gaussian)
    if factor is not None:
        return factor
    assert gaussian.covariance is not None
    values, vectors = np.linalg.eigh(gaussian.covariance)
    keep = values > _noise(values)  # the root of rounding noise is no longer small: 1e-8 instead of 1e-16
    return np.asarray(vectors[:, keep] * np.sqrt(values[keep]))


def _noise(values: Float64) -> float:
    return float(len(values) * np.finfo(np.float64).eps * values.max(initial=0.0))


@dataclass(frozen=True)
class FrechetDistance:
    """The metrics ``fid`` and ``fd``: Frechet distance of the embeddings, with its standard error, and debiased.

    The error of ``fid`` is that of the influence function on each side that has more rows than dimensions,
    IF(x) = 2 (m_g - m_r)'(x - m_g) + (x - m_g)'(I - T)(x - m_g) - mean, T = C_g^(-1/2) (C_g^(1/2) C_r C_g^(1/2))^(1/2)
    C_g^(-1/2) (after Rippl, Munk, Sturm 2016), and the block jackknife's otherwise.

    ``fid`` is biased upward by about c/N (Binkowski et al. 2018, arXiv 1801.01401). ``fid_debiased`` is the jackknife
    B F - (B - 1) mean_b F_(-b), which deletes a block of both sides at a time; it may be negative. Blocks are drawn
    from rows sorted by content, so the order of rows does not matter. B is 20, or 10 where D and N reach 512: in
    simulations (D 16 and 64, N/D from 1.25 to 60, Gaussian and t_6) the root mean-square error with 10 was within
    11 % of that with 20. The analytic 1/N term would be cheaper, but left 6 to 11 % of the bias at N/D from 6 to 8.
    """

    view: str = "embedding"

    reference: ClassVar[Literal["none", "rows", "moments"]] = "moments"

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
        scores = [Score("fid", value, found.error, "lower", detail | warned, "frechet_inception_distance")]
        if found.debiased is not None:
            about: dict[str, Any] = {"blocks": found.blocks}
            if not both:
                about["note"] = "the reference is known by its moments alone: its own share of the bias remains."
            name = "frechet_inception_distance_debiased"
            scores.append(Score("fid_debiased", found.debiased, found.debiased_error, "lower", about | warned, name))
        return scores

    def _found(self, generated: Features, reference: Features | Moments, seed: int) -> _Found:
        """Return all numbers of a pair; kept with the generated features, since the jackknife is slow at D = 2048."""

        def make() -> dict[str, Array]:
            found = _measure(_Side.of(generated, self.view), _Side.of(reference, self.view), seed)
            return {"json": np.frombuffer(json.dumps(asdict(found)).encode(), np.uint8)}

        if not (generated.fingerprint and reference.fingerprint):
            return _Found.of(make())
        pair = f"{reference.identity} {reference.fingerprint} {type(reference).__name__}"
        return _Found.of(generated.derived(f"frechet distance 1, {self.view}, seed {seed}, to {pair}", make))


@dataclass(frozen=True)
class _Found:
    """The numbers of one pair."""

    mean_term: float
    covariance_term: float
    error: float | None
    error_by: str
    debiased: float | None = None
    debiased_error: float | None = None
    blocks: int | None = None

    @staticmethod
    def of(kept: Mapping[str, Array]) -> _Found:
        return _Found(**json.loads(kept["json"].tobytes()))


def _measure(one: _Side, two: _Side, seed: int) -> _Found:
    mean_term, covariance_term = _terms(one.gaussian, two.gaussian)
    jackknife = _jackknife(one, two, mean_term + covariance_term, seed)
    error, method = _error(one, two, jackknife)
    if jackknife is None:
        return _Found(mean_term, covariance_term, error, method)
    return _Found(mean_term, covariance_term, error, method, jackknife.value, jackknife.error, jackknife.blocks)


@dataclass(frozen=True, eq=False)
class _Side:
    """One side of a distance: its Gaussian, and its rows where it has them."""

    gaussian: _Gaussian
    moments: Moments
    features: Features | None
    view: str

    @staticmethod
    def of(given: Features | Moments, view: str) -> _Side:
        if isinstance(given, Moments):
            gaussian = _of_moments(given.mean, given.covariance, _kept_factor(given.covariance))
            if _factor(gaussian) is None:  # many distances may follow: make the root once
                gaussian = _Gaussian(gaussian.mean, gaussian.trace, rows=_root(gaussian))
            return _Side(gaussian, given, None, view)
        moments = given.moments(view)
        if len(given) <= moments.mean.size:
            return _Side(_of_rows(given[view].astype(np.float64)), moments, given, view)
        kept = given.derived(f"cholesky of {view}", lambda: {"cholesky": _kept_factor(moments.covariance)})
        return _Side(_of_moments(moments.mean, moments.covariance, kept["cholesky"]), moments, given, view)

    @property
    def count(self) -> int | None:
        return self.moments.count

    @property
    def size(self) -> int:
        return self.moments.mean.size

    @property
    def full(self) -> bool:
        """Whether there are more rows than dimensions; taken for granted where the count is unknown."""
        return self.count is None or self.count > self.size

    def chunks(self, keep: npt.NDArray[np.bool_] | None = None) -> Iterator[Float64]:
        """Yield the rows (those of a mask) in float64, some at a time."""
        assert self.features is not None
        start = 0
        for block in self.features.each(self.view):
            for offset in range(0, len(block), 4096):
                rows = block[offset : offset + 4096]
                if keep is not None:
                    rows = rows[keep[start : start + len(rows)]]
                start += min(4096, len(block) - offset)
                yield rows.astype(np.float64)

    def without(self, gone: npt.NDArray[np.bool_]) -> _Gaussian:
        """Return the Gaussian of the rows outside a mask, by taking the others' sums away."""
        left = int((~gone).sum())
        if left <= self.size:
            return _of_rows(np.concatenate(list(self.chunks(~gone))))
        assert self.count is not None
        mean, shift, scatter = self.moments.mean, np.zeros(self.size), self.moments.covariance * (self.count - 1)
        for rows in self.chunks(gone):
            centred = rows - mean
            shift += centred.sum(axis=0)
            scatter -= centred.T @ centred
        scatter -= np.outer(shift, shift) / left
        return _of_moments(mean - shift / left, scatter / (left - 1))


def _kept_factor(covariance: Float64) -> Float64:
    factor = _cholesky(covariance)
    return np.zeros((0, 0)) if factor is None else factor


@dataclass(frozen=True)
class _Jackknife:
    value: float
    error: float
    blocks: int


def _jackknife(one: _Side, two: _Side, value: float, seed: int) -> _Jackknife | None:
    """Return the delete-a-block jackknife's value and error, or None with fewer than three blocks."""
    counts = [side.count or 0 for side in (one, two) if side.features is not None]
    blocks = min(20 if min(one.size, *counts) < 512 else 10, *counts)
    if blocks < 3:
        return None
    deletions = zip(_deletions(one, blocks, seed), _deletions(two, blocks, seed), strict=True)
    deleted = np.array([sum(_terms(left, right)) for left, right in deletions])
    centre = deleted.mean()
    spread = np.sqrt((blocks - 1) / blocks * ((deleted - centre) ** 2).sum())
    return _Jackknife(float(blocks * value - (blocks - 1) * centre), float(spread), blocks)


def _deletions(side: _Side, blocks: int, seed: int) -> Iterator[_Gaussian]:
    """Yield the side without each block in turn, or the side as it is where it has no rows."""
    if side.features is None:
        yield from [side.gaussian] * blocks
        return
    labels = _labels(side, blocks, seed)
    yield from (side.without(labels == block) for block in range(blocks))


def _labels(side: _Side, blocks: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the block of each row, drawn from the rows in the order of their hashes.

    Equal sets of rows fall into equal blocks, whatever their order, so that the distance of a set to itself stays 0;
    the hash keeps the blocks of two different sets from being alike.
    """
    assert side.features is not None
    keys = b"".join(
        hashlib.blake2b(np.ascontiguousarray(row).tobytes(), digest_size=8).digest()
        for block in side.features.each(side.view)
        for row in block
    )
    order = np.argsort(np.frombuffer(keys, "<u8"), kind="stable")
    count = len(order)
    labels = np.empty(count, np.int64)
    labels[order[np.random.default_rng(seed).permutation(count)]] = np.arange(count) * blocks // count
    return labels


def _error(one: _Side, two: _Side, jackknife: _Jackknife | None) -> tuple[float | None, str]:
    if one.full and two.full:
        return _influence_error(one, two), "influence function"
    if jackknife is not None:
        return jackknife.error, "block jackknife"
    return None, "none: fewer than 3 samples"


def _influence_error(one: _Side, two: _Side) -> float:
    assert one.gaussian.covariance is not None
    apart = one.gaussian.mean - two.gaussian.mean
    root = _root(two.gaussian)
    squares, vectors = np.linalg.eigh(root.T @ one.gaussian.covariance @ root)
    keep = squares > _noise(squares)
    values = np.sqrt(squares[keep])
    basis = root @ vectors[:, keep]
    variance = _influence_variance(one, 2 * apart, basis, values)
    if two.features is not None:
        variance += _influence_variance(two, -2 * apart, one.gaussian.covariance @ basis / values, values)
    return float(np.sqrt(variance))


def _influence_variance(side: _Side, slope: Float64, basis: Float64, values: Float64) -> float:
    """Return the variance of the mean of IF(x) = slope'c + |c|^2 - sum_k (c'basis_k)^2 / values_k, c = x - mean."""
    found = []
    for rows in side.chunks():
        centred = rows - side.gaussian.mean
        found.append(centred @ slope + (centred**2).sum(axis=1) - (centred @ basis) ** 2 @ (1 / values))
    influence = np.concatenate(found)
    return float(influence.var(ddof=1) / len(influence))


def _warning(generated: int | None, reference: int | None, size: int) -> str | None:
    counts = (("generated", generated), ("reference", reference))
    few = [f"{count} {role} samples" for role, count in counts if count is not None and count <= size]
    if not few:
        return None
    return (
        f"{' and '.join(few)} are not more than the {size} dimensions: the covariance is singular and the distance "
        f"is biased upward; use many more than {size} samples, and compare only equal counts."
    )
