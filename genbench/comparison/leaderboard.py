"""The leaderboard of one metric: means, spreads over seeds, sampling errors, and ranks with ties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from scipy import stats

from genbench.comparison.comparability import prevailing, require_comparable
from genbench.comparison.differences import difference
from genbench.comparison.group_by_subject import by_subject, metric_name
from genbench.comparison.multiple_testing import holm
from genbench.comparison.rank_intervals import rank_intervals
from genbench.comparison.subject_scores import EXACT, SubjectScores, variance_of
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
    """Mean over training seeds."""
    error: float | None
    """Sampling error of ``mean``, from generated and reference samples; it holds for these checkpoints only."""
    spread: float | None
    """Standard deviation over training seeds (ddof 1), which is not an error of ``mean``; None for one seed."""
    seeds: int
    interval: tuple[float, float] | None
    """Confidence interval of ``mean``, from sampling and training together; None without errors."""
    first: int | None
    """Best rank that the data allow; None if the row is not ranked."""
    last: int | None
    """Worst rank that the data allow; None if the row is not ranked."""

    @property
    def ranked(self) -> bool:
        """Whether the row follows the table's protocol."""
        return self.first is not None


def leaderboard(
    results: Sequence[Result], metric: str, *, confidence: float = 0.95, allow_mixed: bool = False
) -> list[Standing]:
    """Return one row per subject, best first; the floor (real) and the ceiling (noise) are ordinary rows.

    The newest result counts if several have the same name, training seed and budget. Subjects without the metric are
    left out. With ``allow_mixed``, results that do not follow the most frequent protocol come last, without ranks.
    Raises InputError if results do not follow one protocol, UsageError for an unknown metric or one without a better
    direction.
    """
    name = metric_name(results, metric)
    scored = [result for result in results if any(entry.name == name for entry in result.scores)]
    if not allow_mixed:
        require_comparable(scored)
    # results of the most frequent protocol are ranked, the others only listed
    ranked = prevailing(scored)
    ranked_ids = {id(result) for result in ranked}
    others = [result for result in scored if id(result) not in ranked_ids]
    subjects = by_subject(ranked)
    better = ranked[0][name].better
    if better is None:
        raise UsageError(f"{name} has no better direction, so it cannot rank samplers; choose another metric.")
    # compare all pairs, and turn the corrected verdicts into ranks
    pairs = [
        difference(subjects[a], subjects[b], name, confidence=confidence, names=(a, b))
        for a, b in combinations(subjects, 2)
    ]
    ranks = rank_intervals(list(subjects), holm(pairs))
    rows = [
        _standing(SubjectScores.of(replicates, name), label, better, confidence, ranks[label])
        for label, replicates in subjects.items()
    ]
    # results of other protocols get no ranks
    unranked = [
        _standing(SubjectScores.of(replicates, name), label, better, confidence)
        for label, replicates in by_subject(others).items()
    ]
    # the best row comes first, and NaN comes last
    sign = 1 if better == "lower" else -1
    rows.sort(key=lambda row: sign * row.mean if math.isfinite(row.mean) else math.inf)
    return rows + unranked


def _standing(
    scores: SubjectScores, label: str, better: Better, confidence: float, ranks: tuple[int, int] | None = None
) -> Standing:
    # variance of the mean due to the reference
    reference = 0.0 if scores.reference is None else variance_of(scores.reference)
    # the spread over seeds includes the noise of the generated samples; the larger variance counts
    own, degrees = max((scores.own, EXACT), scores.training or (0.0, 1))
    total, sampling = math.sqrt(own + reference), math.sqrt(scores.own + reference)
    # Satterthwaite's degrees of freedom; the variance due to the reference counts as exact
    if own:
        degrees *= (total**2 / own) ** 2
    # the interval covers both sources of error
    margin = float(stats.t.ppf((1 + confidence) / 2, degrees)) * total if total else 0.0
    mean = float(scores.values.mean())
    first, last = ranks or (None, None)
    return Standing(
        name=label,
        metric=scores.entries[0].name,
        better=better,
        mean=mean,
        error=sampling if scores.has_error else None,
        spread=float(scores.values.std(ddof=1)) if len(scores.values) > 1 else None,
        seeds=len(scores.values),
        interval=(mean - margin, mean + margin) if scores.has_error or scores.training else None,
        first=first,
        last=last,
    )
