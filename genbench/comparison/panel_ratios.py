"""The ratios of a panel, and whether a subject looks optimised for one of its encoders."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from genbench.array_types import Float64
from genbench.results import Entry, Result

SUSPICION_LEVEL = 0.01
"""Level of both tests, shared by all encoders of a panel."""
FAR_BELOW = 1.5
"""The geometric mean of the other ratios is at least this many times the lowest one if a subject is flagged."""

EXPLANATION = (
    "honest samples are not closer than real ones in one encoder alone; copies or reconstructions of reference images "
    "can be, too"
)


@dataclass(frozen=True, eq=False)
class PanelRatios:
    """The ratios of one subject by the K encoders of a panel: distances in units of that of real samples."""

    score: str
    """Name of their mean: ``fdr@offline``."""
    mean: float
    extractors: tuple[str, ...]
    values: Float64
    """float64 [K]."""
    covariance: Float64
    """float64 [K, K]; the encoders see the same images, so their errors are correlated."""
    degrees: float
    """Degrees of freedom of the covariance; infinite if it is that of all rows."""

    @staticmethod
    def of(entry: Entry) -> PanelRatios | None:
        """Return the ratios that the entry of their mean records; None for any other entry, and for a damaged one."""
        detail = entry.detail
        if "ratios" not in detail or "covariance" not in detail:
            return None
        # the file may come from somebody else
        names = detail.get("extractors")
        values, covariance = _numbers(detail, "ratios"), _numbers(detail, "covariance")
        count = len(names) if isinstance(names, (list, tuple)) else 0
        if count < 2 or values.shape != (count,) or covariance.shape != (count, count) or not (values > 0).all():
            return None
        degrees = _numbers(detail, "degrees")
        return PanelRatios(
            entry.name, entry.value, tuple(map(str, names or ())), values, covariance,
            float(degrees) if degrees.shape == () and degrees > 0 else math.inf,
        )  # fmt: skip

    @property
    def intervals(self) -> Float64:
        """float64 [K, 2], the 95 % confidence interval of each ratio; above 0."""
        # on the logarithmic scale, on which the ratios are compared and drawn
        reach = stdtrit(self.degrees, 0.975) * np.sqrt(np.diag(self._of_logarithms))
        return np.asarray(self.values[:, None] * np.exp(np.stack([-reach, reach], axis=1)))

    @property
    def optimised_for(self) -> str:
        """The encoder that the subject looks optimised for; empty if there is none.

        The lowest ratio is below 1, so the samples are closer to the reference than real samples are, and below the
        geometric mean of the others, by a factor of at least 1.5. Both are significant: one-sided t tests of log
        ratios with the covariance of all encoders, at the level .01 / K, because the lowest of K is chosen
        (Bonferroni). The gap alone would not do: encoders see different damage, and the ratios of honest samples
        differ by factors of ten (reports/gaming.md).
        """
        logarithms, covariance, count = np.log(self.values), self._of_logarithms, len(self.values)
        lowest = int(logarithms.argmin())
        # the lowest one, and its difference to the mean of the others
        alone = np.eye(count)[lowest]
        apart = alone - (1 - alone) / (count - 1)
        if apart @ logarithms > -math.log(FAR_BELOW):
            return ""
        reach = float(stdtrit(self.degrees, 1 - SUSPICION_LEVEL / count))
        errors = [math.sqrt(max(weights @ covariance @ weights, 0.0)) for weights in (alone, apart)]
        below = alone @ logarithms < -reach * errors[0] and apart @ logarithms < -reach * errors[1]
        return self.extractors[lowest] if below else ""

    @property
    def suspicion(self) -> str:
        """A question about a subject that looks optimised for an encoder, with its reason; empty if it does not."""
        name = self.optimised_for
        if not name:
            return ""
        others = np.delete(self.values, self.extractors.index(name))
        low, high = (f"{end:.2g}" if end < 10 else f"{end:,.0f}" for end in (others.min(), others.max()))
        rest = f"the others ({low} to {high})" if len(others) > 1 else f"that of the other encoder ({low})"
        return (
            f"optimised for {name}? its {self.score.partition('@')[0]} there, {self.values.min():.2g}, is below the 1 "
            f"of real samples and far below {rest}"
        )

    @property
    def warning(self) -> str:
        """The same as a sentence, with what else may be the reason."""
        return f"{self.suspicion}; {EXPLANATION}." if self.suspicion else ""

    @property
    def _of_logarithms(self) -> Float64:
        """float64 [K, K], the covariance of the logarithms of the ratios, by the delta method."""
        covariance = self.covariance / np.outer(self.values, self.values)
        # rounding may leave a variance below 0
        np.fill_diagonal(covariance, np.maximum(np.diag(covariance), 0.0))
        return np.asarray(covariance)


def panel_ratios(result: Result) -> list[PanelRatios]:
    """Return the ratios of each panel of a result."""
    return ratios_of_entries(result.scores)


def ratios_of_entries(entries: Iterable[Entry]) -> list[PanelRatios]:
    """Return the ratios of each panel of several entries."""
    return [ratios for entry in entries if (ratios := PanelRatios.of(entry)) is not None]


def _numbers(detail: Mapping[str, Any], name: str) -> Float64:
    """Return a detail as float64; without an axis if it holds anything but finite numbers."""
    value = detail.get(name)
    try:
        numbers = np.asarray(value, dtype=np.float64) if isinstance(value, (Sequence, int, float)) else np.array(0.0)
    except (TypeError, ValueError):
        return np.array(0.0)
    return numbers if np.isfinite(numbers).all() else np.array(0.0)
