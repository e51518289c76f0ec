"""Score a panel: distances in the features of several extractors, in units of the distance of real samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from genbench.array_types import Float64
from genbench.comparison.panel_ratios import ratios_of_entries
from genbench.errors import GenbenchError, InputError, UsageError, did_you_mean, number_of
from genbench.features.features import Features, Moments
from genbench.plugs.contracts import Metric
from genbench.plugs.opening import open_reference
from genbench.plugs.registry import load
from genbench.results import Entry, SampleSet
from genbench.scoring.checked_origin import checked_origin
from genbench.scoring.copies import find_copies
from genbench.scoring.panel_error import Ratios, Trio, ratios_of
from genbench.scoring.panel_rows import RowChoice, choose_rows
from genbench.scoring.panels import PUBLISHED_FLOOR, Panel, open_panel
from genbench.scoring.sides import Sides, set_reading
from genbench.scoring.slice_scores import refuse_slices

RATIOS = {
    "fd": ("fdr", "frechet_distance_ratio"),
    "mind": ("mindr", "monge_distance_ratio"),
    "kid": ("kdr", "kernel_distance_ratio"),
}
"""Short and long names of the score of each distance."""

DEFAULT_DISTANCE = "fd"


@dataclass(frozen=True)
class PanelScore:
    """What decides the scores of a panel beside the samples; its repr is recorded with the metrics of a result."""

    panel: str
    extractors: tuple[str, ...]
    metric: str
    floor_from: str
    """Where the floor comes from: held-out samples, half of the reference, or published."""
    rows: int
    """Number of generated samples, and of those of the floor, in each distance."""


@dataclass(frozen=True)
class PanelEvaluation:
    """The scores of a panel, and what a result says about them."""

    entries: list[Entry]
    """The mean ratio first, then the ratio of each extractor."""
    recorded: PanelScore
    floor: SampleSet
    warnings: list[str]
    hints: list[str]


@dataclass(frozen=True)
class PanelPlan:
    """A panel that is ready to be scored: its extractors are open and its floor exists."""

    panel: Panel
    distance: str
    metric: Metric
    extractors: tuple[str, ...]
    """Specs of the extractors that could be opened."""
    left_out: tuple[str, ...]
    """One sentence about each of the others."""

    @staticmethod
    def make(sides: Sides) -> PanelPlan | None:
        """Return the plan of the panel that the options name, or None without one.

        Raises UsageError for a panel, distance or floor that does not exist or does not fit.
        """
        options = sides.options
        if options.panel is None:
            for name in ("floor", "panel_metric"):
                if getattr(options, name) is not None:
                    raise UsageError(f"--{name.replace('_', '-')} belongs to a panel; add --panel NAME.")
            return None
        # names first, then what has to be opened
        panel = open_panel(options.panel)
        distance = options.panel_metric or DEFAULT_DISTANCE
        if distance not in RATIOS:
            raise UsageError(f"There is no panel metric called {distance!r}{did_you_mean(distance, RATIOS)}")
        metric: Metric = load("metrics", distance)
        extractors, left_out = _opened(panel, sides)
        _open_floor(sides)
        plan = PanelPlan(panel, distance, metric, extractors, left_out)
        plan._require_sides(sides)
        return plan

    def _require_sides(self, sides: Sides) -> None:
        """Raise UsageError unless reference and floor allow the ratios."""
        refuse_slices("A panel", sides.generated, sides.rows)
        # without samples only one Frechet distance to the moments of a file is possible
        if sides.rows is None and sides.moments is None:
            raise UsageError("A panel compares with a reference: add --reference PATH, or --benchmark NAME.")
        if sides.rows is None and sides.options.floor is None:
            raise UsageError("The reference is a statistics file, which cannot be halved; add --floor PATH.")
        if sides.rows is None and (self.metric.reference != "moments" or len(self.extractors) > 1):
            raise UsageError(
                f"The panel {self.panel.name!r} needs the reference's samples, but a statistics file holds the mean "
                "and covariance of one extractor; give the folder, archive or data set itself."
            )
        if _is_published(sides.options.floor):
            self._require_published(len(sides.generated))

    def _require_published(self, count: int) -> None:
        """Raise UsageError if the published floors are those of another panel, distance or number of samples."""
        # they are Frechet distances of the encoders of the panel
        if not self.panel.floors or self.distance != "fd":
            raise UsageError(
                f"There are no published {self.distance} floors of the panel {self.panel.name!r}; give held-out real "
                "samples with --floor PATH."
            )
        # the bias of a distance depends on the number of samples
        if count != self.panel.floor_count:
            raise UsageError(
                f"The published floors of {self.panel.name!r} are those of {self.panel.floor_count:,} samples, but "
                f"there are {count:,} generated ones; score {self.panel.floor_count:,}, or give --floor PATH."
            )

    def evaluate(self, sides: Sides) -> PanelEvaluation:
        """Compute the features, the distances, their ratios and the mean ratio.

        Raises InputError if a side has too few samples, or if the floor is not independent of the other sides.
        """
        # the features of each side by each extractor; they were extracted together
        generated = [sides.features("generated", name) for name in self.extractors]
        reference: list[Features | Moments] = [
            sides.features("reference", name) if sides.rows is not None else self._moments(sides, name)
            for name in self.extractors
        ]
        held_out = None if "floor" not in sides.further else [sides.features("floor", name) for name in self.extractors]
        # all extractors gave the same rows, so the choice is that of the first
        published = _is_published(sides.options.floor)
        choice = choose_rows(generated[0], reference[0], held_out[0] if held_out else None, published=published)
        trios = [
            choice.trio(own, other, held_out[index] if held_out else None, self._published(index, published))
            for index, (own, other) in enumerate(zip(generated, reference, strict=True))
        ]
        # the unit must be independent of what it measures
        warnings = _overlaps(trios[0])
        distance = partial(self.metric.row_influence, seed=sides.options.seed)  # type: ignore[attr-defined]
        entries = self._entries(ratios_of(distance, trios), trios, choice, sides)
        # a ratio that is too good, and in one space only
        warnings += [ratios.warning for ratios in ratios_of_entries(entries) if ratios.warning]
        return PanelEvaluation(
            entries,
            PanelScore(self.panel.name, self._names(sides), self.distance, choice.floor_from, choice.rows),
            _floor_record(trios[0], choice, self.panel),
            [*warnings, *self._warnings(published)],
            [*choice.sentences, *(f"Left out of the panel: {sentence}" for sentence in self.left_out)],
        )

    def _moments(self, sides: Sides, extractor: str) -> Moments:
        assert sides.moments is not None
        return checked_origin(sides.moments, sides.extractor(extractor))

    def _published(self, index: int, published: bool) -> float | None:
        # by the spec, because extractors that cannot be opened are left out
        return self.panel.floors[self.panel.extractors.index(self.extractors[index])] if published else None

    def _names(self, sides: Sides) -> tuple[str, ...]:
        return tuple(sides.extractor(name).name for name in self.extractors)

    def _warnings(self, published: bool) -> list[str]:
        if not published:
            return []
        return [
            f"the floors of {self.panel.name} are published distances, which hold only for the reference statistics, "
            "networks and preprocessing of their paper; genbench cannot check that yours are the same."
        ]

    def _entries(self, ratios: Ratios, trios: list[Trio], choice: RowChoice, sides: Sides) -> list[Entry]:
        """Return the mean ratio and the ratio of each extractor."""
        # all entries share what is known of the samples
        names, (short, long) = self._names(sides), RATIOS[self.distance]
        count = len(names)
        counts = {"generated": choice.rows, "reference": _count(trios[0].reference), "floor_rows": choice.rows}
        shared: dict[str, Any] = {**counts, "floor_from": choice.floor_from, "error_by": ratios.method}
        # real samples are the unit
        shared["expected"] = 1.0

        # a score is a weighted sum of the ratios: one of them, or their mean
        def entry(at: str, extractor: str, weights: Float64, detail: dict[str, Any]) -> Entry:
            value, error = float(weights @ ratios.values), ratios.error(weights)
            return Entry(
                f"{short}@{at}", f"{long}@{at}", value, error, "lower", extractor, {**detail, **shared},
                ratios.influence(weights), ratios.interval(weights),
            )  # fmt: skip

        # the ratio of each extractor
        single = [
            entry(name, name, row, {"distance": float(distance), "floor": float(floor)})
            for name, row, distance, floor in zip(names, np.eye(count), ratios.distances, ratios.floors, strict=True)
        ]
        # a list of one extractor has no mean of its own
        if count == 1 and len(self.panel.extractors) == 1:
            return single
        # the mean, with what a later comparison of the ratios needs
        detail = {
            "extractors": list(names),
            "ratios": ratios.values.tolist(),
            "covariance": ratios.covariance.tolist(),
            "degrees": ratios.degrees,
        }
        return [entry(self.panel.name, self.panel.name, np.full(count, 1 / count), detail), *single]


def _opened(panel: Panel, sides: Sides) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the specs of the extractors that can be opened, and a sentence about each other one."""
    # by the name of the opened extractor, which is that of its score
    opened: dict[str, str] = {}
    left_out = []
    for spec in panel.extractors:
        try:
            name = sides.extractor(spec).name
        except GenbenchError as error:
            if not panel.may_lack:
                raise
            left_out.append(f"{spec}: {error}")
            continue
        if name in opened:
            raise UsageError(f"The panel has the extractor {name!r} twice; name each extractor once.")
        opened[name] = spec
    if not opened:
        raise UsageError(f"No extractor of the panel {panel.name!r} can be used: {' '.join(left_out)}")
    return tuple(opened.values()), tuple(left_out)


