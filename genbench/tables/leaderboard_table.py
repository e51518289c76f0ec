"""Many results as one table: a row for each sampler, ranks as intervals, and both kinds of spread in every cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from genbench.benchmarks import followed
from genbench.comparison.comparability import differing_fields, prevailing, require_comparable
from genbench.comparison.leaderboard import Standing, leaderboard
from genbench.comparison.subjects import metric_name
from genbench.errors import InputError, UsageError
from genbench.results import Result
from genbench.tables.numbers import ARROWS, listed, number_with_error

if TYPE_CHECKING:
    import pandas as pd

    from genbench.benchmarks import Benchmark

ROLES = {"real": "floor", "noise": "ceiling"}
"""What the samplers of these names are: nothing does better than fresh real samples, and nothing worse than noise."""

LEGEND = "value ± spread over training seeds (standard error of sampling); rank: 95 % confidence, ties share ranks"


@dataclass(frozen=True)
class Row:
    """One sampler."""

    name: str
    role: str
    """``floor``, ``ceiling`` or nothing."""
    rank: str
    """``2``, or ``2–4`` where the data do not tell; nothing where the row is not ranked."""
    seeds: int
    cells: Mapping[str, Standing]
    """By metric; one that it was not scored by is missing."""
    ranked: bool = True


@dataclass(frozen=True)
class Table:
    """A leaderboard and the metrics beside the one that sorts it."""

    benchmark: str
    sort: str
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def headers(self) -> list[str]:
        """Short names of the metrics, as far as they are not mistaken for each other, with their arrows."""
        short = [metric.partition("@")[0] for metric in self.metrics]
        better = {metric: cell.better for row in self.rows for metric, cell in row.cells.items()}
        return [
            f"{one if short.count(one) == 1 else metric} {ARROWS[better[metric]]}"
            for one, metric in zip(short, self.metrics, strict=True)
        ]

    @property
    def named(self) -> list[tuple[str, str]]:
        """Each metric's full name with its header."""
        return list(zip(self.metrics, self.headers, strict=True))


def tabulated(results: Sequence[Result], *, sort: str | None = None, allow_mixed: bool = False) -> Table:
    """Return the table of results: the recipe's columns in its order, or every score that has a direction.

    ``sort`` names the metric that orders and ranks, by default the first column. Raises InputError without results, or
    where they do not follow one protocol (``allow_mixed`` puts those that differ last, without ranks), UsageError for
    an unknown metric.
    """
    if not results:
        raise InputError("There are no results to show; give files that --to or `genbench run` wrote.")
    if not allow_mixed:
        require_comparable(results)
    groups = by_protocol(results)
    recipe = followed(groups[0][0].benchmark)
    metrics = _columns(groups[0], recipe)
    chosen = metric_name(groups[0], sort) if sort else metrics[0]
    metrics = metrics if chosen in metrics else [chosen, *metrics]
    rows = [row for group in groups for row in _rows(group, metrics, chosen, ranked=group is groups[0])]
    return Table(groups[0][0].benchmark or "", chosen, tuple(metrics), tuple(rows), _notes(groups, recipe, rows))


def table(
    results: Sequence[Result], *, wide: bool = False, sort: str | None = None, allow_mixed: bool = False
) -> pd.DataFrame:
    """Return results as a frame: one row a sampler and metric, or with ``wide`` one row a sampler.

    Columns are name, role, metric, better, mean, error (standard error of sampling), spread (standard deviation over
    training seeds), low and high (95 % interval of the mean, of both), seeds, first_rank, last_rank (that metric's
    own), ranked. ``wide``: columns (metric, one of mean, error, spread, first_rank, last_rank). Raises as
    ``genbench table`` does: InputError for mixed protocols, UsageError for an unknown ``sort``.
    """
    import pandas as pd

    found = tabulated(results, sort=sort, allow_mixed=allow_mixed)
    rows = [
        {
            "name": row.name,
            "role": row.role,
            "metric": metric,
            "better": cell.better,
            "mean": cell.mean,
            "error": cell.error,
            "spread": cell.spread,
            "low": cell.interval[0] if cell.interval else None,
            "high": cell.interval[1] if cell.interval else None,
            "seeds": cell.seeds,
            "first_rank": cell.first,
            "last_rank": cell.last,
            "ranked": cell.ranked,
        }
        for row in found.rows
        for metric in found.metrics
        if (cell := row.cells.get(metric)) is not None
    ]
    frame = pd.DataFrame(rows).astype(
        {"mean": float, "error": float, "spread": float, "low": float, "high": float, "first_rank": "Int64",
         "last_rank": "Int64"}
    )  # fmt: skip
    if not wide:
        return frame
    keys = ["name", "role", "ranked"]
    values = ["mean", "error", "spread", "first_rank", "last_rank"]
    turned = pd.DataFrame(frame.pivot(index=keys, columns="metric", values=values)).swaplevel(axis="columns")
    order = pd.MultiIndex.from_product([found.metrics, values], names=["metric", None])
    rows_in_order = pd.MultiIndex.from_frame(frame[keys].drop_duplicates())
    return turned.reindex(index=rows_in_order, columns=order).reset_index(["role", "ranked"])


