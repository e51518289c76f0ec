"""How often a panel flags samples that are optimised for one of its encoders, and how often honest ones.

    python -m tests.studies.panel_gaming --root DATA --cache FOLDER

``DATA`` holds the zips of CIFAR-10 as JPEG files; features and the optimised generator are kept in ``FOLDER``. Writes
reports/gaming.md. Takes some 20 minutes on two cores the first time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from genbench.array_types import Float64, Int64
from genbench.comparison.panel_ratios import FAR_BELOW, PanelRatios
from genbench.features.features import Features
from genbench.metrics.frechet import FrechetDistance
from genbench.scoring.panel_error import Distance, Trio, ratios_of
from tests.studies.panel_descent import descended_digits
from tests.studies.panel_error import remembered
from tests.studies.panel_photographs import DAMAGE, extracted

REPORT = Path(__file__).parents[2] / "reports" / "gaming.md"
REFERENCE, ROWS = 1000, 500
"""Rows of the reference; rows of subject and floor."""
TRIALS, OPTIMISED, DIGIT_TRIALS = 10, 6, 3
"""Number of trials of each honest subject, of each optimised one, and of the digits."""
FRECHET: Distance = partial(FrechetDistance().row_influence, seed=0)

Sides = Mapping[str, Float64]
"""The features of the same images by encoder."""


@dataclass(frozen=True)
class Outcome:
    """The ratios of one subject in one trial."""

    ratios: PanelRatios

    @property
    def gap(self) -> float:
        """By how many times the geometric mean of the other ratios exceeds the lowest one."""
        logarithms = np.sort(np.log(self.ratios.values))
        return float(np.exp(logarithms[1:].mean() - logarithms[0]))


Named = tuple[str, Outcome]
"""The name of a subject with its outcome."""


# Samples chosen for one encoder.


def chosen(pool: Float64, reference: Float64, count: int, rng: np.random.Generator) -> Int64:
    """Return rows of a pool that minimise the Frechet distance, by exchanges that its first order suggests."""
    mean, covariance = reference.mean(axis=0), np.cov(reference, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T

    def measured(rows: Float64) -> tuple[float, Float64, Float64]:
        own_mean, own = rows.mean(axis=0), np.cov(rows, rowvar=False)
        values, vectors = np.linalg.eigh(root @ own @ root)
        values = np.maximum(values, 1e-12)
        distance = np.square(own_mean - mean).sum() + np.trace(own + covariance) - 2 * np.sqrt(values).sum()
        return float(distance), own_mean, root @ ((vectors / np.sqrt(values)) @ vectors.T) @ root

    pool, inside, step = pool.astype(np.float64), np.zeros(len(pool), bool), count // 5
    inside[rng.choice(len(pool), count, replace=False)] = True
    distance, own_mean, transport = measured(pool[inside])
    for _ in range(120):
        # the rows that raise the distance most for those that lower it most
        rows = pool - own_mean
        gain = 2 * rows @ (own_mean - mean) + ((rows - rows @ transport) * rows).sum(axis=1)
        trial, order = inside.copy(), np.argsort(gain)
        trial[order[inside[order]][-step:]] = False
        trial[order[~inside[order]][:step]] = True
        found = measured(pool[trial])
        if found[0] < distance:
            inside, (distance, own_mean, transport) = trial, found
        elif step == 1:
            break
        else:
            step //= 2
    return np.flatnonzero(inside)


# The trials.


def judged(generated: Sides, reference: Sides, floor: Sides, distance: Distance) -> Outcome:
    trios = [
        Trio(*(Features.of(embedding=np.float32(side[encoder])) for side in (generated, reference, floor)))
        for encoder in generated
    ]
    found = ratios_of(distance, trios)
    names = tuple(generated)
    return Outcome(
        PanelRatios("fdr@panel", float(found.values.mean()), names, found.values, found.covariance, found.degrees)
    )


def photograph_trial(features: dict[str, dict[str, Float64]], classes: Int64, trial: int) -> Iterator[Named]:
    rng, encoders = np.random.default_rng(trial), list(features)

    def rows(group: str, at: Int64) -> Sides:
        return {encoder: features[encoder][group][at] for encoder in encoders}

    order = rng.permutation(3000)
    reference, floor = rows("train", order[:REFERENCE]), rows("train", order[REFERENCE : REFERENCE + ROWS])
    judge = partial(judged, reference=reference, floor=floor, distance=remembered(FRECHET))
    # honest: real, classes missing, damaged
    shuffled = rng.permutation(3000)
    for missing in (0, 1, 3, 5):
        at = shuffled[classes[shuffled] >= missing][:ROWS]
        yield f"honest: {f'{missing} of 10 classes missing' if missing else 'real'}", judge(rows("test", at))
    for name in DAMAGE:
        yield f"honest: {name}", judge(rows(name, rng.permutation(1000)[:ROWS]))
    if trial >= OPTIMISED:
        return
    # optimised: rows of all damaged images; and a generator
    pool = {encoder: np.concatenate([features[encoder][name] for name in DAMAGE]) for encoder in encoders}
    for target in ("lite0", "pixels"):
        at = chosen(pool[target], reference[target], ROWS, rng)
        outcome = judge({encoder: pool[encoder][at] for encoder in encoders})
        yield f"optimised: damaged images chosen for {target}", outcome
    yield "optimised: generator after 200 steps, lite0", judge(rows("descent", rng.permutation(1000)[:ROWS]))


def digit_trial(trial: int) -> Iterator[Named]:
    distance = remembered(FRECHET)
    reference, floor, subjects = descended_digits(trial)
    for name, subject in subjects.items():
        yield name, judged(subject, reference, floor, distance)


def table(outcomes: list[Named]) -> list[str]:
    """Return a Markdown table: medians of the ratios, the median gap, and how many trials are flagged."""
    encoders = outcomes[0][1].ratios.extractors
    lines = [
        f"| subject | {' | '.join(encoders)} | others / lowest | flagged for |",
        f"| --- |{' ---: |' * (len(encoders) + 1)} --- |",
    ]
    for name in dict.fromkeys(name for name, _ in outcomes):
        own = [outcome for each, outcome in outcomes if each == name]
        medians = np.median([outcome.ratios.values for outcome in own], axis=0)
        suspects = [outcome.ratios.optimised_for for outcome in own]
        flagged = ", ".join(f"{each}: {suspects.count(each)}" for each in encoders if each in suspects)
        cells = [f"{value:.2f}" for value in (*medians, np.median([outcome.gap for outcome in own]))]
        lines.append(
            f"| {name} | {' | '.join(cells)} | {f'{flagged} of {len(own)}' if flagged else f'0 of {len(own)}'} |"
        )
    return lines


def rates(outcomes: list[Named]) -> str:
    """Return how many honest trials are flagged, and how many would be if only the gap counted."""
    honest = [outcome for name, outcome in outcomes if name.startswith("honest")]
    flagged = sum(bool(outcome.ratios.optimised_for) for outcome in honest)
    gaps = [outcome.gap for outcome in honest]
    return (
        f"Honest trials flagged: {flagged} of {len(honest)}. A gap of {FAR_BELOW:g} alone would flag "
        f"{sum(gap >= FAR_BELOW for gap in gaps)}; the largest gap of an honest subject is {max(gaps):.1f}."
    )


INTRODUCTION = f"""# Whether optimised samples are flagged, and honest ones are not

