"""Make results for tests of comparisons: scores of random rows, or given numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from genbench.features.features import Features
from genbench.plugs import registry
from genbench.plugs.contracts import Better, Score
from genbench.plugs.specs import parse_specs
from genbench.results import Result, SampleSet, TrainingRecord
from genbench.scoring.evaluate_metrics import entry


def result(name: str, *scores: Score, seed: int = 0, reference: str = "r", **changes: Any) -> Result:
    """Return a result of a trained sampler with these scores; the extractor is called ``x``."""
    # other scores come from other samples
    fingerprint = f"{name}, {seed}, {[score.value for score in scores]}"
    made = Result(
        name=name,
        scores=tuple(entry(score, "x", canonical=False) for score in scores),
        generated=SampleSet(name, 1000, fingerprint),
        reference=SampleSet("reference", 1000, reference),
        benchmark="x@1",
        metrics=("FrechetDistance(view='embedding')",),
        extractors={"x": "x,resize=tf,weights=abc"},
        seed=seed,
        device="cpu",
        batch_size=32,
        created="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        versions={"genbench": "0.1.0"},
        training=TrainingRecord("full", seed),
    )
    return replace(made, **changes)


def valued(name: str, value: float, error: float | None = 0.1, *, better: Better = "lower", **changes: Any) -> Result:
    """Return a result whose only score is ``fd@x``."""
    return result(name, Score("fid", value, error, better), **changes)


def repeated(name: str, values: Sequence[float], error: float = 0.01) -> list[Result]:
    """Return one result per training seed."""
    return [valued(name, value, error, seed=seed) for seed, value in enumerate(values)]


def scored(name: str, generated: Features, reference: Features, metrics: str, **changes: Any) -> Result:
    """Return the result of scoring rows with metrics, given as names."""
    plugs = [registry.load("metrics", spec) for spec in parse_specs(metrics)]
    scores = [score for plug in plugs for score in plug(generated, reference, seed=0)]
    return result(name, *scores, reference=reference.fingerprint, **changes)


def normal(seed: int, count: int = 400, dimensions: int = 8, shift: float = 0.0) -> Features:
    """Draw Gaussian rows, with modes and quality."""
    rows = np.random.default_rng(seed).standard_normal((count, dimensions)) + shift
    return Features.of(embedding=rows, mode=rows[:, :4].argmax(axis=1), quality=rows[:, 0] < 1.5, modes=4)
