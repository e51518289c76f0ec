"""How often 95 % intervals contain the true value, by simulation.

``python -m tests.studies.error_coverage`` writes reports/errors.md.

The populations are Gaussians, or the features of real images: with ``--images FOLDER`` those of CIFAR-10 (the folder
holds ``test.zip`` and ``train-10k.zip``), otherwise those of the 1,797 digits. The true value is the distance or score
of the population if it is known, otherwise the mean over all repeats, which is the expected value at this sample size.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import genbench
from genbench.array_types import Array
from genbench.comparison.scored_subjects import difference
from genbench.features.features import Features
from genbench.metrics.frechet.metric import frechet_distance_of_rows
from genbench.metrics.inception_score import inception_score
from genbench.plugs import registry
from genbench.plugs.contracts import Score
from genbench.plugs.specs import parse_specs
from genbench.results import Result, SampleSet
from genbench.scoring.evaluate_metrics import entry
from tests.studies.frechet_debiasing import cost, debiasing
from tests.studies.verdict_rates import verdicts

METRICS = "fd,is,kid,subset_size=100,subsets=20,pr,prdc,mind,projections=100,swd,projections=100,modes,ndb,bins=20,c2st"
SHOWN = (
    "fid_debiased", "is", "is_infinity", "kid", "precision", "recall", "density", "coverage", "mind", "swd",
    "high_quality", "mode_kl", "mode_tv", "ndb", "ndb_js", "c2st",
)  # fmt: skip
"""In the order of the table."""


@dataclass(frozen=True)
class Population:
    """A reference distribution and two generated ones, with known true values."""

    name: str
    dimensions: int
    draw: Callable[[np.random.Generator, int, str], Features]
    """Draws samples of ``reference``, ``generated`` or ``other`` (the second generated distribution)."""
    distances: dict[str, float]
    """True Frechet distance of each generated distribution to the reference."""
    limits: dict[str, float]
    """Inception Score of each generated distribution for infinitely large samples."""


def gaussian(dimensions: int) -> Population:
    """Return Gaussians: in each dimension ``generated`` has mean .2 and std 1.1, ``other`` has mean .25 and std 1."""
    moments = {"reference": (0.0, 1.0), "generated": (0.2, 1.1), "other": (0.25, 1.0)}
    weights = np.random.default_rng(7).standard_normal((dimensions, 10))

    def draw(rng: np.random.Generator, count: int, role: str) -> Features:
        mean, std = moments[role]
        return with_logits(rng.standard_normal((count, dimensions)) * std + mean, weights)

    distances = {
        role: dimensions * (mean**2 + (std - 1) ** 2) for role, (mean, std) in moments.items() if role != "reference"
    }
    large = {role: draw(np.random.default_rng(8), 200_000, role) for role in distances}
    return Population(f"Gaussian, d = {dimensions}", dimensions, draw, distances, score_limits(large))


def with_logits(rows: Array, weights: Array) -> Features:
    """Return features whose logits and modes come from a linear classifier with random weights."""
    logits = rows @ weights / np.sqrt(len(weights)) * 2
    mode = logits.argmax(axis=1)
    return Features.of(embedding=rows, logits=logits, mode=mode, quality=rows[:, 0] < 1.5, modes=10)


def real(images: Path | None, *, same: bool) -> Population:
    """Return a population of features of real images; the three distributions share no rows.

    Unless ``same``, ``generated`` has only the first seven classes and ``other`` only the last seven.
    """
    sources = ["digits,split=train", "digits,split=test"]
    if images is not None:
        sources = [str(images / "train-10k.zip"), str(images / "test.zip")]
    sides = [genbench.features_of(source, features="digits", progress=False) for source in sources]
    views = {view: np.concatenate([side[view] for side in sides]) for view in sides[0].views}
    label = np.concatenate([side.label for side in sides if side.label is not None])
    shuffled = np.random.default_rng(0).permutation(len(label))
    pools = dict(zip(("reference", "generated", "other"), np.array_split(shuffled, 3), strict=True))
    weights = {role: np.ones(len(pool)) for role, pool in pools.items()}
    if not same:
        weights["generated"][label[pools["generated"]] >= 7] = 0.0
        weights["other"][label[pools["other"]] < 3] = 0.0

    def draw(rng: np.random.Generator, count: int, role: str) -> Features:
        share = weights[role] / weights[role].sum()
        # with replacement, so that each pool is an infinite population
        rows = pools[role][rng.choice(len(pools[role]), count, p=share)]
        return Features.of(modes=10, **{view: array[rows] for view, array in views.items()})

    large = {role: draw(np.random.default_rng(8), 100_000, role) for role in pools}
    rows = {role: features["embedding"].astype(np.float64) for role, features in large.items()}
    distances = {role: frechet_distance_of_rows(rows[role], rows["reference"]) for role in ("generated", "other")}
    name = "CIFAR-10" if images is not None else "digits"
    limits = score_limits({role: large[role] for role in distances})
    return Population(f"{name}, {'all classes' if same else '7 of 10 classes'}", 64, draw, distances, limits)


def score_limits(large: dict[str, Features]) -> dict[str, float]:
    return {role: inception_score(features["logits"]).infinity for role, features in large.items()}


def scores(generated: Features, reference: Features, seed: int) -> tuple[Score, ...]:
    plugs = [registry.load("metrics", spec) for spec in parse_specs(METRICS)]
    return tuple(score for plug in plugs for score in plug(generated, reference, seed=seed))


def as_result(name: str, scores: tuple[Score, ...], reference: str, *, influence: bool = True) -> Result:
    """Wrap scores in a result; without ``influence`` a difference treats the two results as independent."""
    scores = scores if influence else tuple(score._replace(influence=None) for score in scores)
    entries = tuple(entry(score, "x", canonical=True) for score in scores)
    side = SampleSet(reference, None, reference)
    return Result(name, entries, SampleSet(name, 1, name), side, "x@1", (), {}, 0, "cpu", 1, "", 0.0, {})


@dataclass
class Tally:
    """The values of one score over the repeats."""

    value: list[float]
    error: list[float]
    difference: list[float]
    """Value of ``generated`` minus value of ``other``."""
    half_width: list[float]
    """Half the width of the interval of the difference."""
    ratio: list[float]
    """Error of the difference, divided by its error for independent results."""


def simulate(population: Population, count: int, repeats: int) -> dict[str, Tally]:
    """Draw a reference and two generated sets ``repeats`` times, and score both."""
    tallies = {name: Tally([], [], [], [], []) for name in SHOWN}
    for repeat in range(repeats):
        rng = np.random.default_rng([repeat, count])
        drawn = {role: population.draw(rng, count, role) for role in ("reference", "generated", "other")}
        measured = {role: scores(drawn[role], drawn["reference"], repeat) for role in ("generated", "other")}
        generated, other = (as_result(role, values, "r") for role, values in measured.items())
        independent = [as_result(role, values, "r", influence=False) for role, values in measured.items()]
        for name, tally in tallies.items():
            paired = difference(generated, other, name)
            assert paired.interval is not None
            tally.value.append(generated[name].value)
            tally.error.append(generated[name].error or 0.0)
            tally.difference.append(paired.value)
            tally.half_width.append((paired.interval[1] - paired.interval[0]) / 2)
            tally.ratio.append((paired.error or 0.0) / (difference(*independent, name).error or np.nan))
    return tallies


def row(name: str, tally: Tally, truth: float | None, true_difference: float | None) -> str:
    value, error, apart = np.array(tally.value), np.array(tally.error), np.array(tally.difference)
    truth = value.mean() if truth is None else truth
    true_difference = apart.mean() if true_difference is None else true_difference
    covered = np.mean(np.abs(value - truth) <= 1.96 * error)
    difference_covered = np.mean(np.abs(apart - true_difference) <= np.array(tally.half_width))
    return (
        f"| `{name}` | {value.mean():.4g} | {truth:.4g} | {value.std(ddof=1):.3g} | {np.sqrt(np.mean(error**2)):.3g} | "
        f"{100 * covered:.1f} % | {100 * difference_covered:.1f} % | {np.nanmedian(tally.ratio):.2f} |"
    )


HEAD = (
    "| score | mean | true value | spread | error | covered | difference covered | error / independent error |\n"
    "|---|---|---|---|---|---|---|---|"
)


def table(population: Population, count: int, repeats: int) -> str:
    """Return the table of one population at one sample size."""
    tallies = simulate(population, count, repeats)
    fd, limit = population.distances, population.limits
    truths = {"fid_debiased": fd, "is_infinity": limit}
    lines = []
    for name, tally in tallies.items():
        true = truths.get(name)
        truth, apart = (true["generated"], true["generated"] - true["other"]) if true else (None, None)
        lines.append(row(name, tally, truth, apart))
    size = f"{count / population.dimensions:.3g} d"
    return "\n".join([f"### {population.name}: N = M = {count} ({size}), {repeats} repeats\n", HEAD, *lines])


INTRODUCTION = """# Coverage of the error bars

