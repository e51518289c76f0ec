"""Memorisation: whether generated samples lie too close to training samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from genbench.array_types import Bool, Float64, Int64
from genbench.errors import InputError, PlugError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import embedding
from genbench.metrics.group_influence import INDEPENDENT, influence_of
from genbench.metrics.nearest_rows import nearest_distances, nearest_rows
from genbench.metrics.share_intervals import binomial_error, wilson_interval
from genbench.metrics.tiles import pair_of
from genbench.plugs.contracts import Score

PAIRS = 20
"""Number of pairs in the detail of ``memorised``."""


@dataclass(frozen=True)
class AuthenticShare:
    """AuthPct: percentage of samples that are not near-copies of training samples (``authentic_share``).

    Without training samples, the reference must be the training set. With them, the detail has the percentage of the
    held-out reference, which is the value of a perfect sampler.
    """

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    training_rows: ClassVar[Literal["optional"]] = "optional"
    least_samples: ClassVar[tuple[int, ...]] = (1, 2, 2)

    def __call__(
        self,
        generated: Features,
        reference: Features | Moments | None,
        *,
        seed: int,
        train: Features | None = None,
    ) -> list[Score]:
        """Return ``authpct``, 0..100. Raises InputError as ``authentic_share`` does."""
        # without training samples the reference takes their place
        held_out = embedding(reference, "reference")
        known = held_out if train is None else embedding(train, "training")
        share = authentic_share(embedding(generated, "generated"), known)
        # new samples do not give 50 %, so their own value stands beside it
        detail: dict[str, Any] = {
            "note": "0 for copies; the value of new samples depends on the data: score a test set too."
        }
        if train is not None:
            detail = {"expected": 100 * authentic_share(held_out, known).value, "note": "0 for copies."}
        detail["error_by"] = "binomial"
        key = "authentic_percentage"
        # The error holds for a fixed training set, so the reference does not contribute to it.
        low, high = wilson_interval(share.value, len(generated))
        error, interval = 100 * share.error, (100 * low, 100 * high)
        return [Score("authpct", 100 * share.value, error, None, detail, key, INDEPENDENT, interval)]


class Share(NamedTuple):
    """A share of the generated rows, in 0..1."""

    value: float
    error: float
    """Binomial standard error, for a fixed training set."""


def authentic_share(generated: npt.ArrayLike, reference: npt.ArrayLike) -> Share:
    """Compute the share of generated rows that are authentic: not closer to a training row than training rows are.

    If t is the training (reference) row nearest to g, then g is authentic iff ``min_{s != t} |t - s| < |g - t|``. Alaa
    et al. 2022 (arXiv 2102.08921); as in dgm-eval. Copies give 0. New samples of the same distribution do not give 0.5:
    for a Gaussian they give 0.37 in 2 dimensions and 0.80 in 64. Compare the value with that of a test set.

    Rows are [N, D] and [M, D]. Raises InputError if there are fewer than 2 training rows, or if the rows are not finite
    or differ in width.
    """
    left, right = pair_of(generated, reference)
    if len(right) < 2:
        raise InputError(f"authpct needs at least 2 reference rows, not {len(right)}.")
    # Distance of each generated row to its training row t, and of each training row to its own neighbour.
    nearest, distance = nearest_rows(left, right)
    own_distance = nearest_rows(right, right)[1]
    share = float((own_distance[nearest] < distance).mean())
    return Share(share, binomial_error(share, len(left)))


@dataclass(frozen=True)
class MemorisedShare:
    """Share of samples that a ratio test, calibrated with held-out samples, calls memorised.

    The ratio of a sample is its distance to the nearest training sample divided by that to the nearest held-out sample.
    A generated sample is called memorised if its ratio is smaller than the k-th smallest ratio of the M held-out
    samples, k = rate (M + 1), rounded down. A new sample of the data, and so a sample of a perfect sampler, is called
    memorised with a probability of at most ``rate``, whatever the data (a conformal p-value; Vovk, Gammerman, Shafer
    2005; Bates et al. 2023, arXiv 2104.08279). The detail lists the 20 generated samples with the smallest ratios, each
    with its training sample and its p-value ``chance``, and ``excess`` = (share - rate) / (1 - rate), an estimate of
    the share of memorised samples that are found.

    The error has two parts: the binomial one of the generated samples, and that of the threshold, which is a quantile
    of the held-out samples. It holds for fixed training samples.
    """

    rate: float = 0.01

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    training_rows: ClassVar[Literal["needed"]] = "needed"
    least_samples: ClassVar[tuple[int, ...]] = (1, 2, 1)

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 0.5:
            raise UsageError(f"rate={self.rate} is no rate of false positives up to 0.5; write memorised,rate=0.01.")

    def __call__(
        self, generated: Features, reference: Features | Moments | None, *, seed: int, train: Features
    ) -> list[Score]:
        """Return ``memorised``, 0..1.

        Raises InputError if there are too few held-out samples for the rate, or if the embeddings differ in width.
        """
        # enough held-out rows to know the quantile
        if not isinstance(reference, Features):
            raise PlugError("The share of memorised samples needs held-out samples; name some with --reference.")
        if (len(reference) + 1) * self.rate < 1:
            raise InputError(
                f"memorised,rate={self.rate} needs at least {math.ceil(1 / self.rate) - 1:,} held-out samples, but "
                f"{reference.name} holds {len(reference):,}; give more, or raise the rate."
            )
        test = ratio_test(generated, reference, train)
        # a ratio below the k-th smallest of the calibration has a chance of at most the rate
        calibration = test.calibration
        threshold = float(np.sort(calibration)[math.floor(self.rate * (len(calibration) + 1)) - 1])
        detail = {"threshold": threshold, "pairs": test.pairs(PAIRS)}
        return [self._score(test.chance <= self.rate, calibration <= threshold, detail)]

    def _score(self, found: Bool, below: Bool, detail: dict[str, Any]) -> Score:
        """Return the score of the generated rows [N] that were found and the held-out rows [M] up to the threshold."""
        share, count, held_out = float(found.mean()), len(found), len(below)
        # the threshold moves the share among the rows that are not memorised
        error_of_threshold = (1 - share) * math.sqrt(self.rate * (1 - self.rate) / held_out)
        error = math.hypot(binomial_error(share, count), error_of_threshold)
        influence = influence_of(found / count, -(1 - share) * below / held_out, error=error)
        # Wilson's interval of as many samples as would have this error
        variance = share * (1 - share)
        effective = variance / (variance / count + error_of_threshold**2) if variance else count
        # the further numbers of the record
        numbers = {
            "expected": self.rate,
            "found": int(found.sum()),
            "excess": (share - self.rate) / (1 - self.rate),
            "held_out": held_out,
            "error_by": "binomial, with that of the threshold",
        }
        interval = wilson_interval(share, max(1, round(effective)))
        return Score("memorised", share, error, "lower", numbers | detail, "memorised_share", influence, interval)


@dataclass(frozen=True, eq=False)
class RatioTest:
    """The test of each generated row; its training row is the nearest one."""

    train: Int64
    """[N], position of the training row"""
    distance: Float64
    """[N], distance to the training row"""
    ratio: Float64
    """[N], that distance divided by the distance to the nearest held-out row"""
    chance: Float64
    """[N], probability of a ratio as small for a new sample (p-value)"""
    calibration: Float64
    """[M], the ratios of the held-out rows"""

    def pairs(self, count: int) -> list[dict[str, Any]]:
        """Return the rows with the smallest ratios as plain data; of equal ratios, those with the least distance."""
        return [
            {
                "generated": int(row),
                "train": int(self.train[row]),
                "distance": float(self.distance[row]),
                "ratio": float(self.ratio[row]),
                "chance": float(self.chance[row]),
            }
            for row in np.lexsort((self.distance, self.ratio))[:count]
        ]


def ratio_test(generated: Features, held_out: Features, train: Features) -> RatioTest:
    """Test each generated row for being a copy of a training row; ``MemorisedShare`` describes the rule.

    ``ratio_test(...).chance <= rate`` are the rows that ``memorised`` counts. Raises InputError if the embeddings
    differ in width.
    """
    rows, known = embedding(generated, "generated"), embedding(train, "training")
    # both distances of the held-out rows are the same for all subjects
    calibration = _distance_ratio(nearest_distances(held_out, train), nearest_distances(held_out, held_out))
    nearest, squared = nearest_rows(*pair_of(rows, known))
    distance = np.sqrt(squared)
    ratio = _distance_ratio(distance, nearest_distances(generated, held_out))
    return RatioTest(nearest, distance, ratio, chance_of_ratio(ratio, calibration), calibration)


def chance_of_ratio(ratio: npt.ArrayLike, calibration: npt.ArrayLike) -> Float64:
    """Return the conformal p-value of each ratio [N]: (1 + #{calibration <= ratio}) / (M + 1), M calibration ratios."""
    # equal ratios count as smaller ones, so that the chance is never too small
    known = np.sort(np.asarray(calibration, np.float64))
    return np.asarray((1 + np.searchsorted(known, np.asarray(ratio, np.float64), side="right")) / (len(known) + 1))


def _distance_ratio(to_train: Float64, to_held_out: Float64) -> Float64:
    """Return the quotient of two distances [N]: 0 for copies of training rows, whatever the other distance is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(to_train > 0, to_train / to_held_out, 0.0))
