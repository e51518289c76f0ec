"""Errors of the scores of classes and of label sampling, by simulation: writes reports/class_errors.md.

``python -m tests.studies.class_errors`` takes some minutes on one core. Gaussian classes have known distances; real
digits are a population whose rows are drawn with replacement, so that their distances are known, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

from genbench.array_types import Float64, Int64
from genbench.features.features import Features
from genbench.metrics.class_conditional import ClassConditional
from genbench.metrics.class_diversity import ClassVendi
from genbench.metrics.frechet.metric import FrechetDistance, frechet_distance_of_rows
from genbench.metrics.relative_entropy import RelativeKernelEntropy
from genbench.metrics.train_on_generated import TrainOnGenerated
from genbench.plugs.contracts import Score
from genbench.plugs.opening import open_subject
from genbench.plugs.requested_classes import RequestedClasses, proportional_period
from genbench.scoring.score import features_of

PAGE = Path("reports/class_errors.md")
SHARES = np.array([30, 25, 20, 10, 10, 5])
CENTRES = 2 * np.random.default_rng(5).standard_normal((6, 8))


def labelled(rows: Float64, label: Int64, rule: str = "") -> Features:
    return replace(Features.of(embedding=rows, mode=label), label=label, label_rule=rule)


def gaussian(label: Int64, rng: np.random.Generator, shift: float = 0.0) -> Float64:
    return CENTRES[label] + shift + rng.standard_normal((len(label), 8))


def distance_of_rule(rule: str, seed: int) -> tuple[Score, float]:
    """Return the debiased distance of 600 samples from 1,000 independent reference rows, and the truth."""
    rng = np.random.default_rng([1, seed])
    period = proportional_period(SHARES) if rule == "reference" else None
    label = RequestedClasses(rule, 6, seed, period).between(0, 600)
    reference = rng.choice(6, 1000, p=SHARES / 100)
    sides = labelled(gaussian(label, rng), label, rule), labelled(gaussian(reference, rng), reference)
    return FrechetDistance()(*sides, seed=0)[1], true_distance(rule)


@cache
def true_distance(rule: str) -> float:
    """Return the Frechet distance of the mixtures with the shares of a rule and of the reference."""
    moments = []
    for share in (SHARES / 100 if rule == "reference" else np.full(6, 1 / 6), SHARES / 100):
        mean = share @ CENTRES
        moments.append((mean, np.eye(8) + (CENTRES - mean).T @ ((CENTRES - mean) * share[:, None])))
    (mean, first), (other_mean, second) = moments
    return float(((mean - other_mean) ** 2).sum() + np.trace(first + second - 2 * sqrtm(first @ second).real))


def distance_per_class(rows: str, seed: int) -> tuple[Score, float]:
    """Return ``fid_per_class_debiased`` of 100 rows of each class, and the truth."""
    rng = np.random.default_rng([2, seed])
    if rows.startswith("digits"):
        generated, reference, label = digits()
        generated = generated if rows == "digits, blurred" else reference
        drawn = [np.concatenate([rng.choice(np.flatnonzero(label == k), 100) for k in range(10)]) for _ in range(2)]
        sides = labelled(generated[drawn[0]], label[drawn[0]]), labelled(reference[drawn[1]], label[drawn[1]])
        truths = [frechet_distance_of_rows(generated[label == k], reference[label == k]) for k in range(10)]
    else:
        shift, label = (0.2 if rows == "Gaussian, shifted" else 0.0), np.arange(600) % 6
        sides = labelled(gaussian(label, rng, shift), label), labelled(gaussian(label, rng), label)
        truths = [8 * shift**2]
    scores = {score.name: score for score in ClassConditional()(*sides, seed=0)}
    return scores["fid_per_class_debiased"], float(np.mean(truths))


@cache
def digits() -> tuple[Float64, Float64, Int64]:
    """Return 16 principal components of the features of blurred and of real digits, and the classes."""
    batch = next(open_subject("digits,split=all", ("sources",)).batches(2000))
    images = batch.data
    blurred = gaussian_filter(images.astype(np.float64), (0, 0, 0.5, 0.5)).round().astype(np.uint8)
    plain, other = (
        features_of(side, features="digits", progress=False, cache=False)["embedding"].astype(np.float64)
        for side in (images, blurred)
    )
    leading = np.linalg.eigh(np.cov(plain.T))[1][:, -16:]
    return other @ leading, plain @ leading, batch.label


def accuracy(sizes: tuple[int, int], seed: int) -> tuple[Score, float]:
    """Return ``tstr``; its mean over the repeats stands for the truth."""
    rng = np.random.default_rng([3, seed])
    sides = []
    for count, shift in zip(sizes, (0.3, 0.0), strict=True):
        label = rng.integers(6, size=count)
        sides.append(labelled(0.4 * CENTRES[label] + shift + rng.standard_normal((count, 8)), label))
    return TrainOnGenerated()(*sides, seed=0)[0], np.nan


def relative_entropy(shift: float, seed: int) -> tuple[Score, float]:
    """Return ``rrke`` of 100 points of each side; its mean over the repeats stands for the truth."""
    rng = np.random.default_rng([4, seed])
    sides = [Features.of(embedding=rng.standard_normal((100, 2)) + np.array([each, 0])) for each in (shift, 0.0)]
    return RelativeKernelEntropy(sigma=1.5)(*sides, seed=0)[0], np.nan


def diversity(count: int, seed: int) -> tuple[Score, float]:
    """Return ``vendi_per_class``; its mean over the repeats stands for the truth."""
    label = np.arange(count) % 6
    return ClassVendi()(labelled(gaussian(label, np.random.default_rng([5, seed])), label), None, seed=0)[0], np.nan


CASES: dict[str, tuple[Callable[..., tuple[Score, float]], object]] = {
    **{f"`fd_debiased`, `--labels {rule}`": (distance_of_rule, rule) for rule in ("equal", "random", "reference")},
    **{
        f"`fd_per_class_debiased`, {rows}": (distance_per_class, rows)
        for rows in ("Gaussian, equal", "Gaussian, shifted", "digits, equal", "digits, blurred")
    },
    **{
        f"`tstr`, {sizes[0]} generated and {sizes[1]:,} real rows": (accuracy, sizes)
        for sizes in ((100, 1500), (600, 400))
    },
    **{f"`rrke`, Gaussians {shift:g} apart": (relative_entropy, shift) for shift in (0.0, 0.3, 1.0, 2.0, 3.0)},
    "`vendi_per_class`, 50 rows per class": (diversity, 300),
}


MORE_REPEATS = {relative_entropy: 20}
"""Factor of the repeats of scores that take milliseconds."""


def row(case: str, repeats: int) -> str:
    """Simulate one case; return its row of the table."""
    function, option = CASES[case]
    repeats *= MORE_REPEATS.get(function, 1)
    with threadpool_limits(1):
        drawn = [function(option, seed) for seed in range(repeats)]
    values, errors = (np.array([getattr(score, name) for score, _ in drawn]) for name in ("value", "error"))
    truth = values.mean() if np.isnan(drawn[0][1]) else drawn[0][1]
    # the interval of the record, or 1.96 errors
    ends = [s.interval or (s.value - 1.96 * s.error, s.value + 1.96 * s.error) for s, _ in drawn]
    inside = np.mean([low <= truth <= high for low, high in ends])
    ratio = np.sqrt(np.mean(errors**2)) / values.std(ddof=1)
    # of a share, and not less than at the nominal one
    monte_carlo = np.sqrt(max(inside * (1 - inside), 0.95 * 0.05) / repeats)
    # the square root of a matrix leaves rounding in a truth of 0
    known = "" if np.isnan(drawn[0][1]) else f"{round(truth, 9):.4g}"
    coverage = f"{100 * inside:.1f} ± {100 * monte_carlo:.1f} %"
    numbers = f"{values.mean():.4g} | {values.std(ddof=1):.2g} | {ratio:.2f} | {coverage}"
    return f"| {case} | {repeats} | {known} | {numbers} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(row, CASES, [options.repeats] * len(CASES)))
    PAGE.write_text(
        "# Errors of the scores of classes\n\n"
        f"Written by `python -m tests.studies.class_errors --repeats {options.repeats}`. Each row repeats one draw "
        "of both sides. Error / spread is the root mean square of the reported error, divided by the "
        "standard deviation of the value. Coverage is how often the nominal 95 % interval holds the truth or, where no "
        "truth is given, the mean of the values; ± is its Monte-Carlo error.\n\n"
        "| score | repeats | truth | mean | spread | error / spread | coverage |\n"
        "|---|---:|---:|---:|---:|---:|---:|\n" + "\n".join(rows) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
