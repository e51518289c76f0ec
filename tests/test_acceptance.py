"""Test that metrics behave as the literature describes: on real images, against published numbers, in simulations.

Checks of a single metric (A03 to A24, A43) are with the other tests of that metric.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from click.testing import CliRunner
from scipy import ndimage, stats

import genbench
from genbench.array_types import Float64, Int64
from genbench.cli import main
from genbench.extractors.inception.extractor import INCEPTION
from genbench.features.features import Features
from genbench.files.folder_paths import weights_root
from genbench.metrics.frechet.metric import FrechetDistance, frechet_distance, frechet_distance_of_rows
from genbench.results import Result
from genbench.sources.datasets import cifar10, data_root
from genbench.sources.digits import digits

UInt8 = npt.NDArray[np.uint8]
Disturbance = Callable[[Float64, float, np.random.Generator], Float64]


@cache
def real_digits() -> tuple[UInt8, Int64]:
    """Return the images of the training half, uint8 [898, 8, 8], and their classes [898]."""
    source = digits("train")
    images = next(iter(source.batches(len(source)))).data
    assert not isinstance(images, list)
    assert source.labels is not None
    return images[:, 0], source.labels


@cache
def held_out(features: str) -> npt.NDArray[np.float32]:
    return genbench.features_of("digits,split=test", features=features, cache=False)["embedding"]


def test_A05_the_distance_of_a_gaussian_from_itself_is_0() -> None:
    covariance = [[2.0, 0.5], [0.5, 1.0]]
    assert frechet_distance([1.0, 2.0], covariance, [1.0, 2.0], covariance) == pytest.approx(0, abs=1e-8)


# A34: the disturbances of TTUR (Heusel et al. 2017, arXiv 1706.08500), for images [N, 8, 8] in 0..1


def noise(images: Float64, share: float, rng: np.random.Generator) -> Float64:
    drawn = rng.standard_normal(images.shape)
    drawn = (drawn - drawn.min()) / (drawn.max() - drawn.min())
    return np.asarray((1 - share) * images + share * drawn)


def blur(images: Float64, sigma: float, rng: np.random.Generator) -> Float64:
    return np.asarray(ndimage.gaussian_filter(images, (0, sigma, sigma)))


def rectangles(images: Float64, share: float, rng: np.random.Generator) -> Float64:
    if not share:
        return images
    blackened, side = images.copy(), max(1, int(8 * 0.6 * share))
    for image in blackened:
        for top, left in rng.integers(9 - side, size=(5, 2)):
            image[top : top + side, left : left + side] = 0
    return blackened


def swirl(images: Float64, strength: float, rng: np.random.Generator) -> Float64:
    row, column = np.mgrid[:8, :8] - 3.5
    radius, angle = np.hypot(row, column), np.arctan2(row, column)
    turned = []
    for image in images:
        turn = angle + rng.choice([-1, 1]) * strength * np.exp(-5 * radius / (8 * np.log(2)))
        place = [3.5 + radius * np.sin(turn), 3.5 + radius * np.cos(turn)]
        turned.append(ndimage.map_coordinates(image, place, order=1, mode="nearest"))
    return np.stack(turned)


def salt_and_pepper(images: Float64, share: float, rng: np.random.Generator) -> Float64:
    return np.where(rng.random(images.shape) < share, rng.integers(2, size=images.shape), images)


def contamination(images: Float64, share: float, rng: np.random.Generator) -> Float64:
    mixed, count = images.copy(), int(share * len(images))
    mixed[rng.choice(len(images), count, replace=False)] = rng.random((count, 8, 8))
    return mixed


LEVELS: dict[Disturbance, tuple[float, ...]] = {
    noise: (0, 0.25, 0.5, 0.75),
    blur: (0, 0.5, 1, 2),
    rectangles: (0, 0.25, 0.5, 0.75),
    swirl: (0, 1, 2, 4),
    salt_and_pepper: (0, 0.1, 0.2, 0.3),
    contamination: (0, 0.25, 0.5, 0.75),
}


@pytest.mark.parametrize("features", ["digits", "pixels,size=8"])
@pytest.mark.parametrize("disturb", LEVELS)
def test_A34_the_frechet_distance_grows_with_every_disturbance(disturb: Disturbance, features: str) -> None:
    images = real_digits()[0] / 255
    distances = []
    for level in LEVELS[disturb]:
        disturbed = np.clip(disturb(images, level, np.random.default_rng(0)), 0, 1)
        generated = genbench.features_of(np.rint(255 * disturbed).astype(np.uint8), features=features, cache=False)
        distances.append(frechet_distance_of_rows(generated["embedding"], held_out(features)))
    assert all(stronger > weaker for weaker, stronger in pairwise(distances)), distances
    assert distances[-1] > 10 * distances[0]


def against_held_out(images: UInt8) -> Result:
    metrics = "fd,is,pr,prdc,modes"
    return genbench.score(images, reference="digits,split=test", features="digits", metrics=metrics, cache=False)


def test_A35_collapse_has_a_larger_distance_than_lost_classes_and_these_than_noise() -> None:
    images, label = real_digits()
    collapsed = np.tile(images[label == 1][:10], (90, 1, 1))[: len(images)]
    additive = np.random.default_rng(0).normal(0, 0.1 * 255, images.shape)
    noisy = np.rint(np.clip(images + additive, 0, 255)).astype(np.uint8)
    real_fd, noisy_fd, half_fd, collapsed_fd = (
        against_held_out(subject)["fd@digits"].value for subject in (images, noisy, images[label < 5], collapsed)
    )
    assert real_fd < noisy_fd < half_fd < collapsed_fd


def test_A35_recall_and_modes_notice_five_lost_classes_and_precision_does_not() -> None:
    images, label = real_digits()
    whole, half = against_held_out(images), against_held_out(images[label < 5])
    assert half["recall@digits"].value <= 0.6 < whole["recall@digits"].value
    assert half["precision@digits"].value == pytest.approx(whole["precision@digits"].value, abs=0.05)
    assert half["modes@digits"].value == 5
    assert half["mode_kl@digits"].value == pytest.approx(0.69, abs=0.02)
    assert half["is@digits"].value == pytest.approx(whole["is@digits"].value / 2, rel=0.05)


# A41: published numbers, if the official weights and images are available


def official_weights() -> Path | None:
    """Return the file of weights if it exists; called before the fixtures change the folder of weights."""
    folders = (weights_root(), Path(torch.hub.get_dir()) / "checkpoints")
    copies = [folder / name for folder in folders for name in (INCEPTION.file, *INCEPTION.other_names)]
    return next(filter(Path.is_file, copies), None)


WEIGHTS, CIFAR10 = official_weights(), data_root(None)
needs_cifar10 = pytest.mark.skipif(
    WEIGHTS is None or not (CIFAR10 / "cifar-10-batches-py").is_dir(),
    reason="needs FID's Inception weights in genbench's folder and CIFAR-10 in $GENBENCH_DATA",
)


def first_images(split: str, count: int) -> np.ndarray:
    images = next(iter(cifar10(split, str(CIFAR10)).batches(count, 0, count))).data
    assert not isinstance(images, list)
    return images


@pytest.mark.slow
@needs_cifar10
def test_A41_torch_fidelitys_published_numbers_of_5000_against_5000_images_of_cifar10() -> None:
    values = genbench.score(
        first_images("train", 5000),
        reference=first_images("test", 5000),
        features="inception",
        weights=str(WEIGHTS),
        metrics="is,fid,kid,pr",
    ).values
    assert values["is"] == pytest.approx(10.75051, abs=1e-2)
    assert values["is_std"] == pytest.approx(0.5778723, abs=1e-3)
    assert values["fid"] == pytest.approx(10.32333, abs=1e-2)
    assert values["kid_subsets"] == pytest.approx(-2.907863e-5, abs=1e-6)
    assert values["kid_subsets_std"] == pytest.approx(1.023118e-4, abs=1e-6)
    assert values["precision"] == pytest.approx(0.6852, abs=1e-3)
    assert values["recall"] == pytest.approx(0.6908, abs=1e-3)


@pytest.mark.slow
@needs_cifar10
def test_A41_torch_fidelitys_published_inception_score_of_cifar10() -> None:
    images = first_images("train", 50_000)
    values = genbench.score(images, features="inception", weights=str(WEIGHTS), metrics="is").values
    assert values["is"] == pytest.approx(11.23678, abs=1e-3)
    assert values["is_std"] == pytest.approx(0.09514, abs=1e-3)


# A44: how well metrics agree with human judgement (Stein et al. 2023, arXiv 2306.04675, table 11)

AGREEMENT = {
    "CIFAR10": {"fd": -0.979, "kd": -0.962, "precision": -0.706, "recall": 0.938, "density": -0.864, "coverage": 0.968},
    "FFHQ256": {"fd": -0.500, "kd": -0.474, "precision": -0.083, "recall": 0.339, "density": -0.147, "coverage": 0.405},
}
"""Pearson's correlation with the rate at which people mistake generated images for real ones."""


