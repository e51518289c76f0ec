"""Plan a comparison: how many seeds and samples show a difference, what that costs, and which of the two to buy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
from scipy.special import nctdtr, ndtri, stdtrit

from genbench.comparison.chosen_scores import deciding, main_metric
from genbench.comparison.comparability import require_comparable
from genbench.comparison.differences import ADVISED_POWER
from genbench.comparison.estimates import Estimate, moderate
from genbench.comparison.group_by_subject import by_subject, metric_name, newest, read_subjects
from genbench.comparison.margins import Margin
from genbench.comparison.scored_subjects import ScoredSubjects
from genbench.comparison.subject_scores import variance_of
from genbench.errors import InputError, UsageError
from genbench.results import Result

LEVEL = 0.05
MOST_SEEDS = 1000
COUNTS = tuple(round(10 ** (power / 8)) for power in range(16, 49))
"""Numbers of samples among which the cheapest is chosen: 100 to 1,000,000."""

PRIOR_COUNT = 50_000
"""Number of samples for which the published values hold."""
PRIOR_RATIO = 3.2
"""Retraining moves FID this many times as much as resampling (FID Lottery, arXiv 2606.20536)."""
PRIOR_GAP = 0.013
"""Below this relative gap of FID one run of each method says nothing (same source)."""
PRIOR_ERROR = PRIOR_GAP / (float(ndtri(1 - LEVEL / 2)) * math.sqrt(2 * (1 + PRIOR_RATIO**2)))
"""Relative standard error of sampling that both values imply."""


@dataclass(frozen=True)
class Design:
    """One way to show the difference."""

    seeds: int
    """Training seeds a side."""
    count: int
    """Samples of each seed."""
    seconds: float | None
    """Time for both sides, training and scoring; None if unknown."""


@dataclass(frozen=True)
class StudyPlan:
    """What a difference needs. Variances are those of the logarithm of the score, or on its scale."""

    metric: str
    difference: str
    """The difference to be shown, as it was given."""
    shift: float
    """The difference on the scale."""
    seed_variance: float
    """Between trainings, without the noise of the samples."""
    sample_variance: float
    """Of one seed's score at ``count`` samples; it falls as 1 / count."""
    reference_variance: float
    """Of a difference, due to the reference; neither seeds nor samples reduce it."""
    count: int
    seeds_by: str
    """Where ``seed_variance`` comes from."""
    training_seconds: float | None
    """Time of one training; None if unknown."""
    sample_seconds: float | None
    """Time to draw and score one sample; None if unknown."""
    fixed_count: bool = False
    """Whether a benchmark fixes the number of samples."""
    unit: float = 1.0
    """How much the score changes per unit of the scale, relative to its value; absolute if ``is_share``."""
    is_share: bool = False
    """Whether differences are absolute: the score is a share, or its median is 0."""

    def variance(self, seeds: int, count: int) -> float:
        """Return the variance of a difference of two methods."""
        # both components of one run fall with the number of runs, and only one with the number of samples
        own = self.seed_variance + self.sample_variance * self.count / count
        return 2 * own / seeds + self.reference_variance

    def power(self, seeds: int, count: int) -> float:
        """Return the probability that a two-sided t-test at 5 % shows the difference."""
        # noncentral t, whose degrees of freedom are those of both sides
        error, degrees = math.sqrt(self.variance(seeds, count)), 2.0 * (seeds - 1)
        if error == 0:
            return 1.0
        return 1 - float(nctdtr(degrees, self.shift / error, stdtrit(degrees, 1 - LEVEL / 2)))

    def design(self, count: int | None = None) -> Design | None:
        """Return the smallest number of seeds that shows the difference; None if no number does."""
        count = count or self.count
        # the power grows with the number of seeds
        few, many = 1, MOST_SEEDS
        if self.power(many, count) < ADVISED_POWER:
            return None
        while many - few > 1:
            middle = (few + many) // 2
            few, many = (few, middle) if self.power(middle, count) >= ADVISED_POWER else (middle, many)
        return Design(many, count, self._seconds(many, count))

    @property
    def cheapest(self) -> Design | None:
        """The design that takes the least time; None if times are unknown, or if the number of samples is fixed."""
        if self.fixed_count or self.training_seconds is None or self.sample_seconds is None:
            return None
        # a few dozen numbers of samples are close enough to the best one
        designs = [design for count in COUNTS if (design := self.design(count)) is not None]
        return min(designs, key=lambda design: design.seconds or 0.0, default=None)

    @property
    def checkpoint_count(self) -> int | None:
        """Samples with which two checkpoints that differ so much are told apart; None if no number is enough."""
        needed = (self.shift / (ndtri(1 - LEVEL / 2) + ndtri(ADVISED_POWER))) ** 2 - self.reference_variance
        return None if needed <= 0 else math.ceil(2 * self.sample_variance * self.count / needed)

    @property
    def smallest_shift(self) -> float:
        """The smallest difference on the scale that is significant with one run each at ``count``."""
        return float(ndtri(1 - LEVEL / 2)) * math.sqrt(self.variance(1, self.count))

    @property
    def seed_share(self) -> float:
        """Share of the reducible variance that is due to training."""
        total = self.seed_variance + self.sample_variance
        return self.seed_variance / total if total else 0.0

    def _seconds(self, seeds: int, count: int) -> float | None:
        if self.training_seconds is None or self.sample_seconds is None:
            return None
        return 2 * seeds * (self.training_seconds + count * self.sample_seconds)


