"""The plan of a score: both sides and the metrics of each extractor, checked before the long work starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from genbench.benchmarks import Benchmark, open_benchmark
from genbench.derived_sources import Drawn
from genbench.errors import InputError, UsageError
from genbench.files.process_record import command_line, commit, software_used
from genbench.plugs.contract_checks import check_metric
from genbench.plugs.contracts import Metric
from genbench.plugs.registry import load
from genbench.results import Entry, Result
from genbench.scoring.copies import find_copies, train_warnings
from genbench.scoring.cost import Cost, cost_of
from genbench.scoring.evaluate_metrics import evaluate, usable_metrics
from genbench.scoring.independence import withhold
from genbench.scoring.label_sampling import recorded_labels, unused_labels
from genbench.scoring.metric_lists import NO_REFERENCE, metric_specs
from genbench.scoring.options import Options
from genbench.scoring.pair_places import with_places
from genbench.scoring.pairing import PAIRED, is_paired
from genbench.scoring.panel import PanelEvaluation, PanelPlan
from genbench.scoring.requirements import lacking_side, too_few_samples
from genbench.scoring.score_names import recorded_metric
from genbench.scoring.side_warnings import note_warnings, side_warnings
from genbench.scoring.sides import Sides, open_sides, takes_train
from genbench.scoring.slice_scores import require_same_planes

DEFAULT_METRICS = "fid,is,kid,pr,prdc,modes"
"""The metrics without ``--metrics``: each of these that the features and the reference allow."""

TRAIN_METRICS = "memorised,ct,authpct"
"""The further metrics without ``--metrics`` if training samples are given."""


@dataclass(frozen=True)
class Plan:
    """A score that is ready to be computed."""

    sides: Sides
    metrics: dict[str, list[Metric]]
    """The metrics by the name of their extractor."""
    left_out: tuple[str, ...]
    """One sentence about each default metric that too few samples rule out."""
    panel: PanelPlan | None
    benchmark: Benchmark | None
    started: float
    """Value of ``time.monotonic`` when the plan was made."""

    @staticmethod
    def make(
        subject: object, benchmark: str | Benchmark | None, options: Options, *, preferred: str | None = None
    ) -> Plan:
        """Open both sides, load the metrics and open the extractors; ``preferred`` is that of ``default_network``.

        Raises UsageError for names and options that do not exist or do not go together, InputError for samples that
        cannot be used, PlugError if a guest raises.
        """
        started = time.monotonic()
        recipe = None if benchmark is None else open_benchmark(benchmark)
        options = options.completed(recipe)
        sides = open_sides(subject, options, preferred=preferred)
        require_same_planes(sides.generated, {"reference": sides.rows or sides.moments, **sides.further})
        panel = PanelPlan.make(sides)
        if panel is not None and options.metrics is None:
            _require_used(options, panel, sides.default_extractor)
        metrics, left_out = _usable(sides, options) if panel is None or options.metrics is not None else ({}, ())
        # open the extractors now, so that a wrong name or option is reported at once
        _require_named_extractor(sides, metrics, panel)
        by_name: dict[str, str] = {}
        for extractor in list(metrics):
            first = by_name.setdefault(sides.extractor(extractor).name, extractor)
            # one extractor under two specs, as in pixels and pixels,size=16
            if first != extractor:
                metrics[first] += [metric for metric in metrics.pop(extractor) if metric not in metrics[first]]
        for extractor, own in metrics.items():
            sides.add_views(extractor, own)
        return Plan(sides, metrics, left_out, panel, recipe, started)

    def score(self) -> Result:
        """Compute the features, evaluate the metrics and return the result."""
        self._extract_together()
        entries, left_out = self._evaluated()
        # the panel has the same features
        panel = None if self.panel is None else self.panel.evaluate(self.sides)
        entries += [] if panel is None else panel.entries
        if not entries and left_out:
            raise InputError(f"No score can be computed: {'; '.join(left_out)}.")
        if not entries:
            raise UsageError(
                f"The features of {', '.join(self.metrics)} allow no metric without a reference; add --reference or "
                "--benchmark."
            )
        # scores that assume independent sides
        copies = find_copies(*self.sides.extracted(), drawn=isinstance(self.sides.generated, Drawn))
        copied, same = (bool(copies.copied), copies.same) if copies else (False, False)
        paired = not same and is_paired(*self.sides.extracted())
        entries, doubts, withheld = withhold(entries, paired=paired, copied=copied, same=same)
        doubts += [PAIRED] * paired
        # what a user should know
        about_copies = copies.warnings() if copies else []
        about_panel, advice = (panel.warnings, panel.hints) if panel else ([], [])
        result = self._record(entries, panel)
        return replace(
            result,
            warnings=_distinct(self._about_sides(), about_copies, doubts, _of_scores(entries), about_panel),
            hints=_distinct(self._hints(result.labels or ""), _left_out([*left_out, *withheld]), advice),
        )

    def _evaluated(self) -> tuple[list[Entry], list[str]]:
        """Return the scores of all metrics, and a sentence about each metric that is left out."""
        required = self.sides.options.metrics is not None
        found = [evaluate(self.sides, *of_extractor, required=required) for of_extractor in self.metrics.items()]
        left_out = [*self.left_out, *(sentence for one in found for sentence in one.left_out)]
        # a recipe holds metrics that only some samplers allow; what a user asks for is told if it is missing
        if required and self.benchmark is None:
            left_out += [sentence for one in found for sentence in one.empty]
        return with_places([entry for one in found for entry in one.entries], self.sides), left_out

    def _record(self, entries: Sequence[Entry], panel: PanelEvaluation | None) -> Result:
        """Return the result with everything that decides the numbers."""
        sides, options = self.sides, self.sides.options
        generated, reference = sides.sample_sets()
        extractors = [sides.extractor(name) for name in self._extractors()]
        given = "train" in sides.further
        placed = [(metric, sides.extractor(name).name) for name, some in self.metrics.items() for metric in some]
        metrics = [(recorded_metric(metric, train=given), extractor) for metric, extractor in placed]
        metrics += [] if panel is None else [(repr(panel.recorded), "")]
        backends = {extractor.name: getattr(extractor, "computed_by", "") for extractor in extractors}
        return Result(
            name=options.name or generated.name,
            scores=tuple(entries),
            generated=generated,
            reference=reference,
            train=sides.further_sets().get("train"),
            floor=None if panel is None else panel.floor,
            benchmark=str(self.benchmark) if self.benchmark else None,
            metrics=tuple(metric for metric, _ in metrics),
            metric_extractors=tuple(extractor for _, extractor in metrics),
            extractors={extractor.name: extractor.identity for extractor in extractors},
            backends={name: str(backend) for name, backend in backends.items() if backend},
            labels=recorded_labels(sides.generated, sides.extracted()[0].label),
            seed=options.seed,
            device=sides.device,
            batch_size=options.batch_size,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self.started, 3),
            versions=software_used(),
            command=command_line(),
            commit=commit(),
        )

    def _about_sides(self) -> list[str]:
        """Return the warnings about the samples of all sides, after their features were computed."""
        # what was left out, notes of the sources, and training samples in the wrong place
        sides = self.sides
        return [
            *side_warnings(*sides.sample_sets(), sides.further_sets()),
            *note_warnings([sides.generated, sides.rows, *sides.further.values()]),
            *train_warnings(sides.extracted_with_train()),
        ]

    def _hints(self, labels: str) -> list[str]:
        """Return sentences about what the user may want to add; ``labels`` is the recorded label rule."""
        sides, options = self.sides, self.sides.options
        without_reference = options.metrics is None and sides.rows is None and sides.moments is None
        hints = [*sides.hints, *([NO_REFERENCE] if without_reference else [])]
        # rules about labels that have no effect, or another one than that of published numbers
        hints += [] if self.benchmark else unused_labels(sides.generated, options.labels)
        return hints + ([] if sides.named is None else sides.named.label_hints(labels))

    def share(self) -> None:
        """Compute this rank's part of the features and put it into the store; rank 0 calls ``score`` instead."""
        self._extract_together()

    def cost(self) -> Cost:
        """Return the expected cost of ``score``; one batch of each side is extracted and timed."""
        # the distance of a panel needs the same views as a metric
        panel = self._panel_extractors()
        own = [] if self.panel is None else [self.panel.metric]
        metrics = {name: [*self.metrics.get(name, ()), *(own if name in panel else ())] for name in self._extractors()}
        return cost_of(self.sides, metrics, floor=panel)

    def _extract_together(self) -> None:
        """Extract each side by all its extractors in one pass, so that every image is decoded once."""
        panel, sides = self._panel_extractors(), self.sides
        sides.extract("generated", self._extractors())
        # a metric that its features do not allow needs no other side
        usable = {name: usable_metrics(sides, name, metrics) for name, metrics in self.metrics.items()}
        compared = [name for name, metrics in usable.items() if any(map(sides.needs_rows, metrics))]
        sides.extract("reference", list(dict.fromkeys([*compared, *panel])))
        if "train" in sides.further:
            sides.extract("train", [name for name, metrics in usable.items() if any(map(takes_train, metrics))])
        sides.extract("floor", panel)

    def _extractors(self) -> list[str]:
        """Return the extractors of all metrics and of the panel, each once."""
        return list(dict.fromkeys([*self.metrics, *self._panel_extractors()]))

    def _panel_extractors(self) -> list[str]:
        return [] if self.panel is None else list(self.panel.extractors)


