"""How often 95 % intervals hold the truth, by simulation.

``python -m tests.studies.error_coverage`` writes reports/errors.md.

Populations are Gaussian, or the features of real images (``--images`` names a folder with CIFAR-10's ``test.zip`` and
``train-10k.zip``; without it the 1,797 digits). The truth is the population's own distance or score where there is one,
and else the mean over all repeats: what the number is expected to be at these counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import genbench
from genbench.arrays import Array, Int64
from genbench.comparison.differences import difference
from genbench.features.features import Features
from genbench.metrics.frechet.bias import extrapolation, jackknife
from genbench.metrics.frechet.error import uncertainty
from genbench.metrics.frechet.gaussian import terms
from genbench.metrics.frechet.metric import frechet_distance_of_rows
from genbench.metrics.frechet.sides import GaussianSide
from genbench.metrics.inception_score import inception_score
from genbench.plugs import registry
from genbench.plugs.contracts import Score
from genbench.plugs.specs import parse_specs
from genbench.results import Result, SampleSet
from genbench.scoring.evaluation import entry
from tests.studies.verdict_rates import verdicts

METRICS = "fd,is,kid,subset_size=100,subsets=20,pr,prdc,mind,projections=100,swd,projections=100,modes,ndb,bins=20,c2st"
SHOWN = (
    "fid_debiased", "is", "is_infinity", "kid", "precision", "recall", "density", "coverage", "mind", "swd",
    "high_quality", "mode_kl", "mode_tv", "ndb", "ndb_js", "c2st",
)  # fmt: skip
"""In the order of the table."""

Rows = Int64


@dataclass(frozen=True)
class Population:
    """Where samples come from: three sets of rows in each view, and how some are drawn from them."""

    name: str
    dimensions: int
    draw: Callable[[np.random.Generator, int, str], Features]
    """Of a role: ``reference``, ``generated`` or ``other``."""
    distances: dict[str, float]
    """The true Frechet distance of each generated role."""
    limits: dict[str, float]
    """The Inception Score of each generated role for endless samples."""


def gaussian(dimensions: int) -> Population:
    """Gaussians: ``generated`` is shifted by .2 and 1.1 times as wide in each dimension, ``other`` has .25 and 1."""
    shifts = {"reference": (0.0, 1.0), "generated": (0.2, 1.1), "other": (0.25, 1.0)}
    heads = np.random.default_rng(7).standard_normal((dimensions, 10))

    def draw(rng: np.random.Generator, count: int, role: str) -> Features:
        shift, width = shifts[role]
        return seen(rng.standard_normal((count, dimensions)) * width + shift, heads)

    distances = {
        role: dimensions * (shift**2 + (width - 1) ** 2) for role, (shift, width) in shifts.items() if role[0] != "r"
    }
    many = {role: draw(np.random.default_rng(8), 200_000, role) for role in distances}
    return Population(f"Gaussian, d = {dimensions}", dimensions, draw, distances, score_limits(many))


def seen(rows: Array, heads: Array) -> Features:
    logits = rows @ heads / np.sqrt(len(heads)) * 2
    mode = logits.argmax(axis=1)
    return Features.of(embedding=rows, logits=logits, mode=mode, quality=rows[:, 0] < 1.5, modes=10)


def real(images: Path | None, *, same: bool) -> Population:
    """Features of real images: rows for the reference and for both generated roles never overlap.

    Not ``same``: ``generated`` has the first seven classes only, ``other`` the last seven.
    """
    sources = ["digits,split=train", "digits,split=test"]
    if images is not None:
        sources = [str(images / "train-10k.zip"), str(images / "test.zip")]
    sides = [genbench.features_of(source, features="digits", progress=False) for source in sources]
    views = {view: np.concatenate([side[view] for side in sides]) for view in sides[0].views}
    label = np.concatenate([side.label for side in sides if side.label is not None])
    everyone = np.random.default_rng(0).permutation(len(label))
    pools = dict(zip(("reference", "generated", "other"), np.array_split(everyone, 3), strict=True))
    weights = {role: np.ones(len(pool)) for role, pool in pools.items()}
    if not same:
        weights["generated"][label[pools["generated"]] >= 7] = 0.0
        weights["other"][label[pools["other"]] < 3] = 0.0

    def draw(rng: np.random.Generator, count: int, role: str) -> Features:
        share = weights[role] / weights[role].sum()
        # with replacement, so that each pool is a population: no correction for its being finite is needed
        rows = pools[role][rng.choice(len(pools[role]), count, p=share)]
        return Features.of(modes=10, **{view: array[rows] for view, array in views.items()})

    many = {role: draw(np.random.default_rng(8), 100_000, role) for role in pools}
    rows = {role: features["embedding"].astype(np.float64) for role, features in many.items()}
    distances = {role: frechet_distance_of_rows(rows[role], rows["reference"]) for role in ("generated", "other")}
    name = "CIFAR-10" if images is not None else "digits"
    limits = score_limits({role: many[role] for role in distances})
    return Population(f"{name}, {'all classes' if same else '7 of 10 classes'}", 64, draw, distances, limits)


def score_limits(many: dict[str, Features]) -> dict[str, float]:
    return {role: inception_score(features["logits"]).infinity for role, features in many.items()}


def scores(generated: Features, reference: Features, seed: int) -> tuple[Score, ...]:
    plugs = [registry.load("metrics", spec) for spec in parse_specs(METRICS)]
    return tuple(score for plug in plugs for score in plug(generated, reference, seed=seed))


def as_result(name: str, found: tuple[Score, ...], reference: str, *, parts: bool = True) -> Result:
    entries = tuple(entry(one if parts else one._replace(influence=None), "x", canonical=True) for one in found)
    side = SampleSet(reference, None, reference)
    return Result(name, entries, SampleSet(name, 1, name), side, "x@1", (), {}, 0, "cpu", 1, "", 0.0, {})


@dataclass
class Tally:
    """Numbers of one score over the repeats."""

    value: list[float]
    error: list[float]
    apart: list[float]
    apart_reach: list[float]
    ratio: list[float]


def simulate(population: Population, count: int, repeats: int) -> dict[str, Tally]:
    """Draw a reference and two generated sets ``repeats`` times, and score both."""
    tallies = {name: Tally([], [], [], [], []) for name in SHOWN}
    for repeat in range(repeats):
        rng = np.random.default_rng([repeat, count])
        drawn = {role: population.draw(rng, count, role) for role in ("reference", "generated", "other")}
        found = {role: scores(drawn[role], drawn["reference"], repeat) for role in ("generated", "other")}
        ours, theirs = (as_result(role, each, "r") for role, each in found.items())
        alone = [as_result(role, each, "r", parts=False) for role, each in found.items()]
        for name, tally in tallies.items():
            apart = difference(ours, theirs, name)
            assert apart.interval is not None
            tally.value.append(ours[name].value)
            tally.error.append(ours[name].error or 0.0)
            tally.apart.append(apart.value)
            tally.apart_reach.append((apart.interval[1] - apart.interval[0]) / 2)
            tally.ratio.append((apart.error or 0.0) / (difference(*alone, name).error or np.nan))
    return tallies


def row(name: str, tally: Tally, truth: float | None, apart_truth: float | None) -> str:
    value, error, apart = (np.array(each) for each in (tally.value, tally.error, tally.apart))
    truth = value.mean() if truth is None else truth
    apart_truth = apart.mean() if apart_truth is None else apart_truth
    covered = np.mean(np.abs(value - truth) <= 1.96 * error)
    apart_covered = np.mean(np.abs(apart - apart_truth) <= np.array(tally.apart_reach))
    return (
        f"| `{name}` | {value.mean():.4g} | {truth:.4g} | {value.std(ddof=1):.3g} | {np.sqrt(np.mean(error**2)):.3g} | "
        f"{100 * covered:.1f} % | {100 * apart_covered:.1f} % | {np.nanmedian(tally.ratio):.2f} |"
    )


HEAD = (
    "| score | mean | truth | spread | error | covered | difference covered | its error over the independent one |\n"
    "|---|---|---|---|---|---|---|---|"
)


def table(population: Population, count: int, repeats: int) -> str:
    """Return one table of one population at one count."""
    tallies = simulate(population, count, repeats)
    fd, limit = population.distances, population.limits
    truths = {"fid_debiased": fd, "is_infinity": limit}
    lines = []
    for name, tally in tallies.items():
        true = truths.get(name)
        own, apart = (true["generated"], true["generated"] - true["other"]) if true else (None, None)
        lines.append(row(name, tally, own, apart))
    size = f"{count / population.dimensions:.3g} d"
    return "\n".join([f"### {population.name}: N = M = {count} ({size}), {repeats} repeats\n", HEAD, *lines])


DEBIASED: dict[str, Callable[[GaussianSide, GaussianSide, float, int], Any]] = {
    "jackknife, 20 blocks": lambda one, two, value, seed: jackknife(one, two, value, seed, blocks=20),
    "5 blocks": lambda one, two, value, seed: jackknife(one, two, value, seed, blocks=5),
    "1/N line, 15 sizes": extrapolation,
}


def debiasing(repeats: int) -> str:
    """Return the root mean-square error and the time of both ways to take the bias of a Frechet distance away."""
    lines = [
        "### Two ways to take the bias away\n",
        "Gaussians shifted by .1 and 1.1 times as wide: root mean-square error, and time in distances.\n",
        f"| d | N | truth | raw | {' | time | '.join(DEBIASED)} | time |",
        "|---" * (4 + 2 * len(DEBIASED)) + "|",
        *(debiased_row(*size, repeats) for size in ((16, 1000), (64, 150), (64, 500), (64, 2000))),
    ]
    return "\n".join(lines)


def debiased_row(dimensions: int, count: int, repeats: int) -> str:
    truth = dimensions * 2 * 0.1**2
    raw, raw_seconds = [], 0.0
    squares, seconds = dict.fromkeys(DEBIASED, 0.0), dict.fromkeys(DEBIASED, 0.0)
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        widths = ((1.1, 0.1), (1.0, 0.0))
        rows = [rng.standard_normal((count, dimensions)) * width + shift for width, shift in widths]
        one, two = (GaussianSide.of(Features.of(embedding=each), "embedding") for each in rows)
        began = time.process_time()
        raw.append(sum(terms(one.gaussian, two.gaussian)))
        raw_seconds += time.process_time() - began
        for name, method in DEBIASED.items():
            began = time.process_time()
            found = method(one, two, raw[-1], repeat)
            seconds[name] += time.process_time() - began
            squares[name] += (getattr(found, "value", found) - truth) ** 2 / repeats
    cells = [f"{np.sqrt(squares[name]):.3g} | {seconds[name] / raw_seconds:.0f}" for name in DEBIASED]
    return f"| {dimensions} | {count} | {truth:.3g} | {np.mean(raw):.3g} | {' | '.join(cells)} |"


def cost(count: int, dimensions: int) -> str:
    """Return the processor seconds of a distance, of its error and of its debiased value."""
    rng = np.random.default_rng(0)
    sets = [rng.standard_normal((count, dimensions), np.float32) * np.float32(1 + 0.1 * side) for side in range(2)]
    pair = [Features.of(embedding=rows) for rows in sets]
    sides: list[GaussianSide] = []
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> None:
        began = time.process_time()
        work()
        seconds[name] = time.process_time() - began

    timed(
        "moments and roots of both sides",
        lambda: sides.extend(GaussianSide.of(features, "embedding") for features in pair),
    )
    timed("distance from these", lambda: terms(sides[0].gaussian, sides[1].gaussian))
    timed("error of the distance", lambda: uncertainty(*sides, None, 0))
    value = sum(terms(sides[0].gaussian, sides[1].gaussian))
    timed("debiased value, 5 blocks", lambda: jackknife(*sides, value, 0))
    distance = seconds["moments and roots of both sides"] + seconds["distance from these"]
    lines = [f"| {what} | {taken:.1f} | {taken / distance:.1f} |" for what, taken in seconds.items()]
    return "\n".join([
        f"### Cost at N = M = {count:,}, d = {dimensions:,}\n",
        "Processor seconds on one thread; the distance itself is the first two rows together.\n",
        "| what | seconds | times the distance |", "|---|---|---|", *lines,
    ])  # fmt: skip


INTRODUCTION = """# How far the errors can be trusted

```sh
python -m tests.studies.error_coverage --images {images} --repeats {repeats} --counts {counts}
```

Nominal 95 % intervals, value ± 1.96 errors, and how often they hold the truth. `mean` and `spread` are those of the
value over the repeats, `error` is the root mean square of the standard errors that genbench gave. `difference` is that
of two generated sets scored against one reference: how often its interval holds the true difference, and its error over
the one that would ignore what both share in the reference. The truth is the population's own Frechet distance and
Inception Score for `fid_debiased` and `is_infinity`, and for the others the mean over all repeats: what a number is
expected to be at these counts. {repeats} repeats leave ± {chance:.1f} points of chance around 95 %.
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
    given = parser.parse_args()
    sections = []
    for section in report(given.images, given.repeats, given.counts):
        print(section, flush=True)
        sections.append(section)
        given.out.write_text("\n\n".join(each.strip() for each in sections) + "\n", encoding="utf-8")