def _is_published(floor: object) -> bool:
    # arrays are compared element by element
    return isinstance(floor, str) and floor == PUBLISHED_FLOOR


def _open_floor(sides: Sides) -> None:
    """Open the held-out samples that the options name, if any. Raises UsageError for a statistics file."""
    floor = sides.options.floor
    if floor is None or _is_published(floor):
        return
    held_out, _ = open_reference(floor)
    if held_out is None:
        raise UsageError(f"{floor} is a statistics file, but a floor consists of samples; give real images.")
    set_reading(held_out, sides.options)
    sides.further = {**sides.further, "floor": held_out}


def _overlaps(trio: Trio) -> list[str]:
    """Return warnings about samples that the floor shares with another side. Raises InputError if it is that side."""
    if not isinstance(trio.floor, Features):
        return []
    # the images are the same for all encoders, so one comparison is enough
    warnings = []
    for role, side in (("generated samples", trio.generated), ("reference", trio.reference)):
        if not isinstance(side, Features):
            continue
        copies = find_copies(trio.floor, side, drawn=False)
        if copies is not None and copies.same:
            raise InputError(
                f"The floor {trio.floor.name} and the {role} are the same samples; give held-out real samples with "
                "--floor, or leave it out, so that the reference is halved."
            )
        if copies is not None and copies.copied:
            warnings.append(
                f"{number_of(copies.copied, 'samples')} of the floor {trio.floor.name} are exact copies of samples of "
                f"the {role}, so the floor is no independent unit; give held-out real samples."
            )
    return warnings


def _floor_record(trio: Trio, choice: RowChoice, panel: Panel) -> SampleSet:
    if not isinstance(trio.floor, Features):
        return SampleSet(f"published distances of {panel.name}", choice.rows, "published")
    return SampleSet(trio.floor.name, len(trio.floor), trio.floor.fingerprint, trio.floor.skipped)


def _count(side: Features | Moments) -> int | None:
    return side.count if isinstance(side, Moments) else len(side)
