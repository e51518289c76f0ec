"""The score that decides a sequential gate: it must not depend on the number of samples, and be valid early."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from genbench.comparison.group_by_subject import metric_name
from genbench.errors import InputError, UsageError
from genbench.results import Result

ROWS_PER_DIMENSION = 10
"""A debiased Frechet distance is looked at from this many samples per dimension on: before, its z value spreads more
than a normal one."""
LEAST_ROWS = 512
"""First look of all scores."""
METRICS = {"kid": "kid", "high_quality": "modes", "class_consistency": "classes"}
"""The metrics of scores whose mean does not depend on the number of samples, besides debiased Frechet distances."""
PREFERRED = ("fid_debiased", "fid_pc64_debiased", "kid", "high_quality")
"""Without a choice, the first of these that the baseline has and that can be looked at early enough."""


@dataclass(frozen=True)
class DecidingScore:
    """A score that can decide."""

    name: str
    """Full name: ``fd_debiased@digits``."""
    spec: str
    """Metric that computes it, without its extractor: ``fid``."""
    extractor: str
    """The extractor of the baseline's score: ``digits``."""
    first_look: int
    """Number of samples from which on it is valid."""


def deciding_score(baseline: Sequence[Result], metric: str | None, most: int | None) -> DecidingScore:
    """Return the score that decides: ``metric``, or the first of ``PREFERRED`` whose first look comes in time.

    Raises UsageError if ``metric`` depends on the number of samples or its first look lies beyond ``most``, InputError
    if the baseline has no score that can decide.
    """
    if metric is not None:
        name = metric_name(baseline, metric)
        # the distance itself is biased, and its debiased form decides for it
        debiased = re.sub(r"^(f(?:i)?d(?:_pc\d+)?)(@|$)", r"\1_debiased\2", name)
        score = _score_of(baseline, debiased if _has(baseline, debiased) else name)
        if score is None:
            raise UsageError(
                f"{name} depends on the number of samples, so it cannot be looked at while this number grows; decide "
                f"by one of {', '.join(_usable(baseline)) or 'fd, kd or a share, which the baseline lacks'}."
            )
        if most is not None and score.first_look > most:
            raise UsageError(
                f"{score.name} needs {score.first_look:,} samples at its first look, but the largest number is "
                f"{most:,}; raise --max-count, or decide by another score with --metric."
            )
        return score
    scores = {name: score for name in _usable(baseline) if (score := _score_of(baseline, name)) is not None}
    # half of the samples are left for further looks
    early = {name: score for name, score in scores.items() if most is None or 2 * score.first_look <= most}
    for found in (early, scores):
        for short in PREFERRED:
            for name, score in found.items():
                if _canonical(name) == short and (most is None or score.first_look <= most):
                    return score
    raise InputError(
        f"The baseline {baseline[0].name} has no score that can decide while the number of samples grows"
        f"{'' if most is None else f' up to {most:,}'}; score it with --metrics fd,kid or fd,components=64, or raise "
        "--max-count."
    )


def _score_of(baseline: Sequence[Result], name: str) -> DecidingScore | None:
    short = _canonical(name)
    extractor = next(entry.extractor for result in baseline for entry in result.scores if entry.name == name)
    # a view stands behind the extractor: fd@inception,view=768
    options = name.partition("@")[2].removeprefix(extractor)
    if short in METRICS:
        return DecidingScore(name, METRICS[short], extractor, LEAST_ROWS)
    match = re.fullmatch(r"fid(?:_pc(\d+))?_debiased", short)
    if match is None:
        return None
    # the distance itself has the number of dimensions in its detail
    if match[1]:
        dimensions, spec = int(match[1]), f"fid,components={match[1]}{options}"
    else:
        plain = name.replace("_debiased", "", 1)
        details = [entry.detail for result in baseline for entry in result.scores if entry.name == plain]
        dimensions, spec = max((int(detail.get("dimensions") or 0) for detail in details), default=0), f"fid{options}"
    return DecidingScore(name, spec, extractor, max(ROWS_PER_DIMENSION * dimensions, LEAST_ROWS))


def _usable(baseline: Sequence[Result]) -> list[str]:
    names = dict.fromkeys(entry.name for result in baseline for entry in result.scores)
    return [name for name in names if _score_of(baseline, name) is not None]


def _has(baseline: Sequence[Result], name: str) -> bool:
    return any(entry.name == name for result in baseline for entry in result.scores)


def _canonical(name: str) -> str:
    """Return the short name of a score with Inception's features: ``fid_debiased`` for ``fd_debiased@digits``."""
    short = name.partition("@")[0]
    return re.sub(r"^kd", "kid", re.sub(r"^fd", "fid", short))
