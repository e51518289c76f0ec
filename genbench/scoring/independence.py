"""Scores that assume independent sides: recognise sides that are not, and withhold what then has no meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from genbench.results import Entry

DOUBTFUL = 3.0
"""A score that lies this many standard errors below what independent sides can have is told."""

MEANINGLESS = 6.0
"""A score that lies this many standard errors below shows that the sides are dependent. Between the two, both sides may
be halves of one set that were balanced by class, which agree a little better than independent sides."""


def withhold(
    entries: Sequence[Entry], *, paired: bool, copied: bool, same: bool
) -> tuple[list[Entry], list[str], list[str]]:
    """Return the entries that have a meaning, warnings, and reasons why others are left out.

    ``detail["least"]`` of an entry is the lowest expectation of its score for independent sides: 0 for an unbiased
    distance, 0.5 for the accuracy of a classifier. A score below it by more than 3 errors is told and left out; a
    correction of another score (``detail["corrects"]``) only if the sides are dependent beyond doubt. Then all these
    scores are left out. If no score would remain, they stay, but are not ranked (``better`` is None).

    ``paired``: whether the sides are known to be dependent; ``copied``: whether samples of the reference are known to
    be among the generated ones, so that 3 errors are enough; ``same``: whether both sides are the same samples, for
    which a debiased distance of 0 is kept and nothing more is told.
    """
    # scores below what independent sides can have, and whether they leave any doubt
    below = {entry.name: errors for entry in entries if (errors := _errors_below(entry)) > DOUBTFUL}
    dependent = same or paired or any(copied or errors > MEANINGLESS for errors in below.values())
    withheld = set()
    for entry in entries:
        corrects = bool(entry.detail.get("corrects"))
        if "least" in entry.detail and (dependent if corrects else dependent or entry.name in below):
            withheld.add(entry.name)
        if same and corrects and entry.name not in below:
            withheld.discard(entry.name)

    # what remains has a meaning; a score that was asked for alone stays
    warnings = [_doubt(below)] if below and not (same or paired) else []
    kept = [entry for entry in entries if entry.name not in withheld]
    if not kept:
        return [replace(entry, better=None) for entry in entries], warnings, []
    reasons = [f"{entry.name} assumes independent sides" for entry in entries if entry.name in withheld]
    return kept, warnings, reasons


def _doubt(below: Mapping[str, float]) -> str:
    # one sentence names the clearest score
    worst = max(below, key=lambda name: below[name])
    return (
        f"{worst} lies {below[worst]:.3g} errors below what independent sides can have, so the two sides are not "
        "independent: are the samples copies or reconstructions of the reference, or were both sides balanced by class?"
    )


def _errors_below(entry: Entry) -> float:
    """Return how many standard errors a score lies below its least expectation; 0 if it does not."""
    # a guest's detail may hold anything
    least = entry.detail.get("least")
    if not isinstance(least, float) or not entry.error:
        return 0.0
    return max(0.0, (least - entry.value) / entry.error)