def _require_used(options: Options, panel: PanelPlan, network: str) -> None:
    """Raise UsageError for options that a panel without metrics does not read; ``network`` has weights and precision.

    A score that silently ignores an option is taken for one that followed it.
    """
    if options.train is not None:
        raise UsageError(f"A panel reads no training samples: add --metrics {TRAIN_METRICS}, or leave out --train.")
    if options.features is not None:
        raise UsageError("A panel names its extractors: add --metrics for that of --features, or leave it out.")
    # these options are those of one network
    has_network = network in [spec.partition(",")[0] for spec in panel.extractors]
    for name in ("weights", "precision", "backend"):
        if getattr(options, name) is not None and not has_network:
            raise UsageError(f"--{name} applies to {network}, which {panel.panel.name!r} does not have; leave it out.")


def _usable(sides: Sides, options: Options) -> tuple[dict[str, list[Metric]], tuple[str, ...]]:
    """Return the metrics by the name of their extractor, and a sentence about each that too few samples rule out.

    Default metrics that cannot be computed are left out. Raises UsageError or InputError for metrics that were asked
    for, and if no metric is left.
    """
    asked = options.metrics is not None
    metrics: dict[str, list[Metric]] = {}
    left_out = []
    # the default metrics depend on the sides that are given
    defaults = DEFAULT_METRICS if options.train is None else f"{DEFAULT_METRICS},{TRAIN_METRICS}"
    for spec in metric_specs(options.metrics or defaults):
        metric: Metric = load("metrics", replace(spec, extractor=None))
        check_metric(metric, spec.name)
        lacking = lacking_side(sides, metric)
        if lacking and asked:
            raise UsageError(f"{spec.name!r} {lacking}")
        few = "" if lacking else too_few_samples(sides, metric)
        if few and asked:
            raise InputError(f"{spec.name!r} {few}; give more samples, or change its options.")
        if few:
            left_out.append(f"{spec.name!r} {few}")
        if lacking or few:
            continue
        # some metrics are defined by one extractor
        for extractor in _extractors(spec.extractor or getattr(metric, "extractor", None), sides):
            # a metric may be named twice, as in fid,fd
            if metric not in metrics.get(extractor, ()):
                metrics.setdefault(extractor, []).append(metric)
    if not metrics:
        raise InputError(f"No score can be computed: {'; '.join(left_out)}; give more samples.")
    if options.train is not None and not any(takes_train(metric) for some in metrics.values() for metric in some):
        raise UsageError(f"None of the metrics reads the training samples: add {TRAIN_METRICS}, or leave out --train.")
    return metrics, tuple(left_out)


