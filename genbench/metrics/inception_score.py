"""Inception Score: how confident and how varied the predictions of a classifier are, without any reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.arrays import Array, Float64, Int64
from genbench.errors import InputError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.influence import INDEPENDENT
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class InceptionScoreResult:
    """What ``inception_score`` found; entropies in nats, every ``_error`` is a standard error."""

    mean: float
    """Mean of the split scores, 1..C: the conventional number."""
    mean_error: float
    std: float
    """Spread of the split scores, ddof 0: the conventional figure behind the sign ±; it is not a standard error."""
    one_split: float
    """The score of all samples at once."""
    one_split_error: float
    infinity: float
    """The score's limit for endless samples, by the delete-one jackknife, 1..C."""
    infinity_error: float
    entropy_marginal: float
    """H(y): ln C for even predictions."""
    entropy_marginal_error: float
    entropy_conditional: float
    """H(y|x): 0 for certain predictions."""
    entropy_conditional_error: float
    splits: int
    count: int


def inception_score(
    logits: npt.ArrayLike, *, splits: int = 10, shuffle: bool = True, seed: int = 2020
) -> InceptionScoreResult:
    """Return the Inception Score of class logits, exp(E_x KL(p(y|x) || p(y))) = exp(H(y) - H(y|x)).

    Salimans et al. 2016 (arXiv 1606.03498); p(y) is the mean prediction within the split. Splits, shuffle and softmax
    (float64) are torch-fidelity's, so the mean and std over splits agree with its ``inception_score_mean`` and
    ``_std`` to rounding. Without the shuffle, samples in class order score about 1.

    A finite sample scores too low: by a share of about (C - 1) / 2N at most. ``infinity`` removes that by the
    delete-one jackknife, N IS - (N - 1) mean_i IS_(-i); it had the mean-square error of the analytic 1/N term or less,
    and far less bias than a regression on 1/N (Chong and Forsyth 2020, arXiv 1911.07023), and does not depend on the
    order of rows. Errors are those of the delta method: the influence of one sample on ln IS is
    KL(p(y|x) || p(y)) - ln IS; ``mean_error`` adds up the splits' variances.

    ``logits``: float [N, C]. Raises InputError for another shape, NaN or infinity, or fewer samples than splits
    (at least 2), and UsageError for less than one split.
    """
    rows = np.asarray(logits)
    _check_options(splits, seed)
    if rows.ndim != 2 or rows.shape[1] < 1:
        raise InputError(f"The Inception Score needs logits of shape [N, C], but the shape is {list(rows.shape)}.")
    count = len(rows)
    if count < max(splits, 2):
        given = f"{count} sample{'' if count == 1 else 's'}"
        more = f"give at least {splits}, or write is,splits=1" if count >= 2 else "give at least 2 and better thousands"
        raise InputError(
            f"The Inception Score in {splits} split{'' if splits == 1 else 's'} cannot be computed from {given}; "
            f"{more}."
        )
    if not np.isfinite(rows).all():
        raise InputError("The logits hold NaN or infinity, so there is no Inception Score; check the extractor.")
    order = np.random.RandomState(seed).permutation(count) if shuffle else np.arange(count)
    bounds = [i * count // splits for i in range(splits + 1)]
    parts = [_entropies(rows, order[start:stop]) for start, stop in pairwise(bounds)]
    scores = np.array([part.score for part in parts])
    whole = _entropies(rows, np.arange(count))
    infinity, infinity_error = _jackknife(rows, whole)
    return InceptionScoreResult(
        mean=float(scores.mean()),
        mean_error=float(np.sqrt(sum(part.error**2 for part in parts)) / splits),
        std=float(scores.std()),
        one_split=whole.score,
        one_split_error=whole.error,
        infinity=infinity,
        infinity_error=infinity_error,
        entropy_marginal=float(_entropy(whole.marginal)),
        entropy_marginal_error=_standard_error(whole.cross),
        entropy_conditional=float(whole.conditional.mean()),
        entropy_conditional_error=_standard_error(whole.conditional),
        splits=splits,
        count=count,
    )


def _check_options(splits: int, seed: int) -> None:
    if splits < 1:
        raise UsageError(f"The Inception Score needs at least one split, not {splits}; write is,splits=10.")
    if not 0 <= seed < 2**32:
        raise UsageError(f"The seed of the Inception Score's shuffle lies in 0..{2**32 - 1}, but {seed} was given.")


class _Entropies(NamedTuple):
    marginal: Float64  # [C]
    cross: Float64  # [n], -sum_y p(y|x) ln p(y)
    conditional: Float64  # [n], H(y|x)

    @property
    def score(self) -> float:
        return float(np.exp(_entropy(self.marginal) - self.conditional.mean()))

    @property
    def error(self) -> float:
        return self.score * _standard_error(self.cross - self.conditional)


def _entropies(rows: Array, order: Int64) -> _Entropies:
    marginal = np.zeros(rows.shape[1])
    conditional = []
    for probability, entropy in _predictions(rows, order):
        marginal += probability.sum(axis=0)
        conditional.append(entropy)
    marginal /= len(order)
    logarithm = np.log(np.where(marginal > 0, marginal, 1.0))
    cross = [-probability @ logarithm for probability, _ in _predictions(rows, order)]
    return _Entropies(marginal, np.concatenate(cross), np.concatenate(conditional))


def _predictions(rows: Array, order: Int64) -> Iterator[tuple[Float64, Float64]]:
    """Yield p(y|x) [n, C] and H(y|x) [n] of some rows at a time: the float64 copies of all would not stay small."""
    for start in range(0, len(order), 2048):
        shifted = rows[order[start : start + 2048]].astype(np.float64)
        shifted -= shifted.max(axis=1, keepdims=True)
        probability = np.exp(shifted)
        total = probability.sum(axis=1)
        probability /= total[:, None]
        yield probability, np.log(total) - (probability * shifted).sum(axis=1)


def _jackknife(rows: Array, whole: _Entropies) -> tuple[float, float]:
    """Return the delete-one jackknife's limit and its standard error."""
    count = len(rows)
    total = whole.marginal * count
    without = [  # H(y) of all samples but one
        _entropy(np.clip(total - probability, 0.0, None) / (count - 1), axis=1)
        for probability, _ in _predictions(rows, np.arange(count))
    ]
    conditional = (whole.conditional.sum() - whole.conditional) / (count - 1)
    scores = np.exp(np.concatenate(without) - conditional)
    limit = np.clip(count * whole.score - (count - 1) * scores.mean(), 1, rows.shape[1])  # no score lies outside 1..C
    return float(limit), float(np.sqrt((count - 1) * scores.var()))


def _entropy(probability: Float64, axis: int = 0) -> Any:
    return -(probability * np.log(np.where(probability > 0, probability, 1.0))).sum(axis=axis)


def _standard_error(values: Float64) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


@dataclass(frozen=True)
class InceptionScore:
    """The metric ``is``: Inception Score with torch-fidelity's protocol, its limit, and its two entropies."""

    splits: int = 10
    seed: int = 2020
    """The seed of the shuffle before the splits; it is not the run's seed, so that scores agree with other tools."""

    needs: ClassVar[tuple[str, ...]] = ("logits",)
    reference: ClassVar[Literal["none", "rows", "moments"]] = "none"

    def __post_init__(self) -> None:
        _check_options(self.splits, self.seed)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``is`` (mean over splits), one-split value, limit, H(y) and H(y|x)."""
        found = inception_score(generated["logits"], splits=self.splits, seed=self.seed)
        detail: dict[str, Any] = {"std": found.std, "splits": found.splits, "samples": found.count}
        short = 1 - found.mean / found.infinity if found.infinity > 0 else 0.0
        if short > 0.05:
            detail["warning"] = (
                f"splits of {found.count // found.splits} samples are few: the score lies about {short:.0%} below its "
                f"limit for endless samples (is_infinity), so compare it only with scores of the same sample count."
            )
        up: Literal["higher"] = "higher"
        name = "inception_score"
        scores = [
            Score("is", found.mean, found.mean_error, up, detail, f"{name}_mean"),
            Score("is_one_split", found.one_split, found.one_split_error, up, {}, f"{name}_one_split"),
            Score("is_infinity", found.infinity, found.infinity_error, up, {}, f"{name}_infinity"),
            Score("entropy_marginal", found.entropy_marginal, found.entropy_marginal_error),
            Score("entropy_conditional", found.entropy_conditional, found.entropy_conditional_error),
        ]
        methods = {"is_infinity": "delete-one jackknife"}
        return [
            score._replace(
                influence=INDEPENDENT, detail={**score.detail, "error_by": methods.get(score.name, "delta method")}
            )
            for score in scores
        ]
