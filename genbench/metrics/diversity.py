"""Diversity without a reference: the Vendi score and the Renyi kernel entropy, both effective numbers of samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.arrays import Array, Float64
from genbench.errors import InputError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.influence import INDEPENDENT
from genbench.metrics.pair_sums import embedding, matched, spans
from genbench.plugs.contracts import Score


class Effective(NamedTuple):
    """An effective number of different samples, 1 (all equal) to the number of samples (all different)."""

    value: float
    error: float
    """Standard error by the delta method."""


@dataclass(frozen=True)
class Vendi:
    """The Vendi score of the embeddings, by cosine similarity: ``vendi_of_rows``."""

    order: float = 1.0

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["none"]] = "none"

    def __post_init__(self) -> None:
        _check_order(self.order)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        found = vendi_of_rows(embedding(generated, "generated"), order=self.order)
        detail: dict[str, Any] = {"order": self.order, "error_by": "delta method"}
        return [Score("vendi", found.value, found.error, "higher", detail, "vendi_score", INDEPENDENT)]


@dataclass(frozen=True)
class KernelEntropy:
    """RKE: ``kernel_modes`` of the embeddings; ``sigma`` is the distance below which samples count as one."""

    sigma: float

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["none"]] = "none"

    def __post_init__(self) -> None:
        _check_sigma(self.sigma)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        found = kernel_modes(embedding(generated, "generated"), sigma=self.sigma)
        detail: dict[str, Any] = {"sigma": self.sigma, "error_by": "delta method"}
        name = "renyi_kernel_entropy_mode_count"
        return [Score("rke", found.value, found.error, "higher", detail, name, INDEPENDENT)]


def vendi_score(kernel: npt.ArrayLike, *, order: float = Vendi.order) -> float:
    """Return the Vendi score of a similarity matrix: ``exp(-sum_i l_i ln l_i)``, l the eigenvalues of K / n.

    Of order q it is ``(sum_i l_i^q)^(1 / (1 - q))``, of order infinity ``1 / max l``. Friedman and Dieng 2022 (arXiv
    2210.02410); orders: Pasarkar and Dieng 2023 (arXiv 2310.12952). In 1..n: 1 where all samples are equal, n where
    none is like another.

    ``kernel`` is [n, n], symmetric, positive semidefinite, ones on the diagonal. Raises InputError where it is not
    symmetric or not one on the diagonal, UsageError for an order that is not positive.
    """
    _check_order(order)
    matrix = np.asarray(kernel, np.float64)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] and matrix.size > 0
    if not square or not np.allclose(matrix, matrix.T) or not np.allclose(np.diag(matrix), 1):
        raise InputError(f"The kernel of shape {matrix.shape} needs to be symmetric [n, n] with ones on the diagonal.")
    return _effective(np.asarray(np.linalg.eigvalsh(matrix / len(matrix)), np.float64), order)


def vendi_of_rows(rows: npt.ArrayLike, *, order: float = Vendi.order) -> Effective:
    """Return the Vendi score of rows [N, D] by cosine similarity, from the smaller of K [N, N] and its dual [D, D].

    It counts directions from the origin: rows that all point nearly one way, as those of a network after a ReLU do,
    score low. Biased downwards at few rows: compare at equal counts. Raises InputError where rows are not finite or one
    of them is all zeros.
    """
    _check_order(order)
    values, _ = matched(rows, rows)
    lengths = np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64))
    if not lengths.all():
        raise InputError("A row of all zeros has no direction; cosine similarity needs none of these.")
    if len(values) > values.shape[1]:
        weights, energy = _dual_spectrum(values, lengths)
    else:
        unit = values / lengths[:, None]
        weights, vectors = np.linalg.eigh(unit @ unit.T / len(unit))
        energy = len(unit) * np.maximum(weights, 0) * vectors**2
    value = _effective(weights, order)
    return Effective(value, _effective_error(weights, energy, order, value))


def kernel_modes(rows: npt.ArrayLike, *, sigma: float) -> Effective:
    """Return the number of modes by the Renyi kernel entropy of order 2: ``1 / mean_{ij} k(x_i, x_j)^2``.

    ``k(x, y) = exp(-|x - y|^2 / (2 sigma^2))``: the exponential of RKE, and the Vendi score of order 2 of that kernel.
    Jalali, Li, Farnia 2023 (NeurIPS). In 1..N; m equally likely modes, narrow against sigma and far apart, give m.

    ``rows`` [N, D]. Raises InputError where they are not finite, UsageError for a sigma that is not positive.
    """
    _check_sigma(sigma)
    values = matched(rows, rows)[0].astype(np.float64)
    values -= values.mean(axis=0)
    squares = np.einsum("ij,ij->i", values, values)
    row_means = np.empty(len(values))
    for span in spans(len(values), max(1, 2**22 // len(values))):  # 32 MB
        distance = squares[span, None] + squares - 2 * values[span] @ values.T
        row_means[span] = np.exp(-np.maximum(distance, 0) / sigma**2).mean(axis=1)
    mean = float(row_means.mean())
    return Effective(1 / mean, 2 * float(row_means.std()) / math.sqrt(len(values)) / mean**2)


def _check_order(order: float) -> None:
    if not order > 0:
        raise UsageError(f"The order of a Vendi score is positive, not {order}.")


def _check_sigma(sigma: float) -> None:
    if not sigma > 0:
        raise UsageError(f"sigma is a distance and positive, not {sigma}.")


def _dual_spectrum(values: Array, lengths: Float64) -> tuple[Float64, Float64]:
    """Return the eigenvalues of the mean of u u' and the squared coordinates of each u in its eigenvectors [N, D]."""
    mean = np.zeros((values.shape[1], values.shape[1]))
    for span in spans(len(values), 1024):
        unit = values[span] / lengths[span, None]
        mean += unit.T @ unit / len(values)
    weights, vectors = np.linalg.eigh(mean)
    energy = np.concatenate([(values[s] / lengths[s, None] @ vectors) ** 2 for s in spans(len(values), 1024)])
    return weights, energy


def _effective(weights: Float64, order: float) -> float:
    weights = weights[weights > 1e-15]  # those of rounding; 0 ln 0 is 0
    if order == 1:
        return float(np.exp(-(weights * np.log(weights)).sum()))
    if math.isinf(order):
        return float(1 / weights.max())
    return float((weights**order).sum() ** (1 / (1 - order)))


def _effective_error(weights: Float64, energy: Float64, order: float, value: float) -> float:
    """Delta method: how the number moves with the weight of each row, whose squared coordinates are ``energy``."""
    real = weights > 1e-15
    weights, energy = weights[real], energy[:, real]
    if order == 1:
        influence = value * (energy @ -np.log(weights))
    elif math.isinf(order):
        influence = value**2 * energy[:, weights.argmax()]
    else:
        power = (weights**order).sum()
        influence = value / (1 - order) * order * (energy @ weights ** (order - 1)) / power
    return float(influence.std() / math.sqrt(len(energy)))
