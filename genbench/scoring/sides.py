"""Both sides of a comparison, opened, and each looked at once through each extractor."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from genbench.errors import InputError, UsageError
from genbench.extraction.extract import Extraction, extract_all
from genbench.extraction.feature_store import Store
from genbench.features.features import Features, Moments
from genbench.files.folders import cache_root
from genbench.plugs.contracts import Extractor, Metric, Sampler, Source
from genbench.plugs.opening import open_extractor, open_reference, open_subject
from genbench.results import SampleSet
from genbench.sampling import Drawn, subset
from genbench.scoring.options import Options

AnyReference = TypeVar("AnyReference", Features, Moments)


@dataclass(frozen=True)
class Sides:
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
class Looker:
    """Looks at each side through each extractor, once."""

    sides: Sides
    how: Options
    _extractors: dict[str, Extractor] = field(default_factory=dict)
    _seen: dict[tuple[str, str], Features] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.device = _device(self.how.device)
        self.default_space = self._default_space()

    def extractor(self, space: str) -> Extractor:
        """Return the extractor of a space, opened once; weights, precision and backend belong to the default one."""
        if space not in self._extractors:
            same_network = space.partition(",")[0] == self.default_space.partition(",")[0]
            names = ("weights", "precision", "backend") if same_network else ()
            asked = {name: getattr(self.how, name) for name in names}
            self._extractors[space] = open_extractor(space, device=self.device, **asked)
        return self._extractors[space]

    def features(self, role: str, space: str) -> Features:
        """Return what an extractor sees of the generated or the reference side."""
        self.look(role, [space])
        return self._seen[role, space]

    def look(self, role: str, spaces: Sequence[str]) -> None:
        """Look at a side through several extractors in one pass; a side that is Features or not there is left alone."""
        source = self.sides.generated if role == "generated" else self.sides.rows
        new = [space for space in spaces if (role, space) not in self._seen]
        extractors = [self.extractor(space) for space in new]
        if isinstance(source, Features):
            self._seen |= {(role, one): _made_by(source, by) for one, by in zip(new, extractors, strict=True)}
        elif source is not None and new:
            root = cache_root() if self.how.cache else None
            store = Store(root) if root else None
            how = Extraction(store, self.how.batch_size, self.how.ranks, self.how.progress)
            self._seen |= {
                (role, one): found for one, found in zip(new, extract_all(source, extractors, how), strict=True)
            }

    def reference(self, space: str, metric: Metric) -> Features | Moments | None:
        """Return what a metric compares with: nothing, the moments of a file, or rows."""
        if self.wants_rows(metric):
            return self.features("reference", space)
        if metric.reference == "none" or self.sides.moments is None:
            return None
        return _made_by(self.sides.moments, self.extractor(space))

    def wants_rows(self, metric: Metric) -> bool:
        """Whether a metric makes the reference be looked at."""
        return metric.reference != "none" and not (metric.reference == "moments" and self.sides.moments is not None)

    def parties(self, space: str) -> tuple[SampleSet, SampleSet | None]:
        """Return who was compared, for the record."""
        generated = self._seen["generated", space]
        reference = self._seen.get(("reference", space)) or self.sides.moments
        ours = SampleSet(generated.name, len(generated), generated.fingerprint, generated.skipped)
        if isinstance(reference, Features):
            return ours, SampleSet(reference.name, len(reference), reference.fingerprint, reference.skipped)
        return ours, SampleSet(reference.name, reference.count, reference.fingerprint) if reference else None

    def _default_space(self) -> str:
        features = self.how.features
        if features is None:
            first = next(self.sides.generated.batches(1, 0, 1), None)
            return "points" if first is not None and first.data[0].ndim == 1 else "inception"
        if isinstance(features, str):
            return features
        self._extractors[features.name] = features
        return features.name


def open_sides(subject: object, how: Options) -> Sides:
    rows, moments = open_reference(how.reference, space="fd_dinov2" if "dinov2" in str(how.features) else "fid")
    opened = open_subject(subject)
    for source in (rows, opened):
        for name, value in (("workers", how.workers), ("skip_corrupt", how.skip_corrupt)):
            if value and hasattr(source, name):
                setattr(source, name, value)
    if isinstance(opened, Source):
        return Sides(opened if how.count is None else subset(opened, how.count, how.seed), rows, moments)
    return Sides(_drawn(opened, subject, how, rows), rows, moments)


def _drawn(sampler: Sampler, subject: object, how: Options, rows: Source | Features | None) -> Drawn:
    count = how.count if how.count is not None or rows is None else len(rows)
    if count is None:
        raise UsageError("A sampler has no end: say how many samples to draw with --count N (count=N in Python).")
    named = subject if isinstance(subject, str) else getattr(sampler, "name", type(sampler).__name__)
    return Drawn(sampler, count, how.seed, how.name or str(named))


def _made_by(reference: AnyReference, extractor: Extractor) -> AnyReference:
    """Return a reference from a file. Raises InputError where another extractor made it."""
    if reference.identity and reference.identity != extractor.identity:
        raise InputError(
            f"{reference.name} was made by {reference.extractor or 'another extractor'} ({reference.identity}), but "
            f"the samples are seen by {extractor.name} ({extractor.identity}); choose the same with --features and "
            "--weights."
        )
    precision = getattr(extractor, "precision", "fp32")
    if not reference.identity and precision != "fp32":
        raise InputError(
            f"{reference.name} does not say in what precision it was made, and {precision} features are compared with "
            f"none but their own: make it again with `genbench stats SAMPLES --precision {precision} --out FILE`."
        )
    return reference


def _device(asked: str) -> str:
    import torch

    if asked == "auto":
        asked = "cuda" if torch.cuda.is_available() else "cpu"
    if asked == "cuda" and "LOCAL_RANK" in os.environ:  # one GPU for each process that torchrun starts on a machine
        asked = f"cuda:{int(os.environ['LOCAL_RANK']) % max(torch.cuda.device_count(), 1)}"
    try:
        torch.zeros(1, device=asked).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise UsageError(f"The device {asked!r} cannot be used here ({reason}); try cpu, cuda or auto.") from error
    return asked
