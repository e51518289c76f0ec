"""score(subject, benchmark) -> Result: names in, Result out. Plan first, then look, then compare."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any, TypeVar

from genbench import registry
from genbench.benchmarks import Benchmark
from genbench.drawing import Drawn, guest_error
from genbench.errors import GenbenchError, InputError, UsageError, did_you_mean
from genbench.extraction import Extraction, extract, subset
from genbench.features import Features, Moments
from genbench.locations import cache_root
from genbench.opening import open_extractor, open_reference, open_subject
from genbench.protocols import Extractor, Metric, Sampler, Score, Source
from genbench.results import Entry, Party, Result, entry
from genbench.store import Store

DEFAULT_METRICS = "fid,is,kid,pr,prdc,modes"
"""What is scored when nothing is asked: each of these that the features and the reference allow."""

Joint = Callable[..., list[list[Score]]]
AnyReference = TypeVar("AnyReference", Features, Moments)


@dataclass(frozen=True)
class Options:
    """How to score. What decides a number goes into the Result."""

    reference: object | None = None
    """Path, spec, Source, Features or Moments of the real samples."""
    metrics: str | None = None
    """Metric specs: ``"fid,is,splits=1,fd@pixels"``; None means the benchmark's, or all that apply."""
    features: str | Extractor | None = None
    """Extractor spec or plug; None means the benchmark's, or Inception for images and points for points."""
    count: int | None = None
    """How many generated samples; None means the benchmark's, or all there are."""
    seed: int = 0
    """Seed of samplers, of the choice of a subset, and of metrics that draw."""
    batch_size: int = 32
    workers: int | None = None
    """Decoding threads; None chooses."""
    device: str = "auto"
    weights: str | None = None
    """Path of the extractor's weights."""
    name: str | None = None
    """What the table calls the subject; None means its path or spec."""
    skip_corrupt: bool = False
    """Leave out images that cannot be decoded and say how many, instead of stopping."""
    cache: bool = True
    """Keep and reuse features on disk."""
    progress: bool | None = None
    """Show a progress bar on stderr; None shows it where stderr is a terminal."""


def score(subject: object, benchmark: str | Benchmark | None = None, **options: Any) -> Result:
    """Score a subject against a benchmark or a reference.

    ``subject``: a path (folder, zip, npz, npy), a spec (``"digits,split=train"``, ``"acme.models:Fractal,depth=5"``),
    a sampler (anything with ``sample(count, seed)``, or a callable), an array or tensor of images, a Dataset, an
    iterable of batches. ``options``: the fields of ``Options``. Raises UsageError for names and options that do not
    exist or do not go together, InputError for samples that cannot be used, PlugError where a guest errs.
    """
    began = time.monotonic()
    recipe = registry.load("benchmarks", benchmark) if isinstance(benchmark, str) else benchmark
    how = _followed(_options(options), recipe)
    sides = _open_sides(subject, how)
    looker = _Looker(sides, how)
    plan, hints = _plan(sides, looker, how)
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
        seed=how.seed,
        device=looker.device,
        batch_size=how.batch_size,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 3),
        versions=_versions(),
        warnings=_warnings(entries, generated, reference),
        hints=hints,
    )


def features_of(subject: object, **options: Any) -> Features:
    """Return the Features of samples as ``score`` would see them; ``options`` as for ``score``."""
    how = _options(options)
    looker = _Looker(_open_sides(subject, how), how)
    return looker.features("generated", looker.default_space)


@dataclass(frozen=True)
class _Sides:
    """Both sides, opened but not yet looked at."""

    generated: Source
    rows: Source | Features | None
    """The reference's samples or features, where there are any."""
    moments: Moments | None
    """The reference's mean and covariance, where a file gave them."""

    def lacks(self, metric: Metric) -> str:
        """Say what a metric wants of the reference that is not there, or nothing."""
        if metric.reference == "none" or self.rows is not None:
            return ""
        if self.moments is None:
            return "compares with a reference: add --reference PATH, or --benchmark NAME."
        if metric.reference == "rows":
            return (
                "needs the reference's samples, but a statistics file holds only mean and covariance: give the "
                "folder, archive or data set itself, or features written by `genbench stats --out FILE.safetensors`."
            )
        return ""


