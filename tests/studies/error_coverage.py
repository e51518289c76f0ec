"""How often 95 % intervals contain the true value, by simulation.

``python -m tests.studies.error_coverage`` writes reports/errors.md. With ``--features FILE.npy --labels FILE.npy`` the
features of real images are the first 64 and 256 principal components of this file. Without it they come from the
classifier of digits: of CIFAR-10 with ``--images FOLDER`` (it holds ``test.zip`` and ``train-10k.zip``), or else of the
1,797 digits.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from genbench.comparison.scored_subjects import difference
from genbench.features.features import Features
from genbench.plugs import registry
from genbench.plugs.contracts import Score
from genbench.plugs.specs import parse_specs
from genbench.results import Entry, Result, SampleSet
from genbench.scoring.evaluate_metrics import entry
from tests.studies import coverage_populations as populations
from tests.studies.coverage_populations import ROLES, Images, Population
from tests.studies.frechet_debiasing import cost, debiasing
from tests.studies.paired_coverage import covers, gaussian_source, image_source, paired
from tests.studies.rare_modes import rare_modes
from tests.studies.verdict_rates import stacked_verdicts, verdicts

SHOWN = (
    "fid", "fid_debiased", "is", "is_one_split", "is_infinity", "entropy_marginal", "entropy_conditional", "kid",
    "precision", "recall", "f_score", "density", "coverage", "clipped_density", "clipped_coverage", "sym_precision",
    "sym_recall", "cprecision", "p_precision", "p_recall", "prd_f8", "prd_f1_8", "modes_balanced",
    "high_quality", "mode_kl", "mode_tv", "mind", "swd", "ndb", "ndb_js", "c2st",
)  # fmt: skip
"""In the order of the table."""


def scores(generated: Features, reference: Features, metrics: str, seed: int) -> tuple[Score, ...]:
    plugs = [registry.load("metrics", spec) for spec in parse_specs(metrics)]
    return tuple(score for plug in plugs for score in plug(generated, reference, seed=seed))


def as_result(name: str, scores: tuple[Score, ...], count: int, *, influence: bool = True) -> Result:
    """Wrap scores in a result; without ``influence`` a difference treats the two results as independent."""
    scores = scores if influence else tuple(score._replace(influence=None) for score in scores)
    entries = tuple(entry(score, "x", canonical=True) for score in scores)
    side = SampleSet("reference", count, "reference")
    return Result(name, entries, SampleSet(name, count, name), side, "x@1", (), {}, 0, "cpu", 1, "", 0.0, {})


@dataclass
class Tally:
    """One score over the repeats."""

    generated: list[Entry] = field(default_factory=list)
    """The score of ``generated``."""
    pairs: list[tuple[Result, Result]] = field(default_factory=list)
    """The results of ``generated`` and ``other``."""
    independent: list[tuple[Result, Result]] = field(default_factory=list)
    """The same results, without what they share."""


def simulate(population: Population, count: int, repeats: int) -> dict[str, Tally]:
    """Draw a reference and two generated sets ``repeats`` times, and score both."""
    tallies: dict[str, Tally] = {}
    for repeat in range(repeats):
        rng = np.random.default_rng([repeat, count])
        drawn = {role: population.draw(rng, count, role) for role in ROLES}
        against = drawn["reference"]
        measured = {role: scores(drawn[role], against, population.metrics, repeat) for role in ROLES[1:]}
        pair, apart = (
            tuple(as_result(role, found, count, influence=influence) for role, found in measured.items())
            for influence in (True, False)
        )
        for one in pair[0].scores:
            tally = tallies.setdefault(one.name, Tally())
            tally.generated.append(one)
            tally.pairs.append((pair[0], pair[1]))
            tally.independent.append((apart[0], apart[1]))
    return tallies


def row(name: str, tally: Tally, population: Population) -> str:
    """Return one row of a table."""
    values = {role: np.array([pair[at][name].value for pair in tally.pairs]) for at, role in enumerate(ROLES[1:])}
    error = np.array([one.error or 0.0 for one in tally.generated])
    # the limit where it is known, or else the expected value at this count
    truths = {role: population.limits[role].get(name, float(values[role].mean())) for role in values}
    known = "" if name in population.limits["generated"] else "~"
    ends = np.array([interval(one) for one in tally.generated])
    covered = np.mean((ends[:, 0] <= truths["generated"]) & (truths["generated"] <= ends[:, 1]))
    # the difference, with and without what both share
    apart, errors = [], []
    for pairs in (tally.pairs, tally.independent):
        found = [difference(*pair, name) for pair in pairs]
        apart.append(np.mean([covers(each, truths["generated"], truths["other"]) for each in found]))
        errors.append(np.sqrt(np.mean([(each.error or 0.0) ** 2 for each in found])))
    spread = (values["generated"] - values["other"]).std(ddof=1)
    ratios = [f"{each / spread:.2f}" if spread > 0 else "" for each in errors]
    return (
        f"| `{name}` | {values['generated'].mean():.4g} | {known}{truths['generated']:.4g} | "
        f"{values['generated'].std(ddof=1):.3g} | {np.sqrt(np.mean(error**2)):.3g} | {100 * covered:.1f} % | "
        f"{100 * apart[0]:.1f} % | {ratios[0]} | {100 * apart[1]:.1f} % | {ratios[1]} |"
    )


def interval(one: Entry) -> tuple[float, float]:
    """Return the 95 % interval of a score: its own, or the value and 1.96 errors."""
    half = 1.96 * (one.error or 0.0)
    # rounding must not decide about a score that never varies
    return one.interval or (one.value - half - 1e-12, one.value + half + 1e-12)


HEAD = (
    "| score | mean | true value | spread | error | covered | difference covered | error / spread | "
    "independent: covered | error / spread |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def table(population: Population, count: int, repeats: int) -> str:
    """Return the table of one population at one sample size."""
    tallies = simulate(population, count, repeats)
    lines = [row(name, tallies[name], population) for name in SHOWN if name in tallies]
    left_out = "" if "fid_debiased" in tallies else "\n\n`fid_debiased` was left out in all repeats, as it should be."
    size = f"{count / population.dimensions:.3g} d"
    title = f"### {population.name}: N = M = {count:,} ({size}), {repeats} repeats\n"
    return "\n".join([title, HEAD, *lines]) + left_out


INTRODUCTION = """# Coverage of the error bars