def plan(
    pilot: str | Path | Sequence[Result] | None = None,
    *,
    difference: str | float = "10%",
    metric: str | None = None,
    count: int | None = None,
) -> StudyPlan:
    """Plan how to show that two methods differ by ``difference`` with 80 % power in a two-sided test at 5 %.

    ``pilot``: a file of results or a list of them, such as a leaderboard; the spread over training seeds and the errors
    of its trained subjects give the two components of the variance. Without a pilot, published values for FID are used;
    the published ratio is used for the spread over seeds if no subject has two. ``difference``: in percent, or in the
    unit of the metric, at the median of the subjects. ``metric``: by default the main one of the benchmark. ``count``:
    samples of each seed; by default as in the pilot. Raises InputError if the pilot has no usable errors or mixes
    protocols, UsageError for a wrong option.
    """
    # check the options before the files
    margin = Margin.of(difference, "--difference")
    if margin.amount == 0:
        raise UsageError("--difference is 0, which nothing can show; give, for example, 10%.")
    if count is not None and count < 1:
        raise UsageError(f"--count must be 1 or more, not {count}.")
    # a pilot beats published values
    if pilot is not None:
        subjects = read_subjects(pilot) if isinstance(pilot, (str, Path)) else by_subject(pilot)
        return _from_pilot(subjects, margin, metric, count)
    if not margin.relative or metric is not None:
        raise UsageError("Without a pilot the plan is for FID in percent; give --difference 5%, or a file of results.")
    # the published components hold for FID at 50,000 samples
    sampling = PRIOR_ERROR**2
    chosen = count or PRIOR_COUNT
    return StudyPlan(
        metric="fid",
        difference=str(margin),
        shift=math.log1p(margin.amount),
        seed_variance=PRIOR_RATIO**2 * sampling,
        sample_variance=sampling * PRIOR_COUNT / chosen,
        reference_variance=0.0,
        count=chosen,
        seeds_by="published values",
        training_seconds=None,
        sample_seconds=None,
    )