def _require_named_extractor(sides: Sides, metrics: dict[str, list[Metric]], panel: PanelPlan | None) -> None:
    """Raise UsageError if statistics by name are compared with the features of another extractor."""
    if sides.named is None or sides.moments is None:
        return
    # a panel compares with the moments if the reference has no samples
    compared = [] if panel is None or sides.rows is not None else list(panel.extractors)
    compared += [name for name, each in metrics.items() if any(metric.reference == "moments" for metric in each)]
    for extractor in compared:
        sides.named.require_extractor(sides.extractor(sides.default_extractor), sides.extractor(extractor))


def _extractors(named: str | None, sides: Sides) -> list[str]:
    """Return the extractors in whose features a metric is evaluated."""
    # several resizes multiply the metrics that do not name an extractor
    resizes = sides.options.resizes
    if resizes is None or named is not None:
        return [named or sides.default_extractor]
    return [f"inception,resize={resize.strip()}" for resize in resizes.split(",")]


def _of_scores(entries: Sequence[Entry]) -> list[str]:
    return [str(entry.detail["warning"]) for entry in entries if entry.detail.get("warning")]


def _left_out(reasons: Sequence[str]) -> list[str]:
    return [f"Left out: {reason.rstrip('.')}." for reason in reasons]


def _distinct(*sentences: Sequence[str]) -> tuple[str, ...]:
    """Return all sentences, each once."""
    return tuple(dict.fromkeys(sentence for some in sentences for sentence in some))
