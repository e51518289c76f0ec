"""Several subjects in one metric, on one scale, and the differences of any two of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from genbench.benchmarks import installed_benchmark
from genbench.comparison.chosen_scores import direction
from genbench.comparison.comparability import differing_fields
from genbench.comparison.differences import Difference, satterthwaite
from genbench.comparison.estimates import EXACT, Estimate, Noise, estimates
from genbench.comparison.group_by_subject import metric_name, newest
from genbench.comparison.margins import Margin, margin_of
from genbench.comparison.multiple_testing import Contrast, step_down
from genbench.comparison.scales import ScoreScale, scale_of
from genbench.comparison.subject_scores import SubjectScores, variance_of
from genbench.errors import InputError
from genbench.plugs.contracts import GROUPS, Better
from genbench.results import Result

ROUNDING = 1e-3
"""By how much two scores of the same samples may differ, relative to their value or to their error: by rounding."""


@dataclass(frozen=True, eq=False)
class Tested:
    """A difference, and the noise that its test shares with others; None if there is nothing to test."""

    difference: Difference
    contrast: Contrast | None


@dataclass(frozen=True, eq=False)
class ScoredSubjects:
    """Subjects in one metric. Their spreads over seeds inform each other."""

    metric: str
    better: Better | None
    results: Mapping[str, Sequence[Result]]
    scale: ScoreScale
    scores: Mapping[str, SubjectScores]
    """In the unit of the metric."""
    estimates: Mapping[str, Estimate]
    """On ``scale``; without the subjects that have a value which is not finite."""
    margin: Margin
    allowed: frozenset[str] = frozenset()
    """Fields of the protocol that may differ."""

    @staticmethod
    @np.errstate(all="ignore")
    def of(
        subjects: Mapping[str, Sequence[Result]],
        metric: str,
        margin: Margin | None = None,
        *,
        allowed: Sequence[str] = (),
    ) -> ScoredSubjects:
        """Read one metric, given by its full name, of all subjects. Raises InputError if a result lacks it."""
        # the order of the results plays no role
        subjects = {name: sorted(subjects[name], key=lambda each: each.replicate_seed) for name in sorted(subjects)}
        everything = [result for results in subjects.values() for result in results]
        # one scale for all, chosen from all their values
        scores = {name: SubjectScores.of(results, metric) for name, results in subjects.items()}
        counts = [result.generated.count for result in everything if result.generated.count]
        scale = scale_of([entry for each in scores.values() for entry in each.entries], min(counts, default=None))
        # a diverged subject has no estimate, and must not disturb the others
        usable = [name for name, each in scores.items() if np.isfinite(each.values).all()]
        on_scale = estimates([scores[name].scaled(scale) for name in usable])
        return ScoredSubjects(
            metric=metric,
            better=direction(everything, metric),
            results=subjects,
            scale=scale,
            scores=scores,
            estimates=dict(zip(usable, on_scale, strict=True)),
            margin=margin or margin_of(metric, installed_benchmark(everything[0].benchmark)),
            allowed=frozenset(allowed),
        )

    def typical(self, name: str) -> float:
        """Return the mean of a subject over seeds in the unit of the metric, taken on the scale; NaN if not finite."""
        estimate = self.estimates.get(name)
        return math.nan if estimate is None else float(self.scale.back(estimate.mean))

    @np.errstate(all="ignore")
    def tested(self, a: str, b: str, *, confidence: float = 0.95, paired: bool = False) -> Tested:
        """Return a minus b. With ``paired`` the common noise of samples with equal index and seed cancels.

        The variance has one term for each subject and one for the reference. If both subjects were scored against one
        reference, its term is the variance of the difference of its influences, so that common noise cancels.
        """
        # copies of one sample set have no difference to pair
        if paired and not self._same_samples(a, b):
            return self._paired(a, b, confidence)
        if a not in self.estimates or b not in self.estimates:
            return Tested(self._difference(a, b, confidence), None)
        # on the scale of the test: the noise of each subject, and that of the reference they share
        first, second = self.estimates[a], self.estimates[b]
        reference, noises = first.reference - second.reference, [(first.noise, 1.0), (second.noise, -1.0)]
        # in the unit of the metric, to first order
        units = [self._unit(name) for name in (a, b)]
        raw = variance_of(first.reference * units[0] - second.reference * units[1])
        # references that differ are independent
        if first.scores.fingerprint != second.scores.fingerprint:
            noises += [(Noise(variance_of(each.reference), EXACT), 1.0) for each in (first, second)]
            reference = np.zeros(GROUPS)
            raw = sum(variance_of(e.reference * unit) for e, unit in zip((first, second), units, strict=True))
        contrast = Contrast(first.mean - second.mean, tuple(noises), reference)
        squared = [unit * unit for unit in units]
        noise = first.noise.variance * squared[0] + second.noise.variance * squared[1]
        sampling = first.sampling * squared[0] + second.sampling * squared[1]
        # the spread over seeds alone, where both have one
        training = None
        if first.spread is not None and second.spread is not None:
            seeds = [len(each.scores.values) for each in (first, second)]
            training = math.hypot(first.spread * units[0] / seeds[0] ** 0.5, second.spread * units[1] / seeds[1] ** 0.5)
        made = replace(
            self._with_errors(self._difference(a, b, confidence), contrast, noise + raw, sampling + raw),
            training_error=training,
            reference_error=math.sqrt(raw),
        )
        return self._checked(made, contrast, a, b)

    def _paired(self, a: str, b: str, confidence: float) -> Tested:
        """Return the difference of the seeds that both have, seed by seed and group by group."""
        results_a, results_b = matching_seeds(self.results[a], self.results[b])
        first, second = (SubjectScores.of(results, self.metric) for results in (results_a, results_b))
        # the same subjects, restricted to the seeds in common
        common = replace(self, results={a: results_a, b: results_b}, scores={a: first, b: second})
        if not (np.isfinite(first.values).all() and np.isfinite(second.values).all()):
            return Tested(common._difference(a, b, confidence), None)
        first, second = first.scaled(self.scale), second.scaled(self.scale)
        means = [each.values.mean() for each in (first, second)]
        common = replace(common, estimates=dict(zip((a, b), estimates([first, second]), strict=True)))
        # without the influence of the samples nothing is known about what is common
        if first.generated is None or second.generated is None:
            return common.tested(a, b, confidence=confidence)
        # the variance over seeds of the differences; it includes that of the generated samples
        # first the samples alone
        count = len(results_a)
        sampling = sum(variance_of(row) for row in first.generated - second.generated) / count**2
        noise = Noise(sampling, GROUPS - 1.0)
        if count > 1:
            over_seeds = float((first.values - second.values).var(ddof=1)) / count
            noise = Noise(max(over_seeds, sampling), count - 1.0)
        # rounding limits how exact a difference can be
        rounding = (1e-9 * max(map(abs, means), default=0.0)) ** 2
        noise = replace(noise, variance=max(noise.variance, rounding))
        contrast = Contrast(float(means[0] - means[1]), ((noise, 1.0),), first.mean_reference - second.mean_reference)
        # both values are close to each other, so one unit serves both
        unit = common._unit(b)
        unit *= unit
        raw = variance_of(contrast.reference) * unit
        made = common._with_errors(
            common._difference(a, b, confidence), contrast, noise.variance * unit + raw, sampling * unit + raw
        )
        return common._checked(replace(made, reference_error=math.sqrt(raw)), contrast, a, b)

    def _unit(self, name: str) -> float:
        """Return how much the metric changes per unit of the scale at a subject's mean."""
        slope = float(self.scale.slope(self.typical(name)))
        return 1 / slope if slope > 0 else math.inf

    def _difference(self, a: str, b: str, confidence: float) -> Difference:
        """Return the difference without its errors."""
        # everything that does not depend on the errors
        results = [*self.results[a], *self.results[b]]
        both = [self.scores[name] for name in (a, b)]
        finite = a in self.estimates and b in self.estimates
        counts = [result.generated.count for result in results if result.generated.count is not None]
        return Difference(
            a=a,
            b=b,
            metric=self.metric,
            better=self.better,
            means=(self.typical(a), self.typical(b)),
            seeds=(len(both[0].values), len(both[1].values)),
            error=None,
            sampling_error=None,
            training_error=None,
            reference_error=0.0,
            scale=self.scale,
            shift=self.estimates[a].mean - self.estimates[b].mean if finite else math.nan,
            shift_error=None,
            shift_reference=0.0,
            degrees=EXACT,
            margin=self.margin,
            conservative=any(each.reference is None for each in both),
            same_samples=self._same_samples(a, b),
            count=min(counts, default=None),
            fixed_count=any(result.benchmark is not None for result in results),
            confidence=confidence,
            differs=tuple(
                field
                for field in differing_fields([self.results[a][0], self.results[b][0]])
                if field not in self.allowed
            ),
        )

    def _with_errors(self, made: Difference, contrast: Contrast, total: float, sampling: float) -> Difference:
        """Add the errors; the variances ``total`` and ``sampling`` are in the squared unit of the metric."""
        # the degrees of freedom follow from those of each part
        reference = variance_of(contrast.reference)
        variances = [(noise.variance, noise.degrees) for noise, _ in contrast.noises]
        return replace(
            made,
            error=math.sqrt(total),
            sampling_error=math.sqrt(sampling),
            shift_error=math.sqrt(contrast.variance),
            shift_reference=math.sqrt(reference),
            degrees=satterthwaite([*variances, (reference, GROUPS - 1.0)]),
        )

    def _checked(self, made: Difference, contrast: Contrast, a: str, b: str) -> Tested:
        """Take the errors away if a subject has neither errors nor several seeds; equal samples do not differ."""
        # one value without an error says nothing
        if any(not self.scores[name].has_error and len(self.scores[name].values) < 2 for name in (a, b)):
            return Tested(replace(made, error=None, sampling_error=None, shift_error=None), None)
        return Tested(made, None if made.differs or made.same_samples else contrast)

    def _same_samples(self, a: str, b: str) -> bool:
        # samples without a fingerprint are unknown
        samples = [self.scores[name].samples for name in (a, b)]
        if samples[0] != samples[1] or "" in samples[0]:
            return False
        # one set of samples has one score; scores that differ were computed in other ways, or edited
        # rounding is small beside a score, or beside its error if the score is near 0
        values = [self.typical(name) for name in (a, b)]
        errors = [entry.error or 0.0 for name in (a, b) for entry in self.scores[name].entries]
        return math.isclose(*values, rel_tol=ROUNDING, abs_tol=ROUNDING * min(errors))