```sh
python -m tests.studies.error_coverage --images {images} --repeats {repeats} --counts {counts}
```

How often nominal 95 % intervals (value ± 1.96 errors) contain the true value. `mean` and `spread` are the mean and the
standard deviation of the value over the repeats; `error` is the root mean square of the standard errors of genbench.
`difference covered` is about two generated sets scored against one reference: how often the interval of their
difference contains the true difference. The last column divides the error of that difference by the error for two
independent references. The true value of `fid_debiased` and `is_infinity` is the Frechet distance or Inception Score of
the population. For the other scores it is the mean over all repeats, the expected value at this sample size. With
{repeats} repeats, coverage has a standard error of {chance:.1f} percentage points.
"""


def report(images: Path | None, repeats: int, counts: Sequence[int]) -> Iterator[str]:
    """Yield the sections of the report."""
    chance = 100 * np.sqrt(0.95 * 0.05 / repeats)
    listed = " ".join(map(str, counts))
    yield INTRODUCTION.format(images="IMAGES" if images else "", repeats=repeats, counts=listed, chance=chance)
    populations = gaussian(16), real(images, same=False), real(images, same=True)
    for count in counts:
        for population in populations:
            yield table(population, count, repeats)
    yield verdicts(2 * repeats)
    yield debiasing(max(repeats // 5, 2))
    yield cost(10_000, 2048)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="folder of CIFAR-10 as JPEG: test.zip and train-10k.zip")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--counts", type=int, nargs="*", default=[48, 160])
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "reports" / "errors.md")
    arguments = parser.parse_args()
    sections = []
    for section in report(arguments.images, arguments.repeats, arguments.counts):
        print(section, flush=True)
        sections.append(section)
        arguments.out.write_text("\n\n".join(text.strip() for text in sections) + "\n", encoding="utf-8")
