"""FLD: the likelihood of held-out samples under a mixture around the generated samples, and its generalisation gap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import logsumexp

from genbench.array_types import Array, Bool, Float64
from genbench.errors import InputError, PlugError, UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.embedding_checks import checked_rows, embedding
from genbench.metrics.group_influence import influence_of, variance_of_sum
from genbench.metrics.point_mixtures import PointMixture, fitted_mixture
from genbench.plugs.contracts import GROUPS, Score


@dataclass(frozen=True)
class FeatureLikelihood:
    """FLD: likelihood of held-out samples near the generated ones (Jiralerspong et al. 2023, arXiv 2302.04440).

    ``fld`` = 100 (NLL_g - NLL_0) / D. NLL_g is the mean negative log-likelihood (nats) of the held-out rows under a
    mixture of Gaussians around the generated rows, whose widths are fitted to the training rows (``fitted_mixture``);
    NLL_0 is the same for a mixture around half of the training rows, fitted to the other half. Each of the D dimensions
    is scaled to mean 0 and variance 1 of the held-out rows. A perfect sampler has about 0 with at most half as many
    samples as training rows. ``fld_gap`` = 100 (NLL_g of the training rows - NLL_g of the held-out rows) / D is far
    below 0 if the samples lie closer to the training rows. It is a little below 0 for new samples, too, because the
    widths are fitted to the training rows: by 8 for 200 samples and 400 training rows in 4 dimensions.

    Of larger sets, ``most`` rows are drawn: 10,000 as in the authors' program, which however fits to all training rows.

    The error covers the held-out and the generated rows (for the gap, also the training rows whose likelihood is
    averaged): their spread, and a jackknife over 32 groups of generated rows. It fits neither the widths nor the scales
    again, and holds for fixed training rows. In simulations with 200 rows (reports/memorisation.md) the error of
    ``fld`` was 1.25 times the spread in 4 dimensions and .8 times in 32; that of the gap 1.2 to 1.5 times. What is
    missing in 32 is the error of the scales: new fits under scales that vary as those of 200 rows do move ``fld`` by
    1.0, beside an error of 1.2. It takes a new fit for each change of the scales, which is too slow.
    """

    most: int = 10_000

    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["rows"]] = "rows"
    training_rows: ClassVar[Literal["needed"]] = "needed"
    least_samples: ClassVar[tuple[int, ...]] = (2, 2, 4)

    def __post_init__(self) -> None:
        if self.most < 4:
            raise UsageError(f"most={self.most} is too few rows for mixtures; write fld,most=10000.")

    def __call__(
        self, generated: Features, reference: Features | Moments | None, *, seed: int, train: Features
    ) -> list[Score]:
        """Return ``fld`` (lower is better) and ``fld_gap``.

        Raises PlugError without held-out rows, and InputError if the held-out rows are all equal or the embeddings
        differ in width.
        """
        if not isinstance(reference, Features):
            raise PlugError("FLD needs held-out samples; name some with --reference.")
        # all three sides in the same units
        sides = [embedding(generated, "generated"), embedding(train, "training"), embedding(reference, "held-out")]
        for side in sides[1:]:
            checked_rows(sides[0], side)
        drawn = [_drawn_rows(side, self.most, seed) for side in sides]
        rows, known, held_out = _standardised(*drawn)
        dimension = rows.shape[1]

        # the mixture around the generated rows, and its likelihoods without each group of them
        mixture = fitted_mixture(rows, known)
        of_held_out, of_train = _likelihoods(mixture, held_out), _likelihoods(mixture, known)
        # the baseline depends on the training and the held-out rows only, and is the same for many subjects
        baseline = _baseline(known, held_out, _baseline_centres(drawn[1], len(rows)))

        # both scores are differences of mean log-likelihoods
        factor = -100 / dimension
        detail: dict[str, Any] = {
            "nll": float(-of_held_out[:, 0].mean()),
            "nll_of_train": float(-of_train[:, 0].mean()),
            "nll_of_baseline": float(-baseline.mean()),
            "dimensions": dimension,
            "error_by": "spread over rows, and jackknife",
        }
        if max(map(len, sides)) > self.most:
            detail["note"] = f"of sets with more than {self.most:,} rows, so many were drawn."
        # the baseline has as many Gaussians only if half of the training rows are enough
        expected = {"expected": 0.0} if len(rows) <= len(known) // 2 else {}
        fld = _Difference(of_held_out - baseline[:, None], np.zeros((0, GROUPS + 1)))
        gap = _Difference(-of_held_out, of_train)
        return [
            fld.score("fld", factor, "lower", expected | detail, "feature_likelihood_divergence"),
            gap.score(
                "fld_gap", factor, None, {"error_by": detail["error_by"]}, "feature_likelihood_generalization_gap"
            ),
        ]


@dataclass(frozen=True, eq=False)
class _Difference:
    """The sum of the means of log-likelihoods over two sets of rows, for all generated rows and without each group."""

    held_out: Float64
    """[M, 1 + GROUPS]: the first column is that of all generated rows."""
    train: Float64
    """[T, 1 + GROUPS]; no rows if the training rows do not contribute."""

    def score(
        self, name: str, factor: float, better: Literal["lower"] | None, detail: dict[str, Any], key: str
    ) -> Score:
        """Return ``factor`` times the sum with its error and influence."""
        # the jackknife of the generated rows, and the influence of the rows whose likelihoods are averaged
        means = sum(side.mean(axis=0) for side in (self.held_out, self.train) if len(side))
        deleted = factor * np.asarray(means)[1:]
        groups = (GROUPS - 1) / GROUPS * (deleted.mean() - deleted)
        rows = factor * self.held_out[:, 0] / len(self.held_out)
        own = factor * self.train[:, 0] / max(len(self.train), 1)
        error = math.sqrt(sum(variance_of_sum(each) for each in (groups, rows, own)))
        value = factor * float(np.asarray(means)[0])
        return Score(name, value, error, better, detail, key, influence_of(groups, rows, error=error))


def _standardised(generated: Float64, train: Float64, held_out: Float64) -> tuple[Float64, Float64, Float64]:
    """Return all sides with the mean and the standard deviation (ddof 1) of the held-out rows removed."""
    # ddof 1, as in the authors' program
    centre, spread = held_out.mean(axis=0), held_out.std(axis=0, ddof=1)
    if not spread.any():
        raise InputError("All held-out samples have the same features, so FLD has no scale; give other samples.")
    # dimensions that do not vary keep their scale
    spread[spread == 0] = 1.0
    return (generated - centre) / spread, (train - centre) / spread, (held_out - centre) / spread


def _drawn_rows(rows: Array, most: int, seed: int) -> Float64:
    """Return the rows in float64, at most ``most`` of them, in their order."""
    if len(rows) > most:
        rows = rows[np.sort(np.random.default_rng(seed).permutation(len(rows))[:most])]
    return np.asarray(rows, np.float64)


def _baseline(train: Float64, held_out: Float64, centre: Bool) -> Float64:
    """Return the log-likelihood of each held-out row, [M], under the mixture around some training rows, bool [T].

    The widths are fitted to the other training rows.
    """
    return _likelihoods(fitted_mixture(train[centre], train[~centre]), held_out)[:, 0]


def _baseline_centres(train: Array, count: int) -> Bool:
    """Return which training rows are the centres of the baseline: ``count`` of them, but at most half.

    They are spread evenly over the order of the bytes of all rows, so they depend on the training rows alone, and not
    on their order.
    """
    rows = np.ascontiguousarray(train) + 0
    order = np.argsort(rows.view(f"V{rows.dtype.itemsize * rows.shape[1]}").ravel(), kind="stable")
    # every k-th row in this order is a centre
    size = min(count, len(train) // 2)
    centre = np.zeros(len(train), bool)
    centre[order[np.arange(size) * len(train) // size]] = True
    return centre


def _likelihoods(mixture: PointMixture, rows: Float64) -> Float64:
    """Return the log-likelihoods of rows under all centres and without each group of centres, [M, 1 + GROUPS]."""
    # the sums of densities of each group of centres are enough for all mixtures that lack a group
    logs = mixture.log_likelihoods(rows)
    count = len(mixture.centres)
    found = np.empty((len(rows), GROUPS + 1))
    found[:, 0] = logsumexp(logs, axis=1) - math.log(count)
    # the sums of the groups before and after each group: a difference of sums would lose digits
    before, after = (np.full((len(rows), GROUPS + 1), -np.inf) for _ in range(2))
    np.logaddexp.accumulate(logs, axis=1, out=before[:, 1:])
    np.logaddexp.accumulate(logs[:, ::-1], axis=1, out=after[:, -2::-1])
    for group in range(GROUPS):
        # small sets have groups without rows
        own = len(range(group, count, GROUPS))
        others = np.logaddexp(before[:, group], after[:, group + 1])
        found[:, 1 + group] = others - math.log(count - own) if own < count else found[:, 0]
    return found
