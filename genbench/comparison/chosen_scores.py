"""Which scores decide: the main one of a recipe, the debiased one of a distance, one of each family."""

from __future__ import annotations

import math
from collections.abc import Sequence

from genbench.benchmarks import installed_benchmark
from genbench.errors import UsageError
from genbench.plugs.contracts import IN_PLANE, Better
from genbench.results import Result

VARIANTS = {
    "fid": "fid_debiased", "fd": "fd_debiased", "fid_infinity": "fid_debiased", "fd_infinity": "fd_debiased",
    "kid_subsets": "kid", "kd_subsets": "kd", "is_one_split": "is", "is_infinity": "is",
    "precision_k5": "precision", "recall_k5": "recall", "f_score": "recall", "mode_kl_all": "mode_kl",
    "modes_balanced": "modes", "swd2": "swd", "w2": "w1", "elbo": "iwae_1000", "iwae_10": "iwae_1000",
    "iwae_100": "iwae_1000",
}  # fmt: skip
"""Scores that repeat another score, by short name: only the other one is tested when all are compared."""


def direction(results: Sequence[Result], metric: str) -> Better | None:
    """Return which direction of a metric is better; results that contradict each other are not comparable."""
    return next((entry.better for result in results for entry in result.scores if entry.name == metric), None)


def main_metric(results: Sequence[Result]) -> str:
    """Return the full name of the score by which the recipe sorts; without a recipe the first one with a direction."""
    # all names in the order of the first result that has them
    names = list(dict.fromkeys(entry.name for result in results for entry in result.scores if entry.better is not None))
    if not names:
        raise UsageError("No score of these results has a better direction; score other metrics.")
    # columns are short names, and the first extractor of several counts
    recipe = installed_benchmark(results[0].benchmark)
    columns = recipe.columns if recipe else ()
    by_short = {name.partition("@")[0]: name for name in reversed(names)}
    return next((by_short[column] for column in columns if column in by_short), names[0])


def deciding(results: Sequence[Result], metric: str) -> str:
    """Return the score that decides about a metric: ``fd_debiased@x`` for ``fd@x`` if all results have it.

    The plain Frechet distance has a bias that depends on the model, so its differences are biased, too.
    """
    short, at, extractor = metric.partition("@")
    debiased = f"{short}_debiased{at}{extractor}"
    # one result without a debiased value is enough to use the plain one for all
    with_metric = 0
    for result in results:
        values = {entry.name: entry.value for entry in result.scores}
        # a diverged result has neither value
        if metric in values and math.isfinite(values[metric]):
            with_metric += 1
            if not math.isfinite(values.get(debiased, math.nan)):
                return metric
    return debiased if with_metric else metric


def one_of_each_family(names: Sequence[str]) -> list[str]:
    """Leave out the scores that repeat another one, so that one question is asked once."""
    # a variant stays if the score that it repeats is missing
    present = set(names)
    # in the order of the scores
    kept = []
    for name in names:
        short, at, extractor = name.partition("@")
        # any debiased form stands for the plain one
        others = {f"{other}{at}{extractor}" for other in (VARIANTS.get(short, short), f"{short}_debiased")}
        # and the average over planes for each of them
        whole, plane, _ = name.partition(IN_PLANE)
        others |= {whole, short} if plane else set()
        if not others & (present - {name}):
            kept.append(name)
    return kept
