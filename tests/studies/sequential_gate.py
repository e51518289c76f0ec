"""How often a sequential gate decides wrongly, and after how many samples, by simulation.

``python -m tests.studies.sequential_gate`` writes reports/gate.md. With ``--features FILE.npy --changed FILE.npy``
(float [N, D] and [M, D], embeddings of real images, and of such images after a change), real features are used, too.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from genbench.array_types import Array, Float64
from genbench.comparison.sequential import GROWTH, Look, Measured, judged, look_counts
from genbench.comparison.sequential_checks import LookedAt
from genbench.features.features import Features
from genbench.metrics.frechet.metric import FrechetDistance
from genbench.metrics.kernel import KernelDistance
from genbench.plugs.contracts import Metric
from genbench.results import Result, SampleSet
from genbench.scoring.evaluate_metrics import entry

MARGIN = math.log(1.05)
"""The score may be 5 % worse."""
ERROR = 0.012
"""Relative standard error of the difference at 10,000 samples a side, as measured for FID on real features."""
MOST = 10_000


# 1. Paths: Brownian motion with the errors of a score, which isolates the rules from the score.


def path_table(paths: int) -> Iterator[str]:
    """Yield the table of simulated paths."""
    yield "| true difference | passed | failed | undecided | mean samples | without correction |"
    yield "|---|---|---|---|---|---|"
    for name, shift in (("equal", 0.0), ("2 % worse", 0.02), ("5 % worse, the margin", 0.05), ("20 % worse", 0.2)):
        outcome, samples, naive = simulated_paths(math.log(1 + shift), paths)
        wrong = naive["passed"] if shift >= 0.05 else naive["failed"]
        shares = " | ".join(f"{100 * np.mean(outcome == word):.1f} %" for word in ("passed", "failed", "undecided"))
        yield f"| {name} | {shares} | {samples.mean():,.0f} | {100 * wrong:.1f} % |"


def simulated_paths(shift: float, paths: int) -> tuple[Array, Float64, dict[str, float]]:
    """Return the outcome and the number of samples of each path, and how often uncorrected looks pass and fail."""
    counts = np.array(list(look_counts(640, MOST)))
    own, rest = ERROR**2 * MOST / 2 / counts, ERROR**2 / 2
    errors = np.sqrt(own + rest)
    measured = [Measured(int(c), 0.0, 0.0, e, math.sqrt(o)) for c, e, o in zip(counts, errors, own, strict=True)]
    critical = np.array([look.critical for look in judged(measured, MOST, 0.05)])
    # independent increments of information
    information = 1 / errors**2
    steps = np.sqrt(np.diff(information, prepend=0))
    walks = (np.random.default_rng(0).standard_normal((paths, len(counts))) * steps).cumsum(axis=1)
    z = walks / np.sqrt(information) + (shift - MARGIN) * np.sqrt(information)
    decided = np.abs(z) >= critical
    first = np.where(decided.any(axis=1), decided.argmax(axis=1), len(counts) - 1)
    at = z[np.arange(paths), first]
    outcome = np.where(decided.any(axis=1), np.where(at > 0, "failed", "passed"), "undecided")
    naive = {"passed": float((z <= -1.645).any(axis=1).mean()), "failed": float((z >= 1.645).any(axis=1).mean())}
    return outcome, counts[first].astype(float), naive


# 2. Scores of real samples: the whole way from rows to the outcome.


@dataclass(frozen=True)
class Case:
    """Samples that are drawn with replacement from a fixed set of rows."""

    name: str
    rows: Array
    relative: float
    """True value of the distance, divided by that of the baseline."""
    paired: bool = False
    """Whether row i belongs to row i of the baseline."""


@dataclass(frozen=True)
class Setting:
    """What all gates of one table share."""

    reference: Features
    metric: Metric
    first: int
    """Number of samples at the first look."""
    most: int
    """Largest number of samples, and that of a fixed baseline."""


def decided(setting: Setting, rows: Array, base: Array, *, paired: bool) -> tuple[str, int]:
    """Return the outcome and the number of samples of one sequential gate at a margin of 5 %.

    ``rows`` and ``base`` are float [most, D]. A paired baseline is scored in the same looks.
    """
    reference, metric = setting.reference, setting.metric
    baseline = as_result("base", base, reference, metric)
    comparison = LookedAt(baseline.scores[-1].name, "5%", 0.95, paired=paired, baseline_grows=paired)
    measured, looks = [], list[Look]()
    for count in look_counts(setting.first, setting.most):
        result = as_result("new", rows[:count], reference, metric)
        if paired:
            baseline = as_result("base", base[:count], reference, metric)
        measured.append(comparison.measured(result, [baseline])[0])
        looks = judged(measured, setting.most, 0.05)
        if looks[-1].outcome != "undecided":
            break
    return looks[-1].outcome, looks[-1].measured.count


def as_result(name: str, rows: Array, reference: Features, metric: Metric) -> Result:
    """Return the result of one metric whose last score decides."""
    features = Features.of(embedding=rows)
    scores = metric(features, reference, seed=0)
    entries = tuple(entry(score, "x", canonical=True) for score in scores if score.name != "kid_subsets")
    side = SampleSet("reference", len(reference), "r")
    made = "2026-01-01T00:00:00+00:00"
    return Result(name, entries, SampleSet(name, len(rows), features.fingerprint), side, None, (), {}, 0, "cpu", 1,
                  made, 0.0, {})  # fmt: skip


METRICS: dict[str, tuple[Metric, int]] = {
    "fd_pc64_debiased": (FrechetDistance(components=64), 640),
    "kid": (KernelDistance(subsets=1, subset_size=100), 512),
}


def real_table(cases: list[Case], base: Array, reference: Array, repeats: int, most: int) -> Iterator[str]:
    """Yield the table of gates against one baseline, which is drawn anew in every repeat."""
    yield "| score that decides | samples | passed | failed | undecided | mean samples |"
    yield "|---|---|---|---|---|---|"
    for name, (metric, first) in METRICS.items():
        setting = Setting(Features.of(embedding=reference), metric, first, most)
        for case in cases:
            found = []
            for repeat in range(repeats):
                rng = np.random.default_rng([repeat, 7])
                chosen = rng.choice(len(base), most)
                # paired: the same images, with a little noise on their features
                own = chosen if case.paired else rng.choice(len(case.rows), most)
                found.append(decided(setting, case.rows[own], base[chosen], paired=case.paired))
            outcomes = [outcome for outcome, _ in found]
            shares = [f"{100 * outcomes.count(word) / repeats:.0f} %" for word in ("passed", "failed", "undecided")]
            mean = f"{np.mean([count for _, count in found]):,.0f}"
            yield f"| `{name}` | {case.name} | {' | '.join(shares)} | {mean} |"


def real_section(options: argparse.Namespace) -> Iterator[str]:
    """Yield the section about real features. The baseline model gives images with the first change."""
    reference, changed = np.load(options.features), [np.load(path) for path in options.changed]
    base, labels = changed[0], np.load(options.labels)[-len(changed[0]) :]
    value = projected_distance(base, reference)
    classes = np.unique(labels)
    larger = {ratio: with_distance(base, changed[1], reference, ratio * value) for ratio in (1.05, 1.2)}
    noise = np.random.default_rng(1).standard_normal(base.shape) * base.std(axis=0) * 0.05
    cases = [
        ("the baseline model", base, False),
        ("the baseline model with slightly changed features, paired", (base + noise).astype(base.dtype), True),
        ("a part with the second change, 5 % larger distance: the margin", larger[1.05], False),
        ("a part with the second change, 20 % larger distance", larger[1.2], False),
        ("all with the second change", changed[1], False),
        (f"without 2 of {len(classes)} classes", base[labels < classes[-2]], False),
    ]
    made = [Case(name, rows, projected_distance(rows, reference) / value, paired) for name, rows, paired in cases]
    chance = 50 / math.sqrt(options.repeats)
    yield f"""
