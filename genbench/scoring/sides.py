"""The sides of a score, generated, reference and training samples: opened; features are computed once per extractor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from genbench.array_types import Array
from genbench.errors import UsageError, guest_code
from genbench.extraction.extract import Extraction, extract_all
from genbench.extraction.feature_store import HashedBlocks, Store, added_views
from genbench.features.features import Features, Moments
from genbench.plugs.contract_checks import check_extractor, read_batches
from genbench.plugs.contracts import Extractor, Metric, Sampler, Source
from genbench.plugs.opening import open_extractor, open_reference
from genbench.results import SampleSet
from genbench.scoring.checked_origin import checked_origin
from genbench.scoring.default_extractor import FID_NETWORK, default_network
from genbench.scoring.generated_side import drawn, extractor_of, open_generated, with_count
from genbench.scoring.named_reference import NamedReference, open_named_reference
from genbench.scoring.options import Options
from genbench.scoring.slice_scores import described_slices
from genbench.scoring.usable_device import usable_device

Side = Literal["generated", "reference", "train", "floor"]


@dataclass
class Sides:
    """Generated samples and reference, opened. Features are computed when they are first asked for."""

    generated: Source | Features
    rows: Source | Features | None
    """The reference's samples or features, if there are any."""
    moments: Moments | None
    """The reference's mean and covariance, if they come from a file."""
    options: Options
    device: str
    further: Mapping[Side, Source | Features] = field(default_factory=dict)
    """Further samples by their role: the training samples, and the floor of a panel."""
    named: NamedReference | None = None
    """The statistics by name that the reference is."""
    default_extractor: str = ""
    """The extractor of metrics that do not name one."""
    hints: tuple[str, ...] = ()
    """A sentence about the default extractor if it replaces Inception."""
    _extractors: dict[str, Extractor] = field(default_factory=dict)
    _features: dict[tuple[Side, str], Features] = field(default_factory=dict)
    _known: dict[tuple[str, ...], dict[int, HashedBlocks]] | None = None
    """Blocks of a growing generated side, by the names of their extractors; None if it does not grow."""

    def with_generated(self, source: Source | Features, known: dict[tuple[str, ...], dict[int, HashedBlocks]]) -> Sides:
        """Return the same sides with other generated samples, whose blocks are kept in ``known``."""
        others = {key: features for key, features in self._features.items() if key[0] != "generated"}
        return replace(self, generated=source, _features=others, _known=known)

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

    def add_views(self, name: str, metrics: Sequence[Metric]) -> None:
        """Have an extractor compute the optional views that metrics read. Call it before the extraction."""
        opened, added = self.extractor(name), added_views(self.extractor(name))
        optional = set(getattr(opened, "optional_views", ())) - set(added)
        needed = dict.fromkeys(view for metric in metrics for view in metric.needs if view in optional)
        # an extractor that has them already stays, with its network
        if needed:
            with guest_code(f"The extractor {opened.name!r}"):
                self._extractors[name] = opened.with_views((*added, *needed))  # type: ignore[attr-defined]

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

    def samples(self, side: Side) -> Source | Features | None:
        """Return the samples or features of a side; None if it has none."""
        sides = {"generated": self.generated, "reference": self.rows, **self.further}
        return sides.get(side)

    def extract(self, side: Side, extractors: Sequence[str]) -> None:
        """Compute the features of a side by several extractors in one pass over its samples."""
        # skip what is extracted already
        source = self.samples(side)
        names = [name for name in extractors if (side, name) not in self._features]
        opened = [self.extractor(name) for name in names]
        # features from a file need no extraction; samples go through all extractors at once
        if isinstance(source, Features):
            for name, extractor in zip(names, opened, strict=True):
                self._features[side, name] = checked_origin(source, extractor)
        elif source is not None and names:
            growing = self._known if side == "generated" else None
            extraction = Extraction(
                Store.default() if self.options.cache else None,
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
        moments = self.moments_of(metric)
        return None if moments is None else checked_origin(moments, self.extractor(extractor))

    def moments_of(self, metric: Metric) -> Moments | None:
        """Return the moments from a file that a metric can use: those of the view that it compares."""
        if metric.reference != "moments" or self.moments is None:
            return None
        return self.moments.of_view(getattr(metric, "view", "embedding"))

    def needs_rows(self, metric: Metric) -> bool:
        """Whether a metric needs the features of the reference's samples."""
        return metric.reference != "none" and self.moments_of(metric) is None

    def train(self, metric: Metric, extractor: str) -> Features | None:
        """Return the features of the training samples if a metric takes them and they were given."""
        takes = "train" in self.further and takes_train(metric)
        return self.features("train", extractor) if takes else None

    def extracted(self) -> tuple[Features, Features | None]:
        """Return the features of both sides by one extractor, that of the first metric that compares samples.

        Without such a metric there are no features of the reference.
        """
        # the reference is extracted only by the extractors whose metrics compare samples
        extractors = [extractor for side, extractor in self._features if side == "reference"]
        if not extractors:
            return next(features for (side, _), features in self._features.items() if side == "generated"), None
        return self._features["generated", extractors[0]], self._features["reference", extractors[0]]

    def extracted_with_train(self) -> tuple[Features, Features | None, Features] | None:
        """Return the generated, reference and training features by one extractor whose metrics read all of them."""
        # copies are looked for in the first features that include the training samples
        extractor = next((name for side, name in self._features if side == "train"), None)
        if extractor is None:
            return None
        reference = self._features.get(("reference", extractor))
        return self._features["generated", extractor], reference, self._features["train", extractor]

    def further_sets(self) -> dict[Side, SampleSet]:
        """Return the records of the further sides whose features were computed."""
        extracted = {side: features for (side, _), features in self._features.items() if side in self.further}
        return {side: _sample_set(features) for side, features in extracted.items()}

    def skipped(self, side: Side) -> int:
        """Return how many samples of a side were left out of its features."""
        return max((features.skipped for (own, _), features in self._features.items() if own == side), default=0)

    def sample_sets(self) -> tuple[SampleSet, SampleSet | None]:
        """Return the records of the generated and the reference samples for the result."""
        # after the extraction, names and counts are those of the features
        generated, features = self.extracted()
        reference = None if features is None else _sample_set(features)
        if reference is None and self.moments is not None:
            reference = SampleSet(self.moments.name, self.moments.count, self.moments.fingerprint)
        if reference is not None and self.named is not None:
            reference = self.named.record(reference)
        return _sample_set(generated), reference

    def set_default_extractor(self, preferred: str | None) -> None:
        """Choose the extractor of metrics that do not name one; ``preferred`` is that of ``default_network``."""
        # the first sample shows whether the samples are images or points; a panel names its extractors
        features, of_panel = self.options.features, self.options.panel is not None and self.options.metrics is None
        if features is None and isinstance(self.generated, Features):
            features = extractor_of(self.generated, self.device)
        if features is None:
            first = None if of_panel else self._first_sample()
            if of_panel or (first is not None and first.ndim == 1):
                self.default_extractor = FID_NETWORK if of_panel else "points"
            else:
                self._choose_network(preferred)
        elif isinstance(features, str):
            self.default_extractor = features
        else:
            check_extractor(features)
            self.default_extractor = features.name
            self._extractors[features.name] = features

    def _first_sample(self) -> Array | None:
        """Return the first generated sample; None if there is none, or if only its features are known."""
        samples = None if isinstance(self.generated, Features) else next(read_batches(self.generated, 1, 0, 1), None)
        return None if samples is None else samples.data[0]

    def _choose_network(self, preferred: str | None) -> None:
        """Choose the network of images, and say so in ``hints`` if the weights of Inception are missing."""
        read = [self.moments, self.rows, *self.further.values()]
        from_files = [each.extractor for each in read if isinstance(each, (Features, Moments))]
        weights = lambda name: open_extractor(name, device=self.device).identity  # noqa: E731
        self.default_extractor, self.hints = default_network(self.options, from_files, preferred, weights)


def _sample_set(features: Features) -> SampleSet:
    name, count, skipped = features.name, len(features), features.skipped
    slices = described_slices(features)
    return SampleSet(name, count, features.fingerprint, skipped, features.left_out, features.levels, slices=slices)


def open_sides(subject: object, options: Options, *, preferred: str | None = None) -> Sides:
    """Open the subject, the reference and the training samples, set the options of reading, choose the extractor.

    Raises UsageError, InputError or PlugError if one of them cannot be opened, or if a sampler has no count.
    """
    opened = open_generated(subject)
    set_reading(opened, options)
    options, named = open_named_reference(options)
    # the statistics of a reference are read only if they fit to the samples
    samples = with_count(opened, options)
    rows, moments = open_reference(
        options.reference, statistics_name=_statistics_name(options), dimension=_point_dimension(samples, options)
    )
    if named is not None:
        moments = named.moments(moments)
    set_reading(rows, options)
    # a sampler becomes a source once its count and seed are known
    generated = samples if isinstance(samples, (Source, Features)) else drawn(samples, subject, options, rows)
    further: dict[Side, Source | Features] = {} if options.train is None else {"train": _train(options)}
    sides = Sides(generated, rows, moments, options, usable_device(options.device), further, named)
    sides.set_default_extractor(preferred)
    return sides


def _train(options: Options) -> Source | Features:
    """Open the training samples. Raises UsageError if only their statistics are known."""
    # the path of a reference may hold samples, features or statistics, and so may this one
    rows, _ = open_reference(options.train)
    if rows is None:
        raise UsageError(
            "--train needs the training samples, but a statistics file contains only mean and covariance: give the "
            "folder, archive or data set itself, or features written by `genbench stats --out FILE.safetensors`."
        )
    set_reading(rows, options)
    return rows


def takes_train(metric: Metric) -> bool:
    """Whether a metric reads the training samples if they are given."""
    return getattr(metric, "training_rows", None) in ("needed", "optional")


def set_reading(source: object, options: Options) -> None:
    """Set the options of reading of a source that has them."""
    for name in ("workers", "skip_corrupt", "max_pixels"):
        if getattr(options, name) and hasattr(source, name):
            setattr(source, name, getattr(options, name))


def _point_dimension(samples: Source | Sampler | Features, options: Options) -> int | None:
    """Return the number of coordinates of points; None for images, and if an extractor changes the dimension."""
    is_file = str(options.reference).lower().endswith((".npz", ".pkl", ".pickle"))
    if not is_file or not isinstance(samples, Source) or options.features not in (None, "points"):
        return None
    first = next(read_batches(samples, 1, 0, 1), None) if len(samples) else None
    return int(first.data[0].shape[0]) if first is not None and first.data[0].ndim == 1 else None


def _statistics_name(options: Options) -> str:
    """Return the name of the extractor's statistics in a file that contains several: only pickles do."""
    features = options.features
    if isinstance(features, str) and str(options.reference).lower().endswith((".pkl", ".pickle")):
        features = open_extractor(features, device="cpu")
    return str(getattr(features, "statistics_name", "fid"))
