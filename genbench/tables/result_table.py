"""Write one Result as aligned text."""

from __future__ import annotations

import textwrap

from genbench.results import Result
from genbench.results.rounding import ARROWS, number_with_error
from genbench.tables.class_table import ClassTable, class_tables
from genbench.tables.escapes import one_line
from genbench.tables.line_width import WIDTH, wrapped
from genbench.tables.numbers import PLAIN, counted, set_aside
from genbench.tables.pair_table import PairTable, pair_tables


def result_text(result: Result, *, plain: bool = False) -> str:
    """Return a result as aligned text: the samples, the reference, and each score with its error.

    The table has at most 80 columns: long names are broken. ``plain`` writes arrows and ± in ASCII.
    """
    from tabulate import tabulate

    # some scores know the value that a perfect sampler would have
    rows = [
        [
            one_line(entry.name),
            ARROWS[entry.better],
            *number_with_error(entry.value, entry.error),
            f"perfect: {entry.detail['expected']:.4g}" if _is_number(entry.detail.get("expected")) else "",
        ]
        for entry in result.scores
    ]
    # arrows and the expected value have no header
    headers = ["metric", "", "value", "± error", ""]
    # a column without entries is left out
    if not any(row[-1] for row in rows):
        rows, headers = [row[:-1] for row in rows], headers[:-1]
    # for terminals that cannot print arrows
    if plain:
        rows, headers = [[cell.translate(PLAIN) for cell in row] for row in rows], [h.translate(PLAIN) for h in headers]
    # what the other columns leave for the names
    others = [max(map(len, column)) for column in list(zip(headers, *rows, strict=True))[1:]]
    rows = [[_broken(row[0], WIDTH - sum(others) - 2 * len(others)), *row[1:]] for row in rows]
    table = tabulate(rows, headers=headers, disable_numparse=True, tablefmt="simple",
                     colalign=("left", "left", "right", "left", "left")[: len(headers)])  # fmt: skip
    return "\n".join([heading_text(result), "", table.rstrip(), *_detail_lines(result, plain=plain)])


def _broken(name: str, width: int) -> str:
    """Break a name that is wider than a column: before the extractor, and then anywhere."""
    if len(name) <= width:
        return name
    # the extractor stands on a line of its own
    parts = name.replace("@", "\n@", 1).split("\n")
    return "\n".join(line for part in parts for line in textwrap.wrap(part, max(width, len("@extractor"))))


def _detail_lines(result: Result, *, plain: bool) -> list[str]:
    """Return the lines about the worst classes and about the clearest copies; nothing without scores of these."""
    from tabulate import tabulate

    lines = []
    tables: list[ClassTable | PairTable] = [*class_tables(result), *pair_tables(result)]
    for table in tables:
        # names of classes and samples are those of folders and files, which may hold anything
        rows = [[one_line(cell) for cell in row] for row in table.rows]
        text = tabulate(rows, headers=table.headers, disable_numparse=True, tablefmt="simple",
                        colalign=("left", *["right"] * (len(table.headers) - 1)))  # fmt: skip
        lines += ["", one_line(table.title), text.translate(PLAIN) if plain else text]
    return lines


def heading_text(result: Result) -> str:
    """Return the lines about the generated samples, the reference, and how they were scored."""
    lines = [f"{one_line(result.name)}: {counted(result.generated.count)}" + set_aside(result.generated)]
    if result.reference is not None:
        lines.append(
            f"against {one_line(result.reference.name)}: {counted(result.reference.count)}"
            + set_aside(result.reference)
        )
    if result.train is not None:
        lines.append(
            f"trained on {one_line(result.train.name)}: {counted(result.train.count)}{set_aside(result.train)}"
        )
    recipe = f", benchmark {result.benchmark}" if result.benchmark else ""
    # classes in turn are the rule, and another way of requesting them is worth a word
    labels = "" if result.label_rule in ("", "equal") else f", --labels {result.label_rule}"
    used = one_line(f"{', '.join(result.extractors)}{recipe}{labels}, on {result.device}")
    lines.append(f"features: {used}, {result.seconds:.1f} s")
    return "\n".join(wrapped(line) for line in lines)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
