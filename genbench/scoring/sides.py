"""The two sides of a score, generated and reference: opened, and their features computed once per extractor."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from genbench.derived_sources import Drawn, subset
from genbench.errors import InputError, UsageError, guest_code, number_of
from genbench.extraction.extract import Extraction, HashedBlocks, extract_all
from genbench.extraction.feature_store import Store
from genbench.features.features import Features, Moments
from genbench.files.folder_paths import cache_root
from genbench.plugs.contract_checks import check_extractor, read_batches
from genbench.plugs.contracts import Extractor, Metric, Sampler, Source
from genbench.plugs.opening import open_extractor, open_reference, open_subject
from genbench.results import SampleSet
from genbench.scoring.label_sampling import with_requests
from genbench.scoring.options import Options

Side = Literal["generated", "reference"]
SIDES: tuple[Side, Side] = ("generated", "reference")

Reference = TypeVar("Reference", Features, Moments)


@dataclass
class Sides:
    """Generated samples and reference, opened. Features are computed when they are first asked for."""

    generated: Source
    rows: Source | Features | None
    """The reference's samples or features, if there are any."""
    moments: Moments | None
    """The reference's mean and covariance, if they come from a file."""
    options: Options
    device: str
    default_extractor: str = ""
    """The extractor of metrics that do not name one."""
    _extractors: dict[str, Extractor] = field(default_factory=dict)
    _features: dict[tuple[Side, str], Features] = field(default_factory=dict)
    _known: dict[tuple[str, ...], dict[int, HashedBlocks]] | None = None
    """Blocks of a growing generated side, by the names of their extractors; None if it does not grow."""

    def with_generated(self, source: Source, known: dict[tuple[str, ...], dict[int, HashedBlocks]]) -> Sides:
        """Return the same sides with other generated samples, whose blocks are kept in ``known``."""
        reference = {key: features for key, features in self._features.items() if key[0] == "reference"}
        return replace(self, generated=source, _features=reference, _known=known)

    def extractor(self, name: str) -> Extractor:
        """Return an extractor, opened once. Weights, precision and backend are those of the default network."""
        # --weights of Inception must not be loaded into another network
        if name not in self._extractors:
            same_network = name.partition(",")[0] == self.default_extractor.partition(",")[0]
            options = ("weights", "precision", "backend") if same_network else ()
            requests = {option: getattr(self.options, option) for option in options}
            opened = open_extractor(name, device=self.device, **requests)
            self._refuse_same_name(name, opened)
            self._extractors[name] = opened
        return self._extractors[name]

    def _refuse_same_name(self, spec: str, opened: Extractor) -> None:
        """Raise UsageError if another extractor has this name, because their scores would have one name, too."""
        for other_spec, other in self._extractors.items():
            # without an identity nobody knows whether they are the same
            if other.name == opened.name and not other.identity == opened.identity != "":
                raise UsageError(
                    f"The extractors {other_spec!r} and {spec!r} both have the name {opened.name!r}, so their scores "
                    "could not be told apart; give one of them another name."
                )

    def features(self, side: Side, extractor: str) -> Features:
        """Return the features of a side."""
        self.extract(side, [extractor])
        return self._features[side, extractor]

    def extract(self, side: Side, extractors: Sequence[str]) -> None:
        """Compute the features of a side by several extractors in one pass over its samples."""
        # skip what is extracted already
        source = self.generated if side == "generated" else self.rows
        names = [name for name in extractors if (side, name) not in self._features]
        opened = [self.extractor(name) for name in names]
        # features from a file need no extraction; samples go through all extractors at once
        if isinstance(source, Features):
            for name, extractor in zip(names, opened, strict=True):
                self._features[side, name] = _checked_origin(source, extractor)
        elif source is not None and names:
            root = cache_root() if self.options.cache else None
            growing = self._known if side == "generated" else None
            extraction = Extraction(
                Store(root) if root else None,
                self.options.batch_size,
                self.options.ranks,
                self.options.progress,
                known=None if growing is None else growing.setdefault(tuple(names), {}),
            )
            for name, features in zip(names, extract_all(source, opened, extraction), strict=True):
                self._features[side, name] = features

    def reference(self, metric: Metric, extractor: str) -> Features | Moments | None:
        """Return the reference of a metric: rows, the moments of a file, or nothing."""
        if self.needs_rows(metric):
            return self.features("reference", extractor)
        if metric.reference == "none" or self.moments is None:
            return None
        return _checked_origin(self.moments, self.extractor(extractor))

    def needs_rows(self, metric: Metric) -> bool:
        """Whether a metric needs the features of the reference's samples."""
        return metric.reference != "none" and not (metric.reference == "moments" and self.moments is not None)

    def lacks(self, metric: Metric) -> str:
        """Return a sentence about what a metric needs of the reference and does not get, or an empty text."""
        if metric.reference == "none" or self.rows is not None:
            return ""
        if self.moments is None:
            return "compares with a reference: add --reference PATH, or --benchmark NAME."
        if metric.reference == "rows":
            return (
                "needs the reference's samples, but a statistics file contains only mean and covariance: give the "
                "folder, archive or data set itself, or features written by `genbench stats --out FILE.safetensors`."
            )
        return ""

    def too_few(self, metric: Metric) -> str:
        """Return a sentence about samples that a metric needs and a side does not have, or an empty text."""
        # the numbers are known before anything is extracted
        reference = self.rows if self.needs_rows(metric) else None
        least = getattr(metric, "least_samples", (0, 0))
        for role, side, needed in zip(SIDES, (self.generated, reference), least, strict=True):
            if side is not None and len(side) < needed:
                return f"needs at least {number_of(needed, f'{role} samples')}, but {side.name} holds {len(side):,}"
        return ""

    def extracted(self) -> tuple[Features, Features | None]:
        """Return the features of both sides by one extractor, that of the first metric that compares samples.

        Without such a metric there are no features of the reference.
        """
        # the reference is extracted only by the extractors whose metrics compare samples
        extractors = [extractor for side, extractor in self._features if side == "reference"]
        if not extractors:
            return next(features for (side, _), features in self._features.items() if side == "generated"), None
        return self._features["generated", extractors[0]], self._features["reference", extractors[0]]

    def sample_sets(self) -> tuple[SampleSet, SampleSet | None]:
        """Return the records of both sides for the result."""
        # after the extraction, names and counts are those of the features
        generated, reference = self.extracted()
        if reference is None and self.moments is not None:
            moments = self.moments
            return _sample_set(generated), SampleSet(moments.name, moments.count, moments.fingerprint)
        return _sample_set(generated), None if reference is None else _sample_set(reference)

    def set_default_extractor(self) -> None:
        """Choose the extractor of metrics that do not name one: the option, or by the kind of the samples."""
        # the first sample shows whether the samples are images or points
        features = self.options.features
        if features is None:
            first = next(read_batches(self.generated, 1, 0, 1), None)
            is_points = first is not None and first.data[0].ndim == 1
            self.default_extractor = "points" if is_points else "inception"
        elif isinstance(features, str):
            self.default_extractor = features
        else:
            check_extractor(features)
            self.default_extractor = features.name
            self._extractors[features.name] = features


