"""The plan of a score: both sides and the metrics of each extractor, checked before the long work starts."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from importlib.metadata import version

from genbench.benchmarks import Benchmark, open_benchmark
from genbench.errors import UsageError
from genbench.plugs.contract_checks import check_metric
from genbench.plugs.contracts import Metric
from genbench.plugs.registry import load
from genbench.plugs.specs import parse_specs
from genbench.results import Entry, Result, SampleSet
from genbench.scoring.cost import Cost, cost_of
from genbench.scoring.evaluate_metrics import evaluate, usable_metrics
from genbench.scoring.options import Options
from genbench.scoring.score_names import recorded_metric
from genbench.scoring.sides import Sides, open_sides

DEFAULT_METRICS = "fid,is,kid,pr,prdc,modes"
"""The metrics without ``--metrics``: each of these that the features and the reference allow."""

NO_REFERENCE = (
    "Without a reference only the Inception Score can be computed: add --reference (a folder of real images, their "
    "statistics, or a data set) for FID, KID, precision and recall."
)


@dataclass(frozen=True)
class Plan:
    """A score that is ready to be computed."""

    sides: Sides
    metrics: dict[str, list[Metric]]
    """The metrics by the name of their extractor."""
    benchmark: Benchmark | None
    started: float
    """Value of ``time.monotonic`` when the plan was made."""

    @staticmethod
    def make(subject: object, benchmark: str | Benchmark | None, options: Options) -> Plan:
        """Open both sides, load the metrics and open the extractors.

        Raises UsageError for names and options that do not exist or do not go together, InputError for samples that
        cannot be used, PlugError if a guest raises.
        """
        started = time.monotonic()
        recipe = None if benchmark is None else open_benchmark(benchmark)
        options = options.completed(recipe)
        sides = open_sides(subject, options)
        # default metrics that cannot be computed are left out; metrics that were asked for raise
        metrics: dict[str, list[Metric]] = {}
        for spec in parse_specs(options.metrics or DEFAULT_METRICS):
            metric: Metric = load("metrics", replace(spec, extractor=None))
            check_metric(metric, spec.name)
            lacking = sides.lacks(metric)
            if lacking and options.metrics is not None:
                raise UsageError(f"{spec.name!r} {lacking}")
            for extractor in _extractors(spec.extractor, sides):
                # a metric may be named twice, as in fid,fd
                if not lacking and metric not in metrics.get(extractor, ()):
                    metrics.setdefault(extractor, []).append(metric)
        # open the extractors now, so that a wrong name or option is reported at once
        by_name: dict[str, str] = {}
        for extractor in list(metrics):
            first = by_name.setdefault(sides.extractor(extractor).name, extractor)
            # one extractor under two specs, as in pixels and pixels,size=16
            if first != extractor:
                metrics[first] += [metric for metric in metrics.pop(extractor) if metric not in metrics[first]]
        return Plan(sides, metrics, recipe, started)

    def score(self) -> Result:
        """Compute the features, evaluate the metrics and return the result."""
        self._extract_resizes()
        entries = [
            entry for extractor, metrics in self.metrics.items() for entry in evaluate(self.sides, extractor, metrics)
        ]
        if not entries:
            raise UsageError(
                f"The features of {', '.join(self.metrics)} allow no metric without a reference; add --reference or "
                "--benchmark."
            )
        # everything that decides the numbers goes into the record
        sides, options = self.sides, self.sides.options
        generated, reference = sides.sample_sets(next(iter(self.metrics)))
        extractors = [sides.extractor(name) for name in self.metrics]
        backends = {extractor.name: getattr(extractor, "computed_by", "") for extractor in extractors}
        without_reference = options.metrics is None and sides.rows is None and sides.moments is None
        return Result(
            name=options.name or generated.name,
            scores=tuple(entries),
            generated=generated,
            reference=reference,
            benchmark=str(self.benchmark) if self.benchmark else None,
            metrics=tuple(recorded_metric(metric) for metrics in self.metrics.values() for metric in metrics),
            extractors={extractor.name: extractor.identity for extractor in extractors},
            backends={name: str(backend) for name, backend in backends.items() if backend},
            seed=options.seed,
            device=sides.device,
            batch_size=options.batch_size,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self.started, 3),
            versions=_versions(),
            warnings=_warnings(entries, generated, reference),
            hints=(NO_REFERENCE,) if without_reference else (),
        )

    def share(self) -> None:
        """Compute this rank's part of the features and put it into the store; rank 0 calls ``score`` instead."""
        self._extract_resizes()
        for extractor, metrics in self.metrics.items():
            for metric in usable_metrics(self.sides, extractor, metrics):
                self.sides.reference(metric, extractor)

    def cost(self) -> Cost:
        """Return the expected cost of ``score``; one batch of each side is extracted and timed."""
        return cost_of(self.sides, self.metrics)

    def _extract_resizes(self) -> None:
        """Extract under all resizes in one pass, so that every image is decoded once."""
        if self.sides.options.resizes is not None:
            self.sides.extract("generated", list(self.metrics))
            self.sides.extract("reference", list(self.metrics))


def _extractors(named: str | None, sides: Sides) -> list[str]:
    """Return the extractors in whose features a metric is evaluated."""
    # several resizes multiply the metrics that do not name an extractor
    resizes = sides.options.resizes
    if resizes is None or named is not None:
        return [named or sides.default_extractor]
    return [f"inception,resize={resize.strip()}" for resize in resizes.split(",")]


def _warnings(entries: Sequence[Entry], *sample_sets: SampleSet | None) -> tuple[str, ...]:
    # samples that were left out come first
    skipped = [
        f"{samples.skipped} samples of {samples.name} could not be decoded and were left out."
        for samples in sample_sets
        if samples is not None and samples.skipped
    ]
    of_scores = [str(entry.detail["warning"]) for entry in entries if entry.detail.get("warning")]
    return tuple(dict.fromkeys(skipped + of_scores))


def _versions() -> dict[str, str]:
    packages = ("genbench", "torch", "torchvision", "torch-fidelity", "numpy", "scipy", "pillow")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
