"""Numbers that papers report for a benchmark, shown as context below its table and never ranked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Published:
    """The published rows of one benchmark."""

    columns: tuple[str, ...]
    """Names of scores before the @."""
    rows: tuple[Mapping[str, str], ...]
    """model, a text for each column that the paper gives, source, arxiv, setup."""
    about: str


def published(benchmark: str) -> Published | None:
    """Return what is published for a benchmark, by its name without version; None where nothing is known."""
    found = _all().get(benchmark)
    return None if found is None else Published(tuple(found["columns"]), tuple(found["rows"]), found["about"])


@cache
def _all() -> dict[str, Any]:
    text = files("genbench.page").joinpath("published.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
