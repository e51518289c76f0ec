"""What each score measures, its worst value, and its expected value for equal distributions."""

from __future__ import annotations

from typing import Any

FIDELITY = {
    *("precision", "precision_k5", "p_precision", "density", "clipped_density", "sym_precision", "cprecision"),
    *("prd_f1_8", "high_quality", "class_consistency"),
}
DIVERSITY = {
    *("recall", "recall_k5", "coverage", "clipped_coverage", "p_recall", "sym_recall", "prd_f8", "modes"),
    *("modes_balanced", "vendi", "rke", "vendi_per_class"),
    *("msssim", "msssim_per_class", "lpips", "lpips_per_class"),
}
MEMORISATION = {"memorised"}
KINDS_OF_SCORES = ("fidelity", "diversity", "both")

UNBOUNDED = {
    *("vendi", "rke", "vendi_per_class", "lpips", "lpips_per_class", "is", "is_one_split", "is_infinity", "tstr"),
    *("modes", "modes_balanced"),
}
"""Scores of which higher is better, and whose worst value is not 0 or not reached by two disjoint sides."""
WORST = {"c2st": 1.0, "mode_tv": 1.0, "ndb": 1.0}
"""Worst value of distances that have one."""
TRUTH = {"fid_debiased": 0.0, "kid": 0.0, "mmd": 0.0, "fid_per_class_debiased": 0.0, "cmmd_unbiased": 0.0}
"""Expected value for equal distributions at every number of rows."""


def kind_of(score: str, metric: Any) -> str:
    """Return what a score measures: ``fidelity``, ``diversity``, ``both`` or ``memorisation``.

    A guest's metric says it by its attribute ``measures``; without it, it measures both.
    """
    # the metric itself knows best
    stated = getattr(metric, "measures", None)
    if stated in KINDS_OF_SCORES:
        return str(stated)
    # names that genbench knows
    for kind, names in (("fidelity", FIDELITY), ("diversity", DIVERSITY), ("memorisation", MEMORISATION)):
        if score in names:
            return kind
    return "both"


def worst_of(score: str, metric: Any, better: str) -> float | None:
    """Return the badness of the worst value: 0 for shares, known bounds of distances, else None."""
    # bounds that are not 0
    if score in WORST:
        return WORST[score]
    # shares of fidelity and diversity end at 0
    share = kind_of(score, metric) in ("fidelity", "diversity") or score == "f_score"
    return -0.0 if better == "higher" and share and score not in UNBOUNDED else None


def truth_of(score: str) -> float | None:
    """Return the expected value for equal distributions, if it is known."""
    return TRUTH.get(score)
