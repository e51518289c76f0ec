"""Tables of the classes behind a score: those that are scored class by class list the worst first in their detail."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from genbench.results import Entry, Result
from genbench.results.rounding import number_with_error

SHOWN_CLASSES = 10
"""Number of classes that a table shows; the record has all of them."""

OWN_COLUMNS = {"name", "value", "error"}


class ClassTable(NamedTuple):
    """The worst classes of one score, as text."""

    score: str
    """Full name of the score."""
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    classes: int
    """Number of all classes; the table shows SHOWN_CLASSES at most."""

    @property
    def title(self) -> str:
        """What the rows are."""
        # only a table that is cut says so
        shown = (
            f"the worst {len(self.rows)} of {self.classes:,} classes" if self.classes > len(self.rows) else "classes"
        )
        return f"{self.score}: {shown}, worst first"


def class_tables(result: Result) -> list[ClassTable]:
    """Return one table for each score whose detail lists its classes under ``classes``."""
    tables = []
    for entry in result.scores:
        # most scores have no classes
        classes = _listed_classes(entry)
        if classes:
            tables.append(_class_table(entry, classes))
    return tables


def _listed_classes(entry: Entry) -> list[Mapping[str, Any]]:
    """Return the classes of a score; nothing if its detail has something else under this name."""
    # a guest's metric may have any detail
    classes = entry.detail.get("classes")
    if not isinstance(classes, Sequence) or isinstance(classes, str):
        return []
    # each class has a name and a value; the rest is optional
    fit = all(isinstance(each, Mapping) and isinstance(each.get("name"), str) and "value" in each for each in classes)
    return list(classes) if fit else []


def _class_table(entry: Entry, classes: Sequence[Mapping[str, Any]]) -> ClassTable:
    # further columns are numbers of the class, such as its debiased distance and its samples
    shown = classes[:SHOWN_CLASSES]
    further = [
        name for name in shown[0] if name not in OWN_COLUMNS and any(_is_known(each.get(name)) for each in shown)
    ]
    rows = []
    for each in shown:
        # the value and its error share a cell
        error = each.get("error")
        value = number_with_error(_number(each["value"]), _number(error) if _is_known(error) else None)
        rows.append((each["name"], " ".join(filter(None, value)), *(_cell(each.get(name)) for name in further)))
    return ClassTable(entry.name, ("class", "value", *further), tuple(rows), len(classes))


def _cell(value: object) -> str:
    """Return a whole number with its thousands, another number with five digits, and nothing for anything else."""
    # unknown numbers leave the cell empty
    if not _is_known(value):
        return ""
    return f"{value:,}" if isinstance(value, int) else number_with_error(_number(value), None)[0]


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _is_known(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
