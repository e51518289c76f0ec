"""The files of the pairs that a score lists in its detail, for people who look for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from genbench.derived_sources import Reordered, Subset
from genbench.results import Entry
from genbench.scoring.sides import Side, Sides

PAIRED_SIDES: tuple[Side, Side] = ("generated", "train")


def with_places(entries: Sequence[Entry], sides: Sides) -> list[Entry]:
    """Return the entries; pairs of positions in ``detail["pairs"]`` also have ``generated_file`` and ``train_file``.

    Sources that are no files give none, and neither do sides of which samples were left out, because the positions of
    the others are then not those of the source.
    """
    return [
        replace(entry, detail=_placed(entry.detail, sides)) if "pairs" in entry.detail else entry for entry in entries
    ]


def _placed(detail: Mapping[str, Any], sides: Sides) -> dict[str, Any]:
    # a guest's detail may hold anything under this name
    pairs = detail["pairs"]
    if not isinstance(pairs, list) or not all(isinstance(pair, Mapping) for pair in pairs):
        return dict(detail)
    return {**detail, "pairs": [{**pair, **_files_of_pair(pair, sides)} for pair in pairs]}


def _files_of_pair(pair: Mapping[str, Any], sides: Sides) -> dict[str, str]:
    # both ends of the pair
    files = {}
    for side in PAIRED_SIDES:
        row, source = pair.get(side), sides.samples(side)
        if not isinstance(row, int) or sides.skipped(side):
            continue
        # the rows of a subset have other positions in the whole source
        while isinstance(source, (Subset, Reordered)):
            row, source = int((source.chosen if isinstance(source, Subset) else source.order)[row]), source.source
        place = getattr(source, "place", None)
        files[f"{side}_file"] = str(place(row)) if callable(place) else ""
    # sources without paths add nothing
    return {name: file for name, file in files.items() if file}