```sh
python -m tests.studies.error_coverage {arguments}
```

How often nominal 95 % intervals contain the true value: the `interval` of a score if it has one, otherwise value ± 1.96
errors. `mean` and `spread` are the mean and the standard deviation of the value over the repeats; `error` is the root
mean square of the standard errors of genbench. The true value is that of infinitely many samples where it is known;
where it has a ~, it is the mean over all repeats, the expected value at this sample size.

`difference covered` is about two generated sets scored against one reference: how often the interval of their
difference, on the scale on which it is tested, contains the true difference. `error / spread` divides the error of the
difference by its standard deviation over the repeats. The last two columns do the same with the error for two
independent references, which adds both variances.

With {repeats} repeats, a coverage of 95 % has a standard error of {chance:.1f} percentage points: of exact intervals,
about 1 in 20 lies outside 95 ± {reach:.1f} %. Scores of one table come from the same draws, so they deviate together.

Why some intervals hold more or less often:

- Distances near 0 (`fid_debiased`, `kid`, `mind`, `swd`, `mode_kl`, `ndb_js` of equal or nearly equal distributions,
  above all in few dimensions): the error is at least the spread of distances between random parts of all rows, or that
  of the delta method, which does not vanish. The values have a long tail above 0 and a short one below, so such
  intervals hold up to 100 %. Those of differences hold about as often as they should.
