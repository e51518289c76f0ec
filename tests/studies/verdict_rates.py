"""How often verdicts are right, by simulation at the count of ``digits``: a section of reports/errors.md.

The subject is a VAE trained here for 500 steps. Draws of one checkpoint should be tied, and a model that lost a mode or
blurs its samples should be worse.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

import genbench
from genbench.arrays import Int64
from genbench.comparison.differences import difference
from genbench.comparison.multiple_testing import holm
from genbench.features.features import Features
from genbench.metrics.frechet.metric import FrechetDistance
from genbench.metrics.modes import ModeCoverage
from genbench.plugs import registry
from genbench.plugs.opening import open_subject
from genbench.results import Result
from tests.helpers.compared import result

SCORES = ("fd", "modes", "mode_kl", "mode_tv")

POOL = 20_000
"""How many samples stand for the model: draws are made from them."""
CHANGES = {
    "the same checkpoint, another draw": "tied",
    "blurred, std 1 pixel": "worse",
    "one of ten modes dropped": "worse",
    "half of one mode (5 % of the samples) dropped": "for scale",
}


@cache
def pools() -> dict[str, Features]:
    """Return the features of many samples of each model."""
    images = samples()
    blurred = np.stack([gaussian_filter(image, (1, 1, 0)) for image in images])
    whole, soft = (genbench.features_of(each, features="digits", progress=False) for each in (images, blurred))
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
    drawn = np.asarray(model.sample(POOL, 0), np.uint8)
    images = drawn if drawn.shape[-1] in (1, 3) else drawn.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(np.broadcast_to(images, (*images.shape[:3], 3)))


def without(features: Features, rows: Int64) -> Features:
    return Features.of(modes=10, **{view: np.delete(features[view], rows, axis=0) for view in features.views})


def drawn(name: str, pool: Features, reference: Features, count: int, seed: int) -> Result:
    """Score a draw of a model by the distance and by its modes."""
    rows = np.random.default_rng(seed).choice(len(pool), count)
    features = Features.of(modes=10, **{view: pool[view][rows] for view in pool.views})
    scores = [score for metric in (FrechetDistance(), ModeCoverage()) for score in metric(features, reference, seed=0)]
    return result(name, *scores, reference="digits")


def verdict(after: Result, before: Result, metrics: tuple[str, ...] = SCORES) -> str:
    """Return what all scores together say, after Holm's correction: worse or better where any is, else tied."""
    found = {one.verdict for one in holm([difference(after, before, metric) for metric in metrics])}
    return next((each for each in ("worse", "better") if each in found), "tied")


def verdicts(trials: int) -> str:
    """Return the table: how often each verdict came."""
    recipe: Any = registry.load("benchmarks", "digits")
    reference = genbench.features_of(recipe.reference, features="digits", progress=False)
    lines, listed = [], ", ".join(f"`{name}`" for name in SCORES)
    for at, (change, wanted) in enumerate(CHANGES.items()):
        found: list[str] = []
        for trial in range(trials):
            before = drawn("before", pools()["model"], reference, recipe.count, 1000 * trial)
            after = drawn("after", pools()[change], reference, recipe.count, 1000 * trial + 1 + at)
            found.append(verdict(after, before))
        lines.append(_line(change, wanted, found))
    return "\n".join([
        f"### Verdicts of `digits` by {listed} at {recipe.count} samples against {len(reference)}, {trials} trials\n",
        "A VAE trained for 500 steps beside what became of it; draws are made from 20,000 of its samples.\n",
        "| change | wanted | better | tied | worse |", "|---|---|---|---|---|", *lines,
    ])  # fmt: skip


STACKS = 200_000
"""How many stacks of real digits stand for a perfect model of 1,000 modes."""
OF_MODES = ("modes", "mode_kl", "mode_tv")


def stacked_verdicts(trials: int) -> str:
    """Return the table for 50 of the 1,000 modes of ``stacked-digits`` dropped."""
    recipe: Any = registry.load("benchmarks", "stacked-digits")
    real = f"stacked-digits,split=train,count={STACKS},seed=1"
    mode = genbench.features_of(real, features="stacked-digits", batch_size=1000, progress=False)["mode"]
    some = np.random.default_rng(0).choice(1000, 50, replace=False)
    changes = {"another draw": (mode, "tied"), "5 % of the modes dropped": (mode[~np.isin(mode, some)], "worse")}
    lines = []
    for at, (change, (pool, wanted)) in enumerate(changes.items()):
        found = [
            verdict(
                _stacks("after", pool, recipe.count, 1000 * trial + 1 + at),
                _stacks("before", mode, recipe.count, 1000 * trial),
                OF_MODES,
            )
            for trial in range(trials)
        ]
        lines.append(_line(change, wanted, found))
    listed = ", ".join(f"`{name}`" for name in OF_MODES)
    return "\n".join([
        f"### Verdicts of `stacked-digits` by {listed} at {recipe.count:,} samples, {trials} trials\n",
        f"Stacks of real digits stand for the model; draws are made from {STACKS:,} of them.\n",
        "| change | wanted | better | tied | worse |", "|---|---|---|---|---|", *lines,
    ])  # fmt: skip


def _stacks(name: str, pool: Int64, count: int, seed: int) -> Result:
    mode = pool[np.random.default_rng(seed).choice(len(pool), count)]
    scores = ModeCoverage(target="uniform")(Features.of(mode=mode, modes=1000), None, seed=0)
    return result(name, *scores, reference="uniform")


def _line(change: str, wanted: str, found: list[str]) -> str:
    shares = [f"{100 * found.count(each) / len(found):.1f} %" for each in ("better", "tied", "worse")]
    return f"| {change} | {wanted} | {' | '.join(shares)} |"


if __name__ == "__main__":
    print(verdicts(200), stacked_verdicts(200), sep="\n\n")