@dataclass
class _Looker:
    """Looks at each side through each extractor, once."""

    sides: _Sides
    how: Options
    _extractors: dict[str, Extractor] = field(default_factory=dict)
    _seen: dict[tuple[str, str], Features] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.device = _device(self.how.device)
        self.default_space = self._default_space()

    def extractor(self, space: str) -> Extractor:
        """Return the extractor of a space, opened once; ``--weights`` belong to the default one."""
        if space not in self._extractors:
            weights = self.how.weights if space == self.default_space else None
            self._extractors[space] = open_extractor(space, device=self.device, weights=weights)
        return self._extractors[space]

    def features(self, role: str, space: str) -> Features:
        """Return what an extractor sees of the generated or the reference side."""
        if (role, space) not in self._seen:
            source = self.sides.generated if role == "generated" else self.sides.rows
            if isinstance(source, Features):
                self._seen[role, space] = _made_by(source, self.extractor(space))
            else:
                assert source is not None  # the plan has checked
                root = cache_root() if self.how.cache else None
                how = Extraction(Store(root) if root else None, self.how.batch_size, self.how.progress)
                self._seen[role, space] = extract(source, self.extractor(space), how)
        return self._seen[role, space]

    def reference(self, space: str, metric: Metric) -> Features | Moments | None:
        """Return what a metric compares with: nothing, the moments of a file, or rows."""
        if metric.reference == "none":
            return None
        if metric.reference == "moments" and self.sides.moments is not None:
            return _made_by(self.sides.moments, self.extractor(space))
        return self.features("reference", space)

    def parties(self, space: str) -> tuple[Party, Party | None]:
        """Return who was compared, for the record."""
        generated = self._seen["generated", space]
        reference = self._seen.get(("reference", space)) or self.sides.moments
        ours = Party(generated.name, len(generated), generated.fingerprint, generated.skipped)
        if isinstance(reference, Features):
            return ours, Party(reference.name, len(reference), reference.fingerprint, reference.skipped)
        return ours, Party(reference.name, reference.count, reference.fingerprint) if reference else None

    def _default_space(self) -> str:
        features = self.how.features
        if features is None:
            first = next(self.sides.generated.batches(1, 0, 1), None)
            return "points" if first is not None and first.data[0].ndim == 1 else "inception"
        if isinstance(features, str):
            return features
        self._extractors[features.name] = features
        return features.name


def _options(given: Mapping[str, Any]) -> Options:
    for name in given:
        if name not in Options.__dataclass_fields__:
            raise UsageError(f"score has no option {name!r}{did_you_mean(name, Options.__dataclass_fields__)}")
    return Options(**given)


def _followed(how: Options, recipe: Benchmark | None) -> Options:
    """Fill in what the recipe says. Raises UsageError where an option contradicts it."""
    if recipe is None:
        return how
    fixed = {name: getattr(recipe, name) for name in ("reference", "features", "metrics", "count")}
    for name in fixed:
        if getattr(how, name) is not None:
            raise UsageError(
                f"The benchmark {recipe} fixes its {name}; leave out --{name}, or leave out --benchmark to choose it."
            )
    return replace(how, **fixed)


def _open_sides(subject: object, how: Options) -> _Sides:
    rows, moments = open_reference(how.reference, space="fd_dinov2" if "dinov2" in str(how.features) else "fid")
    opened = open_subject(subject)
    for source in (rows, opened):
        for name, value in (("workers", how.workers), ("skip_corrupt", how.skip_corrupt)):
            if value and hasattr(source, name):
                setattr(source, name, value)
    if isinstance(opened, Source):
        return _Sides(opened if how.count is None else subset(opened, how.count, how.seed), rows, moments)
    return _Sides(_drawn(opened, subject, how, rows), rows, moments)


def _drawn(sampler: Sampler, subject: object, how: Options, rows: Source | Features | None) -> Drawn:
    count = how.count if how.count is not None or rows is None else len(rows)
    if count is None:
        raise UsageError("A sampler has no end: say how many samples to draw with --count N (count=N in Python).")
    named = subject if isinstance(subject, str) else getattr(sampler, "name", type(sampler).__name__)
    return Drawn(sampler, count, how.seed, how.name or str(named))


