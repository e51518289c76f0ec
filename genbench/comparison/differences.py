"""The difference of two subjects in one metric, with its standard error; the noise of a shared reference cancels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from genbench.comparison.comparability import differing_fields
from genbench.comparison.group_by_subject import metric_name, newest
from genbench.comparison.subject_scores import EXACT, SubjectScores, Variance, variance_of
from genbench.errors import InputError
from genbench.plugs.contracts import Better
from genbench.results import Result

Verdict = Literal["better", "worse", "tied", "different", "unknown"]


@dataclass(frozen=True)
class Difference:
    """Subject ``a`` minus subject ``b`` in one metric."""

    a: str
    b: str
    metric: str
    better: Better | None
    value: float
    """Difference of the means over training seeds."""
    error: float | None
    """Standard error of ``value``, from samples and seeds together; None if a score has no error."""
    degrees: float
    """Degrees of freedom of ``error`` (Welch and Satterthwaite)."""
    sampling_error: float | None
    """Error due to the generated and the reference samples; it holds for these checkpoints only."""
    training_error: float | None
    """Error estimated by the spread over training seeds alone; None if a subject has one seed."""
    reference_error: float
    """Part of ``error`` due to the reference samples, which more generated samples do not reduce; 0 if unknown."""
    means: tuple[float, float]
    """Means of ``a`` and of ``b`` over training seeds."""
    seeds: tuple[int, int]
    conservative: bool
    """Whether ``error`` may be too large, because it is unknown how much of the errors the subjects share."""
    confidence: float = 0.95
    adjusted: float | None = None
    """p-value after Holm's correction; None without a correction."""
    differs: tuple[str, ...] = ()
    """Fields in which the protocols of the subjects differ; if there are any, there is no verdict."""

    @property
    def p(self) -> float | None:
        """Two-sided p-value of the hypothesis of no difference; None without an error or with different protocols."""
        if self.error is None or not math.isfinite(self.value) or self.differs:
            return None
        return 2 * self.tail(abs(self.value))

    def tail(self, value: float) -> float:
        """Return the probability of a difference above ``value`` if the true one is 0. Needs ``error``."""
        assert self.error is not None
        # an exact difference is certain; a difference of 0 decides nothing
        if self.error == 0:
            return 0.5 * float(value <= 0) + 0.5 * float(value < 0)
        return float(stats.t.sf(value / self.error, self.degrees))

    @property
    def interval(self) -> tuple[float, float] | None:
        """Confidence interval of ``value``, not corrected for the number of comparisons; None without an error."""
        if self.error is None:
            return None
        # an interval of width 0 needs no quantile
        margin = self.error * float(stats.t.ppf((1 + self.confidence) / 2, self.degrees)) if self.error else 0.0
        return self.value - margin, self.value + margin

    @property
    def verdict(self) -> Verdict:
        """How ``a`` compares with ``b``: tied unless the (adjusted) p-value is below 1 - confidence."""
        p = self.p if self.adjusted is None else self.adjusted
        if p is None:
            return "unknown"
        # significant differences have a direction if the metric has one
        if p >= 1 - self.confidence:
            return "tied"
        if self.better is None:
            return "different"
        return "better" if (self.value < 0) == (self.better == "lower") else "worse"


