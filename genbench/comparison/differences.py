"""The difference of two subjects in one metric, with its own error: what they share in the reference cancels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from genbench.comparison.comparability import differing_fields
from genbench.comparison.subject_scores import EXACT, Side, Variance, variance_of
from genbench.comparison.subjects import metric_name, newest
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
    """Standard error of ``value``, of samples and seeds together; None where a score has none."""
    degrees: float
    """Degrees of freedom of ``error`` (Welch and Satterthwaite)."""
    sampling_error: float | None
    """The error for these very checkpoints: of the generated and the reference samples."""
    training_error: float | None
    """The error by the spread over training seeds alone; None where a side has one seed."""
    reference_error: float
    """What the reference samples add to ``error``: more generated samples do not lessen it. 0 where it is not known."""
    means: tuple[float, float]
    """Of ``a`` and of ``b``, over training seeds."""
    seeds: tuple[int, int]
    conservative: bool
    """Whether the error is wider than it need be, since it is not known what the scores share."""
    confidence: float = 0.95
    adjusted: float | None = None
    """p-value after Holm's correction; None where nothing was corrected."""
    differs: tuple[str, ...] = ()
    """Fields of the protocol in which both differ: then there is no verdict."""

    @property
    def p(self) -> float | None:
        """Two-sided p-value of no difference; None where there is no error."""
        if self.error is None or not math.isfinite(self.value) or self.differs:
            return None
        return 2 * self.tail(abs(self.value))

    def tail(self, value: float) -> float:
        """Return the chance of a difference above ``value`` where there is none; .5 at 0. Needs an error."""
        assert self.error is not None
        if self.error == 0:
            return 0.5 * float(value <= 0) + 0.5 * float(value < 0)
        return float(stats.t.sf(value / self.error, self.degrees))

    @property
    def interval(self) -> tuple[float, float] | None:
        """Confidence interval of ``value``, not corrected for other comparisons."""
        if self.error is None:
            return None
        reach = self.error * float(stats.t.ppf((1 + self.confidence) / 2, self.degrees)) if self.error else 0.0
        return self.value - reach, self.value + reach

    @property
    def verdict(self) -> Verdict:
        """What ``a`` is beside ``b``: tied unless the (corrected) p-value is below 1 - confidence."""
        p = self.p if self.adjusted is None else self.adjusted
        if p is None:
            return "unknown"
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
    """Return a minus b in one metric; several results of a side are its training seeds.

    The variance is that of both sides' generated samples, plus that of the reference's contribution to the *difference*
    where both were scored against one reference: the sum over its groups of the squared difference of ``Parts``. With
    two seeds or more on a side, the spread over its seeds (Welch), which holds the generated samples' part, stands in
    the latter's place unless it is smaller. ``paired``: both sides drew sample i with one seed, so that what samples of
    equal index share cancels too.

    Where both follow unlike protocols there is no verdict: ``differs`` says why. Raises UsageError for an unknown
    metric, InputError where a result lacks it or ``paired`` sides do not match.
    """
    ours, theirs = (newest([side] if isinstance(side, Result) else side) for side in (a, b))
    metric = metric_name([*ours, *theirs], metric)
    if paired:
        ours, theirs = _matched(ours, theirs)
    one, two = Side.of(ours, metric), Side.of(theirs, metric)
    components = _components(one, two, paired=paired)
    sampling = _error([*components.generated, components.reference])
    parts = [*map(_larger, components.generated, components.training), components.reference]
    seen = [part for part in components.training if part is not None]
    return Difference(
        a=names[0] if names else ours[0].name,
        b=names[1] if names else theirs[0].name,
        metric=metric,
        better=one.entries[0].better,
        value=float(one.values.mean() - two.values.mean()),
        error=_error(parts) if one.known and two.known else None,
        degrees=_degrees(parts),
        sampling_error=sampling if one.known and two.known else None,
        training_error=_error(seen) if len(seen) == len(components.training) else None,
        reference_error=math.sqrt(components.reference[0]),
        means=(float(one.values.mean()), float(two.values.mean())),
        seeds=(len(ours), len(theirs)),
        conservative=one.reference is None or two.reference is None,
        confidence=confidence,
        differs=tuple(differing_fields([ours[0], theirs[0]])),
    )


@dataclass(frozen=True)
class _Components:
    generated: list[Variance]
    training: list[Variance | None]
    reference: Variance


def _components(one: Side, two: Side, *, paired: bool) -> _Components:
    if one.reference is None or two.reference is None:
        reference = (0.0, EXACT)  # it is in the sides' own variances
    elif one.fingerprint and one.fingerprint == two.fingerprint:
        reference = (variance_of(one.reference - two.reference), len(one.reference) - 1)
    else:
        reference = (variance_of(one.reference) + variance_of(two.reference), EXACT)
    if not paired or one.generated is None or two.generated is None:
        return _Components([(one.own, EXACT), (two.own, EXACT)], [one.training, two.training], reference)
    apart, count = one.values - two.values, len(one.values)
    spread = (float(apart.var(ddof=1)) / count, count - 1.0) if count > 1 else None
    common = (variance_of(one.generated - two.generated), len(one.generated) - 1.0)
    return _Components([common], [spread], reference)


def _larger(generated: Variance, training: Variance | None) -> Variance:
    """Return the variance over seeds, which holds the generated samples' own, unless chance made it the smaller one."""
    return training if training is not None and training[0] > generated[0] else generated


def _error(parts: Sequence[Variance]) -> float:
    return math.sqrt(sum(variance for variance, _ in parts))


def _degrees(parts: Sequence[Variance]) -> float:
    """Return Satterthwaite's degrees of freedom of a sum of independent variances."""
    total = sum(variance for variance, _ in parts)
    lost = sum(variance**2 / degrees for variance, degrees in parts)
    return total**2 / lost if lost else EXACT


def _matched(ours: list[Result], theirs: list[Result]) -> tuple[list[Result], list[Result]]:
    """Return the results of both sides that have a seed in common, in the order of seeds."""
    left, right = ({result.replicate_seed: result for result in side} for side in (ours, theirs))
    seeds = sorted(left.keys() & right.keys())
    if not seeds:
        raise InputError(
            f"{ours[0].name} and {theirs[0].name} have no seed in common, so they cannot be paired; leave out --paired."
        )
    for seed in seeds:
        if left[seed].generated.count != right[seed].generated.count:
            raise InputError(
                f"{ours[0].name} and {theirs[0].name} have unlike counts at seed {seed}, so their samples cannot be "
                "paired; leave out --paired."
            )
    return [left[seed] for seed in seeds], [right[seed] for seed in seeds]
