"""Diversity without a reference: the Vendi score and the Renyi kernel entropy, both effective numbers of samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array, Float64
from genbench.errors import InputError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import checked_rows, embedding, spans
from genbench.metrics.group_influence import INDEPENDENT
from genbench.plugs.contracts import Score


class Effective(NamedTuple):
    """Effective number of different samples, from 1 (all equal) to the number of samples (all different)."""

    value: float
    error: float
    """Standard error by the delta method."""


@dataclass(frozen=True)
class Vendi:
    """Vendi score: effective number of different samples, by cosine similarity (``vendi_of_rows``)."""

    order: float = 1.0

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["none"]] = "none"

    def __post_init__(self) -> None:
        check_order(self.order)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        number = vendi_of_rows(embedding(generated, "generated"), order=self.order)
        detail: dict[str, Any] = {"order": self.order, "error_by": "delta method"}
        # There is no reference, so no error is shared between scores.
        return [Score("vendi", number.value, number.error, "higher", detail, "vendi_score", INDEPENDENT)]


@dataclass(frozen=True)
class KernelEntropy:
    """RKE: effective number of different samples; those closer than about ``sigma`` count as one (``kernel_modes``)."""

    sigma: float

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["none"]] = "none"

    def __post_init__(self) -> None:
        _check_sigma(self.sigma)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        number = kernel_modes(embedding(generated, "generated"), sigma=self.sigma)
        detail: dict[str, Any] = {"sigma": self.sigma, "error_by": "delta method"}
        name = "renyi_kernel_entropy_mode_count"
        # There is no reference, so no error is shared between scores.
        return [Score("rke", number.value, number.error, "higher", detail, name, INDEPENDENT)]


def vendi_score(kernel: npt.ArrayLike, *, order: float = Vendi.order) -> float:
    """Compute the Vendi score of a similarity matrix: ``exp(-sum_i l_i ln l_i)``, with l the eigenvalues of K / n.

    For order q it is ``(sum_i l_i^q)^(1 / (1 - q))``, for order infinity ``1 / max l``. Friedman and Dieng 2022 (arXiv
    2210.02410); orders: Pasarkar and Dieng 2023 (arXiv 2310.12952). The value is in 1..n: 1 if all samples are equal, n
    if all similarities between different samples are 0.

    ``kernel`` is [n, n], symmetric, positive semidefinite, with ones on the diagonal. Raises InputError if it is not
    symmetric or the diagonal is not 1, UsageError if the order is not positive.
    """
    check_order(order)
    # The eigenvalues of K / n are the weights of a distribution only if the diagonal is 1.
    matrix = np.asarray(kernel, np.float64)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] and matrix.size > 0
    if not square or not np.allclose(matrix, matrix.T) or not np.allclose(np.diag(matrix), 1):
        raise InputError(f"The kernel must be symmetric [n, n] with ones on the diagonal; its shape is {matrix.shape}.")
    return _effective_number(np.asarray(np.linalg.eigvalsh(matrix / len(matrix)), np.float64), order)


def vendi_of_rows(rows: npt.ArrayLike, *, order: float = Vendi.order) -> Effective:
    """Compute the Vendi score of rows [N, D] by cosine similarity, from the smaller of K [N, N] and its dual [D, D].

    The score counts directions from the origin. It is low if all rows have similar directions, as the outputs of a ReLU
    do. It is biased downwards for few rows: compare at equal counts. Raises InputError if the rows are not finite or a
    row is all zeros, UsageError if the order is not positive.
    """
    check_order(order)
    # Cosine similarity compares directions, so each row needs a length above 0.
    values, _ = checked_rows(rows, rows)
    lengths = np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64))
    if not lengths.all():
        raise InputError("A row is all zeros, but cosine similarity needs a direction; remove such rows.")
    # Both matrices have the same eigenvalues above 0.
    if len(values) > values.shape[1]:
        weights, vectors = _dual_spectrum(values, lengths)
    else:
        unit = values / lengths[:, None]
        weights, vectors = np.linalg.eigh(unit @ unit.T / len(unit))
    value = _effective_number(weights, order)
    slope = _slope(weights, order, value)
    # The influence of a row is linear in its energy: the squared coordinates of the unit row in the eigenvectors.
    if len(values) > values.shape[1]:
        parts = [(values[s] / lengths[s, None] @ vectors) ** 2 @ slope for s in spans(len(values))]
        influence = np.concatenate(parts)
    else:
        influence = len(values) * vectors**2 @ (np.maximum(weights, 0) * slope)
    return Effective(value, float(influence.std() / math.sqrt(len(values))))


def kernel_modes(rows: npt.ArrayLike, *, sigma: float) -> Effective:
    """Compute the number of modes by the Renyi kernel entropy (RKE) of order 2: ``1 / mean_{ij} k(x_i, x_j)^2``.

    ``k(x, y) = exp(-|x - y|^2 / (2 sigma^2))``. The value is the exponential of RKE and equals the Vendi score of order
    2 of this kernel. Jalali, Li, Farnia 2023 (NeurIPS). It is in 1..N; m equally likely modes give m if they are much
    narrower than sigma and much farther apart than sigma.

    ``rows`` are [N, D]. Raises InputError if they are not finite, UsageError if sigma is not positive.
    """
    _check_sigma(sigma)
    values = checked_rows(rows, rows)[0].astype(np.float64)
    # Centring reduces the rounding of the distances.
    values -= values.mean(axis=0)
    squares = np.einsum("ij,ij->i", values, values)
    row_means = np.empty(len(values))
    # Mean of k^2 = exp(-|x - y|^2 / sigma^2) over all rows, for each row.
    for span in spans(len(values), max(1, 2**22 // len(values))):  # arrays of 32 MB
        distance = squares[span, None] + squares - 2 * values[span] @ values.T
        row_means[span] = np.exp(-np.maximum(distance, 0) / sigma**2).mean(axis=1)
    # The mean over all pairs is a V-statistic; its error follows from the row means.
    mean = float(row_means.mean())
    return Effective(1 / mean, 2 * float(row_means.std()) / math.sqrt(len(values)) / mean**2)


def check_order(order: float) -> None:
    """Raise UsageError unless the order of a Vendi score is positive."""
    if not order > 0:
        raise UsageError(f"The order of a Vendi score must be positive, not {order}.")


def _check_sigma(sigma: float) -> None:
    if not sigma > 0:
        raise UsageError(f"sigma is a distance and must be positive, not {sigma}.")


def _dual_spectrum(values: Array, lengths: Float64) -> tuple[Float64, Float64]:
    """Return the eigenvalues [D] and the eigenvectors [D, D] of the mean of u u' over unit rows u."""
    # Accumulate in pieces, so that the unit rows never exist as a whole.
    mean = np.zeros((values.shape[1], values.shape[1]))
    for span in spans(len(values)):
        unit = values[span] / lengths[span, None]
        mean += unit.T @ unit / len(values)
    weights, vectors = np.linalg.eigh(mean)
    return weights, vectors


def _effective_number(weights: Float64, order: float) -> float:
    weights = weights[weights > 1e-15]  # smaller eigenvalues are rounding; 0 ln 0 is 0
    # The orders 1 and infinity are limits of the general formula.
    if order == 1:
        return float(np.exp(-(weights * np.log(weights)).sum()))
    if math.isinf(order):
        return float(1 / weights.max())
    # a large power of a weight would be rounded to 0
    scale = float(weights.max()) if order >= 2 else 1.0
    return float(((weights / scale) ** order).sum() ** (1 / (1 - order)) * scale ** (order / (1 - order)))


def _slope(weights: Float64, order: float, value: float) -> Float64:
    """Return the derivative [K] of the number by each eigenvalue; 0 for those that are rounding."""
    slope = np.zeros(len(weights))
    real = weights > 1e-15
    weights = weights[real]
    if order == 1:
        slope[real] = -value * np.log(weights)
    elif math.isinf(order):
        slope[np.flatnonzero(real)[weights.argmax()]] = value**2
    else:
        scale = float(weights.max()) if order >= 2 else 1.0
        power = ((weights / scale) ** order).sum() * scale
        slope[real] = value / (1 - order) * order * (weights / scale) ** (order - 1) / power
    return slope
