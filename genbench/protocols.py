"""The contracts: what Source, Sampler, Extractor, Metric and Tracker must offer, and the Batch and Score they pass on.

A guest imports nothing of genbench: having the right methods is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch

    from genbench.features import Features, Moments

Better = Literal["lower", "higher"]

GROUPS = 32
"""G of ``Parts``: as many degrees of freedom, less one, has the error of what two scores share in their reference."""


@dataclass(frozen=True, eq=False)
class Batch:
    """One step of a source."""

    index: torch.Tensor
    """int64 [N], the place of each row in the source."""
    data: torch.Tensor | list[torch.Tensor]
    """uint8 [N, 3, H, W], 0..255, RGB; float32 [N, D] for points; a list of uint8 [3, H, W] where sizes differ."""
    label: torch.Tensor | None = None
    """int64 [N], the class or condition, where the source knows it."""


@dataclass(frozen=True)
class Parts:
    """By how much each group of rows moves a score, to first order: what two scores against one reference share.

    Group g holds the rows whose place leaves the remainder g. The parts of a side sum to 0, and the variance that the
    side lends the score is G / (G - 1) times the sum of their squares.
    """

    generated: tuple[float, ...]
    """[G]; empty where it is not known, which matters to paired samples only."""
    reference: tuple[float, ...] = ()
    """[G]; empty where the reference adds nothing to the error: there is none, or it counts as fixed."""


class Score(NamedTuple):
    """One number with its standard error."""

    name: str
    """The short name: ``"fid"``."""
    value: float
    error: float | None = None
    """Standard error of ``value``; None only where none is known."""
    better: Better | None = None
    detail: Mapping[str, Any] = {}
    """Small plain data that JSON can hold: the split's std, per-mode counts, the perfect sampler's expected value."""
    key: str | None = None
    """The long name used in JSON (torch-fidelity's where it exists); None means ``name``."""
    parts: Parts | None = None
    """Where ``error`` comes from; None where that is not known."""


@runtime_checkable
class Source(Protocol):
    """Gives batches of samples, always in the same order."""

    @property
    def name(self) -> str:
        """The spec or the path: goes into the record."""
        ...

    def __len__(self) -> int: ...

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield rows ``start`` to ``stop`` (default: the end) in order, at most ``size`` at a time."""
        ...

    # Optional:
    #   digest(start: int, stop: int) -> str    content hash of those rows, told without decoding them
    #   accepts(subject: object) -> bool        (static) whether this plug can open that path or object
    #   labels: int64 array [len] or None       the class of each row, told without decoding
    #   skip_corrupt: bool                      leave out what cannot be decoded instead of stopping
    #   workers: int | None                     how many threads decode


@runtime_checkable
class Sampler(Protocol):
    """A generative model: anything with this one method.

    It is called in chunks of a fixed size, chunk i with a seed made from (seed, i), so the samples depend on
    neither batch size nor process count.
    """

    def sample(self, count: int, seed: int) -> np.ndarray | torch.Tensor:
        """Return uint8 [count, H, W, 3] or [count, 3, H, W] (also one channel), or float points [count, D]."""
        ...

    # Optional:
    #   classes: int, sample_classes(labels, seed)   a sample of each asked class, 0..classes-1: scored per class
    #   fit(source, *, seed, steps, watch, checkpoint)   makes it trainable by ``genbench run``
    #   save(path), load(path)                       keeps the best checkpoint, and opens it: ``weights=``
    #   log_likelihood(data, label, *, samples, seed) -> float [N]   ln p of rows as a source gives them, or a bound
    #   claim(data, seed) -> (name, value, samples)  what its critic believes: ``"w1"`` or the GAN's ``"value"``


@runtime_checkable
class Extractor(Protocol):
    """Looks at a batch and returns views of it, row by row."""

    @property
    def name(self) -> str:
        """For people: ``"inception,resize=clean"``."""
        ...

    @property
    def identity(self) -> str:
        """What decides the numbers: name, options, weights hash. An empty string means unknown: never cached."""
        ...

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Return views of uint8 [N, 3, H, W] or float32 [N, D] data.

        ``embedding`` float32 [N, D], ``logits`` float32 [N, C], ``mode`` int64 [N],
        ``quality`` bool [N] (whether the sample counts as high quality); any subset of these.
        """
        ...

    # Optional:
    #   modes: int           number of modes that ``mode`` can take
    #   device: str          where ``data`` is moved before the call
    #   canonical: bool      whether this is the network that FID is named after


class Metric(Protocol):
    """A pure function of generated and reference Features. Built-ins are frozen dataclasses: fields are options."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The views it reads."""
        ...

    @property
    def reference(self) -> Literal["none", "rows", "moments"]:
        """What it needs of the reference: nothing, its rows, or (count, mean, covariance) alone."""
        ...

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]: ...

    # Optional: ``joint``, a function (metrics, generated, reference, *, seed) -> list of list of Score. Metrics that
    # name the same function are evaluated by one call of it, so that they can share one pass over the rows.


@runtime_checkable
class Tracker(Protocol):
    """Where people keep the numbers of their runs. Options are the parameters of its class."""

    def log(self, run: str, values: Mapping[str, float], *, step: int | None, about: Mapping[str, str]) -> None:
        """Add numbers to a run, which the first call of its name begins; ``about`` says what decides them.

        Names of numbers hold letters, digits, ``_``, ``.``, ``-`` and ``/`` alone; ``run`` can serve as a path.
        """
        ...

    def close(self) -> None:
        """End every run that was begun."""
        ...