## Real features

The reference are {len(reference):,} embeddings of real images, of {reference.shape[1]:,} dimensions; the baseline
model gives other images, changed in a first way. Both sides have up to {options.most:,} samples, drawn with
replacement. With {options.repeats} repeats, each with its own baseline, shares have Monte-Carlo errors of at most
{chance:.0f} percentage points. Distances in 64 components relative to the baseline's:
{"; ".join(f"{case.name} {case.relative:.2f}" for case in made)}.
"""
    yield from real_table(made, base, reference, options.repeats, options.most)


def projected_distance(rows: Array, reference: Array) -> float:
    """Return the Frechet distance in 64 components."""
    metric = FrechetDistance(components=64)
    return metric(Features.of(embedding=rows), Features.of(embedding=reference), seed=0)[0].value


def with_distance(one: Array, two: Array, reference: Array, distance: float) -> Array:
    """Return rows of both sets whose distance is about the given one, by bisection of the share of the second."""
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        below = projected_distance(mixed(one, two, middle), reference) < distance
        low, high = (middle, high) if below else (low, middle)
    return mixed(one, two, high)


def mixed(one: Array, two: Array, share: float) -> Array:
    """Return rows of which a share comes from the second set."""
    count = round(share * len(one))
    return np.concatenate([one[count:], two[:count]])


INTRODUCTION = f"""# The sequential gate

```sh
python -m tests.studies.sequential_gate{{options}}
```

`genbench gate --until decided` looks at growing numbers of samples, up to {MOST:,}. Later looks are
{round(100 * GROWTH - 100)} % apart. The result may be 5 % worse than the baseline. Both error rates are 5 %.

## Simulated paths

{{paths:,}} paths of a score whose difference from the baseline has a relative standard error of 1.2 % at 10,000
samples a side. Half of that variance is the baseline's own, which new samples do not reduce. Monte-Carlo errors are at
most {{chance:.2f}} percentage points. The last column: wrong decisions of a one-sided 5 % test at every look.
"""


def main() -> None:
    """Run the study and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--most", type=int, default=5_000, help="largest number of samples with real features")
    parser.add_argument("--features", type=Path, help="embeddings of real images, float [N, D]")
    parser.add_argument("--changed", type=Path, nargs="*", default=[], help="embeddings of changed images; the first "
                        "are those of the baseline model")  # fmt: skip
    parser.add_argument("--labels", type=Path, help="class of each changed image, int [N]")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "reports" / "gate.md")
    options = parser.parse_args()
    chance = 100 * math.sqrt(0.25 / options.paths)
    used = " --features FILE --changed FILES --labels FILE" if options.features else ""
    lines = [INTRODUCTION.format(options=used, paths=options.paths, chance=chance)]
    sections = chain(path_table(options.paths), real_section(options) if options.features else [])
    for line in sections:
        print(line, flush=True)
        lines.append(line)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
