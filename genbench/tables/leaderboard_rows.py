"""The rows of a table of results: one per sampler, with a cell per metric that is computed when it is first used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from genbench.comparison.group_by_subject import by_subject
from genbench.comparison.leaderboard import Standing, leaderboard
from genbench.comparison.panel_ratios import PanelRatios, panel_ratios
from genbench.results import Result

MARK = "†"

ROLES = {"real": "target", "noise": "worst case"}
"""Roles of two samplers: fresh real samples are the best possible result, noise the worst."""

UNRANKED: dict[str, Any] = {"first": None, "last": None, "versus_best": None, "decided_by": "", "leads": False}
"""What a standing has that is not ranked."""


@dataclass(frozen=True)
class Row:
    """One sampler in the table."""

    name: str
    role: str
    """``target``, ``worst case`` or empty."""
    rank: str
    """``2``, or ``2–4`` if the data do not decide; empty if the row is not ranked."""
    seeds: int
    cells: Mapping[str, Standing]
    """By metric; metrics without a score are missing."""
    ranked: bool = True
    suspects: tuple[PanelRatios, ...] = ()
    """The ratios of panels in which the sampler looks optimised for one encoder."""

    @property
    def mark(self) -> str:
        """The sign of the note about ``suspects``; empty without any."""
        return MARK if self.suspects else ""

    @property
    def optimised_for(self) -> str:
        """The encoders that the sampler looks optimised for; empty without any."""
        return " ".join(dict.fromkeys(ratios.optimised_for for ratios in self.suspects))


def table_rows(results: Sequence[Result], metrics: Sequence[str], sort: str, *, ranked: bool) -> Iterator[Row]:
    """Yield the rows of one protocol, best first; samplers without the metric that sorts come last."""
    # the metric that sorts comes first
    order = sorted(set(metrics), key=lambda metric: (metric != sort, metrics.index(metric)))
    boards = _Leaderboards(results, order, ranked)
    suspects = {
        name: [ratios for result in own for ratios in panel_ratios(result) if ratios.optimised_for]
        for name, own in by_subject(results).items()
    }
    # one row per sampler of any leaderboard
    for name in boards.names():
        cells = _Cells(boards, name)
        # the name may be followed by a budget in parentheses
        role = ROLES.get(name.partition(" (")[0], "")
        rank, seeds = rank_text(cells.get(sort)), next(iter(cells.values())).seeds
        yield Row(name, role, rank, seeds, cells, ranked, tuple(suspects.get(name, ())))


class _Leaderboards(dict[str, dict[str, Standing]]):
    """The standings of one protocol by metric and name. A leaderboard is computed when it is first used."""

    def __init__(self, results: Sequence[Result], metrics: Sequence[str], ranked: bool) -> None:
        self.results, self.ranked = results, ranked
        # a score without a direction cannot be ranked
        scored = {entry.name for result in results for entry in result.scores if entry.better is not None}
        self.metrics = [metric for metric in metrics if metric in scored]

    def __missing__(self, metric: str) -> dict[str, Standing]:
        if metric not in self.metrics:
            raise KeyError(metric)
        board = leaderboard(self.results, metric)
        self[metric] = {row.name: row if self.ranked else replace(row, **UNRANKED) for row in board}
        return self[metric]

    def names(self) -> list[str]:
        """Return the samplers of all leaderboards, in the order of the first one that has them."""
        names: dict[str, None] = {}
        for metric in self.metrics:
            having = [result for result in self.results if any(entry.name == metric for entry in result.scores)]
            # a leaderboard is computed here only if it adds a sampler
            if not by_subject(having).keys() <= names.keys():
                names |= dict.fromkeys(self[metric])
        return list(names)


class _Cells(Mapping[str, Standing]):
    """The standings of one sampler by metric; the metric that sorts comes first."""

    def __init__(self, boards: _Leaderboards, name: str) -> None:
        self.boards, self.name = boards, name

    def __getitem__(self, metric: str) -> Standing:
        return self.boards[metric][self.name]

    def __iter__(self) -> Iterator[str]:
        return (metric for metric in self.boards.metrics if self.name in self.boards[metric])

    def __len__(self) -> int:
        return len(list(iter(self)))


def rank_text(cell: Standing | None) -> str:
    """Return a rank interval, ``2`` or ``2–4``; empty without a rank."""
    return "" if cell is None else cell.rank
