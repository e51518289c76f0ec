"""Inception Score: how confident and how varied the predictions of a classifier are, without a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array, Float64, Int64
from genbench.errors import InputError, UsageError, number_of
from genbench.features.features import Features, Moments
from genbench.metrics.group_influence import INDEPENDENT
from genbench.plugs.contracts import Score


@dataclass(frozen=True)
class InceptionScoreResult:
    """Result of ``inception_score``; entropies are in nats, each ``_error`` is a standard error."""

    mean: float
    """Mean of the split scores, 1..C: the conventional number."""
    mean_error: float | None
    std: float
    """Standard deviation of the split scores, ddof 0: the conventional number after ±, which is no standard error."""
    one_split: float
    """The score of all samples at once."""
    one_split_error: float
    infinity: float
    """Limit of the score for infinitely many samples, by the delete-one jackknife, 1..C."""
    infinity_error: float
    entropy_marginal: float
    """H(y): ln C if all classes are predicted equally often."""
    entropy_marginal_error: float
    entropy_conditional: float
    """H(y|x): 0 if all predictions are certain."""
    entropy_conditional_error: float
    splits: int
    count: int


def inception_score(
    logits: npt.ArrayLike, *, splits: int = 10, split_size: int | None = None, shuffle: bool = True, seed: int = 2020
) -> InceptionScoreResult:
    """Return the Inception Score of class logits, exp(E_x KL(p(y|x) || p(y))) = exp(H(y) - H(y|x)).

    Salimans et al. 2016 (arXiv 1606.03498); p(y) is the mean prediction within the split. Splits, shuffle and softmax
    (float64) are those of torch-fidelity, so the mean and std over splits agree with its ``inception_score_mean`` and
    ``_std`` up to rounding. ``split_size`` is a number of samples instead of a number of splits: the last split holds
    what is left, and counts like the others. With 5,000 and without the shuffle, ``mean`` is the score of
    guided-diffusion's evaluator. Without the shuffle, samples in class order score about 1.

    A finite sample scores too low, by a share of about (C - 1) / 2N at most. ``infinity`` removes this bias by the
    delete-one jackknife, N IS - (N - 1) mean_i IS_(-i). Its mean-square error was at most that of the analytic 1/N
    term, and its bias far less than that of a regression on 1/N (Chong and Forsyth 2020, arXiv 1911.07023). It does not
    depend on the order of rows. Errors of the scores are those of the delete-one jackknife, within each split for
    ``mean``: the delta method misses that p(y) is estimated, and was a third too small for splits of 20 samples and
    1,000 classes. That of the limit is larger by the squared ratio of limit and score, as in simulations. The entropies
    have the errors of the delta method.

    ``logits``: float [N, C]. Raises InputError for another shape, NaN or infinity, or fewer samples than splits or
    than 2, and UsageError for fewer than one split.
    """
    _check_split_options(splits, split_size, seed)
    rows = _checked_logits(logits, splits if split_size is None else 1)
    count = len(rows)

    # the conventional score: mean and spread over splits of the shuffled samples
    order = np.random.RandomState(seed).permutation(count) if shuffle else np.arange(count)
    scores, mean_error = _split_scores(rows, _split_positions(order, splits, split_size))

    # all samples at once, and the limit for infinitely many
    whole = _entropies(rows, np.arange(count))
    infinity, error = _jackknife(rows, np.arange(count), whole)
    return InceptionScoreResult(
        mean=float(scores.mean()),
        mean_error=mean_error,
        std=float(scores.std()),
        one_split=whole.score,
        one_split_error=error,
        infinity=infinity,
        infinity_error=error * max(infinity / whole.score, 1.0) ** 2,
        entropy_marginal=float(_entropy(whole.marginal)),
        entropy_marginal_error=_standard_error(whole.cross),
        entropy_conditional=float(whole.conditional.mean()),
        entropy_conditional_error=_standard_error(whole.conditional),
        splits=len(scores),
        count=count,
    )


def _split_warning(result: InceptionScoreResult, *, in_order: bool) -> str | None:
    """Return a warning about samples in an order, or about splits that are too small for their bias to be harmless."""
    # the bias of random samples is inversely proportional to their number
    expected = result.infinity - (result.infinity - result.one_split) * result.splits
    if in_order and result.mean < 0.8 * expected:
        return (
            f"the splits score {1 - result.mean / result.one_split:.0%} less than all samples together, because the "
            "samples are in an order, for example by class; shuffle them, or leave out shuffle=false."
        )
    shortfall = 1 - result.mean / result.infinity
    if shortfall <= 0.05:
        return None
    return (
        f"splits of {number_of(result.count // result.splits, 'samples')} are few: the score lies about "
        f"{shortfall:.0%} below its limit for infinitely many samples (is_infinity), so compare it only with scores of "
        "equal sample count."
    )


def _split_positions(order: Int64, splits: int, split_size: int | None) -> list[Int64]:
    """Return the positions of the rows of each split: equal splits, or splits of ``split_size`` and a rest."""
    # the first position of each split, and the end
    count = len(order)
    bounds = [i * count // splits for i in range(splits)] if split_size is None else [*range(0, count, split_size)]
    return [order[start:stop] for start, stop in pairwise([*bounds, count])]


def _split_scores(rows: Array, parts: Sequence[Int64]) -> tuple[Float64, float | None]:
    """Return the score of each split, given by the positions of its rows, and the standard error of their mean.

    The error is None if a split has a single row.
    """
    entropies = [_entropies(rows, part) for part in parts]
    scores = np.array([split.score for split in entropies])
    if min(map(len, parts)) < 2:
        return scores, None
    # the splits share no rows, so their variances add up
    errors = [_jackknife(rows, part, split)[1] for part, split in zip(parts, entropies, strict=True)]
    return scores, float(np.sqrt(np.square(errors).sum()) / len(parts))


def _checked_logits(logits: npt.ArrayLike, splits: int) -> Array:
    rows = np.asarray(logits)
    if rows.ndim != 2 or rows.shape[1] < 1:
        raise InputError(f"The Inception Score needs logits of shape [N, C], but the shape is {list(rows.shape)}.")
    # each split needs a sample, and an error needs two
    count = len(rows)
    if count < max(splits, 2):
        remedy = f"give at least {splits}, or write is,splits=1" if count >= 2 else "give at least 2, better thousands"
        raise InputError(
            f"The Inception Score in {number_of(splits, 'splits')} cannot be computed from "
            f"{number_of(count, 'samples')}; {remedy}."
        )
    if not np.isfinite(rows).all():
        raise InputError("The logits contain NaN or infinity, so there is no Inception Score; check the extractor.")
    return rows


def _check_split_options(splits: int, split_size: int | None, seed: int) -> None:
    if splits < 1:
        raise UsageError(f"The Inception Score needs at least one split, not {splits}; write is,splits=10.")
    if split_size is not None and split_size < 1:
        raise UsageError(f"A split needs at least one sample, not {split_size}; write is,split_size=5000.")
    if split_size is not None and splits != InceptionScore.splits:
        raise UsageError(f"splits={splits} and split_size={split_size} contradict each other; leave out one of them.")
    if not 0 <= seed < 2**32:
        raise UsageError(f"The seed of the Inception Score's shuffle must lie in 0..{2**32 - 1}, but it is {seed}.")


class _Entropies(NamedTuple):
    """Terms of the score for n samples."""

    marginal: Float64  # [C], p(y)
    cross: Float64  # [n], -sum_y p(y|x) ln p(y)
    conditional: Float64  # [n], H(y|x)

    @property
    def score(self) -> float:
        return float(np.exp(_entropy(self.marginal) - self.conditional.mean()))


def _entropies(rows: Array, order: Int64) -> _Entropies:
    # first pass: p(y) and H(y|x)
    marginal = np.zeros(rows.shape[1])
    conditional = []
    for probability, entropy in _class_probabilities(rows, order):
        marginal += probability.sum(axis=0)
        conditional.append(entropy)
    marginal /= len(order)

    # second pass: the cross entropy of each prediction and p(y)
    logarithm = np.log(np.where(marginal > 0, marginal, 1.0))
    cross = [-probability @ logarithm for probability, _ in _class_probabilities(rows, order)]
    return _Entropies(marginal, np.concatenate(cross), np.concatenate(conditional))


def _class_probabilities(rows: Array, order: Int64) -> Iterator[tuple[Float64, Float64]]:
    """Yield p(y|x) [n, C] and H(y|x) [n] for 2,048 rows at a time, because float64 copies of all would be large."""
    for start in range(0, len(order), 2048):
        shifted = rows[order[start : start + 2048]].astype(np.float64)
        # softmax without overflow
        shifted -= shifted.max(axis=1, keepdims=True)
        probability = np.exp(shifted)
        total = probability.sum(axis=1)
        probability /= total[:, None]
        # H(y|x) = ln sum_c exp(logit_c) - sum_c p_c logit_c
        yield probability, np.log(total) - (probability * shifted).sum(axis=1)


def _jackknife(rows: Array, order: Int64, whole: _Entropies) -> tuple[float, float]:
    """Return the limit of the score of the rows ``order`` by the delete-one jackknife, and the score's error."""
    # without a second sample there is nothing to delete
    count = len(order)
    if count < 2:
        return whole.score, 0.0
    # H(y) and the mean H(y|x) without each sample
    total = whole.marginal * count
    marginal = [
        _entropy(np.clip(total - probability, 0.0, None) / (count - 1), axis=1)
        for probability, _ in _class_probabilities(rows, order)
    ]
    conditional = (whole.conditional.sum() - whole.conditional) / (count - 1)
    scores = np.exp(np.concatenate(marginal) - conditional)

    # no score lies outside 1..C
    limit = np.clip(count * whole.score - (count - 1) * scores.mean(), 1, rows.shape[1])
    return float(limit), float(np.sqrt((count - 1) * scores.var()))


