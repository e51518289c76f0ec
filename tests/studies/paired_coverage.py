"""Coverage of paired differences: two generated sets that come from the same seeds, for reports/errors.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import genbench
from genbench.array_types import Float64
from genbench.comparison.differences import Difference
from genbench.features.features import Features
from genbench.metrics.frechet.metric import FrechetDistance
from genbench.results import Result
from tests.helpers.compared import result
from tests.studies.coverage_populations import Images, MeanAndCovariance, frechet, moments_of

METRIC = "fd_debiased@x"

Change = Callable[[np.random.Generator, Float64], Float64]


@dataclass(frozen=True)
class Pairing:
    """A change of generated rows, and of the mean and covariance of their distribution."""

    name: str
    change: Change
    moments: Callable[[MeanAndCovariance], MeanAndCovariance]


PAIRINGS = (
    Pairing("y = 1.05 x", lambda rng, x: 1.05 * x, lambda m: (1.05 * m[0], 1.05**2 * m[1])),
    Pairing(
        "y = x + noise, std .1",
        lambda rng, x: x + 0.1 * rng.standard_normal(x.shape),
        lambda m: (m[0], m[1] + 0.01 * np.eye(len(m[1]))),
    ),
    Pairing(
        "y = x + noise, std .02",
        lambda rng, x: x + 0.02 * rng.standard_normal(x.shape),
        lambda m: (m[0], m[1] + 0.0004 * np.eye(len(m[1]))),
    ),
)
"""The standard deviations of noise are those for rows of unit mean variance."""


@dataclass(frozen=True, eq=False)
class Source:
    """Rows of a reference and of a generated distribution, with the moments of both."""

    name: str
    count: int
    draw: Callable[[np.random.Generator], tuple[Float64, Float64]]
    moments: tuple[MeanAndCovariance, MeanAndCovariance]
    """Of the reference and of the generated distribution."""


def gaussian_source(dimensions: int, count: int) -> Source:
    """Return N(.2, 1.1^2) in each dimension against N(0, 1)."""
    eye, zero = np.eye(dimensions), np.zeros(dimensions)

    def draw(rng: np.random.Generator) -> tuple[Float64, Float64]:
        reference, generated = rng.standard_normal((2, count, dimensions))
        return reference, generated * 1.1 + 0.2

    return Source(f"Gaussian, d = {dimensions}", count, draw, ((zero, eye), (zero + 0.2, 1.21 * eye)))


def image_source(images: Images, count: int) -> Source:
    """Return half of the images against the other half without three of ten classes, of unit mean variance."""
    rows = images.embedding / np.sqrt(images.embedding.var(axis=0).mean())
    halves = np.array_split(np.random.default_rng(0).permutation(len(rows)), 2)
    pools = rows[halves[0]], rows[halves[1][images.label[halves[1]] < 7]]

    def draw(rng: np.random.Generator) -> tuple[Float64, Float64]:
        reference, generated = (pool[rng.integers(len(pool), size=count)] for pool in pools)
        return reference, generated

    name = f"{images.name}, d = {rows.shape[1]}"
    return Source(name, count, draw, (moments_of(pools[0]), moments_of(pools[1])))


def paired_difference(source: Source, change: Change, repeat: int) -> Difference:
    """Draw once, and compare the changed rows with the unchanged ones pair by pair."""
    rng = np.random.default_rng([repeat, source.count])
    reference, rows = source.draw(rng)
    against = Features.of(embedding=reference)
    changed = _scored("changed", change(rng, rows), against)
    return genbench.difference(changed, _scored("unchanged", rows, against), METRIC, paired=True)


def _scored(name: str, rows: Float64, reference: Features) -> Result:
    scores = FrechetDistance()(Features.of(embedding=rows), reference, seed=0)
    return result(name, *scores, reference=reference.fingerprint)


def paired_row(source: Source, pairing: Pairing, repeats: int) -> str:
    """Return one row of the table: how often the interval of a paired difference contains the true difference."""
    reference, before = source.moments
    after = pairing.moments(before)
    values = frechet(after, reference), frechet(before, reference)
    found = [paired_difference(source, pairing.change, repeat) for repeat in range(repeats)]
    covered = np.mean([covers(each, *values) for each in found])
    value, error = np.array([each.value for each in found]), np.array([each.error or 0.0 for each in found])
    return (
        f"| {source.name} | {source.count} | {pairing.name} | {value.mean():.4g} | {values[0] - values[1]:.4g} | "
        f"{value.std(ddof=1):.3g} | {np.sqrt(np.mean(error**2)):.3g} | {100 * covered:.1f} % |"
    )


def covers(difference: Difference, first: float, second: float) -> bool:
    """Whether the 95 % interval of a difference, on the scale of its test, contains that of two true values."""
    true = difference.scale.forward(first) - difference.scale.forward(second)
    return bool(abs(difference.shift - true) <= difference.reach(0.975))


def paired(sources: Sequence[Source], repeats: int, trials: int) -> str:
    """Return the section on paired differences; ``trials`` are those with noise of 1e-6."""
    lines = [paired_row(source, pairing, repeats) for source in sources for pairing in PAIRINGS]
    told = []
    for source in sources:
        verdicts = [
            paired_difference(source, lambda rng, x: x + 1e-6 * rng.standard_normal(x.shape), trial).verdict
            for trial in range(trials)
        ]
        told.append(f"{verdicts.count('equivalent')} of {trials} for {source.name}")
    return "\n".join([
        f"### Paired differences of `fid_debiased`, {repeats} repeats\n",
        "Changed minus unchanged samples of one seed (`--paired`). The true value is the limit of the populations. "
        "Coverage is that of the interval on the scale of the test; the error is in the unit of the score.\n",
        "| population | N = M | change | mean | true value | spread | error | covered |",
        "|---|---|---|---|---|---|---|---|",
        *lines,
        f"\nWith noise of 1e-6 the verdict was `equivalent` in {', '.join(told)}.",
    ])  # fmt: skip
