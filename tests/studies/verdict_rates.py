"""How often verdicts are right, by simulation: the sections on verdicts in reports/errors.md.

The model is a VAE trained for 500 steps. Two draws of the same checkpoint should not be told apart. A model that lost a
mode, or whose samples are blurred, should be worse.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

import genbench
from genbench.array_types import Int64
from genbench.comparison.pairwise import Question, compare_results
from genbench.features.features import Features
from genbench.metrics.frechet.metric import FrechetDistance
from genbench.metrics.modes import ModeCoverage
from genbench.plugs import registry
from genbench.plugs.opening import open_subject
from genbench.results import Result
from tests.helpers.compared import result

SAME = "not told apart"
"""Expected of equal models: equivalent, or not enough data."""

SCORES = ("fd", "modes", "mode_kl", "mode_tv")

POOL = 20_000
"""Number of generated samples that the trials draw from."""
CHANGES = {
    "the same checkpoint, another draw": SAME,
    "blurred, std 1 pixel": "worse",
    "one of ten modes dropped": "worse",
    "half of one mode (5 % of the samples) dropped": "none",
}
"""The expected verdict for each change of the model."""


@cache
def pools() -> dict[str, Features]:
    """Return the features of ``POOL`` samples of the model and of each change."""
    images = samples()
    blurred = np.stack([gaussian_filter(image, (1, 1, 0)) for image in images])
    whole, soft = (genbench.features_of(array, features="digits", progress=False) for array in (images, blurred))
    lost = np.flatnonzero(whole["mode"] == 0)
    return {
        "model": whole,
        "the same checkpoint, another draw": whole,
        "blurred, std 1 pixel": soft,
        "one of ten modes dropped": without(whole, lost),
        "half of one mode (5 % of the samples) dropped": without(whole, lost[::2]),
    }


def samples() -> npt.NDArray[np.uint8]:
    recipe: Any = registry.load("benchmarks", "digits")
    model: Any = open_subject("vae", ("samplers",))
    model.fit(open_subject(recipe.train, ("sources",)), seed=0, steps=500, watch=lambda step, losses: None)
    images = np.asarray(model.sample(POOL, 0), np.uint8)
    images = images if images.shape[-1] in (1, 3) else images.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(np.broadcast_to(images, (*images.shape[:3], 3)))


def without(features: Features, rows: Int64) -> Features:
    return Features.of(modes=10, **{view: np.delete(features[view], rows, axis=0) for view in features.views})


def score_draw(name: str, pool: Features, reference: Features, count: int, seed: int) -> Result:
    """Draw ``count`` samples of a pool and score them by Frechet distance and mode coverage."""
    rows = np.random.default_rng(seed).choice(len(pool), count)
    features = Features.of(modes=10, **{view: pool[view][rows] for view in pool.views})
    scores = [score for metric in (FrechetDistance(), ModeCoverage()) for score in metric(features, reference, seed=0)]
    return result(name, *scores, reference="digits")


def verdict(after: Result, before: Result, metrics: tuple[str, ...] = SCORES) -> str:
    """Return the joint verdict of all scores: worse or better if any score is, otherwise not told apart."""
    comparison = compare_results({"after": [after], "before": [before]}, Question(metrics))
    names = {each.verdict for each in comparison.differences}
    return next((name for name in ("worse", "better") if name in names), SAME)


def verdicts(trials: int) -> str:
    """Return the table of the frequency of each verdict."""
    recipe: Any = registry.load("benchmarks", "digits")
    reference = genbench.features_of(recipe.reference, features="digits", progress=False)
    lines, listed = [], ", ".join(f"`{name}`" for name in SCORES)
    for index, (change, expected) in enumerate(CHANGES.items()):
        observed: list[str] = []
        for trial in range(trials):
            before = score_draw("before", pools()["model"], reference, recipe.count, 1000 * trial)
            after = score_draw("after", pools()[change], reference, recipe.count, 1000 * trial + 1 + index)
            observed.append(verdict(after, before))
        lines.append(_verdict_row(change, expected, observed))
    return "\n".join([
        f"### Verdicts of `digits` by {listed} at {recipe.count} samples against {len(reference)}, {trials} trials\n",
        "The model is a VAE trained for 500 steps; each trial draws from 20,000 of its samples.\n",
        "| change | expected | better | not told apart | worse |", "|---|---|---|---|---|", *lines,
    ])  # fmt: skip


STACKS = 200_000
"""Number of stacks of real digits, which stand for the samples of a perfect model of 1,000 modes."""
MODE_SCORES = ("modes", "mode_kl", "mode_tv")


def stacked_verdicts(trials: int) -> str:
    """Return the same table for ``stacked-digits``, with 50 of the 1,000 modes dropped."""
    recipe: Any = registry.load("benchmarks", "stacked-digits")
    real = f"stacked-digits,split=train,count={STACKS},seed=1"
    mode = genbench.features_of(real, features="stacked-digits", batch_size=1000, progress=False)["mode"]
    dropped = np.random.default_rng(0).choice(1000, 50, replace=False)
    changes = {"another draw": (mode, SAME), "5 % of the modes dropped": (mode[~np.isin(mode, dropped)], "worse")}
    lines = []
    for index, (change, (pool, expected)) in enumerate(changes.items()):
        observed = [
            verdict(
                _stacked_result("after", pool, recipe.count, 1000 * trial + 1 + index),
                _stacked_result("before", mode, recipe.count, 1000 * trial),
                MODE_SCORES,
            )
            for trial in range(trials)
        ]
        lines.append(_verdict_row(change, expected, observed))
    listed = ", ".join(f"`{name}`" for name in MODE_SCORES)
    return "\n".join([
        f"### Verdicts of `stacked-digits` by {listed} at {recipe.count:,} samples, {trials} trials\n",
        f"Stacks of real digits stand for the samples of a model; each trial draws from {STACKS:,} of them.\n",
        "| change | expected | better | not told apart | worse |", "|---|---|---|---|---|", *lines,
    ])  # fmt: skip


def _stacked_result(name: str, pool: Int64, count: int, seed: int) -> Result:
    mode = pool[np.random.default_rng(seed).choice(len(pool), count)]
    scores = ModeCoverage(target="uniform")(Features.of(mode=mode, modes=1000), None, seed=0)
    return result(name, *scores, reference="uniform")


def _verdict_row(change: str, expected: str, observed: list[str]) -> str:
    shares = [f"{100 * observed.count(name) / len(observed):.1f} %" for name in ("better", SAME, "worse")]
    return f"| {change} | {expected} | {' | '.join(shares)} |"


if __name__ == "__main__":
    print(verdicts(200), stacked_verdicts(200), sep="\n\n")