- `mode_tv`: the error of the delta method is up to 1.6 times too large if the histograms agree.
- `modes_balanced` and `ndb` count modes or bins, so that few values are possible; their errors are rather too large.
- `fid_debiased` and `kid` away from 0 with few samples: large values have large errors, and small values small ones.
  The interval is therefore too low more often than too high. Longer runs gave 92 to 93 % for `fid_debiased` of the
  Gaussian (400 repeats at 48 and 160 samples), and 90 % for `kid` of 7 classes at 192 samples (300 repeats).
- With fewer samples than dimensions (0.75 d) some errors are too small.
"""


Section = Callable[[], str]


def tables(images: Images, repeats: int) -> Iterator[Section]:
    """Yield the tables of all populations."""
    gaussian = populations.gaussian(16)
    yield partial(table, replace(gaussian, metrics="fd,kid"), 12, repeats)
    for count in (48, 160):
        yield partial(table, gaussian, count, repeats)
    # real features, with and without missing classes
    few = images.components(64)
    missing = populations.real(few, "7 of 10 classes")
    for count in (48, 192, 640):
        yield partial(table, missing, count, repeats)
    yield partial(table, populations.real(few, "all classes"), 640, repeats)
    yield partial(table, populations.real(few, "all classes, balanced", "fd,is,modes"), 640, repeats)
    if images.embedding.shape[1] > 64:
        missing = populations.real(images, "7 of 10 classes")
        yield partial(table, replace(missing, metrics="fd,kid"), 200, repeats)
        yield partial(table, missing, 768, repeats)
    for population in populations.low_dimensional():
        yield partial(table, population, 1000, 2 * repeats)


def sections(images: Images, repeats: int) -> Iterator[Section]:
    """Yield all sections of the report after the introduction."""
    yield from tables(images, repeats)
    yield partial(rare_modes, 5 * repeats)
    sources = [gaussian_source(16, 400), gaussian_source(64, 640), image_source(images.components(64), 640)]
    yield partial(paired, sources, repeats, 30)
    yield partial(verdicts, 2 * repeats)
    yield partial(stacked_verdicts, 2 * repeats)
    yield partial(debiasing, max(repeats // 5, 2))
    yield partial(cost, 10_000, 2048)


planned: list[Section] = []
"""What the processes write; they inherit it, because the populations cannot be sent to them."""


def written(index: int) -> str:
    return planned[index]()


def report(images: Images, repeats: int, jobs: int, source: str) -> Iterator[str]:
    """Yield the sections of the report, written by ``jobs`` processes; ``source`` are the options that name images."""
    chance = 100 * np.sqrt(0.95 * 0.05 / repeats)
    arguments = f"{source}--repeats {repeats}"
    yield INTRODUCTION.format(arguments=arguments, repeats=repeats, chance=chance, reach=1.96 * chance)
    planned.extend(sections(images, repeats))
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(written, range(len(planned)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, help="float [N, D], .npy: features of real images")
    parser.add_argument("--labels", type=Path, help="int [N], .npy: their classes, 0..9")
    parser.add_argument("--name", default="real features", help="what the features are")
    parser.add_argument("--images", type=Path, help="folder of CIFAR-10 as JPEG: test.zip and train-10k.zip")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1, help="number of processes")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "reports" / "errors.md")
    options = parser.parse_args()
    if options.features:
        used = Images.of_files(options.features, options.labels, options.name)
        known_as = f"--features FEATURES.npy --labels LABELS.npy --name {shlex.quote(options.name)} "
    else:
        used = Images.of_digits_classifier(options.images)
        known_as = "--images IMAGES " if options.images else ""
    done = []
    for section in report(used, options.repeats, options.jobs, known_as):
        print(section, end="\n\n", flush=True)
        done.append(section.strip())
        options.out.write_text("\n\n".join(done) + "\n", encoding="utf-8")