def _entropy(probability: Float64, axis: int = 0) -> Any:
    return -(probability * np.log(np.where(probability > 0, probability, 1.0))).sum(axis=axis)


def _standard_error(values: Float64) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


@dataclass(frozen=True)
class InceptionScore:
    """Inception Score as torch-fidelity computes it, its limit for many samples, and its two entropies.

    ``inception_score`` gives the formulas and papers.
    """

    splits: int = 10
    seed: int = 2020
    """Seed of the shuffle before the splits; the seed of the run is not used, so that scores agree with other tools."""
    shuffle: bool = True
    split_size: int | None = None
    """Number of samples of a split, instead of ``splits``; None for equal splits."""

    needs: ClassVar[tuple[str, ...]] = ("logits",)
    reference: ClassVar[Literal["none", "rows", "moments"]] = "none"

    @property
    def least_samples(self) -> tuple[int, int]:
        return max(self.splits if self.split_size is None else 1, 2), 0

    def __post_init__(self) -> None:
        # a wrong option should fail before the images are read
        _check_split_options(self.splits, self.split_size, self.seed)

    def __repr__(self) -> str:
        """Return the protocol for the record. It is that of older results wherever the newer options are not used."""
        splits = f"splits={self.splits}" if self.split_size is None else f"split_size={self.split_size}"
        # without a shuffle there is nothing to seed
        return f"InceptionScore({splits}, {f'seed={self.seed}' if self.shuffle else 'shuffle=False'})"

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return ``is`` (mean over splits), one-split value, limit, H(y) and H(y|x).

        Raises InputError for fewer samples than splits.
        """
        result = inception_score(generated["logits"], **asdict(self))
        detail: dict[str, Any] = {"std": result.std, "splits": result.splits, "samples": result.count}
        warning = _split_warning(result, in_order=not self.shuffle)
        detail |= {"warning": warning} if warning else {}

        # the limit is reliable only if it is close to the score
        rise = result.infinity / result.one_split - 1
        limit: dict[str, Any] = {}
        if rise > 0.1:
            limit["warning"] = (
                f"{result.count:,} samples are few for this classifier: is_infinity lies {rise:.0%} above the score of "
                "all samples, and would still rise with more."
            )

        # the entropies are neither better when higher nor when lower
        up: Literal["higher"] = "higher"
        name = "inception_score"
        scores = [
            Score("is", result.mean, result.mean_error, up, detail, f"{name}_mean"),
            Score("is_one_split", result.one_split, result.one_split_error, up, {}, f"{name}_one_split"),
            Score("is_infinity", result.infinity, result.infinity_error, up, limit, f"{name}_infinity"),
            Score("entropy_marginal", result.entropy_marginal, result.entropy_marginal_error),
            Score("entropy_conditional", result.entropy_conditional, result.entropy_conditional_error),
        ]
        # without a reference, nothing of the error is shared between samplers
        return [
            score._replace(
                influence=INDEPENDENT,
                detail={**score.detail, "error_by": "delete-one jackknife" if score.better else "delta method"},
            )
            for score in scores
        ]