def by_protocol(results: Sequence[Result]) -> list[list[Result]]:
    """Split results by protocol, the prevailing one first; repeats of one thing are left out.

    Of one name, budget and training seed the newest stays, and of equal samples under one name one: they are no seeds.
    """
    groups, rest = [], list(results)
    while rest:
        group = prevailing(rest)
        taken = {id(result) for result in group}
        rest = [result for result in rest if id(result) not in taken]
        groups.append(_distinct(group))
    return groups


def _distinct(results: Sequence[Result]) -> list[Result]:
    kept: dict[tuple[str, str, int], Result] = {}
    for result in results:
        key = (result.name, result.budget, result.replicate_seed)
        if key not in kept or result.created >= kept[key].created:
            kept[key] = result
    samples = {(one.name, one.generated.fingerprint or number): one for number, one in enumerate(kept.values())}
    return list(samples.values())


def cell_text(cell: Standing | None) -> str:
    """Write ``5.0 ± 1.4 (0.5)``: mean, spread over training seeds if there are several, error of sampling."""
    return "–" if cell is None else " ".join(filter(None, cell_parts(cell)))


def cell_parts(cell: Standing) -> tuple[str, str, str]:
    """Write the mean, the spread over training seeds, and the error of sampling; what is not known is empty."""
    value, spread = number_with_error(cell.mean, cell.error if cell.spread is None else cell.spread)
    spread = "" if cell.spread is None else spread
    error = "" if cell.error is None else number_with_error(cell.mean, cell.error)[1].removeprefix("± ")
    return value, spread, f"({error})" if error else ""


def _columns(results: Sequence[Result], recipe: Benchmark | None) -> list[str]:
    having = {entry.name: entry.better for result in results for entry in result.scores}
    names = [name for name, better in having.items() if better is not None]
    if recipe is not None:
        names = [name for wanted in recipe.columns for name in names if name.partition("@")[0] == wanted] or names
    if not names:
        raise UsageError("No score of these results has a direction, so there is nothing to rank; score other metrics.")
    return names


def _rows(results: Sequence[Result], metrics: Sequence[str], sort: str, *, ranked: bool) -> Iterator[Row]:
    """Yield the rows of one protocol, best first; those without the metric that sorts come last."""
    having = {entry.name for result in results for entry in result.scores}
    boards = {}
    for metric in sorted(having & set(metrics), key=lambda metric: (metric != sort, metrics.index(metric))):
        board = leaderboard(results, metric)
        boards[metric] = {row.name: row if ranked else replace(row, first=None, last=None) for row in board}
    for name in dict.fromkeys(name for board in boards.values() for name in board):
        cells = {metric: board[name] for metric, board in boards.items() if name in board}
        role = ROLES.get(name.partition(" (")[0], "")
        yield Row(name, role, _rank(cells.get(sort)), next(iter(cells.values())).seeds, cells, ranked)


def _rank(cell: Standing | None) -> str:
    if cell is None or cell.first is None:
        return ""
    return str(cell.first) if cell.first == cell.last else f"{cell.first}–{cell.last}"


def _notes(groups: Sequence[Sequence[Result]], recipe: Benchmark | None, rows: Sequence[Row]) -> tuple[str, ...]:
    notes = []
    missing = [name for name, role in ROLES.items() if role not in {row.role for row in rows if row.ranked}]
    if missing and recipe is not None:
        what = listed([f"{ROLES[name]} ({name})" for name in missing])
        notes.append(f"no {what} here: `genbench run {recipe.name} --samplers {','.join(missing)}` adds it")
    differing = differing_fields([result for group in groups for result in group])
    if differing:
        fields = listed([f"{field} ({' / '.join(values)})" for field, values in differing.items()])
        notes.append(f"gray rows are not ranked, since they differ in {fields}")
    return tuple(notes)
