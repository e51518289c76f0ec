"""Agreement of published scores with people: Stein et al. 2023 (arXiv 2306.04675), Table 11, in DINOv2's features.

The human error rate is the share of pairs of a real and a generated image in which people take the generated one for
real: higher is better.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.resources import files

import numpy as np

from genbench.array_types import Float64
from genbench.checks.audit.record import HumanAgreement

PUBLISHED_SIGNS: Mapping[str, int] = {
    "fd": -1, "fd_inf": -1, "kd": -1, "fls": 1, "precision": 1, "recall": 1, "density": 1, "coverage": 1,
}  # fmt: skip
"""Published scores, and 1 if higher is better, -1 if lower is better."""
BOOTSTRAP_DRAWS = 1000
FEWEST_MODELS = 5
"""Fewest models of a data set."""


def published_models() -> list[dict[str, str]]:
    """Return the rows of the table that have a human error rate, as text by column."""
    # the table is part of the package
    table = files("genbench.checks.audit").joinpath("stein2023_table11.csv").read_text(encoding="utf-8")
    return [row for row in csv.DictReader(table.splitlines()) if row["human_err"]]


def human_agreement(seed: int = 0) -> list[HumanAgreement]:
    """Return the rank correlation of each score's goodness with the human error rate, for each data set."""
    rows = published_models()
    rng = np.random.default_rng(seed)
    found = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        # the models of one data set
        models = [row for row in rows if row["dataset"] == dataset]
        for score, sign in PUBLISHED_SIGNS.items():
            # some scores are not published for all data sets
            known = [row for row in models if row[score]]
            if len(known) < FEWEST_MODELS:
                continue
            human = np.array([float(row["human_err"]) for row in known])
            values = sign * np.array([float(row[score]) for row in known])
            # bootstrap over models; draws in which all are equal have no correlation
            drawn = [
                rank_correlation(human[pick], values[pick])
                for pick in rng.integers(len(known), size=(BOOTSTRAP_DRAWS, len(known)))
            ]
            low, high = np.nanpercentile(drawn, [2.5, 97.5])
            correlation = rank_correlation(human, values)
            found.append(
                HumanAgreement(dataset, score, len(known), *(round(float(v), 3) for v in (correlation, low, high)))
            )
    return found


def rank_correlation(first: Float64, second: Float64) -> float:
    """Return Spearman's correlation of two lists of numbers; NaN if one of them is constant."""
    from scipy.stats import rankdata

    # equal values share the mean of their ranks
    ranks = [rankdata(values) for values in (first, second)]
    if any(np.ptp(each) == 0 for each in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])
