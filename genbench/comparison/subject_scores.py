"""One side of a comparison: what a metric says of one subject, and where its uncertainty comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genbench.arrays import Float64
from genbench.comparison.subjects import entries_of
from genbench.plugs.contracts import GROUPS
from genbench.results import Entry, Result

Variance = tuple[float, float]
"""A variance and its degrees of freedom."""
EXACT = math.inf
"""Degrees of freedom of a variance that counts as known."""


@dataclass(frozen=True, eq=False)
class Side:
    """One metric of the results of one subject, a value for each training seed."""

    entries: list[Entry]
    fingerprint: str
    values: Float64
    own: float
    """Variance of the mean by the generated samples; all of it where parts are not known."""
    generated: Float64 | None
    """[G], mean over seeds of the generated parts."""
    reference: Float64 | None
    """[G], mean over seeds of the reference parts; None where they are not known."""

    @property
    def known(self) -> bool:
        """Whether every score has an error."""
        return all(entry.error is not None for entry in self.entries)

    @property
    def training(self) -> Variance | None:
        """Variance of the mean by the spread over seeds; None for one seed."""
        count = len(self.values)
        return (float(self.values.var(ddof=1)) / count, count - 1) if count > 1 else None

    @staticmethod
    def of(results: Sequence[Result], metric: str) -> Side:
        """Read one metric, by its full name. Raises InputError where a result lacks it."""
        entries = entries_of(results, metric)
        values = np.array([entry.value for entry in entries])
        reference = results[0].reference
        fingerprint = reference.fingerprint if reference else ""
        errors = np.array([entry.error or 0.0 for entry in entries])
        parts = [entry.influence for entry in entries if entry.influence is not None]
        if len(parts) < len(entries):
            return Side(entries, fingerprint, values, float((errors**2).mean()), None, None)
        shared = np.array([part.reference or np.zeros(GROUPS) for part in parts]).mean(axis=0)
        if not all(part.generated for part in parts):
            return Side(entries, fingerprint, values, float((errors**2).sum()) / len(parts) ** 2, None, shared)
        generated = np.array([part.generated for part in parts])
        own = sum(variance_of(row) for row in generated) / len(parts) ** 2
        return Side(entries, fingerprint, values, own, generated.mean(axis=0), shared)


def variance_of(parts: npt.ArrayLike) -> float:
    """Return the variance of a sum of independent parts [G] that sum to 0."""
    groups = np.asarray(parts, np.float64)
    return float((groups**2).sum() * len(groups) / max(len(groups) - 1, 1))
