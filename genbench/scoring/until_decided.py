"""Score a subject until its samples decide whether it is worse than a baseline: no more samples than needed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genbench.benchmarks import Benchmark
from genbench.comparison.deciding_scores import LEAST_ROWS, DecidingScore, deciding_score
from genbench.comparison.gate_checks import Check
from genbench.comparison.group_by_subject import by_subject, read_subjects
from genbench.comparison.sequential import Measured, SequentialRecord, judged, look_counts
from genbench.comparison.sequential_checks import LookedAt
from genbench.errors import InputError, UsageError, did_you_mean, number_of
from genbench.files.progress_bar import tell
from genbench.plugs.contracts import Metric
from genbench.plugs.registry import load
from genbench.results import Result
from genbench.scoring.growing_score import GrowingScore
from genbench.scoring.options import Options
from genbench.scoring.plan import Plan

UNLIMITED = 10**9
"""Number of samples of a sampler without a largest number."""
LEAST_OWN = 0.01
"""Share of the variance that more samples can reduce; below it, more samples do not decide."""


@dataclass(frozen=True)
class Until:
    """When to stop: as soon as the samples decide whether the subject is worse than the baseline allows.

    The score that decides must not depend on the number of samples: a debiased distance, KID, or a share. It is looked
    at after growing numbers of samples; all looks together keep both error rates at ``1 - confidence`` (Lan and DeMets
    1983).
    """

    against: str | Path | Result | Sequence[Result] | object
    """The baseline: a file of results or results, or samples or a sampler, which is then scored in the same looks."""
    metric: str | None = None
    """Score that decides; None chooses one that the baseline has."""
    max_increase: str | float | None = None
    """How much worse the subject may be, as in ``gate``; None means the margin of the benchmark, or 10 %."""
    max_count: float | None = None
    """Largest number of samples. None: that of the benchmark or of the reference, or all samples of a folder.
    ``math.inf``: a sampler goes on until it is decided; the looks then need more samples (a confidence sequence)."""
    confidence: float = 0.95
    paired: bool = False
    """Sample i of both sides was drawn with the same seed; only for a baseline that is scored in the same looks."""


@dataclass(frozen=True)
class DecidedScore:
    """The result at the last look, and the decision."""

    result: Result
    """The scores of all samples that were looked at; ``result.decision`` is the record as plain data."""
    record: SequentialRecord
    check: Check | None
    """The check of the last look, with the outcome of the decision; None on other ranks than 0."""


@dataclass
class _Baseline:
    """The results to compare with: the same at every look, or those of a subject that is scored in the same looks."""

    results: list[Result]
    growing: GrowingScore | None = None

    @staticmethod
    def open(until: Until, benchmark: str | Benchmark | None, options: Options) -> _Baseline:
        """Read results, or plan the score of samples or of a sampler. Raises InputError if no subject matches."""
        against = [until.against] if isinstance(until.against, Result) else until.against
        in_file = isinstance(against, (str, Path)) and str(against).endswith((".jsonl", ".json"))
        in_list = isinstance(against, (list, tuple)) and bool(against) and isinstance(against[0], Result)
        if until.paired and (in_file or in_list):
            raise UsageError(
                "--paired compares sample by sample at every look, so the baseline must be scored in the same "
                "looks: give its sampler or its samples with --against, and no results."
            )
        if isinstance(against, (list, tuple)) and in_list:
            return _Baseline(_one_subject(by_subject(against), options.name, "the baseline"))
        if isinstance(against, (str, Path)) and in_file:
            return _Baseline(_one_subject(read_subjects(against), options.name, str(against)))
        plan = Plan.make(against, benchmark, replace(options, name=None))
        return _Baseline([], GrowingScore.of(plan, until.max_count))

    def seen(self) -> list[Result]:
        """Return results that show which scores the baseline has."""
        if self.growing is None:
            return self.results
        most = self.growing.most or UNLIMITED
        seen = self.growing.first(min(LEAST_ROWS, most))
        # a debiased distance exists from two samples per dimension on
        wanted = min(2 * max((int(entry.detail.get("dimensions") or 0) for entry in seen.scores), default=0), most)
        return [seen if wanted <= LEAST_ROWS else self.growing.first(wanted)]

    def require_pairs(self, growing: GrowingScore) -> None:
        """Raise UsageError if sample i of both sides cannot belong together."""
        assert self.growing is not None
        rows = [None if each.order is None else len(each.order) for each in (growing, self.growing)]
        if rows[0] != rows[1]:
            subject, baseline = ("a sampler" if each is None else number_of(each, "samples") for each in rows)
            raise UsageError(
                f"--paired needs two samplers, or equal numbers of samples on both sides; the subject is {subject} and "
                f"the baseline {baseline}. Leave out --paired."
            )

    def at(self, count: int, metrics: dict[str, list[Metric]]) -> list[Result]:
        """Return the results to compare ``count`` samples with."""
        return self.results if self.growing is None else [self.growing.first(count, metrics)]


def score_until(subject: object, benchmark: str | Benchmark | None, options: Options, until: Until) -> DecidedScore:
    """Score the first samples of a subject, look, and go on until the looks decide or the samples end.

    Several processes (``options.ranks``) share the extraction, and rank 0 decides for all. Raises
    UsageError for a score that depends on the number of samples, and for a largest number below the first look;
    InputError if the baseline does not fit.
    """
    # a baseline of a benchmark is compared in that benchmark
    baseline = _Baseline.open(until, benchmark, _counted_options(options, benchmark, until))
    seen = baseline.seen()
    if benchmark is None and options.reference is None and baseline.growing is None:
        benchmark = (seen[0].benchmark or "").partition("@")[0] or None
    growing_count = None if baseline.growing is None else baseline.growing.most
    known = until.max_count or options.count or growing_count or seen[0].generated.count
    deciding = deciding_score(seen, until.metric, None if known is None or known == math.inf else int(known))
    looked_at = LookedAt(
        deciding.name, until.max_increase, until.confidence, until.paired, baseline.growing is not None
    )
    # before anything is drawn
    if baseline.growing is None:
        looked_at.require_margin(seen)
        _require_reference(seen[0], benchmark, options)
    # without a recipe, the deciding score and FID are computed in the features of the baseline
    completed = _counted_options(options, benchmark, until)
    if benchmark is None and options.metrics is None:
        features = options.features or deciding.extractor
        completed = replace(completed, metrics=f"{deciding.spec},fid", features=features)
    growing = GrowingScore.of(Plan.make(subject, benchmark, completed), until.max_count)
    if until.paired:
        baseline.require_pairs(growing)
    if growing.most is not None and deciding.first_look > growing.most:
        raise UsageError(
            f"{deciding.name} needs {deciding.first_look:,} samples at its first look, but there are only "
            f"{growing.most:,}; give more, or decide by another score with --metric."
        )
    return _Looks(growing, baseline, deciding, until, looked_at).decided()


class _Looks:
    """The looks so far."""

    def __init__(
        self, growing: GrowingScore, baseline: _Baseline, deciding: DecidingScore, until: Until, comparison: LookedAt
    ) -> None:
        self.growing, self.baseline, self.deciding, self.until = growing, baseline, deciding, until
        self.comparison = comparison
        self.measured: list[Measured] = []

    def decided(self) -> DecidedScore:
        """Look until a look decides, or until there are no more samples."""
        metrics, most = self._metrics(), self.growing.most
        for count in look_counts(self.deciding.first_look, most):
            record, check = self._looked(count, metrics)
            if record.outcome != "undecided" or count == most or _hopeless(record):
                break
        # everything else is scored once, at the end
        result = replace(self.growing.first(count), decision=record.to_dict())
        if check is not None:
            check = _final(replace(check, seconds=result.seconds), record)
        return DecidedScore(result, record, check)

    def _looked(self, count: int, metrics: dict[str, list[Metric]]) -> tuple[SequentialRecord, Check | None]:
        """Look at the first samples; rank 0 measures and judges, and tells the other ranks."""
        ranks, growing = self.growing.plan.sides.options.ranks, self.baseline.growing
        if ranks is not None and ranks.rank > 0:
            for each in filter(None, (self.growing, growing)):
                each.planned(count, metrics).share()
            told = ranks.exchange(f"look at {count}", "")[0]
            return SequentialRecord.from_dict(json.loads(told)), None
        result = self.growing.first(count, metrics)
        baseline = self.baseline.at(count, metrics)
        same = self._covers(count, {each.generated.fingerprint for each in baseline})
        measured, check = self.comparison.measured(result, baseline, same_samples=same)
        self.measured.append(measured)
        record = self._record()
        if self.growing.plan.sides.options.progress is not False:
            tell(_line(record))
        if ranks is not None:
            ranks.exchange(f"look at {count}", json.dumps(record.to_dict()))
        return record, check

    def _covers(self, count: int, fingerprints: set[str]) -> bool:
        """Whether the first ``count`` samples are all of those with the fingerprints, in another order."""
        growing = self.growing
        if self.baseline.growing is not None or growing.order is None or count < len(growing.order):
            return False
        return fingerprints == {growing.fingerprint}

    def _metrics(self) -> dict[str, list[Metric]]:
        """Return only the metric that gives the deciding score."""
        wanted = self.deciding.spec
        metric: Metric = load("metrics", wanted)
        plan = self.growing.plan
        for extractor, metrics in plan.metrics.items():
            named = "@" not in self.deciding.name or plan.sides.extractor(extractor).name == self.deciding.extractor
            # the plan's own metric, with the options that it was given
            found = [each for each in metrics if type(each) is type(metric) and _alike(each, metric)]
            if named and found:
                return {extractor: found[:1]}
        raise UsageError(
            f"The score {self.deciding.name} decides, but it is not among the metrics; add {wanted} to --metrics."
        )

    def _record(self) -> SequentialRecord:
        looks = tuple(judged(self.measured, self.growing.most, 1 - self.until.confidence))
        return SequentialRecord(
            statistic=self.deciding.name,
            baseline=self.baseline.results[0].name if self.baseline.results else str(self.until.against),
            margin="" if self.until.max_increase is None else str(self.until.max_increase),
            confidence=self.until.confidence,
            max_count=self.growing.most,
            outcome=looks[-1].outcome,
            looks=looks,
        )


def _hopeless(record: SequentialRecord) -> bool:
    """Whether nearly all of the error stays, however many samples are drawn; only without a largest number."""
    last = record.looks[-1].measured
    return record.max_count is None and last.own_error**2 < LEAST_OWN * last.error**2


def _final(check: Check, record: SequentialRecord) -> Check:
    """Return the check of the last look with the outcome of the record, how it came about, and what would decide."""
    # the same samples pass for that reason
    if check.difference is not None and check.difference.same_samples and record.outcome == "passed":
        return replace(check, outcome="passed", reason="the same samples")
    check = replace(check, outcome=record.outcome)
    needed = f"; {check.decided_by} would decide" if check.decided_by else ""
    return replace(check, reason=f"{_how(record)}{needed}")


def _how(record: SequentialRecord) -> str:
    """Return how the looks decided, as words."""
    looks, count = len(record.looks), record.looks[-1].measured.count
    if record.outcome != "undecided":
        return f"decided at {'the first look' if looks == 1 else f'look {looks}'}, {number_of(count, 'samples')}"
    after = f"still undecided after {number_of(looks, 'looks')}"
    if record.max_count is None:
        return f"{after}; the error of the baseline is too large to decide; score it with more samples"
    return f"{after}; the limit of {number_of(record.max_count, 'samples')} is reached"


def _line(record: SequentialRecord) -> str:
    """Return the last look as one line."""
    last = record.looks[-1]
    return (
        f"look {len(record.looks)}, {number_of(last.measured.count, 'samples')}: {record.statistic} "
        f"{last.measured.value:.4g}, {last.z:+.2f} errors from the margin ({last.critical:.2f} decide): {last.outcome}"
    )


def _require_reference(baseline: Result, benchmark: str | Benchmark | None, options: Options) -> None:
    """Raise UsageError if the baseline has a reference and the subject would have none."""
    if benchmark is None and options.reference is None and baseline.reference is not None:
        name = baseline.reference.name
        raise UsageError(f"The baseline was scored against {name}; add --reference {name}.")


def _counted_options(options: Options, benchmark: str | Benchmark | None, until: Until) -> Options:
    """Return the options with the largest number of samples, which a benchmark fixes itself."""
    if benchmark is not None or options.count is not None or until.max_count is None:
        return options
    return replace(options, count=UNLIMITED if until.max_count == math.inf else int(until.max_count))


def _one_subject(subjects: Mapping[str, list[Result]], name: str | None, where: str) -> list[Result]:
    """Return the only subject, or the one of that name."""
    if len(subjects) == 1:
        return next(iter(subjects.values()))
    if name is not None and name in subjects:
        return subjects[name]
    raise InputError(
        f"{where} holds {number_of(len(subjects), 'subjects')} ({', '.join(subjects)}); choose one with "
        f"--name{did_you_mean(name or '', subjects)}"
    )


def _alike(metric: Metric, other: Metric) -> bool:
    """Whether two metrics of one class give scores of the same names."""
    return all(
        getattr(metric, option, None) == getattr(other, option, None) for option in ("components", "limit", "view")
    )