By `python -m tests.studies.panel_gaming`. A subject of a panel is flagged if its lowest ratio is below 1, and the
geometric mean of its other ratios is at least {FAR_BELOW:g} times as large, both beyond the error at the level .01 / K
([the rule](../docs/metrics.md#the-panel)). *Others / lowest* is this factor.

## Photographs

{ROWS} generated rows, {ROWS} of the floor and {REFERENCE:,} of the reference, from CIFAR-10 images; each trial
draws other rows. The encoders are EfficientNet-Lite 0, 1 and 2 at 64 pixels and the 16 x 16 pixels, 64 principal
components each; these are not the spaces of the extractors at full size. *Chosen*: {ROWS} of 11,000 damaged images,
which are exchanged until the distance by one encoder falls no further. *Generator*: three convolutions that change
blurred images (blur 2), after 200 steps of gradient descent on the distance by lite0 of batches of 100; one training
for all trials. The ratios are medians of the trials.
"""

ABOUT_DIGITS = """## Digits

700 reference rows and 250 of subject and floor, from scikit-learn's digits of 8 x 8 pixels; the network `digits` was
trained on half of them. The subjects are optimised on the distance by `digits`, 200 steps, in each trial anew.
"""

CONCLUSIONS = """## What follows

- A gap between encoders is no sign of optimisation. Pixels hardly see noise, blur and JPEG, so half of the honest
  trials have a gap of 1.5 or more. Honest samples hardly ever have a ratio below 1 in one encoder alone.
- The three networks are related: images chosen for lite0 have lower ratios by lite1 and lite2, too, but not below 1.
- A floor that is far from the reference by chance lowers the ratios of all subjects. An encoder that does not see the
  damage of honest subjects can then flag them; the error contains this chance.
- A subject that was optimised and still is farther than real samples is not flagged: the small generators have
  their lowest ratio in their target, but above 1, and honest subjects have such gaps, too. A small gain within the
  error is not flagged either, as in some trials of the images chosen for pixels.
"""


def page(photos: list[Named], digits: list[Named]) -> str:
    """Return the report."""
    # the text around both tables
    parts = [INTRODUCTION, *table(photos), "", rates(photos), "", ABOUT_DIGITS, *table(digits), "", rates(digits)]
    return "\n".join([*parts, "", CONCLUSIONS])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.cache.mkdir(parents=True, exist_ok=True)
    digits = [each for trial in range(DIGIT_TRIALS) for each in digit_trial(trial)]
    views = extracted(given.root, given.cache)
    photos = [each for trial in range(TRIALS) for each in photograph_trial(*views, trial)]
    REPORT.write_text(page(photos, digits))


if __name__ == "__main__":
    main()