@pytest.mark.parametrize("dataset", AGREEMENT)
def test_A44_correlations_with_human_judgement_are_those_of_the_literature(dataset: str, shared_data: Path) -> None:
    with (shared_data / "stein2023_table11.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == dataset and row["human_err"]]
    human = [float(row["human_err"]) for row in rows]
    correlations = {
        metric: float(np.corrcoef(human, [float(row[metric]) for row in rows])[0, 1]) for metric in AGREEMENT[dataset]
    }
    assert correlations == pytest.approx(AGREEMENT[dataset], abs=0.005)


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.1, 1.1)])
def test_A45_the_jackknife_covers_a_small_frechet_distance_and_the_percentile_bootstrap_does_not(
    shift: float, scale: float
) -> None:
    size, repeats = 16, 25
    truth = size * (shift**2 + (scale - 1) ** 2)
    rng = np.random.default_rng(1)
    covered = {"bootstrap": 0, "jackknife": 0}
    for _ in range(repeats):
        x, y = shift + scale * rng.standard_normal((500, size)), rng.standard_normal((500, size))
        for name, (low, high) in {"bootstrap": bootstrap(x, y, rng), "jackknife": jackknife(x, y)}.items():
            covered[name] += bool(low <= truth <= high)
    assert covered["bootstrap"] == 0
    assert covered["jackknife"] >= 0.9 * repeats


def bootstrap(x: Float64, y: Float64, rng: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % interval between percentiles of the distances of resampled rows [N, D]."""
    distances = [
        frechet_distance_of_rows(*(rows[rng.integers(len(rows), size=len(rows))] for rows in (x, y))) for _ in range(50)
    ]
    low, high = np.percentile(distances, [2.5, 97.5])
    return float(low), float(high)


def jackknife(x: Float64, y: Float64) -> tuple[float, float]:
    """Return the 95 % interval around the debiased distance of rows [N, D]."""
    scores = FrechetDistance()(Features.of(embedding=x), Features.of(embedding=y), seed=0)
    score = next(score for score in scores if score.name == "fid_debiased")
    assert score.error is not None
    margin = score.error * stats.t.ppf(0.975, score.detail["blocks"] - 1)
    return score.value - margin, score.value + margin


def test_the_selftest_contains_the_exact_checks() -> None:
    report = json.loads(CliRunner().invoke(main, ["selftest", "--json"]).stdout)
    exact = {"A03", "A04", "A05", "A06", "A07", "A08", "A10", "A21", "A22", "A23", "A24", "A43"}
    assert exact <= {check["id"] for check in report["checks"] if check["passed"]}
