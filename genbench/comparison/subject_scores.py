"""The scores of one subject in one metric, one value per training seed, with the variances of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from genbench.array_types import Float64
from genbench.comparison.group_by_subject import entries_of
from genbench.comparison.scales import ScoreScale
from genbench.plugs.contracts import GROUPS
from genbench.results import Entry, Result


@dataclass(frozen=True, eq=False)
class SubjectScores:
    """The scores of one subject in one metric."""

    entries: list[Entry]
    fingerprint: str
    """Of the reference; empty without a reference."""
    samples: frozenset[str]
    """Fingerprints of the generated samples of all seeds."""
    values: Float64
    """[S], one value per training seed."""
    variances: Float64
    """[S], variance due to the generated samples of each seed; the whole one if ``reference`` is None."""
    generated: Float64 | None
    """[S, G], influence of the generated samples; None if unknown."""
    reference: Float64 | None
    """[S, G], influence of the reference samples; None if unknown."""

    @property
    def has_error(self) -> bool:
        """Whether every score has an error."""
        return all(entry.error is not None for entry in self.entries)

    @property
    def own(self) -> float:
        """Variance of the mean due to the generated samples; the whole sampling variance if ``reference`` is None."""
        # without influences, the seeds may share all of their error: averaging does not reduce it
        count = 1 if self.reference is None else len(self.values)
        return float(self.variances.mean()) / count

    @property
    def mean_reference(self) -> Float64:
        """[G], influence of the reference samples on the mean; 0 if unknown."""
        return np.zeros(GROUPS) if self.reference is None else np.asarray(self.reference.mean(axis=0))

    def scaled(self, scale: ScoreScale) -> SubjectScores:
        """Return the scores on another scale, with their errors to first order."""
        # first order: errors and influences grow with the slope
        slope = scale.slope(self.values)
        # a share of 0 or 1 has the variance of its scale instead, because first order overstates it there
        least = scale.least_variances(self.values)
        return replace(
            self,
            values=scale.forward(self.values),
            variances=np.where(least > 0, least, self.variances * slope**2),
            generated=None if self.generated is None else self.generated * slope[:, None],
            reference=None if self.reference is None else self.reference * slope[:, None],
        )

    @staticmethod
    def of(results: Sequence[Result], metric: str) -> SubjectScores:
        """Read one metric, given by its full name, from the results. Raises InputError if a result lacks it."""
        entries = entries_of(results, metric)
        errors = np.array([entry.error or 0.0 for entry in entries])
        # influences count only if every seed has them
        influences = [entry.influence for entry in entries if entry.influence is not None]
        reference = generated = None
        variances = errors**2
        if len(influences) == len(entries):
            reference = np.array([each.reference or np.zeros(GROUPS) for each in influences])
            if all(each.generated for each in influences):
                generated = np.array([each.generated for each in influences])
                variances = np.array([variance_of(row) for row in generated])
        return SubjectScores(
            entries=entries,
            fingerprint=results[0].reference.fingerprint if results[0].reference else "",
            samples=frozenset(result.generated.fingerprint for result in results),
            values=np.array([entry.value for entry in entries]),
            variances=variances,
            generated=generated,
            reference=reference,
        )


def variance_of(influence: npt.ArrayLike) -> float:
    """Return the variance of a score to which G groups of samples contribute ``influence`` [G]; it sums to 0."""
    # the influences sum to 0, which costs one degree of freedom
    groups = np.asarray(influence, np.float64)
    return float((groups**2).sum() * len(groups) / max(len(groups) - 1, 1))