def difference(
    a: Result | Sequence[Result],
    b: Result | Sequence[Result],
    metric: str,
    *,
    confidence: float = 0.95,
    paired: bool = False,
    names: tuple[str, str] | None = None,
) -> Difference:
    """Return a minus b in one metric; several results of a subject are its training seeds.

    The variance is the sum of three terms: one for the generated samples of each subject, and one for the reference. If
    both subjects were scored against one reference, its term is the variance of the difference of its influences, so
    that common noise cancels. If a subject has two seeds or more, the spread over its seeds (Welch) includes the noise
    of the generated samples and takes the place of their term, unless the spread is smaller. ``paired``: sample i of
    both subjects was drawn with the same seed, so that common noise of samples with equal index cancels, too.

    If the protocols differ, there is no verdict, and ``differs`` lists the fields. Raises UsageError for an unknown
    metric, InputError if a result lacks the metric or if ``paired`` subjects do not match.
    """
    # the newest result of each seed
    results_a, results_b = (newest([subject] if isinstance(subject, Result) else subject) for subject in (a, b))
    metric = metric_name([*results_a, *results_b], metric)
    if paired:
        results_a, results_b = _matching_seeds(results_a, results_b)
    scores_a, scores_b = SubjectScores.of(results_a, metric), SubjectScores.of(results_b, metric)
    variances = _variances(scores_a, scores_b, paired=paired)
    # the error for these checkpoints, the error over trainings, and both together
    sampling = _error_of_sum([*variances.generated, variances.reference])
    over_seeds = [variance for variance in variances.training if variance is not None]
    total = [*map(_larger, variances.generated, variances.training), variances.reference]
    has_error = scores_a.has_error and scores_b.has_error
    return Difference(
        a=names[0] if names else results_a[0].name,
        b=names[1] if names else results_b[0].name,
        metric=metric,
        better=scores_a.entries[0].better,
        value=float(scores_a.values.mean() - scores_b.values.mean()),
        error=_error_of_sum(total) if has_error else None,
        degrees=_degrees_of_freedom(total),
        sampling_error=sampling if has_error else None,
        training_error=_error_of_sum(over_seeds) if len(over_seeds) == len(variances.training) else None,
        reference_error=math.sqrt(variances.reference[0]),
        means=(float(scores_a.values.mean()), float(scores_b.values.mean())),
        seeds=(len(results_a), len(results_b)),
        conservative=scores_a.reference is None or scores_b.reference is None,
        confidence=confidence,
        differs=tuple(differing_fields([results_a[0], results_b[0]])),
    )


@dataclass(frozen=True)
class _Variances:
    """The terms of a difference's variance; ``generated`` and ``training`` have one per subject, or one per pair."""

    generated: list[Variance]
    training: list[Variance | None]
    reference: Variance


def _variances(a: SubjectScores, b: SubjectScores, *, paired: bool) -> _Variances:
    # the reference: unknown influences are part of the subjects' own variances, a common reference cancels
    if a.reference is None or b.reference is None:
        reference = (0.0, EXACT)
    elif a.fingerprint and a.fingerprint == b.fingerprint:
        reference = (variance_of(a.reference - b.reference), len(a.reference) - 1)
    else:
        reference = (variance_of(a.reference) + variance_of(b.reference), EXACT)
    # independent subjects
    if not paired or a.generated is None or b.generated is None:
        return _Variances([(a.own, EXACT), (b.own, EXACT)], [a.training, b.training], reference)
    # paired subjects: the variances of the differences, seed by seed and group by group
    differences, count = a.values - b.values, len(a.values)
    training = (float(differences.var(ddof=1)) / count, count - 1.0) if count > 1 else None
    generated = (variance_of(a.generated - b.generated), len(a.generated) - 1.0)
    return _Variances([generated], [training], reference)


def _larger(generated: Variance, training: Variance | None) -> Variance:
    """Return the variance over seeds, which includes that of the generated samples, unless it is smaller by chance."""
    return training if training is not None and training[0] > generated[0] else generated


def _error_of_sum(variances: Sequence[Variance]) -> float:
    return math.sqrt(sum(variance for variance, _ in variances))


def _degrees_of_freedom(variances: Sequence[Variance]) -> float:
    """Return Satterthwaite's degrees of freedom of a sum of independent variances."""
    total = sum(variance for variance, _ in variances)
    # exact variances contribute nothing, because their degrees of freedom are infinite
    weighted = sum(variance**2 / degrees for variance, degrees in variances)
    return total**2 / weighted if weighted else EXACT


def _matching_seeds(a: list[Result], b: list[Result]) -> tuple[list[Result], list[Result]]:
    """Return the results of both subjects at their common seeds, in the order of seeds."""
    by_seed_a, by_seed_b = ({result.replicate_seed: result for result in results} for results in (a, b))
    subjects = f"{a[0].name} and {b[0].name}"
    # seeds of one subject only are left out
    seeds = sorted(by_seed_a.keys() & by_seed_b.keys())
    if not seeds:
        raise InputError(f"{subjects} have no seed in common, so they cannot be paired; leave out --paired.")
    for seed in seeds:
        # sample i of one subject is paired with sample i of the other
        if by_seed_a[seed].generated.count != by_seed_b[seed].generated.count:
            raise InputError(
                f"{subjects} have different numbers of samples at seed {seed}, so their samples cannot be paired; "
                "leave out --paired."
            )
    return [by_seed_a[seed] for seed in seeds], [by_seed_b[seed] for seed in seeds]
