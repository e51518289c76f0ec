"""Write leaderboard tables as text, Markdown, LaTeX and HTML, and all numbers as CSV and JSON."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from genbench.comparison.leaderboard import Standing
from genbench.errors import number_of
from genbench.results import Result
from genbench.results.rounding import ARROWS
from genbench.tables.escapes import csv_safe, latex_safe, markdown_coded, markdown_safe, one_line
from genbench.tables.leaderboard_rows import MARK, Row, rank_text
from genbench.tables.leaderboard_table import (
    BOLD_LEGEND,
    LEGEND,
    Table,
    cell_parts,
    cell_text,
    table,
    tabulated,
)
from genbench.tables.line_width import wrapped
from genbench.tables.numbers import PLAIN

FOLD_BEYOND = 13
"""Longest header of a column of text that stays on one line, if it has an extractor."""


def written(
    results: Sequence[Result],
    form: str = "text",
    *,
    sort: str | None = None,
    allow_mixed: bool = False,
    width: int | None = None,
) -> str:
    """Return results as a table in one of ``FORMATS``, or as ``plain`` (ASCII) text. Raises as ``tabulated`` does.

    ``width``: text has only the first columns, as many as fit; None shows all.
    """
    # programs need numbers, people need rounded ones
    if form in ("csv", "json"):
        frame = table(results, sort=sort, allow_mixed=allow_mixed)
        if form == "csv":
            # the columns of text
            names = {column: frame[column].map(csv_safe) for column in ("name", "role", "metric")}
            frame = frame.assign(**names)
            return str(frame.to_csv(index=False, lineterminator="\n")).rstrip("\n")
        return str(frame.to_json(orient="records", indent=1, force_ascii=False, double_precision=15))
    board = tabulated(results, sort=sort, allow_mixed=allow_mixed)
    if form not in ("text", "plain") or width is None:
        return _TABLE_WRITERS[form](board)
    # the first line is the legend
    legend, _, rest = _TABLE_WRITERS[form](_fitting(board, width)).partition("\n")
    return f"{wrapped(legend)}\n{rest}"


def _fitting(board: Table, width: int) -> Table:
    """Return a table of the first metrics, as many as fit into a width and at least one, with notes in lines."""
    # the metric that sorts comes first; columns are added while they fit, so that the others are never computed
    metrics = (board.sort, *(metric for metric in board.metrics if metric != board.sort))
    shown = replace(board, metrics=metrics[:1])
    for count in range(2, len(metrics) + 1):
        wider = replace(board, metrics=metrics[:count])
        if max(map(len, _aligned(wider).split("\n"))) > width:
            break
        shown = wider
    # what is not shown is named
    left = metrics[len(shown.metrics) :]
    notes = [f"{number_of(len(left), 'more columns')}: add --all, or --format csv for all numbers"] if left else []
    lines = [textwrap.wrap(note, width, subsequent_indent="  ", break_long_words=False) for note in board.notes]
    return replace(shown, notes=(*(line for note in lines for line in note), *notes))


def table_text(board: Table) -> str:
    """Return an aligned table for a terminal."""
    # the legend above the table, the notes below it
    lines = [f"{one_line(board.benchmark)}: {LEGEND}" if board.benchmark else LEGEND, "", _aligned(board)]
    return "\n".join([*lines, *([""] if board.notes else []), *(one_line(note) for note in board.notes)])


def _aligned(board: Table) -> str:
    """Return the rows of a table in columns of equal width."""
    from tabulate import tabulate

    # one line per sampler
    rows = [
        [
            # an unranked row has a dot, and a ranked row without a rank has a dash
            row.rank or ("–" if row.ranked else "·"),
            _sampler(one_line(row.name), row),
            *_metric_cells(board, row.cells),
            row.seeds,
        ]
        for row in board.rows
    ]
    # long headers are broken
    headers = ["rank", "sampler", *(_folded(one_line(header)) for header in board.headers), "seeds"]
    return tabulate(rows, headers=headers, disable_numparse=True, tablefmt="simple",
                       colalign=("right", "left", *["right"] * len(board.metrics), "right"))  # fmt: skip


def plain_text(board: Table) -> str:
    """Return the same table in ASCII."""
    return table_text(board).translate(PLAIN)


def table_markdown(board: Table) -> str:
    """Return a Markdown table with its legend and its notes."""
    headers = ["rank", "sampler", *map(markdown_safe, board.headers), "seeds"]
    # numbers are aligned to the right
    lines = [_markdown_row(headers), _markdown_row(["---:", "---", *["---:"] * len(board.metrics), "---:"])]
    for row in board.rows:
        name = _sampler(markdown_safe(row.name), row)
        lines.append(_markdown_row([row.rank or "–", name, *_bold_cells(board, row.cells), str(row.seeds)]))
    # the legend and the notes become paragraphs
    notes = "".join(f"\n\n{markdown_coded(note[0].upper() + note[1:])}." for note in board.notes)
    return "\n".join(lines) + f"\n\n{BOLD_LEGEND[0].upper()}{BOLD_LEGEND[1:]}.{notes}"


def table_latex(board: Table) -> str:
    r"""Return a tabular for booktabs and siunitx: ``\num{5.0 \pm 1.4} (0.50)``; rows without a rank are gray."""
    # headers with escaped names and arrows of LaTeX's mathematics
    arrows = {ARROWS["lower"]: r"$\downarrow$", ARROWS["higher"]: r"$\uparrow$"}
    headers = []
    for header in board.headers:
        name, _, arrow = header.rpartition(" ")
        headers.append(f"{latex_safe(name)} {arrows[arrow]}")
    lines = [
        f"% {BOLD_LEGEND}",
        # the packages that the reader must load
        r"% \usepackage{booktabs, siunitx, xcolor} \sisetup{detect-weight}",
        rf"\begin{{tabular}}{{rl{'r' * len(board.metrics)}r}}",
        r"\toprule",
        " & ".join(["rank", "sampler", *headers, "seeds"]) + r" \\",
        r"\midrule",
    ]
    # one line per sampler, gray if it is not ranked
    for row in board.rows:
        cells = [row.rank.replace("–", "--"), _sampler(latex_safe(row.name), row).replace(MARK, r"\textdagger{}")]
        cells += [_latex_cell(row.cells.get(metric)) for metric in board.metrics]
        cells.append(str(row.seeds))
        lines.append(" & ".join(cells if row.ranked else [rf"\color{{gray}}{cell}" for cell in cells]) + r" \\")
    notes = [f"% {latex_safe(note)}" for note in board.notes]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", *notes])


def table_html(board: Table, *, about: Mapping[str, str] | None = None, ids: Sequence[str] = ()) -> str:
    """Return one ``<table>`` element, which the page of ``genbench report`` contains, too.

    ``about``: a line about each metric, by full name; ``ids``: the id of each row, which then links to itself.
    """
    from genbench.tables.jinja_templates import rendered

    # browsers show a title when the pointer is over the header
    titles = {metric: f"{metric}: {(about or {}).get(metric, '')}".rstrip(": ") for metric in board.metrics}
    values = {"table": board, "legend": BOLD_LEGEND, "cell_parts": cell_parts, "rank_text": rank_text}
    return rendered("genbench.tables", "table.html", titles=titles, ids=ids, **values).strip()


_TABLE_WRITERS: dict[str, Callable[[Table], str]] = {
    "text": table_text, "plain": plain_text, "markdown": table_markdown, "latex": table_latex, "html": table_html,
}  # fmt: skip
FORMATS = ("text", "markdown", "csv", "latex", "json", "html")


def _metric_cells(board: Table, cells: Mapping[str, Standing]) -> list[str]:
    return [cell_text(cells.get(metric)) for metric in board.metrics]


def _bold_cells(board: Table, cells: Mapping[str, Standing]) -> list[str]:
    """Return the cells for Markdown; those that lead are bold."""
    texts = zip(board.metrics, _metric_cells(board, cells), strict=True)
    return [f"**{text}**" if metric in cells and cells[metric].leads else text for metric, text in texts]


def _sampler(name: str, row: Row) -> str:
    """Return the name with the role and the mark of a row."""
    return " ".join(filter(None, (name, f"({row.role})" if row.role else "", row.mark)))


def _folded(header: str) -> str:
    """Break the header of a column after its name and between the parts of its extractor, if it is long."""
    if len(header) <= FOLD_BEYOND or "@" not in header:
        return header
    lines = [""]
    for part in re.split(r"(?<=[@+,=_.-])", header):
        # as many parts on a line as fit; the name stands alone
        fits = not lines[-1].endswith("@") and len(lines[-1] + part) <= FOLD_BEYOND
        lines = [*lines[:-1], lines[-1] + part] if fits else [*lines, part]
    return "\n".join(lines)


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _latex_cell(cell: Standing | None) -> str:
    if cell is None:
        return "--"
    value, spread, error = cell_parts(cell)
    # siunitx refuses nan and inf
    if not math.isfinite(cell.mean):
        return value
    # errors of huge values may be infinite
    if "inf" in spread + error or "nan" in spread + error:
        return latex_safe(" ".join(filter(None, (value, spread, error)))).replace("±", r"$\pm$")
    # siunitx writes the uncertainty after the value
    plus_minus = spread.replace("± ", r" \pm ")
    text = rf"\num{{{value}{plus_minus}}}" + (rf" (\num{{{error.strip('()')}}})" if error else "")
    return rf"\bfseries {text}" if cell.leads else text
