"""Small made-up results for the tests of tables and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from genbench.plugs.contracts import Score
from genbench.results import Entry, Result, SampleSet, TrainingRecord
from genbench.scoring.evaluate_metrics import entry

REFERENCE = SampleSet("digits,split=test", 899, "d" * 64)


def made(
    name: str,
    fd: float,
    *,
    seed: int = 0,
    error: float | None = 0.5,
    benchmark: str | None = "digits@1",
    count: int = 898,
    budget: str = "full",
    created: str = "2026-01-01T00:00:00+00:00",
    extra: tuple[Score, ...] = (),
    **training: Any,
) -> Result:
    """Return a result with an fd, an inception score twice as large, and the ``extra`` scores."""
    scores = (Score("fid", fd, error, "lower"), Score("is", 2 * fd, 0.1, "higher"), *extra)
    return Result(
        name=name,
        scores=tuple(entry(score, "digits", canonical=False) for score in scores),
        generated=SampleSet(name, count, f"{name} {seed} {fd}"),
        reference=REFERENCE,
        benchmark=benchmark,
        metrics=("FrechetDistance(view='embedding')", "InceptionScore(splits=10, seed=2020)"),
        extractors={"digits": "classifier,weights=abc"},
        seed=seed,
        device="cpu",
        batch_size=32,
        created=created,
        seconds=1.0,
        versions={"genbench": "0.1.0", "torch": "2.15.0"},
        training=TrainingRecord(budget, seed, **training),
    )


def board() -> list[Result]:
    """Return two models of two and one seeds between the floor and the ceiling."""
    return [
        made("gan", 4.0, seed=0),
        made("gan", 6.0, seed=1),
        made("vae", 20.0),
        made("real", 0.5, error=0.1),
        made("noise", 90.0),
    ]


def with_panel(
    result: Result,
    ratios: Sequence[float],
    *,
    error: float = 0.05,
    correlation: float = 0.0,
    degrees: float | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Result:
    """Return the result with the scores of a panel of that many encoders; ``error`` is relative to each ratio."""
    # the mean first, as a panel gives them
    names = ("first", "second", "third", "fourth")[: len(ratios)]
    values = np.array(ratios)
    shares = np.full((len(ratios),) * 2, correlation) + (1 - correlation) * np.eye(len(ratios))
    covariance = shares * np.outer(values, values) * error**2
    known = {"extractors": list(names), "ratios": values.tolist(), "covariance": covariance.tolist()}
    mean = Entry(
        "fdr@made", "frechet_distance_ratio@made", float(values.mean()), float(np.sqrt(covariance.mean())), "lower",
        "made", {**known, "degrees": degrees, **(detail or {})},
    )  # fmt: skip
    single = [
        Entry(f"fdr@{name}", f"frechet_distance_ratio@{name}", float(value), float(value * error), "lower", name)
        for name, value in zip(names, values, strict=True)
    ]
    return replace(result, scores=(mean, *single, *result.scores))
