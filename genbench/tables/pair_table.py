"""Tables of the pairs behind a score: ``memorised`` lists the clearest copies, each beside its training sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from genbench.results import Entry, Result

MOST_PAIRS = 5
"""Number of pairs that a table shows; the record has more."""

NUMBERS = ("generated", "train", "distance", "ratio", "chance")


class PairTable(NamedTuple):
    """The clearest pairs of one score, as text."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def pair_tables(result: Result) -> list[PairTable]:
    """Return one table for each score whose detail lists pairs that were found, the smallest ratio first."""
    return [table for entry in result.scores for table in [_pair_table(entry)] if table is not None]


def _pair_table(entry: Entry) -> PairTable | None:
    # a guest's detail may hold anything under these names, and older records have none
    pairs, found = entry.detail.get("pairs"), entry.detail.get("found")
    if not isinstance(pairs, list) or not isinstance(found, int) or not all(map(_is_pair, pairs)):
        return None
    # the pairs beyond those found are the nearest misses, which only the record has
    shown = pairs[: min(MOST_PAIRS, found)]
    if not shown:
        return None
    # files if they are known, then the numbers
    rows = tuple(
        (
            _name(pair, "generated"),
            _name(pair, "train"),
            *(f"{pair[number]:.3g}" for number in NUMBERS[2:]),
        )
        for pair in shown
    )
    # how many there are in all
    title = f"{entry.name}: the clearest {len(shown)} of {found:,} samples, smallest ratio first"
    return PairTable(title, ("sample", "training sample", *NUMBERS[2:]), rows)


def _is_pair(pair: object) -> bool:
    return isinstance(pair, Mapping) and all(isinstance(pair.get(name), (int, float)) for name in NUMBERS)


def _name(pair: Mapping[str, Any], side: str) -> str:
    """Return the file of a sample, or its position, counted from 0."""
    return str(pair.get(f"{side}_file") or f"{pair[side]:,}")
