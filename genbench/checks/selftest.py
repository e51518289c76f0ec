"""Check the metrics against values known in closed form, offline and in seconds."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from genbench.array_types import Array
from genbench.metrics.diversity import vendi_score
from genbench.metrics.frechet.metric import frechet_distance, frechet_distance_of_rows
from genbench.metrics.inception_score import inception_score
from genbench.metrics.kernel import kernel_distance
from genbench.metrics.modes import ModeCoverageResult, mode_coverage
from genbench.metrics.precision_recall import density_coverage, precision_recall
from genbench.metrics.sliced import monge_distance, sliced_wasserstein
from genbench.theory.cases import TheoryCase, theory_cases
from genbench.theory.mixtures import GRID, RING, Mixture


@dataclass(frozen=True)
class CheckedCase:
    """One case with its expected and its measured value."""

    id: str
    case: str
    expected: float
    found: float
    """Measured value; NaN if the measurement raised."""
    tolerance: float
    """Largest absolute error that passes."""

    @property
    def passed(self) -> bool:
        return abs(self.found - self.expected) <= self.tolerance


@dataclass(frozen=True)
class Report:
    """All cases of one run."""

    checks: tuple[CheckedCase, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def to_text(self) -> str:
        """Return an aligned table, and a line with the number of passed checks."""
        from tabulate import tabulate

        rows = [
            ["pass" if check.passed else "FAIL", check.case, f"{check.expected:.8g}", f"{check.found:.8g}"]
            for check in self.checks
        ]
        table = tabulate(rows, headers=["", "case", "expected", "found"], disable_numparse=True)
        passed = sum(check.passed for check in self.checks)
        return f"{table}\n\n{passed} of {len(self.checks)} checks passed in {self.seconds:.1f} s"

    def to_json(self) -> str:
        """Return one JSON object."""
        checks = [{**asdict(check), "passed": check.passed} for check in self.checks]
        return json.dumps({"passed": self.passed, "seconds": self.seconds, "checks": checks})


def run_selftest() -> Report:
    """Run every check; a check whose measurement raises fails with NaN."""
    began = time.monotonic()
    checks = []
    for identifier, case, expected, tolerance, measure in _all_cases():
        # a metric that raises is one of the faults to find
        try:
            measured = measure()
        except Exception:
            measured = math.nan
        checks.append(CheckedCase(identifier, case, expected, measured, tolerance))
    return Report(tuple(checks), round(time.monotonic() - began, 2))


def _all_cases() -> Iterator[TheoryCase]:
    yield from _frechet_cases()
    yield from _inception_score_cases()
    yield from _neighbour_cases()
    yield from _sliced_cases()
    yield from _mode_cases()
    yield from theory_cases()


def _frechet_cases() -> Iterator[TheoryCase]:
    # two Gaussians in 2 dimensions, by hand
    zero, eye = np.zeros(2), np.eye(2)
    mean, covariance = np.array([1.0, 2.0]), np.array([[2.0, 0.5], [0.5, 1.0]])
    other = np.array([[2.0, 0.3], [0.3, 1.0]])
    big = np.eye(2048)
    yield "A03", "FD of N(0, I), N((1, 2), S)", 5.247842, 1e-6, lambda: frechet_distance(zero, eye, mean, covariance)
    yield "A04", "FD of N(0, S'), N((1, 2), S)", 5.014517, 1e-6, lambda: frechet_distance(zero, other, mean, covariance)
    yield "A04", "FD of N(0, S'), N(0, S)", 0.014517, 1e-6, lambda: frechet_distance(zero, other, zero, covariance)
    yield "A05", "FD of a Gaussian and itself", 0.0, 1e-8, lambda: frechet_distance(mean, covariance, mean, covariance)
    yield (
        "",
        "FID of a unit shift, 2048-d",
        2048.0,
        1e-6,
        lambda: frechet_distance(np.zeros(2048), big, np.ones(2048), big),
    )
    # fewer rows than dimensions: the covariance is singular
    rows = np.random.default_rng(0).standard_normal((50, 200))
    yield "", "FD of rows shifted by 1, n < d", 200.0, 1e-6, lambda: frechet_distance_of_rows(rows, rows + 1)


def _inception_score_cases() -> Iterator[TheoryCase]:
    count = 10_000
    # logits of a classifier that is sure of its class, by turns of all ten classes
    certain = np.full((count, 10), -1e4)
    certain[np.arange(count), np.arange(count) % 10] = 1e4
    # logits of a classifier that gives its class a probability of .9
    hesitant = np.log(np.full((count, 10), 0.1 / 9))
    hesitant[np.arange(count), np.arange(count) % 10] = np.log(0.9)
    # the same sure logits, sorted by class
    in_order = certain[np.argsort(np.arange(count) % 10, kind="stable")]
    yield "A06", "IS, certain and balanced, K = 10", 10.0, 1e-9, lambda: inception_score(certain, splits=1).mean
    yield "A06", "IS, the same answer always", 1.0, 1e-9, lambda: inception_score(np.zeros((100, 10)), splits=1).mean
    yield "A07", "IS, 90 % certain, K = 10", 5.79955, 1e-5, lambda: inception_score(hesitant, splits=1).mean
    yield "A08", "IS, sorted by class, not shuffled", 1.0, 1e-6, lambda: inception_score(in_order, shuffle=False).mean
    yield "A08", "IS, sorted by class, shuffled", 10.0, 0.1, lambda: inception_score(in_order).mean


def _neighbour_cases() -> Iterator[TheoryCase]:
    rng = np.random.default_rng(0)
    # KID against its definition, and sets whose neighbours are known
    x, y = rng.standard_normal((60, 5)), rng.standard_normal((50, 5)) + 0.3
    yield "A10", "KID against a plain double loop", _double_loop(x, y), 1e-10, lambda: kernel_distance(x, y).value
    yield "", "precision of a set with itself", 1.0, 0.0, lambda: precision_recall(x, x).precision
    yield "", "recall of a far-off set", 0.0, 0.0, lambda: precision_recall(x + 1e3, x).recall
    # every point of the line has a generated point among its three neighbours
    line = np.arange(10.0)[:, None]
    yield (
        "",
        "coverage of every other point of a line",
        1.0,
        0.0,
        lambda: density_coverage(line[::2], line, k=3).coverage,
    )


def _double_loop(x: Array, y: Array) -> float:
    """Return the unbiased KID of rows [N, D] and [M, D], computed without vectors."""

    def kernel(a: Array, b: Array) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    # pairs of a row with itself are left out
    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    across = sum(kernel(a, b) for a in x for b in y) / (n * m)
    return within_x + within_y - 2 * across


def _sliced_cases() -> Iterator[TheoryCase]:
    # a shift has a known distance in every direction
    x = np.random.default_rng(0).standard_normal((500, 16))
    yield "A14", "MIND of a shift by .5 in 16-d", 3 * 16 * 0.25, 1.2, lambda: monge_distance(x, x + 0.5).value
    yield "", "MIND of a set with itself", 0.0, 1e-12, lambda: monge_distance(x, x).value
    yield (
        "A43",
        "sliced W1 of a shift by 1 in 2-d",
        2 / math.pi,
        0.03,
        lambda: sliced_wasserstein(x[:, :2], x[:, :2] + np.array([1.0, 0.0])).first.value,
    )


def _mode_cases() -> Iterator[TheoryCase]:
    # Vendi score: three pairs count as three samples
    three_pairs = np.array([0, 0, 10, 10, 20, 20])
    alike = np.exp(-np.abs(three_pairs[:, None] - three_pairs))
    yield "A09", "Vendi score of three far-off pairs", 2.9999, 1e-3, lambda: vendi_score(alike)
    # the share of a Gaussian in 2 dimensions that lies within 3 standard deviations
    clean = 1 - math.exp(-4.5)
    yield "A21", "ring: modes of a perfect sampler", 8, 0, lambda: _coverage(RING, 8).captured.value
    yield "A21", "ring: high-quality share", clean, 0.01, lambda: _coverage(RING, 8).high_quality.value
    yield "A21", "grid: modes of a perfect sampler", 25, 0, lambda: _coverage(GRID, 25).captured.value
    for modes in (1, 2, 4, 6):
        measure = partial(_reverse_kl, modes)
        yield "A22", f"ring: reverse KL with {modes} of 8 modes", math.log(8 / modes), 0.02, measure
    # the distances between the means of the ring
    distances = np.linalg.norm(RING.means[:, None] - RING.means, axis=2) + np.diag([np.inf] * 8)
    yield "A23", "ring: all eight means are apart", 2 * math.sin(math.pi / 8), 1e-12, lambda: float(distances.min())
    # stacked digits with uniform labels: 1,000 modes, and the bias of KL at 26,000 samples
    labels = np.random.default_rng(0).integers(1000, size=26_000)
    yield "A24", "stacked, uniform labels: modes", 1000, 0, lambda: mode_coverage(labels, modes=1000).captured.value
    yield "A24", "stacked, uniform labels: KL", 0.0192, 0.003, lambda: mode_coverage(labels, modes=1000).kl.value


def _reverse_kl(modes: int) -> float:
    return _coverage(RING, modes).kl.value


def _coverage(mixture: Mixture, modes: int) -> ModeCoverageResult:
    """Return the mode coverage of samples from the first ``modes`` components of a mixture."""
    sampler = Mixture(mixture.name, mixture.centres[:modes], mixture.std)
    # nearest component and distance in standard deviations
    mode, distance = mixture.nearest(sampler.sample(2500, seed=0))
    return mode_coverage(mode, modes=len(mixture.centres), quality=distance <= 3)
