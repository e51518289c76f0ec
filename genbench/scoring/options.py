"""The options of a score: one dataclass with all defaults, and the typed keywords of the public functions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypedDict

from genbench.benchmarks import Benchmark
from genbench.distributed import Ranks
from genbench.errors import UsageError, did_you_mean, refuse_seed
from genbench.plugs.contracts import BATCH_SIZE
from genbench.plugs.registry import load
from genbench.plugs.requested_classes import check_label_rule
from genbench.scoring.metric_lists import metric_specs

if TYPE_CHECKING:
    from genbench.plugs.contracts import Extractor

RENAMED = {"protocols": "resizes"}
"""Older names of options, which work for one more version."""


@dataclass(frozen=True)
class Options:
    """How to score. Everything that decides a number goes into the Result."""

    reference: object | None = None
    """Path, spec, Source, Features or Moments of the real samples."""
    train: object | None = None
    """Path, spec, Source or Features of the training samples, for metrics of memorisation.

    ``reference`` then holds samples that the model has not seen.
    """
    metrics: str | None = None
    """Metric specs: ``"fid,is,splits=1,fd@pixels"``; None means the benchmark's, or all that apply."""
    features: str | Extractor | None = None
    """Extractor spec or plug; None means the benchmark's, points for points, and for images Inception, or
    efficientnet-lite0 if nothing asks for FID by name and Inception's weights can neither be found nor downloaded."""
    resizes: str | None = None
    """Resizes of Inception, ``"tf,torch,clean"``: each metric (default: FID) is computed under every resize.

    ``Plan`` expands them into one extractor for each resize; ``evaluate`` adds the resize to the names.
    """
    panel: str | None = None
    """Name of a panel, or extractor specs, ``"inception,pixels,size=32"``: distances in units of real data, and their
    mean. Without ``metrics`` only these are computed."""
    panel_metric: str | None = None
    """Distance of the panel: fd, mind or kid; None means fd."""
    floor: object | None = None
    """Held-out real samples of a panel, as ``reference``; None halves the reference; ``"published"`` takes the
    published distances of the panel."""
    count: int | None = None
    """Number of generated samples; None means the benchmark's, or all there are."""
    labels: str | None = None
    """Which classes are requested of a sampler that takes them: ``"equal"`` (in turn), ``"random"`` (a uniform draw for
    each sample), or ``"reference"`` (in the proportions of the reference); None means the benchmark's, or equal."""
    seed: int = 0
    """Seed of samplers, of the choice of a subset, and of metrics that draw random numbers."""
    batch_size: int = BATCH_SIZE
    workers: int | None = None
    """Number of decoding threads; None chooses it."""
    device: str = "auto"
    weights: str | None = None
    """Path of the extractor's weights."""
    precision: str | None = None
    """fp32, tf32 or bf16, if the extractor has this option; None means its default, fp32."""
    backend: str | None = None
    """torch, openvino or compile, if the extractor has this option; None means its default."""
    name: str | None = None
    """Name of the subject in tables; None means its path or spec."""
    skip_corrupt: bool = False
    """Leave out images that cannot be decoded and report their number, instead of raising."""
    max_pixels: int | None = None
    """Largest number of pixels of an image that is decoded; None means that of the source."""
    ranks: Ranks | None = None
    """The processes that share the work; None means one process."""
    cache: bool = True
    """Read and write the store of features on disk."""
    progress: bool | None = None
    """Show a progress bar on stderr; None shows it if stderr is a terminal."""

    @staticmethod
    def of(given: Mapping[str, Any]) -> Options:
        """Return the options with these names. Raises UsageError for an unknown name or a wrong seed."""
        # accept older names with a notice
        known = [field.name for field in fields(Options)]
        values = dict(given)
        for old, new in RENAMED.items():
            if old in values:
                warnings.warn(f"The option {old} is now called {new}.", FutureWarning, stacklevel=3)
                values[new] = values.pop(old)
        for name in values:
            if name not in known:
                raise UsageError(f"score has no option {name!r}{did_you_mean(name, known)}")
        # names one by one are as good as a text with commas
        if isinstance(values.get("metrics"), (list, tuple)):
            values["metrics"] = ",".join(map(str, values["metrics"]))
        options = Options(**values)
        refuse_seed(options.seed)
        check_label_rule(options.labels)
        return options

    def completed(self, benchmark: Benchmark | None) -> Options:
        """Return the options with everything that a benchmark fixes. Raises UsageError if an option contradicts it."""
        # several resizes apply to the network of FID only
        if self.resizes is not None:
            if benchmark is not None or self.features is not None:
                raise UsageError("--resizes applies to FID's Inception; leave out --benchmark and --features.")
            return replace(self, features="inception", metrics=self.metrics or "fid")
        if benchmark is None:
            return self
        # what the benchmark fixes must not be given as well
        fixed = {name: getattr(benchmark, name) for name in ("reference", "features", "metrics", "count", "labels")}
        if _reads_train(benchmark.metrics):
            fixed["train"] = benchmark.train
        for name in fixed:
            if getattr(self, name) is not None:
                raise UsageError(
                    f"The benchmark {benchmark} fixes its {name}; leave out --{name}, or leave out --benchmark to "
                    "choose it."
                )
        return replace(self, **fixed)


def _reads_train(metrics: str) -> bool:
    """Whether one of these metrics needs the training samples."""
    specs = [replace(spec, extractor=None) for spec in metric_specs(metrics)]
    return any(getattr(load("metrics", spec), "training_rows", None) == "needed" for spec in specs)


# The keywords of the public functions. A test keeps their names and types equal to those of Options.


class ExtractionOptions(TypedDict, total=False):
    """The options that every function below has; see ``Options`` for their meaning."""

    features: str | Extractor | None
    resizes: str | None
    count: int | None
    labels: str | None
    seed: int
    batch_size: int
    workers: int | None
    device: str
    weights: str | None
    precision: str | None
    backend: str | None
    name: str | None
    skip_corrupt: bool
    max_pixels: int | None
    ranks: Ranks | None
    progress: bool | None


class PanelOptions(TypedDict, total=False):
    """The options of a panel."""

    panel: str | None
    panel_metric: str | None
    floor: object | None


class WatchOptions(ExtractionOptions, total=False):
    """The options of ``Watcher``."""

    metrics: str | None
    train: object | None


class ScoreOptions(WatchOptions, PanelOptions, total=False):
    """The options of ``score``."""

    reference: object | None
    cache: bool


class CompareOptions(ExtractionOptions, PanelOptions, total=False):
    """The options of ``compare`` for subjects that are scored on the spot."""

    benchmark: str | Benchmark | None
    reference: object | None
    train: object | None
    cache: bool
