"""The gallery of a result as it is stored: samples with their neighbours, and what the report draws, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

from genbench.files.json_records import Count, Must, plain_data, read_record, to_record

Size = Annotated[int, Must("1 or more", lambda size: size >= 1)]
"""A number of pixels or tiles."""


@dataclass(frozen=True)
class SampleGroup:
    """Some generated samples with their nearest reference samples."""

    rows: Sequence[Count]
    """Indices of the generated samples."""
    nearest: Sequence[Count]
    """Index of the nearest reference sample of each."""
    distances: Sequence[float] = field(metadata={"json": "distance"})
    """Distance to it in feature space."""


@dataclass(frozen=True)
class SheetLayout:
    """How images lie on the sheet ``gallery.png``: each group of samples has a line of tiles for each of ``lines``."""

    lines: Sequence[str]
    """``sample``, ``nearest reference`` and, if the training set has images, ``nearest training image``."""
    columns: Size
    width: Size
    """Width and height of a tile in pixels."""
    height: Size
    gap: Count = field(metadata={"json": "line"})
    """Pixels between tiles and around them."""


class CountedDistance(NamedTuple):
    """A distance between N generated samples and an equal share of the reference."""

    samples: Count
    """N."""
    value: float
    error: float | None


@dataclass(frozen=True)
class DistanceByCount:
    """The Frechet distance at several numbers of samples, to be drawn against 1/N."""

    name: str
    """Name of the score, ``fd@digits``."""
    rows: Sequence[CountedDistance]


@dataclass(frozen=True)
class Gallery:
    """What the report shows of one sampler's samples. A part that does not apply is empty."""

    count: Count = 0
    reference_count: Count = 0
    groups: Mapping[str, SampleGroup] = field(default_factory=dict)
    """Samples drawn at random (``random``), and those nearest to the reference (``typical``) and farthest (``odd``)."""
    median_distance: float | None = field(default=None, metadata={"json": "distance"})
    """Median distance of a generated sample to its nearest reference sample."""
    reference_median_distance: float | None = field(default=None, metadata={"json": "reference_distance"})
    """Median distance of a reference sample to its nearest other reference sample."""
    by_count: DistanceByCount | None = None
    modes: Sequence[Count] = ()
    """Number of generated samples in each mode."""
    reference_modes: Sequence[Count] = ()
    marginal: Sequence[float] = ()
    """Mean predicted probability p(y) of each class."""
    reference_marginal: Sequence[float] = ()
    conditionals: Sequence[Sequence[float]] = ()
    """Predicted probabilities p(y|x) of the samples of the group ``random``."""
    points: Sequence[Sequence[float]] = ()
    """Two coordinates of each of the first generated points."""
    reference_points: Sequence[Sequence[float]] = ()
    picture: SheetLayout | None = None
    """Layout of ``gallery.png``; None if there is no such file."""

    @staticmethod
    def from_json(data: object) -> Gallery:
        """Return the gallery of a JSON object; the inverse of ``to_json``.

        Raises ValueError for missing keys, values of the wrong type and lists whose lengths do not fit.
        """
        gallery = read_record(Gallery, data)
        # lists that are drawn side by side have the same length
        for name, group in gallery.groups.items():
            if not len(group.rows) == len(group.nearest) == len(group.distances):
                raise ValueError(f"the lists of groups[{name!r}] have different lengths")
        shown = len(gallery.groups["random"].rows) if "random" in gallery.groups else 0
        pairs = {
            "modes": (gallery.modes, gallery.reference_modes),
            "marginal": (gallery.marginal, gallery.reference_marginal),
            **{f"conditionals[{row}]": (each, gallery.marginal) for row, each in enumerate(gallery.conditionals)},
        }
        for name, (left, right) in pairs.items():
            if len(left) != len(right):
                raise ValueError(f"{name} has {len(left)} values, but the other side has {len(right)}")
        if gallery.conditionals and len(gallery.conditionals) != shown:
            raise ValueError(f"conditionals has {len(gallery.conditionals)} rows for {shown} samples")
        for name, points in (("points", gallery.points), ("reference_points", gallery.reference_points)):
            if any(len(point) != 2 for point in points):
                raise ValueError(f"{name} has a row without two coordinates")
        return gallery

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``gallery.json``, without empty parts; null stands for NaN and infinity."""
        data: dict[str, Any] = plain_data(to_record(self))
        return {name: value for name, value in data.items() if value not in (None, [], {})}
