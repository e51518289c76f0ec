"""A table written for people and programs: text, Markdown, LaTeX, HTML; CSV and JSON with every number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from genbench.comparison.leaderboard import Standing
from genbench.results import Result
from genbench.tables.leaderboard_table import LEGEND, Table, cell_parts, cell_text, table, tabulated
from genbench.tables.numbers import ARROWS, PLAIN, markdown_safe


def written(
    results: Sequence[Result], form: str = "text", *, sort: str | None = None, allow_mixed: bool = False
) -> str:
    """Return results as a table in one of ``FORMATS``; raises as ``tabulated`` does."""
    if form in ("csv", "json"):
        frame = table(results, sort=sort, allow_mixed=allow_mixed)
        if form == "csv":
            return str(frame.to_csv(index=False, lineterminator="\n")).rstrip("\n")
        return str(frame.to_json(orient="records", indent=1, force_ascii=False, double_precision=15))
    return _WRITERS[form](tabulated(results, sort=sort, allow_mixed=allow_mixed))


def text(found: Table) -> str:
    """Return an aligned table for a terminal."""
    from tabulate import tabulate

    rows = [
        [
            row.rank or ("–" if row.ranked else "·"),
            _called(" ".join(row.name.split()), row.role),
            *_cells(found, row.cells),
            row.seeds,
        ]
        for row in found.rows
    ]
    headers = ["rank", "sampler", *found.headers, "seeds"]
    aligned = tabulate(rows, headers=headers, disable_numparse=True, tablefmt="simple",
                       colalign=("right", "left", *["right"] * len(found.metrics), "right"))  # fmt: skip
    lines = [f"{found.benchmark}: {LEGEND}" if found.benchmark else LEGEND, "", aligned]
    return "\n".join([*lines, *([""] if found.notes else []), *found.notes])


def plain_text(found: Table) -> str:
    """Return ``text`` in ASCII."""
    return text(found).translate(PLAIN)


def markdown(found: Table) -> str:
    """Return a pipe table, its legend and its notes."""
    headers = ["rank", "sampler", *found.headers, "seeds"]
    lines = [_pipes(headers), _pipes(["---:", "---", *["---:"] * len(found.metrics), "---:"])]
    for row in found.rows:
        name = _called(markdown_safe(row.name), row.role)
        lines.append(_pipes([row.rank or "–", name, *_cells(found, row.cells), str(row.seeds)]))
    notes = "".join(f"\n\n{note[0].upper()}{note[1:]}." for note in found.notes)
    return "\n".join(lines) + f"\n\n{LEGEND[0].upper()}{LEGEND[1:]}.{notes}"


def latex(found: Table) -> str:
    r"""Return a tabular for booktabs and siunitx: ``\num{5.0 \pm 1.4} (0.50)``; rows without rank in gray."""
    arrows = {ARROWS["lower"]: r"$\downarrow$", ARROWS["higher"]: r"$\uparrow$"}
    headers = []
    for header in found.headers:
        name, _, arrow = header.rpartition(" ")
        headers.append(f"{latex_safe(name)} {arrows[arrow]}")
    lines = [
        f"% {LEGEND}",
        r"% \usepackage{booktabs, siunitx, xcolor}",
        rf"\begin{{tabular}}{{rl{'r' * len(found.metrics)}r}}",
        r"\toprule",
        " & ".join(["rank", "sampler", *headers, "seeds"]) + r" \\",
        r"\midrule",
    ]
    for row in found.rows:
        cells = [row.rank.replace("–", "--"), _called(latex_safe(row.name), row.role)]
        cells += [_latex_cell(row.cells.get(metric)) for metric in found.metrics]
        cells.append(str(row.seeds))
        lines.append(" & ".join(cells if row.ranked else [rf"\color{{gray}}{cell}" for cell in cells]) + r" \\")
    notes = [f"% {' '.join(note.split())}" for note in found.notes]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", *notes])


def latex_safe(words: str) -> str:
    """Escape what LaTeX would take as a command."""
    special = {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
        ">": r"\textgreater{}", "|": r"\textbar{}", **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    }  # fmt: skip
    return " ".join("".join(special.get(letter, letter) for letter in words).split())


def html(found: Table) -> str:
    """Return one ``<table>`` element; it is the one that the page of ``genbench report`` shows."""
    from genbench.tables.rendering import rendered

    return rendered("genbench.tables", "table.html", table=found, legend=LEGEND, cell_parts=cell_parts).strip()


_WRITERS: dict[str, Callable[[Table], str]] = {
    "text": text, "plain": plain_text, "markdown": markdown, "latex": latex, "html": html,
}  # fmt: skip
FORMATS = ("text", "markdown", "csv", "latex", "json", "html")


def _cells(found: Table, cells: Any) -> list[str]:
    return [cell_text(cells.get(metric)) for metric in found.metrics]


def _called(name: str, role: str) -> str:
    return f"{name} ({role})" if role else name


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _latex_cell(cell: Standing | None) -> str:
    if cell is None:
        return "--"
    value, spread, error = cell_parts(cell)
    if not math.isfinite(cell.mean):
        return value
    plus_minus = spread.replace("± ", r" \pm ")
    return rf"\num{{{value}{plus_minus}}}" + (rf" (\num{{{error.strip('()')}}})" if error else "")
