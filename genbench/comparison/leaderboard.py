"""The leaderboard of one metric: means, spreads over seeds, sampling errors, rank intervals and verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from genbench.comparison.chosen_scores import deciding, direction
from genbench.comparison.comparability import prevailing, require_comparable
from genbench.comparison.differences import Difference, Verdict, satterthwaite
from genbench.comparison.estimates import Estimate
from genbench.comparison.group_by_subject import by_subject, metric_name
from genbench.comparison.rank_intervals import rank_intervals
from genbench.comparison.scored_subjects import ScoredSubjects, corrected
from genbench.comparison.subject_scores import SubjectScores, variance_of
from genbench.errors import UsageError
from genbench.plugs.contracts import GROUPS, Better
from genbench.results import Result, results_of
from genbench.results.display import Interval, html_table, number_text
from genbench.results.rounding import ARROWS

if TYPE_CHECKING:
    import pandas as pd

COLLAPSE = math.log(2)
"""A seed has collapsed if it is worse than the median of its row by more than this on the scale: twice the distance."""
HIGH_SPREAD = 3.0
"""A row has a high spread if its spread over seeds is more than this many times the typical one of the table."""


@dataclass(frozen=True, repr=False)
class Standing:
    """One row of a leaderboard."""

    name: str
    metric: str
    better: Better
    mean: float
    """Arithmetic mean over training seeds."""
    error: float | None
    """Sampling error of ``mean``, from generated and reference samples; it holds for these checkpoints only."""
    spread: float | None
    """Standard deviation over training seeds (ddof 1), which is not an error of ``mean``; None for one seed."""
    seeds: int
    """Number of training seeds; with one, the row stands for a checkpoint and not for a method."""
    interval: tuple[float, float] | None
    """Confidence interval of the mean on the scale of the ranks (geometric for distances), from sampling and training
    together; None without errors."""
    first: int | None
    """Best rank that the data allow; None if the row is not ranked."""
    last: int | None
    """Worst rank that the data allow; None if the row is not ranked."""
    decided_by: str = ""
    """The score that decides the rank: ``fd_debiased@x`` for ``fd@x`` if all results have it."""
    versus_best: Verdict | None = None
    """Verdict against the best row; None for the best row itself and for rows that are not ranked."""
    collapsed: tuple[int, ...] = ()
    """Training seeds that are far worse than the others of the row."""
    high_spread: bool = False
    """Whether the spread over seeds is far larger than in other rows."""
    leads: bool = False
    """Whether the row is the best, or neither it nor a row with a better mean is significantly worse than another. A
    row that may be the last does not lead, and one with a high spread only as the best."""

    def __repr__(self) -> str:
        number = number_text(self.mean, self.error)
        return f"<Standing {self.rank or 'unranked'}: {self.name!r}, {self.metric} {number}>"

    @property
    def rank(self) -> str:
        """``2``, or ``2–4`` if the data do not decide; empty if the row is not ranked."""
        return "" if self.first is None else f"{self.first}" if self.first == self.last else f"{self.first}–{self.last}"

    @property
    def ranked(self) -> bool:
        """Whether the row has a rank: it follows the table's protocol and all its values are finite."""
        return self.first is not None

    @property
    def not_worse(self) -> bool:
        """Whether no row is significantly better."""
        return self.first == 1


class Leaderboard(list[Standing]):
    """The rows of a leaderboard, best first: a list that shows itself as a table."""

    def __repr__(self) -> str:
        return f"<Leaderboard of {len(self)}: {', '.join(f'{row.rank} {row.name}' for row in self)}>"

    def _repr_html_(self) -> str:
        rows = [[row.rank, row.name, number_text(row.mean, row.error), str(row.seeds)] for row in self]
        intervals = [Interval(row.mean, *row.interval) if row.interval else None for row in self]
        metric = f"{self[0].metric} {ARROWS[self[0].better]}" if self else ""
        return html_table(metric, ["rank", "sampler", "mean", "seeds", "95 % interval"], rows, intervals=intervals)

    def to_frame(self) -> pd.DataFrame:
        """Return a DataFrame with one row per sampler and the fields of ``Standing`` as columns."""
        import pandas as pd

        return pd.DataFrame([vars(row) for row in self], columns=[each.name for each in fields(Standing)])


def leaderboard(
    results: str | Path | Sequence[Result], metric: str, *, confidence: float = 0.95, allow_mixed: bool = False
) -> Leaderboard:
    """Return one row per subject, best first; the floor (real) and the ceiling (noise) are ordinary rows.

    The newest result counts if several have the same name, training seed and budget, and copies of one sample set count
    once. Subjects without the metric are left out; subjects with a value that is not finite come last, without ranks.
    A distance with a debiased form is ranked by it. With ``allow_mixed``, results that do not follow the most frequent
    protocol come last, without ranks. Raises InputError if results do not follow one protocol, UsageError for an
    unknown metric or one without a better direction.
    """
    results = results_of(results)
    # subjects without the metric are left out
    name = metric_name(results, metric)
    scored = [result for result in results if any(entry.name == name for entry in result.scores)]
    if not allow_mixed:
        require_comparable(scored, can_mix=True)
    # results of the most frequent protocol are ranked, the others only listed
    ranked = prevailing(scored)
    ranked_ids = {id(result) for result in ranked}
    others = [result for result in scored if id(result) not in ranked_ids]
    # a rank needs a direction
    better = direction(ranked, name)
    if better is None:
        raise UsageError(f"{name} has no better direction, so it cannot rank samplers; choose another metric.")
    rows = _ranked_rows(ScoredSubjects.of(by_subject(ranked), name), deciding(ranked, name), confidence)
    # results of other protocols get no ranks
    if not others:
        return Leaderboard(rows)
    unranked = ScoredSubjects.of(by_subject(others), name)
    return Leaderboard(rows + [_standing(unranked, label, better, confidence) for label in unranked.results])