def _from_pilot(
    subjects: Mapping[str, list[Result]], margin: Margin, metric: str | None, count: int | None
) -> StudyPlan:
    # one metric of one protocol
    everything = [result for results in subjects.values() for result in results]
    require_comparable(everything)
    name = deciding(everything, main_metric(everything) if metric is None else metric_name(everything, metric))
    # real samples and noise are not trained, and vary less than models do
    having = {
        # a result with other metrics besides is a repeat, and not another training seed
        label: newest(results, one_protocol=True)
        for label, results in subjects.items()
        if all(name in _names(one) for one in results)
    }
    trained = {label: results for label, results in having.items() if all(map(_is_trained, results))}
    scored = ScoredSubjects.of(trained or having, name)
    found = [estimate for estimate in scored.estimates.values() if estimate.scores.has_error]
    if not found:
        raise InputError(
            f"The pilot has no {name} with an error, so its variance is unknown; score it with this version."
        )
    # the components of a typical subject
    sampling = float(np.median([estimate.scores.variances.mean() for estimate in found]))
    between, seeds_by = _between_trainings(found, sampling)
    pilot_count = int(np.median([result.generated.count or 0 for result in everything]))
    if pilot_count == 0:
        raise InputError("The pilot does not say how many samples it has; score it with this version.")
    # the error of sampling is converted to the planned number of samples
    chosen = count or pilot_count
    # the difference is meant at the median of the subjects
    middle = float(scored.scale.back(np.median([estimate.mean for estimate in found])))
    # 0 has no percentages
    absolute = scored.scale.kind == "logit" or middle == 0
    return StudyPlan(
        metric=name,
        difference=str(margin),
        shift=_shift(margin, scored, middle),
        seed_variance=between,
        sample_variance=sampling * pilot_count / chosen,
        reference_variance=_of_reference(found),
        count=chosen,
        seeds_by=seeds_by,
        training_seconds=_mean([one.training.seconds for one in everything if one.training and _is_trained(one)]),
        sample_seconds=_mean([one.seconds / one.generated.count for one in everything if one.generated.count]),
        fixed_count=everything[0].benchmark is not None,
        unit=1 / float(scored.scale.slope(middle)) / (1.0 if absolute else abs(middle)),
        is_share=absolute,
    )


def _shift(margin: Margin, scored: ScoredSubjects, middle: float) -> float:
    """Return the difference on the scale. Raises UsageError if it is 0 or reaches beyond the scale on both sides."""
    # near the end of a scale one direction only can be reached
    shift = min(margin.limits(scored.scale, middle))
    if shift == 0 or not math.isfinite(shift):
        raise UsageError(
            f"--difference: {margin} at the median {scored.metric} of the pilot, {middle:.4g}, is no difference that "
            "can be shown; give a smaller or larger number in the unit of the score."
        )
    return shift


def _between_trainings(found: Sequence[Estimate], sampling: float) -> tuple[float, str]:
    """Return the variance between trainings that the noise of the samples does not explain, and where it comes from."""
    spreads = [(estimate.spread**2, len(estimate.scores.values)) for estimate in found if estimate.spread is not None]
    if not spreads:
        return PRIOR_RATIO**2 * sampling, "the published ratio to sampling"
    variances, counts = (np.array(column, np.float64) for column in zip(*spreads, strict=True))
    return max(moderate(variances, counts).center - sampling, 0.0), "the pilot"


def _of_reference(found: Sequence[Estimate]) -> float:
    """Return the variance that the reference adds to a difference of two similar methods."""
    # two seeds of one method are as similar as the methods whose difference is to be shown
    seeds = [each.scores.reference for each in found if each.scores.reference is not None and each.spread is not None]
    pairs = [variance_of(rows[a] - rows[b]) for rows in seeds for a, b in combinations(range(len(rows)), 2)]
    if not pairs:
        # neighbours in the ranking
        ordered = sorted(found, key=lambda estimate: estimate.mean)
        pairs = [variance_of(a.reference - b.reference) for a, b in pairwise(ordered)]
    return float(np.median(pairs)) if pairs else 0.0


def _names(result: Result) -> set[str]:
    return {entry.name for entry in result.scores}


def _is_trained(result: Result) -> bool:
    return result.training is not None and result.training.steps is not None


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
