"""The record of an audit: each score, its checks with their criteria, and the curves behind them; as JSON and back."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

CellVerdict = Literal["pass", "partly", "fail", "-"]


@dataclass(frozen=True)
class Criterion:
    """One condition of a check, for one case of it."""

    # where, what, whether, and the measured change
    case: str
    """The case: ``"d=64"``."""
    text: str
    """The condition in words."""
    passed: bool
    found: str
    """What was measured, in words."""
    sure: bool = True
    """Whether the decision is the same without any one of the repeats."""


@dataclass(frozen=True)
class Curve:
    """The values of a score over the grid of one case: mean and standard error over repeats."""

    case: str
    axis: str
    x: tuple[float, ...]
    values: tuple[float | None, ...]
    """None where the score cannot be computed."""
    errors: tuple[float | None, ...]


@dataclass(frozen=True)
class Cell:
    """One check of one score."""

    check: str
    criteria: tuple[Criterion, ...]
    """Empty if the check does not apply."""
    curves: tuple[Curve, ...]

    @property
    def passed(self) -> int:
        """Number of criteria that hold."""
        return sum(criterion.passed for criterion in self.criteria)

    @property
    def verdict(self) -> CellVerdict:
        """Whether all, some or none of the criteria hold; ``"-"`` if the check does not apply."""
        # a check that does not apply has no verdict
        if not self.criteria:
            return "-"
        return "pass" if self.passed == len(self.criteria) else "partly" if self.passed else "fail"

    @property
    def counts(self) -> str:
        """The number of criteria that hold, of all: ``"6/9"``, or ``"6/9~"`` if not all of them are sure."""
        unsure = "" if all(criterion.sure for criterion in self.criteria) else "~"
        return f"{self.passed}/{len(self.criteria)}{unsure}" if self.criteria else "-"


@dataclass(frozen=True)
class ScoreAudit:
    """All checks of one score."""

    # which score it is, and what it should see
    metric: str
    """The spec of its metric."""
    score: str
    measures: str
    """``fidelity``, ``diversity``, ``both`` or ``memorisation``."""
    better: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class MetricCost:
    """Time and memory of one call of a metric."""

    metric: str
    rows: int
    """Rows of each side."""
    dimensions: int
    seconds: float | None
    """CPU time of all threads; None if the metric cannot be computed from these rows."""
    megabytes: float | None
    """Peak of the memory of NumPy's arrays and Python's objects beyond that of the sides, in MB (10⁶ bytes)."""


@dataclass(frozen=True)
class HumanAgreement:
    """Rank correlation of a published score with the human error rate over the models of one data set."""

    dataset: str
    score: str
    models: int
    correlation: float
    """Spearman's, of the score's goodness with the human error rate: 1 is full agreement."""
    low: float
    high: float
    """Ends of the 95 % percentile interval of the bootstrap over models."""


@dataclass(frozen=True)
class Audit:
    """Everything that an audit found."""

    # what was found
    scores: tuple[ScoreAudit, ...]
    checks: tuple[tuple[str, str, str], ...]
    """Name, title and description of each check, in the order of the cells."""
    costs: tuple[MetricCost, ...]
    people: tuple[HumanAgreement, ...]
    notes: tuple[str, ...]
    """Sentences about scores and metrics that were left out, or gave no finite value."""
    # how it was found
    count: int
    """Rows of each side."""
    repeats: int
    seed: int
    quick: bool
    seconds: float
    version: str

    def to_json(self) -> str:
        """Return one JSON object; ``audit_from_json`` reads it."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)

    def to_text(self) -> str:
        """Return a table of scores and checks, the checks behind the numbers, and what each score fails."""
        from genbench.checks.audit.audit_text import audit_text

        return audit_text(self)

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas DataFrame with one row per score and check.

        Its columns are metric, score, measures, better, check, verdict, passed and criteria (their number).
        """
        import pandas as pd

        columns = ("metric", "score", "measures", "better", "check", "verdict", "passed", "criteria")
        rows = [
            (one.metric, one.score, one.measures, one.better, cell.check, cell.verdict, cell.passed, len(cell.criteria))
            for one in self.scores
            for cell in one.cells
        ]
        return pd.DataFrame(rows, columns=list(columns))


def audit_from_json(text: str) -> Audit:
    """Return the record that ``Audit.to_json`` wrote. Raises ValueError, KeyError or TypeError for other text."""
    # every tuple is a list in JSON
    fields: dict[str, Any] = json.loads(text)
    return Audit(
        **{
            **fields,
            "scores": tuple(_score_audit(score) for score in fields["scores"]),
            "checks": tuple((name, title, about) for name, title, about in fields["checks"]),
            "costs": tuple(MetricCost(**cost) for cost in fields["costs"]),
            "people": tuple(HumanAgreement(**row) for row in fields["people"]),
            "notes": tuple(fields["notes"]),
        }
    )


def finite_or_none(value: float, digits: int = 6) -> float | None:
    """Return a number with that many significant digits; None for NaN and infinity, which JSON lacks."""
    # rounding keeps the record small
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _score_audit(fields: dict[str, Any]) -> ScoreAudit:
    # lists of JSON become tuples again
    cells = [
        Cell(
            cell["check"],
            tuple(Criterion(**criterion) for criterion in cell["criteria"]),
            tuple(
                Curve(curve["case"], curve["axis"], *(tuple(curve[key]) for key in ("x", "values", "errors")))
                for curve in cell["curves"]
            ),
        )
        for cell in fields["cells"]
    ]
    return ScoreAudit(**{**fields, "cells": tuple(cells)})
