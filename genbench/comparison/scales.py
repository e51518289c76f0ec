"""The scale on which a score is compared: logarithm, logit or inverse hyperbolic sine, so that errors are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from genbench.array_types import Float64
from genbench.results import Entry

SHARES = frozenset(
    (
        "precision",
        "recall",
        "f_score",
        "coverage",
        "precision_k5",
        "recall_k5",
        "sym_precision",
        "sym_recall",
        "cprecision",
        "p_precision",
        "p_recall",
        "prd_f8",
        "prd_f1_8",
        "high_quality",
        "class_consistency",
        "ndb",
        "memorised",
    )
)
"""Short names of the scores between 0 and 1 that are shares of rows."""
SIGNED = ("debiased", "kid", "kd", "kid_subsets", "kd_subsets", "fld")
"""Ends of the short names of distances that are unbiased: they may be negative."""
FAR_FROM_ZERO = 4.0
"""A positive value is compared on the log scale only if all values are at least this many errors above 0."""
LINEAR_TO = 10.0
"""The scale of values near 0 is about linear up to this many errors. With 1, checkpoints of equal models near 0 would
be told apart in 41 % of tables of ten, because value and error on the scale are correlated; with 10 in 6 %."""

Kind = Literal["log", "logit", "asinh", "identity"]


@dataclass(frozen=True)
class ScoreScale:
    """A smooth increasing function of a score."""

    kind: Kind
    unit: float = 1.0
    """For ``asinh``: the value below which the scale is about linear. For ``logit``: the number of rows."""

    @np.errstate(all="ignore")
    def forward(self, values: npt.ArrayLike) -> Float64:
        """Return values on this scale."""
        # each kind is written out, so that its slope and its inverse can be compared with it
        x = np.asarray(values, np.float64)
        if self.kind == "log":
            return np.log(x)
        if self.kind == "asinh":
            return np.arcsinh(x / self.unit)
        if self.kind == "logit":
            share = self._inside(x)
            return np.log(share / (1 - share))
        return x

    @np.errstate(all="ignore")
    def slope(self, values: npt.ArrayLike) -> Float64:
        """Return the derivative at values: how far one unit of the score reaches on this scale."""
        # the derivatives of the functions above
        x = np.asarray(values, np.float64)
        if self.kind == "log":
            return 1 / x
        if self.kind == "asinh":
            return 1 / np.hypot(x, self.unit)
        if self.kind == "logit":
            share = self._inside(x)
            return self.unit / (self.unit + 1) / (share * (1 - share))
        return np.ones_like(x)

    def least_variances(self, values: npt.ArrayLike) -> Float64:
        """Return a lower bound of the variances on this scale: a share of 0 or 1 is not free of error."""
        x = np.asarray(values, np.float64)
        if self.kind != "logit":
            return np.zeros_like(x)
        # binomial, with half a row added on both sides
        share = self._inside(x)
        return np.where((x <= 0) | (x >= 1), 1 / ((self.unit + 1) * share * (1 - share)), 0.0)

    @np.errstate(all="ignore")
    def back(self, values: npt.ArrayLike) -> Float64:
        """Return the scores of values on this scale: the inverse of ``forward``."""
        # shares that half a row moved outside are cut to 0..1
        y = np.asarray(values, np.float64)
        if self.kind == "log":
            return np.exp(y)
        if self.kind == "asinh":
            return self.unit * np.sinh(y)
        if self.kind == "logit":
            share = 1 / (1 + np.exp(-y))
            return np.clip((share * (self.unit + 1) - 0.5) / self.unit, 0.0, 1.0)
        return y

    def _inside(self, shares: Float64) -> Float64:
        """Return shares with half a row added on both sides, so that 0 and 1 have a logit."""
        return (np.clip(shares, 0.0, 1.0) * self.unit + 0.5) / (self.unit + 1)


def scale_of(entries: Sequence[Entry], count: int | None) -> ScoreScale:
    """Choose the scale of one metric from all its scores; ``count`` is the number of generated samples.

    Shares have the logit. Distances that may be negative, or whose values come close to 0, have asinh(x / (10 SE)),
    which is linear near 0 and logarithmic far from it; SE is the smallest error. All others have the logarithm.
    """
    # what all subjects have, in arrays
    short = entries[0].name.partition("@")[0]
    values = np.array([entry.value for entry in entries])
    errors = np.array([np.nan if entry.error is None else entry.error for entry in entries])
    # values that are not finite do not choose
    usable = np.isfinite(values)
    if short in SHARES and (values[usable] >= 0).all() and (values[usable] <= 1).all():
        return ScoreScale("logit", float(count or 1000))
    # values far above 0
    positive = np.isfinite(errors) & (errors > 0) & usable
    far = (values[usable] > 0).all() and (values[positive] >= FAR_FROM_ZERO * errors[positive]).all()
    if far and not short.endswith(SIGNED):
        return ScoreScale("log")
    # values near 0, or of both signs
    return ScoreScale("asinh", LINEAR_TO * float(errors[positive].min())) if positive.any() else ScoreScale("identity")


def limits_of(entries: Sequence[Entry]) -> tuple[float, float]:
    """Return the lowest and the highest possible value of one metric, from all its scores; infinite if unknown."""
    short = entries[0].name.partition("@")[0]
    values = [entry.value for entry in entries if np.isfinite(entry.value)]
    # shares, counts of modes, and distances; a damaged file may have a value outside
    # the number of modes is in the detail of their count
    totals = {entry.detail.get("total") for entry in entries} if short == "modes" else {None}
    highest = max((float(total) for total in totals if isinstance(total, (int, float))), default=np.inf)
    highest = 1.0 if short in SHARES else highest
    nonnegative = entries[0].better == "lower" and not short.endswith(SIGNED)
    lowest = 0.0 if short in SHARES or highest < np.inf or nonnegative else -np.inf
    return min([lowest, *values]), max([highest, *values])
