"""score(subject, benchmark) -> Result: names in, Result out. Plan first, then look, then compare."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from genbench.benchmarks import Benchmark
from genbench.errors import GenbenchError, InputError, UsageError, did_you_mean, guest_error
from genbench.features.features import Features, Moments
from genbench.plugs import registry
from genbench.plugs.contracts import Metric, Score
from genbench.plugs.specs import parse_specs
from genbench.results import Entry, Result, SampleSet, entry
from genbench.scoring.options import Options
from genbench.scoring.sides import Looker, Sides, open_sides

DEFAULT_METRICS = "fid,is,kid,pr,prdc,modes"
"""What is scored when nothing is asked: each of these that the features and the reference allow."""

Joint = Callable[..., list[list[Score]]]


def score(subject: object, benchmark: str | Benchmark | None = None, **options: Any) -> Result:
    """Score a subject against a benchmark or a reference.

    ``subject``: a path (folder, zip, npz, npy), a spec (``"digits,split=train"``, ``"acme.models:Fractal,depth=5"``),
    a sampler (anything with ``sample(count, seed)``, or a callable), an array or tensor of images, a Dataset, an
    iterable of batches. ``options``: the fields of ``Options``. Raises UsageError for names and options that do not
    exist or do not go together, InputError for samples that cannot be used, PlugError where a guest errs.
    """
    began = time.monotonic()
    recipe = registry.load("benchmarks", benchmark) if isinstance(benchmark, str) else benchmark
    how = _followed(checked_options(options), recipe)
    sides = open_sides(subject, how)
    looker = Looker(sides, how)
    plan, hints = _plan(sides, looker, how)
    _look_at_protocols(looker, plan, how)
    entries = [found for space, metrics in plan.items() for found in _compare(looker, space, metrics, how)]
    if not entries:
        raise UsageError(
            f"The features of {', '.join(plan)} allow no metric without a reference; add --reference or --benchmark."
        )
    generated, reference = looker.parties(next(iter(plan)))
    return Result(
        name=how.name or generated.name,
        scores=tuple(entries),
        generated=generated,
        reference=reference,
        benchmark=str(recipe) if recipe else None,
        metrics=tuple(repr(metric) for metrics in plan.values() for metric in metrics),
        extractors={looker.extractor(space).name: looker.extractor(space).identity for space in plan},
        backends=_backends(looker, plan),
        seed=how.seed,
        device=looker.device,
        batch_size=how.batch_size,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 3),
        versions=_versions(),
        warnings=_warnings(entries, generated, reference),
        hints=hints,
    )


def share(subject: object, benchmark: str | Benchmark | None = None, **options: Any) -> None:
    """Do this rank's share of what ``score`` looks at, for the store; rank 0 calls ``score`` itself.

    Arguments and errors are those of ``score``; ``ranks`` says who this is.
    """
    looker, plan, how = planned(subject, benchmark, **options)
    _look_at_protocols(looker, plan, how)
    for space, metrics in plan.items():
        _seen(looker, space, metrics, how)


def _look_at_protocols(looker: Looker, plan: Iterable[str], how: Options) -> None:
    if how.protocols is not None:  # in one pass, not space by space
        looker.look("generated", list(plan))
        looker.look("reference", list(plan))


def planned(
    subject: object, benchmark: str | Benchmark | None = None, **options: Any
) -> tuple[Looker, dict[str, list[Metric]], Options]:
    """Return both sides opened, the metrics of each space, and the options: all that comes before the long work."""
    recipe = registry.load("benchmarks", benchmark) if isinstance(benchmark, str) else benchmark
    how = _followed(checked_options(options), recipe)
    sides = open_sides(subject, how)
    looker = Looker(sides, how)
    return looker, _plan(sides, looker, how)[0], how


def features_of(subject: object, **options: Any) -> Features:
    """Return the Features of samples as ``score`` would see them; ``options`` as for ``score``."""
    how = checked_options(options)
    looker = Looker(open_sides(subject, how), how)
    return looker.features("generated", looker.default_space)


def checked_options(given: Mapping[str, Any]) -> Options:
    """Return the options of those names. Raises UsageError for one that does not exist."""
    for name in given:
        if name not in Options.__dataclass_fields__:
            raise UsageError(f"score has no option {name!r}{did_you_mean(name, Options.__dataclass_fields__)}")
    how = Options(**given)
    if how.seed < 0:
        raise UsageError(f"The seed is {how.seed}; wanted 0 or more.")
    return how


def _followed(how: Options, recipe: Benchmark | None) -> Options:
    """Fill in what the recipe says. Raises UsageError where an option contradicts it."""
    if how.protocols is not None:
        if recipe is not None or how.features is not None:
            raise UsageError("--protocols are those of FID's Inception; leave out --benchmark and --features.")
        return replace(how, features="inception", metrics=how.metrics or "fid")
    if recipe is None:
        return how
    fixed = {name: getattr(recipe, name) for name in ("reference", "features", "metrics", "count")}
    for name in fixed:
        if getattr(how, name) is not None:
            raise UsageError(
                f"The benchmark {recipe} fixes its {name}; leave out --{name}, or leave out --benchmark to choose it."
            )
    return replace(how, **fixed)


def _plan(sides: Sides, looker: Looker, how: Options) -> tuple[dict[str, list[Metric]], tuple[str, ...]]:
    """Return which metrics are evaluated in which space, and hints: all checked before the long work begins."""
    plan: dict[str, list[Metric]] = {}
    for spec in parse_specs(how.metrics or DEFAULT_METRICS):
        metric: Metric = registry.load("metrics", replace(spec, extractor=None))
        lacking = sides.lacks(metric)
        if lacking and how.metrics is not None:
            raise UsageError(f"{spec.name!r} {lacking}")
        for space in _spaces(spec.extractor, looker, how):
            if not lacking and metric not in plan.get(space, ()):  # asked for twice, as in fid,fd
                plan.setdefault(space, []).append(metric)
    for space in plan:
        looker.extractor(space)
    if how.metrics is None and sides.rows is None and sides.moments is None:
        return plan, (
            "Without a reference only the Inception Score can be told: add --reference (a folder of real images, "
            "their statistics, or a data set) for FID, KID, precision and recall.",
        )
    return plan, ()


def _spaces(own: str | None, looker: Looker, how: Options) -> list[str]:
    """Return the spaces in which a metric is evaluated."""
    if how.protocols is None or own is not None:
        return [own or looker.default_space]
    return [f"inception,resize={resize.strip()}" for resize in how.protocols.split(",")]


def _seen(
    looker: Looker, space: str, metrics: list[Metric], how: Options
) -> tuple[list[Metric], Features, list[Features | Moments | None]]:
    """Look at both sides; return metrics, generated, and what each metric compares with.

    Of the default metrics, those that the views cannot feed are left out.
    """
    generated = looker.features("generated", space)
    usable = [metric for metric in metrics if set(metric.needs) <= set(generated.views)]
    if how.metrics is not None and len(usable) < len(metrics):
        lacking = next(metric for metric in metrics if metric not in usable)
        raise UsageError(
            f"{type(lacking).__name__} reads {', '.join(lacking.needs)}, but the extractor {space!r} gives "
            f"{', '.join(generated.views)}; choose another with --features."
        )
    return usable, generated, [looker.reference(space, metric) for metric in usable]


def _compare(looker: Looker, space: str, metrics: list[Metric], how: Options) -> list[Entry]:
    """Evaluate the metrics of one space."""
    usable, generated, references = _seen(looker, space, metrics, how)
    scores: dict[int, list[Score]] = {}
    for evaluate_together, places in _bar(_together(usable), how):
        found = _evaluate(evaluate_together, [usable[at] for at in places], generated, references[places[0]], how.seed)
        scores.update(zip(places, found, strict=True))
    extractor = looker.extractor(space)
    canonical = bool(getattr(extractor, "canonical", False))
    entries = [entry(one, extractor.name, canonical=canonical) for at in sorted(scores) for one in scores[at]]
    if how.protocols is None or not canonical:
        return entries
    return [replace(one, name=f"{one.name}@{one.extractor}", key=f"{one.key}@{one.extractor}") for one in entries]


def _bar(groups: dict[Joint | int, list[int]], how: Options) -> Iterable[tuple[Joint | int, list[int]]]:
    from tqdm import tqdm

    disable = None if how.progress is None else not how.progress
    return tqdm(groups.items(), desc="compare", unit="pass", disable=disable, leave=False)


def _together(metrics: list[Metric]) -> dict[Joint | int, list[int]]:
    """Group the places of metrics by the evaluate_together function they name; one that names none stands alone."""
    groups: dict[Joint | int, list[int]] = {}
    for at, metric in enumerate(metrics):
        groups.setdefault(getattr(metric, "evaluate_together", None) or at, []).append(at)
    return groups


def _evaluate(
    evaluate_together: Joint | int,
    metrics: list[Metric],
    generated: Features,
    reference: Features | Moments | None,
    seed: int,
) -> list[list[Score]]:
    if reference is not None and "embedding" in metrics[0].needs:
        _same_dimensions(generated, reference)
    try:
        if callable(evaluate_together):
            return evaluate_together(metrics, generated, reference, seed=seed)
        return [metrics[0](generated, reference, seed=seed)]
    except GenbenchError:
        raise
    except Exception as error:
        raise guest_error(f"The metric {metrics[0]!r}", error) from error


def _same_dimensions(generated: Features, reference: Features | Moments) -> None:
    ours = generated["embedding"].shape[1]
    theirs = len(reference.mean) if isinstance(reference, Moments) else reference["embedding"].shape[1]
    if ours != theirs:
        raise InputError(
            f"{reference.name} has {theirs} dimensions and the features of {generated.name} by "
            f"{generated.extractor!r} have {ours}: they come from unlike extractors; choose the same with --features."
        )


def _warnings(entries: list[Entry], *parties: SampleSet | None) -> tuple[str, ...]:
    skipped = [
        f"{party.skipped} samples of {party.name} could not be decoded and were left out."
        for party in parties
        if party is not None and party.skipped
    ]
    found = [str(item.detail["warning"]) for item in entries if item.detail.get("warning")]
    return tuple(dict.fromkeys(skipped + found))


def _backends(looker: Looker, plan: Iterable[str]) -> dict[str, str]:
    found = {one.name: getattr(one, "computed_by", "") for one in (looker.extractor(space) for space in plan)}
    return {name: str(how) for name, how in found.items() if how}


def _versions() -> dict[str, str]:
    packages = ("genbench", "torch", "torchvision", "torch-fidelity", "numpy", "scipy", "pillow")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