def _plan(sides: _Sides, looker: _Looker, how: Options) -> tuple[dict[str, list[Metric]], tuple[str, ...]]:
    """Return which metrics are evaluated in which space, and hints: all checked before the long work begins."""
    plan: dict[str, list[Metric]] = {}
    for spec in registry.parse_list(how.metrics or DEFAULT_METRICS):
        metric: Metric = registry.load("metrics", replace(spec, space=None))
        lacking = sides.lacks(metric)
        if lacking and how.metrics is not None:
            raise UsageError(f"{spec.name!r} {lacking}")
        if not lacking:
            plan.setdefault(spec.space or looker.default_space, []).append(metric)
    for space in plan:
        looker.extractor(space)
    if how.metrics is None and sides.rows is None and sides.moments is None:
        return plan, (
            "Without a reference only the Inception Score can be told: add --reference (a folder of real images, "
            "their statistics, or a data set) for FID, KID, precision and recall.",
        )
    return plan, ()


def _compare(looker: _Looker, space: str, metrics: list[Metric], how: Options) -> list[Entry]:
    """Evaluate the metrics of one space; of the default ones, those that its views cannot feed are left out."""
    generated = looker.features("generated", space)
    usable = [metric for metric in metrics if set(metric.needs) <= set(generated.views)]
    if how.metrics is not None and len(usable) < len(metrics):
        lacking = next(metric for metric in metrics if metric not in usable)
        raise UsageError(
            f"{type(lacking).__name__} reads {', '.join(lacking.needs)}, but the extractor {space!r} gives "
            f"{', '.join(generated.views)}; choose another with --features."
        )
    references = [looker.reference(space, metric) for metric in usable]
    scores: dict[int, list[Score]] = {}
    for joint, places in _bar(_together(usable), how):
        found = _evaluate(joint, [usable[at] for at in places], generated, references[places[0]], how.seed)
        scores.update(zip(places, found, strict=True))
    extractor = looker.extractor(space)
    canonical = bool(getattr(extractor, "canonical", False))
    return [entry(one, extractor.name, canonical=canonical) for at in sorted(scores) for one in scores[at]]


def _bar(groups: dict[Joint | int, list[int]], how: Options) -> Iterable[tuple[Joint | int, list[int]]]:
    from tqdm import tqdm

    disable = None if how.progress is None else not how.progress
    return tqdm(groups.items(), desc="compare", unit="pass", disable=disable, leave=False)


def _together(metrics: list[Metric]) -> dict[Joint | int, list[int]]:
    """Group the places of metrics by the joint function they name; one that names none stands alone."""
    groups: dict[Joint | int, list[int]] = {}
    for at, metric in enumerate(metrics):
        groups.setdefault(getattr(metric, "joint", None) or at, []).append(at)
    return groups


def _evaluate(
    joint: Joint | int, metrics: list[Metric], generated: Features, reference: Features | Moments | None, seed: int
) -> list[list[Score]]:
    if reference is not None and "embedding" in metrics[0].needs:
        _same_dimensions(generated, reference)
    try:
        if callable(joint):
            return joint(metrics, generated, reference, seed=seed)
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


def _made_by(reference: AnyReference, extractor: Extractor) -> AnyReference:
    """Return a reference from a file. Raises InputError where another extractor made it."""
    if reference.identity and reference.identity != extractor.identity:
        raise InputError(
            f"{reference.name} was made by {reference.extractor or 'another extractor'} ({reference.identity}), but "
            f"the samples are seen by {extractor.name} ({extractor.identity}); choose the same with --features and "
            "--weights."
        )
    return reference


def _warnings(entries: list[Entry], *parties: Party | None) -> tuple[str, ...]:
    skipped = [
        f"{party.skipped} samples of {party.name} could not be decoded and were left out."
        for party in parties
        if party is not None and party.skipped
    ]
    found = [str(item.detail["warning"]) for item in entries if item.detail.get("warning")]
    return tuple(dict.fromkeys(skipped + found))


def _device(asked: str) -> str:
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=asked)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"The device {asked!r} cannot be used here ({str(error).splitlines()[0]}).") from error
    return asked


def _versions() -> dict[str, str]:
    packages = ("genbench", "torch", "torchvision", "torch-fidelity", "numpy", "scipy", "pillow")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
