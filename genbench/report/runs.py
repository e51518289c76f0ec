"""Many results of one benchmark as a table: mean and spread over training seeds, a row for each sampler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from genbench.report.table import ARROWS, number_with_error
from genbench.results import Result

if TYPE_CHECKING:
    import pandas as pd


def runs_frame(results: Sequence[Result]) -> pd.DataFrame:
    """Return one row a sampler and score: name, metric, better, mean, spread, error, seeds.

    ``spread`` is the standard deviation over training seeds (ddof 1, NaN for one seed), ``error`` the mean standard
    error of sampling within a seed (NaN where none is known): two things that are not to be confused.
    """
    import pandas as pd

    rows = []
    for name in dict.fromkeys(result.name for result in results):
        own = [result for result in results if result.name == name]
        for entry in own[0].scores:
            found = [one for result in own for one in result.scores if one.name == entry.name]
            values = np.array([one.value for one in found])
            errors = [np.nan if one.error is None else one.error for one in found]
            spread = values.std(ddof=1) if len(values) > 1 else np.nan
            rows.append([name, entry.name, entry.better, values.mean(), spread, np.mean(errors), len(values)])
    return pd.DataFrame(rows, columns=["name", "metric", "better", "mean", "spread", "error", "seeds"])


def runs_text(results: Sequence[Result], metrics: Sequence[str]) -> str:
    """Return an aligned table of some scores: a row for each sampler, best first by the first score."""
    from tabulate import tabulate

    rows = {(row["name"], row["metric"]): row for row in runs_frame(results).to_dict("records")}
    names = list(dict.fromkeys(name for name, _ in rows))
    better = {metric: row["better"] for (_, metric), row in rows.items()}
    shown = [metric for wanted in metrics for metric in better if metric.partition("@")[0] == wanted]
    names.sort(key=lambda name: rows[name, shown[0]]["mean"], reverse=better[shown[0]] == "higher")
    table = []
    for name in names:
        own = [rows.get((name, metric)) for metric in shown]  # not every sampler has every score
        cells = ["" if row is None else _cell(row["mean"], row["spread"]) for row in own]
        table.append([name, *cells, rows[name, shown[0]]["seeds"]])
    headers = ["sampler", *(f"{metric.partition('@')[0]} {ARROWS[better[metric]]}" for metric in shown), "seeds"]
    aligned = tabulate(table, headers=headers, disable_numparse=True, tablefmt="simple",
                       colalign=("left", *["right"] * len(shown), "right"))  # fmt: skip
    return f"{results[0].benchmark}: mean ± spread over training seeds\n\n{aligned}"


def _cell(mean: float, spread: float) -> str:
    value, error = number_with_error(mean, None if np.isnan(spread) else spread)
    return f"{value} {error}".rstrip()