def _sample_set(features: Features) -> SampleSet:
    return SampleSet(
        features.name,
        len(features),
        features.fingerprint,
        features.skipped,
        left_out=features.left_out,
        levels=features.levels,
    )


def open_sides(subject: object, options: Options) -> Sides:
    """Open the subject and the reference, and set the options of reading.

    Raises UsageError, InputError or PlugError if one of them cannot be opened, or if a sampler has no count.
    """
    opened = open_subject(subject)
    _set_reading(opened, options)
    # the statistics of a reference are read only if they fit to the samples
    samples = _counted(opened, options) if isinstance(opened, Source) else opened
    rows, moments = open_reference(
        options.reference, statistics_name=_statistics_name(options), dimension=_point_dimension(samples, options)
    )
    _set_reading(rows, options)
    # a sampler becomes a source once its count and seed are known
    generated = samples if isinstance(samples, Source) else _drawn(samples, subject, options, rows)
    sides = Sides(generated, rows, moments, options, _usable_device(options.device))
    sides.set_default_extractor()
    return sides


def _set_reading(source: object, options: Options) -> None:
    # options of reading, for sources that have them
    for name in ("workers", "skip_corrupt", "max_pixels"):
        if getattr(options, name) and hasattr(source, name):
            setattr(source, name, getattr(options, name))


