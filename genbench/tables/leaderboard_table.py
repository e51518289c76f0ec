"""Collect results into one table: a row per sampler with rank intervals, a cell per metric with its errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genbench.benchmarks import installed_benchmark
from genbench.comparison.comparability import differing_fields, prevailing, require_comparable
from genbench.comparison.group_by_subject import metric_name, newest
from genbench.comparison.leaderboard import Standing
from genbench.errors import InputError, UsageError
from genbench.results import Result, results_of
from genbench.results.rounding import ARROWS, number_with_error
from genbench.tables.leaderboard_rows import MARK, ROLES, Row, table_rows
from genbench.tables.numbers import listed

if TYPE_CHECKING:
    import pandas as pd

    from genbench.benchmarks import Benchmark

LEGEND = "value ± spread over training seeds (standard error of sampling); all ranks together: 95 % confidence"
BOLD_LEGEND = f"{LEGEND}; bold: the best and those next to it that are not worse"


@dataclass(frozen=True)
class Table:
    """A leaderboard sorted by one metric, with cells for all metrics."""

    benchmark: str
    sort: str
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def headers(self) -> list[str]:
        """Names of the metrics with their arrows: short names if these are unique, full names otherwise."""
        # drop the extractor if no other metric has the same short name
        short = [metric.partition("@")[0] for metric in self.metrics]
        first = {metric: next(row.cells[metric] for row in self.rows if metric in row.cells) for metric in self.metrics}
        return [
            f"{name if short.count(name) == 1 else metric} {ARROWS[first[metric].better]}"
            for name, metric in zip(short, self.metrics, strict=True)
        ]

    @property
    def named(self) -> list[tuple[str, str]]:
        """Full name and header of each metric."""
        return list(zip(self.metrics, self.headers, strict=True))


def tabulated(results: Sequence[Result], *, sort: str | None = None, allow_mixed: bool = False) -> Table:
    """Return the table of results; its columns are those of the benchmark, or all scores with a direction.

    ``sort`` names the metric that sorts and ranks, by default the first column. Raises InputError if there are no
    results or if they do not follow one protocol (with ``allow_mixed``, results of other protocols come last, without
    ranks), UsageError for an unknown metric.
    """
    if not results:
        raise InputError("There are no results to show; name files written by `genbench score --to` or `genbench run`.")
    # mixed protocols must be requested
    if not allow_mixed:
        require_comparable(results, can_mix=True)
    # the first group has the most frequent protocol, and only it is ranked
    groups = by_protocol(results)
    recipe = installed_benchmark(groups[0][0].benchmark)
    metrics = _columns(groups[0], recipe)
    sort_metric = metric_name(groups[0], sort) if sort else metrics[0]
    metrics = metrics if sort_metric in metrics else [sort_metric, *metrics]
    rows = [row for group in groups for row in table_rows(group, metrics, sort_metric, ranked=group is groups[0])]
    notes = _table_notes(groups, recipe, rows)
    return Table(groups[0][0].benchmark or "", sort_metric, tuple(metrics), tuple(rows), notes)


def table(
    results: str | Path | Sequence[Result], *, wide: bool = False, sort: str | None = None, allow_mixed: bool = False
) -> pd.DataFrame:
    """Return results as a DataFrame with one row per sampler and metric, or with ``wide`` one row per sampler.

    ``results`` is a file of results or a list of them. Columns: name, role, metric, better, mean, error (standard error
    due to sampling), spread (standard deviation over training seeds), low and high (95 % confidence interval of the
    mean, from both), seeds, first_rank and last_rank (in that metric), ranked, verdict (against the best row),
    collapsed_seeds, optimised_for (an encoder of a panel whose ratio is suspiciously low, or empty). With ``wide``,
    columns are pairs of a metric and one of mean, error, spread, first_rank and last_rank. Raises InputError if the
    results do not follow one protocol, UsageError for an unknown ``sort``.
    """
    import pandas as pd

    board = tabulated(results_of(results), sort=sort, allow_mixed=allow_mixed)
    rows = [
        {
            # one row per sampler and metric, with all digits
            "name": row.name,
            "role": row.role,
            "metric": metric,
            "better": cell.better,
            "mean": cell.mean,
            "error": cell.error,
            "spread": cell.spread,
            **dict(zip(("low", "high"), cell.interval or (None, None), strict=True)),
            "seeds": cell.seeds,
            "first_rank": cell.first,
            "last_rank": cell.last,
            "ranked": row.ranked,
            "verdict": verdict_text(cell),
            "collapsed_seeds": " ".join(map(str, cell.collapsed)),
            "optimised_for": row.optimised_for,
        }
        for row in board.rows
        for metric in board.metrics
        if (cell := row.cells.get(metric)) is not None
    ]
    # None becomes NaN, also in columns that hold nothing else
    types = dict.fromkeys(("mean", "error", "spread", "low", "high"), "float64")
    frame = pd.DataFrame(rows).astype({**types, "first_rank": "Int64", "last_rank": "Int64"})
    if not wide:
        return frame
    # one row per sampler, in the order of the table; one pair of columns per metric and statistic
    keys = ["name", "role", "ranked"]
    values = ["mean", "error", "spread", "first_rank", "last_rank"]
    pivoted = pd.DataFrame(frame.pivot(index=keys, columns="metric", values=values)).swaplevel(axis="columns")
    order = pd.MultiIndex.from_product([board.metrics, values], names=["metric", None])
    rows_in_order = pd.MultiIndex.from_frame(frame[keys].drop_duplicates())
    return pivoted.reindex(index=rows_in_order, columns=order).reset_index(["role", "ranked"])


def by_protocol(results: Sequence[Result]) -> list[list[Result]]:
    """Split results by protocol, the most frequent one first, and drop repeats.

    The newest result of each name, budget and training seed stays. Results of one name with equal samples count once:
    they are not replicates.
    """
    groups, remaining = [], list(results)
    while remaining:
        group = prevailing(remaining)
        group_ids = {id(result) for result in group}
        remaining = [result for result in remaining if id(result) not in group_ids]
        groups.append(newest(group, one_protocol=True))
    return groups


def verdict_text(cell: Standing) -> str:
    """Return the verdict of a row against the best one; empty if it is not ranked."""
    if not cell.ranked:
        return ""
    return cell.versus_best or "best"


def cell_text(cell: Standing | None) -> str:
    """Return ``5.0 ± 1.4 (0.5)``: mean, spread over training seeds if there are several, sampling error."""
    return "–" if cell is None else " ".join(filter(None, cell_parts(cell)))


def cell_parts(cell: Standing) -> tuple[str, str, str]:
    """Return the mean, the spread over training seeds, and the sampling error as text; unknown values are empty."""
    # the spread decides about the digits of the mean; without it, the sampling error does
    value, spread = number_with_error(cell.mean, cell.error if cell.spread is None else cell.spread)
    spread = "" if cell.spread is None else spread
    error = "" if cell.error is None else number_with_error(cell.mean, cell.error)[1].removeprefix("± ")
    return value, spread, f"({error})" if error else ""


def _columns(results: Sequence[Result], recipe: Benchmark | None) -> list[str]:
    """Return the metrics of the columns: those of the benchmark in its order, or all that have a direction."""
    # the order is that of the first result with the metric
    better = {entry.name: entry.better for result in results for entry in result.scores}
    names = [name for name, direction in better.items() if direction is not None]
    if recipe is not None:
        # a metric may have several extractors
        names = [name for column in recipe.columns for name in names if name.partition("@")[0] == column] or names
    if not names:
        raise UsageError("No score of these results has a better direction to rank by; score other metrics.")
    return names


def _rank_notes(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what a reader must know about the ranks: what they are by, and which rows are special."""
    # a row without the metric that sorts has other cells first
    metric = next((next(iter(row.cells)) for row in rows if row.rank), "")
    cells = {row.name: row.cells[metric] for row in rows if row.ranked and metric in row.cells}
    decided = {cell.decided_by for cell in cells.values()} - {metric, ""}
    if decided:
        yield f"`{metric}` is ranked by `{decided.pop()}`, which has no bias from the number of samples"
    for name, cell in cells.items():
        if cell.collapsed:
            seeds = listed(list(map(str, cell.collapsed)))
            yield f"seed{'s' if len(cell.collapsed) > 1 else ''} {seeds} of {name} collapsed"
        if not cell.ranked:
            yield f"no rank, because a value is not finite: {name}"
    spread = [name for name, cell in cells.items() if cell.high_spread]
    if spread:
        yield f"high spread over training seeds, more than three times the typical one: {listed(spread)}"
    # the target and the worst case are not trained
    single = [row.name for row in rows if row.name in cells and row.seeds == 1 and not row.role]
    if single and any(cell.seeds > 1 for cell in cells.values()):
        yield f"checkpoint, not method, because there is one training seed: {listed(single)}"


def _table_notes(groups: Sequence[Sequence[Result]], recipe: Benchmark | None, rows: Sequence[Row]) -> tuple[str, ...]:
    notes = []
    # a benchmark should show its target and its worst case
    missing = [name for name, role in ROLES.items() if role not in {row.role for row in rows if row.ranked}]
    if missing and recipe is not None:
        roles = listed([f"{ROLES[name]} ({name})" for name in missing])
        notes.append(f"the table has no {roles}: `genbench run {recipe.name} --samplers {','.join(missing)}` adds it")
    notes += _rank_notes(rows)
    notes += [f"{MARK} {row.name}: {ratios.suspicion}" for row in rows for ratios in row.suspects]
    # explain the gray rows
    differing = differing_fields([result for group in groups for result in group])
    if differing:
        fields = listed([f"{field} ({' / '.join(values)})" for field, values in differing.items()])
        notes.append(f"gray rows are not ranked because they differ in {fields}")
    # several seeds may have the same note
    return tuple(dict.fromkeys(notes))
