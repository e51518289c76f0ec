"""What each score of a table means: the line of ``genbench list`` about its metric."""

from __future__ import annotations

import re
from collections.abc import Iterable

from genbench.plugs import registry
from genbench.plugs.declarations import about_plug

METRIC_OF = {
    "classes": r"class_consistency|s?fi?d_per_class.*",
    "divergences": r"(reverse_)?kl|jsd|tv|w[12]",
    "is": r"entropy_.*",
    "kid": r"kd(_.*)?",
    "modes": r"mode_.*|high_quality",
    "pppr": r"p_precision|p_recall",
    "prdc": r"density|coverage|(precision|recall)_k\d+",
    "pr": r"(precision|recall|f_score)(_.*)?",
    "sfid": r"sfd(_.*)?",
    "swd": r"swd2(_.*)?",
    "sympr": r"sym_.*|cprecision",
}
"""Short names of scores that do not begin with the name of their metric."""

OTHERS = {
    "fdr": "Distance to the reference in units of that of real samples, mean over the encoders of a panel; perfect: 1.",
    "elbo": "Lower bound of the log-likelihood of reference samples, in nats.",
    "iwae": "Importance-weighted lower bound of the log-likelihood of reference samples, in nats.",
}
"""Scores that do not come from an installed metric."""


def about_score(score: str) -> str:
    """Return one line about a score, given by its full or short name; empty if its metric is not installed."""
    short = score.partition("@")[0]
    matches = (metric for metric, names in METRIC_OF.items() if re.fullmatch(names, short))
    # fid_debiased is a score of fid, and lpips_per_class one of lpips
    words = short.split("_")
    begins = ("_".join(words[:count]) for count in range(len(words), 0, -1))
    installed = registry.installed("metrics")
    metric = next((name for name in [*matches, *begins] if name in installed), "")
    return about_plug("metrics", metric) if metric else OTHERS.get(words[0], "")


def about_scores(scores: Iterable[str]) -> dict[str, str]:
    """Return one line about each score that has one, by its full name."""
    # scores of guests that are not installed have none
    lines = {score: about_score(score) for score in scores}
    return {score: line for score, line in lines.items() if line}