def _counted(source: Source, options: Options) -> Source:
    # a stream that may have no end is read only as far as needed
    read_at_most = getattr(source, "read_at_most", None)
    if options.count is not None and read_at_most is not None:
        read_at_most(options.count)
    return source if options.count is None else subset(source, options.count, options.seed)


def _point_dimension(samples: Source | Sampler, options: Options) -> int | None:
    """Return the number of coordinates of points; None for images, and if an extractor changes the dimension."""
    is_file = str(options.reference).lower().endswith((".npz", ".pkl", ".pickle"))
    if not is_file or not isinstance(samples, Source) or options.features not in (None, "points"):
        return None
    first = next(read_batches(samples, 1, 0, 1), None) if len(samples) else None
    return int(first.data[0].shape[0]) if first is not None and first.data[0].ndim == 1 else None


def _drawn(sampler: Sampler, subject: object, options: Options, rows: Source | Features | None) -> Drawn:
    """Return the samples of a sampler, as many as the reference has if no count is given."""
    count = options.count if options.count is not None or rows is None else len(rows)
    if count is None:
        raise UsageError("A sampler has no end: say how many samples to draw with --count N (count=N in Python).")
    with guest_code(f"The sampler of class {type(sampler).__name__}"):
        name = subject if isinstance(subject, str) else getattr(sampler, "name", type(sampler).__name__)
    drawn = Drawn(sampler, count, options.seed, options.name or str(name))
    return drawn if options.labels is None else with_requests(drawn, options.labels, rows)


def _statistics_name(options: Options) -> str:
    """Return the name of the extractor's statistics in a file that contains several: only pickles do."""
    features = options.features
    if isinstance(features, str) and str(options.reference).lower().endswith((".pkl", ".pickle")):
        features = open_extractor(features, device="cpu")
    return str(getattr(features, "statistics_name", "fid"))


def _checked_origin(reference: Reference, extractor: Extractor) -> Reference:
    """Return features or moments from a file. Raises InputError if another extractor computed them."""
    if reference.identity and reference.identity != extractor.identity:
        raise InputError(
            f"{reference.name} was made by {reference.extractor or 'another extractor'} ({reference.identity}), but "
            f"the features of the samples are by {extractor.name} ({extractor.identity}); choose the same extractor "
            "with --features and --weights."
        )
    # statistics of other tools are float32
    precision = getattr(extractor, "precision", "fp32")
    if not reference.identity and precision != "fp32":
        raise InputError(
            f"{reference.name} does not say in what precision it was made, and {precision} features may only be "
            f"compared with {precision} features: make it again with "
            f"`genbench stats SAMPLES --precision {precision} --out FILE`."
        )
    return reference


def _usable_device(name: str) -> str:
    """Return the device of that name, or the best one for ``auto``. Raises UsageError if it cannot be used."""
    import torch

    # a small tensor shows whether the device works
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:  # torchrun starts one process for each GPU of a machine
        name = f"cuda:{int(os.environ['LOCAL_RANK']) % max(torch.cuda.device_count(), 1)}"
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise UsageError(f"The device {name!r} cannot be used here ({reason}); try cpu, cuda or auto.") from error
    return name
