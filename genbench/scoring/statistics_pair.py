"""Score statistics against statistics: all that is known of the samples is their mean and covariance."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from genbench.benchmarks import Benchmark, open_benchmark
from genbench.errors import InputError, UsageError
from genbench.features.features import Features, Moments
from genbench.files.process_record import command_line, commit, software_used
from genbench.plugs.contract_checks import check_metric
from genbench.plugs.contracts import Metric
from genbench.plugs.opening import open_reference
from genbench.plugs.registry import load
from genbench.plugs.specs import Spec
from genbench.results import Entry, Result, SampleSet
from genbench.scoring.default_extractor import FID_NETWORK
from genbench.scoring.evaluate_metrics import entry
from genbench.scoring.metric_lists import metric_specs
from genbench.scoring.named_reference import open_named_reference
from genbench.scoring.options import Options
from genbench.scoring.score_names import chosen_view, recorded_metric, with_distinct_names

FILES = (".npz", ".pkl", ".pickle")
"""Extensions of files of statistics."""

FID_DIMENSIONS = 2048
"""Statistics of so many dimensions that name no extractor are those of Inception, as other tools write them."""

NEED_SAMPLES = (
    "train", "resizes", "panel", "panel_metric", "floor", "count", "labels", "weights", "precision", "backend",
    "skip_corrupt", "max_pixels",
)  # fmt: skip
"""Options of a score that are about samples or their extraction."""

NO_ERROR_HINT = (
    "Statistics have no error bar, because the samples behind them are not known; with the samples or their features "
    "(`genbench stats --out FILE.safetensors`) on one side, the score has one."
)


def statistics_of(subject: object) -> Moments | None:
    """Return the statistics that a subject is, or that a file holds which has no samples; otherwise None."""
    if isinstance(subject, Moments):
        return subject
    path = Path(subject).expanduser() if isinstance(subject, (str, Path)) else None
    if path is None or path.suffix.lower() not in FILES or not path.is_file():
        return None
    # a file with samples is a source, and what is no file of statistics either
    from genbench.features.statistics_files import has_images, read_reference

    found = None if has_images(path) else read_reference(path)
    return replace(found, name=str(subject)) if isinstance(found, Moments) else None


def refuse_given(options: Mapping[str, object]) -> None:
    """Raise UsageError if one of these options is given, because it needs samples.

    A score that silently ignores an option is taken for one that followed it.
    """
    for name, value in options.items():
        if value is not None and value is not False:
            raise UsageError(
                f"--{name.replace('_', '-')} needs the generated samples, and not their statistics; leave it out."
            )


def score_statistics(generated: Moments, benchmark: str | Benchmark | None, options: Options) -> Result:
    """Return the scores of two sets of statistics by metrics that take moments on both sides; by default fid.

    Raises UsageError for other metrics and for a reference that consists of samples, InputError for statistics of
    different extractors.
    """
    started = time.monotonic()
    refuse_given({name: getattr(options, name) for name in NEED_SAMPLES})
    recipe = None if benchmark is None else open_benchmark(benchmark)
    options, named = open_named_reference(options.completed(recipe))
    rows, moments = open_reference(options.reference)
    reference = rows.moments("embedding") if isinstance(rows, Features) else moments
    if reference is None:
        raise UsageError(
            f"{generated.name or 'The subject'} is a file of statistics, so the reference must be one, too; to compare "
            "samples with these statistics, give the samples first and the statistics as the reference."
        )
    reference = reference if named is None else named.moments(reference) or reference
    extractor, identity = _common_extractor(generated, reference, options.features)
    metrics: list[Metric] = []
    for spec in metric_specs(options.metrics or "fid"):
        metric = _metric_of_moments(spec, extractor)
        # a metric may be named twice, as in fid,fd
        metrics += [] if metric in metrics else [metric]
    groups = [(metric, _scored(metric, generated, reference, extractor)) for metric in metrics]
    sets = [SampleSet(side.name, side.count, side.fingerprint) for side in (generated, reference)]
    return Result(
        name=options.name or generated.name,
        scores=tuple(with_distinct_names(groups)),
        generated=sets[0],
        reference=sets[1] if named is None else named.record(sets[1]),
        benchmark=None if recipe is None else str(recipe),
        metrics=tuple(recorded_metric(metric) for metric in metrics),
        metric_extractors=(extractor,) * len(metrics),
        extractors={extractor: identity},
        seed=options.seed,
        device="cpu",
        batch_size=options.batch_size,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - started, 3),
        versions=software_used(),
        command=command_line(),
        commit=commit(),
        hints=(NO_ERROR_HINT,),
    )


def _common_extractor(generated: Moments, reference: Moments, asked: object) -> tuple[str, str]:
    """Return the name and the identity of the extractor of both sides. Raises InputError if they differ.

    ``asked`` is what the user says; it names the extractor of files that do not.
    """
    known = [side for side in (generated, reference) if side.identity or side.extractor]
    if len(known) == 2 and known[0].identity != known[1].identity:
        raise InputError(
            f"{generated.name} was made by {generated.extractor} ({generated.identity}), but {reference.name} by "
            f"{reference.extractor} ({reference.identity}); make both with the same extractor."
        )
    if known and isinstance(asked, str) and asked != known[0].extractor:
        raise UsageError(f"{known[0].name} was made by {known[0].extractor}, not by {asked}; leave out --features.")
    if known:
        return known[0].extractor, known[0].identity
    # other tools do not say
    if isinstance(asked, str):
        return asked, ""
    return FID_NETWORK if generated.mean.size == FID_DIMENSIONS else "features", ""


def _metric_of_moments(spec: Spec, extractor: str) -> Metric:
    """Return a metric that takes moments on both sides. Raises UsageError for another one, or for other features."""
    if spec.extractor not in (None, extractor):
        raise UsageError(f"The statistics are of {extractor}, not of {spec.extractor}; write {spec.name} alone.")
    metric: Metric = load("metrics", replace(spec, extractor=None))
    check_metric(metric, spec.name)
    if not getattr(metric, "takes_moments", False):
        raise UsageError(
            f"{spec.name!r} needs the generated samples, but a statistics file contains only mean and covariance: give "
            "the samples, or features written by `genbench stats --out FILE.safetensors`, or ask for fid alone."
        )
    return metric


def _scored(metric: Metric, generated: Moments, reference: Moments, extractor: str) -> list[Entry]:
    # a view that one file does not have
    view = getattr(metric, "view", "embedding")
    sides = [side.of_view(view) for side in (generated, reference)]
    if None in sides:
        missing = (generated, reference)[sides.index(None)].name
        raise InputError(f"{missing} has no statistics of {view!r}; write them with `genbench stats --spatial`.")
    scores = metric(*sides, seed=0)  # type: ignore[arg-type]
    # FID is the distance of Inception's features in float32
    canonical = extractor.partition(",")[0] == FID_NETWORK and "precision" not in extractor
    return [entry(score, extractor, canonical=canonical, view=chosen_view(metric)) for score in scores]
