"""The contracts of plugs: Source, Sampler, Extractor, Metric and Tracker, and the Batch and Score that they exchange.

A guest (a plug outside this package) need not import genbench: it fulfils a contract by having the right attributes
and methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch

    from genbench.array_types import Array, Float64, Int64
    from genbench.features.features import Features, Moments

Better = Literal["lower", "higher"]

BATCH_SIZE = 32
"""Default number of samples in a batch."""

GROUPS = 32
"""Number of groups of rows in ``Influence``. The shared error of two scores with the same reference
therefore has GROUPS - 1 degrees of freedom."""

PLANES = ("axial", "coronal", "sagittal")
"""The planes of the slices of a volume [D, H, W]: [H, W], [D, W] and [D, H]."""

IN_PLANE = ",plane="
"""Stands before the plane in the names of scores of slices in one of several planes: ``fd@pixels,plane=axial``."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Some consecutive samples of a source, as NumPy arrays. A guest's own source may give tensors instead."""

    index: Int64
    """int64 [N], the position of each sample in the source."""
    data: Array | list[Array]
    """uint8 [N, 3, H, W], 0..255, RGB; float32 [N, D] for points; a list of uint8 [3, H, W] if sizes differ."""
    label: Int64 | None = None
    """int64 [N], the class or condition of each sample, if the source knows it."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """What the decoder did not use of the files of these samples: the number of things by their plural name, such as
    ``{"further frames": 3}``."""


@dataclass(frozen=True)
class Influence:
    """First-order influence of groups of rows on a score.

    Group g holds the rows whose position is g modulo GROUPS. The influences of a side sum to 0. The side contributes
    G / (G - 1) times the sum of their squares to the variance of the score. Two scores with the same reference share
    its influence, so it cancels from the variance of their difference.
    """

    generated: tuple[float, ...]
    """[G], or empty if unknown; only comparisons of paired samples need it."""
    reference: tuple[float, ...] = ()
    """[G], or empty if the reference contributes nothing to the error (no reference, or a fixed one)."""


@dataclass(frozen=True)
class InfluenceOfRows(Influence):
    """The influence of groups, and that of each row, for rows that are not independent. Only groups are recorded."""

    rows: tuple[Float64, Float64] = field(kw_only=True, compare=False)
    """float64 [N] and [M], the influence of each row of both sides; [0] for a side that contributes nothing."""


class Score(NamedTuple):
    """A number with its standard error."""

    name: str
    """Short name: ``"fid"``."""
    value: float
    error: float | None = None
    """Standard error of ``value``; None if unknown."""
    better: Better | None = None
    detail: Mapping[str, Any] = {}
    """Further plain data for the JSON record: spread over splits, counts per mode, expected value of a perfect
    sampler."""
    key: str | None = None
    """Long name for JSON (torch-fidelity's name if it has one); None means ``name``."""
    influence: Influence | None = None
    """Contribution of groups of rows to ``error``; None if unknown."""
    interval: tuple[float, float] | None = None
    """Ends of the 95 % confidence interval if it is not ``value`` ± 1.96 ``error``, as for shares near 0 or 1."""


class RowwiseDistance(NamedTuple):
    """A distance between two sides, and how much each row of them changes it, to first order."""

    value: float
    generated: Float64 | None
    """float64 [N], the influence function of each row divided by N; None if a side has too few rows for it."""
    reference: Float64 | None
    """float64 [M], or [0] for the moments of a file; None together with ``generated``."""


@runtime_checkable
class Source(Protocol):
    """A fixed sequence of samples, read in batches."""

    @property
    def name(self) -> str:
        """The spec or path, for the record."""
        ...

    def __len__(self) -> int: ...

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield the rows from ``start`` to ``stop`` (default: the end) in order, at most ``size`` at a time."""
        ...

    # Optional:
    #   volume, plane: int64 arrays [len]       of slices of volumes: the volume of each row, whose rows are not
    #                                           independent, and its plane, a position in PLANES
    #   digest(start: int, stop: int) -> str    hash of the contents of these rows, without decoding them
    #   unchanged() -> bool                     beside ``digest``: whether the files of its last call surely stayed the
    #                                           same since; if not, they are hashed again after decoding
    #   accepts(subject: object) -> bool        static method: whether this plug can open that path or object
    #   labels: int64 array [len] or None       the class of each row, without decoding it
    #   class_names: Sequence[str] or None      the name of class k is class_names[k]; None if classes have no names
    #   left_out: Mapping[str, int]             what lies in the folder, archive or file and is not used: the number of
    #                                           things by their plural name, {"hidden files": 2, "gif files": 3}
    #   notes: tuple[str, ...]                  sentences about what may be wrong with the samples; shown as warnings
    #   read_at_most(count: int) -> None        called before anything is read: a source whose length is not known needs
    #                                           only its first samples
    #   skip_corrupt: bool                      leave out samples that cannot be decoded, instead of raising
    #   workers: int | None                     number of decoding threads
    #   max_pixels: int                         largest number of pixels of an image that is decoded


@runtime_checkable
class Sampler(Protocol):
    """A generative model: any object with this method.

    genbench calls it for chunks of a fixed size and derives the seed of chunk i from (seed, i). The samples therefore
    do not depend on the batch size or on the number of processes.
    """

    def sample(self, count: int, seed: int) -> np.ndarray | torch.Tensor:
        """Return uint8 [count, H, W, 3] or [count, 3, H, W] (or with one channel), or float points [count, D]."""
        ...

    # Optional:
    #   seed_bits: int          seeds are below 2 ** seed_bits; 31 by default, because many programs parse int32
    #   draw_ahead: bool        whether one other thread may draw the next chunk while an extractor works on the last
    #                           one; True by default
    #   classes: int, sample_classes(labels, seed)   samples of given classes 0..classes-1; scored per class
    #   class_names: list[str]                       names of these classes; without them class k is called k
    #   fit(source, *, seed, steps, watch, checkpoint)   training, used by ``genbench run``
    #   save(path), load(path)                       write and read the weights; used for the best checkpoint
    #   weights_suffix: str                          suffix of these paths and of ``checkpoint``; ".pt" by default
    #   log_likelihood(data, label, *, samples, seed) -> float [N]   ln p of each row, or a lower bound of it
    #   claim(data, seed) -> (name, value, samples)  the critic's estimate: ``"w1"``, or ``"value"`` of the GAN game


@runtime_checkable
class Extractor(Protocol):
    """A network or function that computes views (embedding, logits, mode, quality) of each sample."""

    @property
    def name(self) -> str:
        """Name for people: ``"inception,resize=clean"``."""
        ...

    @property
    def identity(self) -> str:
        """Everything that decides the numbers: name, options, weights hash. Empty means unknown: never cached."""
        ...

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor | Array]:
        """Return views of uint8 [N, 3, H, W] images or float32 [N, D] points.

        Any of: ``embedding`` float32 [N, D], ``logits`` float32 [N, C], ``mode`` int64 [N], ``quality`` bool [N]
        (whether the sample is of high quality), ``spatial`` float32 [N, D] (activations by position).
        """
        ...

    # Optional:
    #   modes: int              number of values that ``mode`` can take
    #   class_names: Sequence[str]   names of the classes of ``logits`` and ``mode``, in their order
    #   device: str             device that ``data`` is moved to before the call
    #   takes_arrays: bool      whether ``data`` is a NumPy array instead of a tensor, so that torch is not imported
    #   canonical: bool         whether this is the network that FID is defined by
    #   optional_views: tuple[str, ...]        views that are computed only if a metric reads them, such as ``spatial``
    #   with_views(views) -> Extractor         the same extractor, with the same identity, giving these views as well
    #   added_views: tuple[str, ...]           the optional views that it gives
    #   statistics_name: str    key of its statistics in a file that holds several, as EDM's do; default ``"fid"``


class Metric(Protocol):
    """A pure function of generated and reference Features. Built-in metrics are frozen dataclasses of their options."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The views that it reads."""
        ...

    @property
    def reference(self) -> Literal["none", "rows", "moments"]:
        """What it needs of the reference: nothing, the rows, or only (count, mean, covariance)."""
        ...

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]: ...

    # Optional:
    #   extractor: str                      the extractor that it is evaluated with, unless a spec names another
    #   view: str                           with reference "moments": the view of these moments; default ``embedding``
    #   training_rows: "needed" or "optional"   it takes the Features of the training samples as keyword ``train``;
    #                                       with "optional" only if they are given. The reference is then held-out.
    #   least_samples: tuple of int         fewest generated, reference (and training) samples that it can be computed
    #                                       from
    #   takes_moments: bool                 whether it also takes Moments as its generated side
    #   evaluate_together(metrics, generated, reference, *, seed) -> list[list[Score]]
    #       Metrics with the same function are evaluated by one call of it, so that they share one pass over the rows.
    #   row_influence(generated, reference, *, seed) -> RowwiseDistance
    #       The distance of a panel, 0 or more and biased upward alike for all sides of as many rows.


WITH_TRAIN = " with training samples"
"""Follows the record of a metric that took training samples and can do without: its score is then another one."""


@runtime_checkable
class Tracker(Protocol):
    """An experiment tracker. Its options are the parameters of its class."""

    def log(self, run: str, values: Mapping[str, float], *, step: int | None, about: Mapping[str, str]) -> None:
        """Add numbers to a run. The first call with a name starts that run; ``about`` holds the protocol as text.

        The names of the numbers consist of letters, digits, ``_``, ``.``, ``-`` and ``/``; ``run`` is a valid path.
        """
        ...

    def close(self) -> None:
        """Finish every run that was started."""
        ...
