"""Numbers that papers report for a benchmark. The report shows them below the table and never ranks them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class PublishedNumbers:
    """The published rows of one benchmark."""

    columns: tuple[str, ...]
    """Names of scores, without the @ and the extractor."""
    rows: tuple[Mapping[str, str], ...]
    """Keys: ``model``, ``source``, ``arxiv``, ``setup``, and each column that the paper reports."""
    about: str
    """A sentence about all rows."""


def published_numbers(benchmark: str) -> PublishedNumbers | None:
    """Return the published numbers for a benchmark, given by its name without version; None if there are none."""
    fields = _all_published().get(benchmark)
    return (
        None if fields is None else PublishedNumbers(tuple(fields["columns"]), tuple(fields["rows"]), fields["about"])
    )


@cache
def _all_published() -> dict[str, Any]:
    # the file is part of the package and is read once
    text = files("genbench.page").joinpath("published.json").read_text(encoding="utf-8")
    benchmarks: dict[str, Any] = json.loads(text)
    return benchmarks
