"""RRKE: the relative Renyi kernel entropy of generated and reference rows, which is 0 for equal distributions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array, Float64
from genbench.errors import InputError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import checked_rows, embedding
from genbench.metrics.group_influence import influence_of
from genbench.plugs.contracts import Score

NULL_SPLITS = 5
"""Number of random splits of all rows that show the value for equal distributions."""


@dataclass(frozen=True)
class RelativeKernelEntropy:
    """RRKE: relative Renyi entropy of both sides by a Gaussian kernel (``relative_kernel_entropy``).

    It reads at most ``rows`` rows of each side, drawn by the seed, because the time grows with their third power. The
    score is biased upward by few rows: ``expected`` in the detail is its mean for two sides of one distribution, from
    random splits of the rows of both sides. The error is too large by up to 40 % where the score is near ``expected``.
    """

    sigma: float
    rows: int = 1000

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    least_samples: ClassVar[tuple[int, int]] = (2, 2)

    def __post_init__(self) -> None:
        if not self.sigma > 0:
            raise UsageError(f"sigma is a distance and must be positive, not {self.sigma}.")
        if self.rows < 2:
            raise UsageError(f"rrke needs 2 rows or more of each side, not rows={self.rows}.")

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``rrke`` in nats, 0 or more; it is infinite if the sides are farther apart than sigma can see."""
        # both sides must come from one extractor
        x, y = checked_rows(embedding(generated, "generated"), embedding(reference, "reference"))
        # sides of equal counts take the same positions, so that a set has the distance 0 from itself
        chosen = [np.sort(np.random.default_rng(seed).permutation(len(side))[: self.rows]) for side in (x, y)]
        parts = x[chosen[0]], y[chosen[1]]
        relative = relative_kernel_entropy(*parts, sigma=self.sigma)
        # a reader needs the value for equal distributions beside the score
        detail: dict[str, Any] = {
            "sigma": self.sigma,
            "expected": value_for_equal_distributions(*parts, sigma=self.sigma, seed=seed),
            "error_by": "delta method",
            "generated": len(parts[0]),
            "reference": len(parts[1]),
        }
        # rows that were not drawn have no influence
        influences = [np.zeros(len(side)) for side in (x, y)]
        for side, places, values in zip(influences, chosen, relative.influence, strict=True):
            side[places] = values
        error = relative.error if math.isfinite(relative.error) else None
        influence = influence_of(*influences, error=error)
        return [Score("rrke", relative.value, error, "lower", detail, "relative_renyi_kernel_entropy", influence)]


class RelativeEntropy(NamedTuple):
    """RRKE of two sides."""

    value: float
    """In nats, 0 or more."""
    error: float
    """Standard error by the delta method; nan for an infinite value."""
    influence: tuple[Float64, Float64]
    """float64 [N] and [M], the influence of each row on the value, divided by the number of rows of its side."""


def relative_kernel_entropy(x: npt.ArrayLike, y: npt.ArrayLike, *, sigma: float) -> RelativeEntropy:
    """Compute ``RRKE = -2 ln |K|`` with ``K_ij = k(x_i, y_j) / sqrt(N M)`` and its nuclear norm.

    The nuclear norm is the sum of the singular values, and ``k(x, y) = exp(-|x - y|^2 / (2 sigma^2))``. RRKE is the
    sandwiched Renyi divergence of order 1/2 (minus the logarithm of the fidelity) of the kernel covariance operators of
    both sides. Jalali, Li, Farnia 2023 (NeurIPS). It is 0 for equal sides, and ln(m / c) if the reference has m equally
    likely modes and the samples c of them.

    The derivative of the norm with respect to the weight of row i is N / 2 times the i-th diagonal element of
    ``U S U'`` for ``K = U S V'``, which gives the influence of each row.

    Rows are [N, D] and [M, D]. Raises InputError if they are not finite or differ in width.
    """
    # U, the singular values, and V transposed
    left, singular, right = np.linalg.svd(_scaled_kernel(*_centred_pair(x, y), sigma), full_matrices=False)
    norm = float(singular.sum())
    # all kernel values may be rounded to 0
    if math.isinf(_relative_entropy(norm)):
        nothing = np.full(len(left), np.nan), np.full(right.shape[1], np.nan)
        return RelativeEntropy(math.inf, math.nan, nothing)
    # the influence function divided by the number of rows: -2 / norm times half a diagonal element
    influence = -(left**2 @ singular) / norm, -(right.T**2 @ singular) / norm
    # both sides are independent samples
    variance = sum(float(side.var(ddof=1)) * len(side) for side in influence)
    return RelativeEntropy(_relative_entropy(norm), math.sqrt(variance), influence)


def value_for_equal_distributions(x: npt.ArrayLike, y: npt.ArrayLike, *, sigma: float, seed: int) -> float:
    """Return the mean RRKE of random splits of all rows into sides of the same sizes; rows as above."""
    # under equal distributions it does not matter which row is on which side
    sides = _centred_pair(x, y)
    pooled, first = np.concatenate(sides), len(sides[0])
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(NULL_SPLITS):
        # only the singular values are needed
        order = rng.permutation(len(pooled))
        kernel = _scaled_kernel(pooled[order[:first]], pooled[order[first:]], sigma)
        values.append(_relative_entropy(float(np.linalg.svd(kernel, compute_uv=False).sum())))
    return float(np.mean(values))


def _relative_entropy(norm: float) -> float:
    """Return RRKE for a nuclear norm, which rounding may make slightly larger than 1."""
    return max(-2 * math.log(norm), 0.0) if norm > 0 else math.inf


def _centred_pair(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Float64, Float64]:
    """Return both sides in float64, moved by one vector, which reduces the rounding of the distances."""
    left, right = checked_rows(x, y)
    if min(len(left), len(right)) < 2:
        raise InputError(f"rrke needs 2 rows or more of each side, not {len(left)} and {len(right)}.")
    centre = left.mean(axis=0, dtype=np.float64)
    return left - centre, right - centre


def _scaled_kernel(x: Array, y: Array, sigma: float) -> Float64:
    """Return k(x_i, y_j) / sqrt(N M), float64 [N, M]."""
    # |x - y|^2 by the inner products; rounding may make it negative
    squares = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y)
    distance = np.maximum(squares - 2 * x @ y.T, 0)
    return np.asarray(np.exp(-distance / (2 * sigma**2)) / math.sqrt(len(x) * len(y)))