def _ranked_rows(shown: ScoredSubjects, decided_by: str, confidence: float) -> list[Standing]:
    """Return the rows of one protocol, ranked by the score that decides."""
    scored = shown if decided_by == shown.metric else ScoredSubjects.of(_having(shown, decided_by), decided_by)
    # checked by the caller
    assert shown.better is not None
    # compare all pairs, and turn the corrected p-values into ranks
    names = sorted(scored.estimates)
    differences = corrected([scored.tested(a, b, confidence=confidence) for a, b in combinations(names, 2)])
    ranks = rank_intervals(names, differences)
    # the best row comes first, and rows without finite values come last
    sign = 1 if shown.better == "lower" else -1
    names.sort(key=lambda name: sign * scored.estimates[name].mean)
    # the verdict about each row against the best one
    verdicts = {each.a: each.verdict for each in differences if names and each.b == names[0]}
    verdicts |= {each.b: _reversed(each) for each in differences if names and each.a == names[0]}
    rows = [
        _standing(
            shown, name, shown.better, confidence, _Rank(scored, ranks.get(name, (None, None)), verdicts.get(name))
        )
        for name in [*names, *(name for name in shown.results if name not in ranks)]
    ]
    # a poor row with a large error is not significantly worse either, but it does not lead
    leaders = list(takewhile(lambda row: row.not_worse, rows))
    leading = [
        replace(row, leads=(row is rows[0] or not row.high_spread) and (row.last != len(names) or len(names) == 1))
        for row in leaders
    ]
    return leading + rows[len(leaders) :]


def _having(shown: ScoredSubjects, metric: str) -> dict[str, Sequence[Result]]:
    """Return the subjects all of whose results have a metric; those that diverged may lack it."""
    return {
        name: results
        for name, results in shown.results.items()
        if all(metric in {entry.name for entry in result.scores} for result in results)
    }


def _reversed(difference: Difference) -> Verdict:
    """Return the verdict about ``b``."""
    turned: dict[Verdict, Verdict] = {"better": "worse", "worse": "better"}
    return turned.get(difference.verdict, difference.verdict)


@dataclass(frozen=True)
class _Rank:
    """The rank of one row."""

    scored: ScoredSubjects
    interval: tuple[int, int] | tuple[None, None]
    verdict: Verdict | None


@np.errstate(all="ignore")
def _standing(
    shown: ScoredSubjects, label: str, better: Better, confidence: float, rank: _Rank | None = None
) -> Standing:
    # the numbers are those of the metric, the rank is by the score that decides
    scores, estimate = shown.scores[label], shown.estimates.get(label)
    reference = variance_of(scores.mean_reference)
    first, last = rank.interval if rank else (None, None)
    deciding_estimate = rank.scored.estimates.get(label) if rank else None
    return Standing(
        name=label,
        metric=shown.metric,
        better=better,
        mean=float(scores.values.mean()),
        error=math.sqrt(scores.own + reference) if scores.has_error else None,
        spread=float(scores.values.std(ddof=1)) if len(scores.values) > 1 else None,
        seeds=len(scores.values),
        interval=_mean_interval(shown, scores, estimate, confidence),
        first=first,
        last=last,
        decided_by=rank.scored.metric if rank else "",
        versus_best=rank.verdict if rank else None,
        collapsed=_collapsed(shown, label, better),
        high_spread=bool(
            deciding_estimate is not None
            and deciding_estimate.spread is not None
            and deciding_estimate.typical_spread is not None
            and deciding_estimate.spread > HIGH_SPREAD * deciding_estimate.typical_spread
            and deciding_estimate.spread > math.sqrt(len(scores.values) * deciding_estimate.sampling)
        ),
    )


def _mean_interval(
    shown: ScoredSubjects, scores: SubjectScores, estimate: Estimate | None, confidence: float
) -> tuple[float, float] | None:
    """Return the interval of the mean on the scale, from seeds, generated samples and reference."""
    if estimate is None or not (scores.has_error or len(scores.values) > 1):
        return None
    # the errors of seeds, generated samples and reference together
    noise, reference = estimate.noise, variance_of(estimate.reference)
    degrees = satterthwaite([(noise.variance, noise.degrees), (reference, GROUPS - 1.0)])
    error = math.sqrt(noise.variance + reference)
    reach = float(stdtrit(degrees, (1 + confidence) / 2)) * error if error else 0.0
    low, high = (float(shown.scale.back(estimate.mean + side * reach)) for side in (-1, 1))
    return low, high


def _collapsed(shown: ScoredSubjects, label: str, better: Better) -> tuple[int, ...]:
    """Return the training seeds that are far worse than the median of the row."""
    estimate = shown.estimates.get(label)
    if estimate is None or len(estimate.scores.values) < 3:
        return ()
    # on the scale, so that a factor counts and not a difference
    values, sign = estimate.scores.values, 1 if better == "lower" else -1
    excess = sign * (values - np.median(values))
    # errors do not make a seed collapse
    far = (excess > COLLAPSE) & (excess > 4 * np.sqrt(estimate.scores.variances))
    return tuple(result.replicate_seed for result, bad in zip(shown.results[label], far, strict=True) if bad)