def difference(
    a: Result | Sequence[Result],
    b: Result | Sequence[Result],
    metric: str,
    *,
    confidence: float = 0.95,
    paired: bool = False,
    margin: str | float | None = None,
) -> Difference:
    """Return a minus b in one metric; several results of a subject are its training seeds, and copies count once.

    The means over seeds are compared on a scale that suits the metric (the logarithm of a distance, the logit of a
    share). The variance is the sum of three terms: one for each subject, and one for the reference they share. With two
    seeds or more, the spread over seeds takes the place of the error of the generated samples; a spread that is small
    by luck is raised. ``paired``: sample i of both subjects was drawn with the same seed, so that common noise of
    samples with equal index cancels, too. ``margin``: a difference that does not matter, such as ``"10%"``.

    If the protocols differ, there is no verdict, and ``differs`` lists the fields. Raises UsageError for an unknown
    metric, InputError if a result lacks the metric or if ``paired`` subjects do not match.
    """
    # copies and repeats count once
    results = [newest([subject] if isinstance(subject, Result) else subject) for subject in (a, b)]
    names = [each[0].name for each in results]
    # the same name twice: the second one gets a number
    labels = (names[0], names[1] if names[1] != names[0] else f"{names[1]} (2)")
    name = metric_name([*results[0], *results[1]], metric)
    subjects = ScoredSubjects.of(
        dict(zip(labels, results, strict=True)), name, None if margin is None else Margin.of(margin)
    )
    made = subjects.tested(*labels, confidence=confidence, paired=paired).difference
    return replace(made, a=names[0], b=names[1])


def corrected(tests: Sequence[Tested]) -> list[Difference]:
    """Return differences with p-values that hold together (step-down max-T); those without a test are not counted."""
    # only differences with a test count
    contrasts = [test.contrast for test in tests if test.contrast is not None]
    p_values = iter(step_down(contrasts))
    return [
        test.difference if test.contrast is None else replace(test.difference, adjusted=next(p_values))
        for test in tests
    ]


def matching_seeds(a: Sequence[Result], b: Sequence[Result]) -> tuple[list[Result], list[Result]]:
    """Return the results of both subjects at their common seeds, in the order of seeds.

    Raises InputError if there is no common seed, or if the numbers of samples differ.
    """
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
