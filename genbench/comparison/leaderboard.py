"""The leaderboard of one metric: means, both kinds of spread, and ranks that show ties as ties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from scipy import stats

from genbench.comparison.comparability import prevailing, require_comparable
from genbench.comparison.differences import difference
from genbench.comparison.multiple_testing import holm
from genbench.comparison.rank_intervals import rank_intervals
from genbench.comparison.subject_scores import EXACT, Side, variance_of
from genbench.comparison.subjects import by_subject, metric_name
from genbench.errors import UsageError
from genbench.plugs.contracts import Better
from genbench.results import Result


@dataclass(frozen=True)
class Standing:
    """One row of a leaderboard."""

    name: str
    metric: str
    better: Better
    mean: float
    """Over training seeds."""
    error: float | None
    """Standard error of ``mean`` by sampling alone, of generated and reference samples: for these very checkpoints."""
    spread: float | None
    """Standard deviation over training seeds (ddof 1); None for one seed. It is not an error of ``mean``."""
    seeds: int
    interval: tuple[float, float] | None
    """Confidence interval of the mean over seeds, of both kinds of chance together."""
    first: int | None
    """Best rank that the data allow; None where the row is not ranked."""
    last: int | None
    """Worst rank that the data allow."""

    @property
    def ranked(self) -> bool:
        """Whether the row follows the table's protocol."""
        return self.first is not None


def leaderboard(
    results: Sequence[Result], metric: str, *, confidence: float = 0.95, allow_mixed: bool = False
) -> list[Standing]:
    """Return one row a subject, best first; the floor (real) and the ceiling (noise) are rows as any other.

    Of several results with one name, training seed and budget the newest counts. Subjects without the metric are left
    out. With ``allow_mixed``, results of another protocol than most follow come last, without ranks. Raises InputError
    where results do not follow one protocol, UsageError for a metric that is not there or of which neither direction is
    better.
    """
    name = metric_name(results, metric)
    having = [result for result in results if any(entry.name == name for entry in result.scores)]
    if not allow_mixed:
        require_comparable(having)
    ranked = prevailing(having)
    kept = {id(result) for result in ranked}
    others = [result for result in having if id(result) not in kept]
    subjects = by_subject(ranked)
    better = ranked[0][name].better
    if better is None:
        raise UsageError(f"Neither more nor less of {name} is better, so it ranks nothing; choose another metric.")
    pairs = [
        difference(subjects[a], subjects[b], name, confidence=confidence, names=(a, b))
        for a, b in combinations(subjects, 2)
    ]
    ranks = rank_intervals(list(subjects), holm(pairs))
    rows = [_standing(label, own, name, better, confidence, ranks[label]) for label, own in subjects.items()]
    unranked = [_standing(label, own, name, better, confidence, None) for label, own in by_subject(others).items()]
    sign = 1 if better == "lower" else -1
    rows.sort(key=lambda row: sign * row.mean if math.isfinite(row.mean) else math.inf)
    return rows + unranked


def _standing(
    name: str, results: list[Result], metric: str, better: Better, confidence: float, ranks: tuple[int, int] | None
) -> Standing:
    side = Side.of(results, metric)
    shared = 0.0 if side.reference is None else variance_of(side.reference)
    training = side.training
    own, degrees = max((side.own, EXACT), training or (0.0, 1))
    total, sampling = math.sqrt(own + shared), math.sqrt(side.own + shared)
    if own:
        degrees *= (total**2 / own) ** 2  # Satterthwaite, the reference's part counted as exact
    reach = float(stats.t.ppf((1 + confidence) / 2, degrees)) * total if total else 0.0
    mean = float(side.values.mean())
    first, last = ranks or (None, None)
    return Standing(
        name=name,
        metric=metric,
        better=better,
        mean=mean,
        error=sampling if side.known else None,
        spread=float(side.values.std(ddof=1)) if len(results) > 1 else None,
        seeds=len(results),
        interval=(mean - reach, mean + reach) if side.known or training else None,
        first=first,
        last=last,
    )
