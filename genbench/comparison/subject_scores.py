"""The scores of one subject in one metric, one value per training seed, with the variances of their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genbench.array_types import Float64
from genbench.comparison.group_by_subject import entries_of
from genbench.plugs.contracts import GROUPS
from genbench.results import Entry, Result

Variance = tuple[float, float]
"""A variance and its degrees of freedom."""
EXACT = math.inf
"""Degrees of freedom of a variance that counts as known."""


@dataclass(frozen=True, eq=False)
class SubjectScores:
    """The scores of one subject in one metric."""

    entries: list[Entry]
    fingerprint: str
    """Of the reference; empty without a reference."""
    values: Float64
    """[S], one value per training seed."""
    own: float
    """Variance of the mean due to the generated samples; the whole sampling variance if ``reference`` is None."""
    generated: Float64 | None
    """[G], influence of the generated samples, averaged over seeds; None if unknown."""
    reference: Float64 | None
    """[G], influence of the reference samples, averaged over seeds; None if unknown."""

    @property
    def has_error(self) -> bool:
        """Whether every score has an error."""
        return all(entry.error is not None for entry in self.entries)

    @property
    def training(self) -> Variance | None:
        """Variance of the mean, estimated by the spread over training seeds; None for one seed."""
        count = len(self.values)
        return (float(self.values.var(ddof=1)) / count, count - 1) if count > 1 else None

    @staticmethod
    def of(results: Sequence[Result], metric: str) -> SubjectScores:
        """Read one metric, given by its full name, from the results. Raises InputError if a result lacks it."""
        entries = entries_of(results, metric)
        values = np.array([entry.value for entry in entries])
        fingerprint = results[0].reference.fingerprint if results[0].reference else ""
        errors = np.array([entry.error or 0.0 for entry in entries])
        influences = [entry.influence for entry in entries if entry.influence is not None]
        # without influences, the seeds may share all of their error: averaging does not reduce it
        if len(influences) < len(entries):
            return SubjectScores(entries, fingerprint, values, float((errors**2).mean()), None, None)
        # the seeds share the reference samples, but their generated samples are independent
        reference = np.array([each.reference or np.zeros(GROUPS) for each in influences]).mean(axis=0)
        if not all(each.generated for each in influences):
            own = float((errors**2).sum()) / len(influences) ** 2
            return SubjectScores(entries, fingerprint, values, own, None, reference)
        # the variance of a mean of independent seeds
        generated = np.array([each.generated for each in influences])
        own = sum(variance_of(row) for row in generated) / len(influences) ** 2
        return SubjectScores(entries, fingerprint, values, own, generated.mean(axis=0), reference)


def variance_of(influence: npt.ArrayLike) -> float:
    """Return the variance of a score to which G groups of samples contribute ``influence`` [G]; it sums to 0."""
    # the influences sum to 0, which costs one degree of freedom
    groups = np.asarray(influence, np.float64)
    return float((groups**2).sum() * len(groups) / max(len(groups) - 1, 1))
