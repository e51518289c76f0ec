"""Write reports/encoders.md: which damage to photographs the scores of each encoder see, and whether more is worse.

Usage: python -m tests.studies.encoder_order FOLDER [ENCODER ...]. FOLDER holds test.zip and train-10k.zip, CIFAR-10's
images as JPEG files in ten folders. Features are kept in genbench's store, so that a second run takes seconds.
"""

from __future__ import annotations

import io
import math
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

import genbench
from genbench.results import Entry

PAGE = Path(__file__).parents[2] / "reports" / "encoders.md"
UInt8 = npt.NDArray[np.uint8]

COUNT = 500
"""Number of images of each set."""
ENCODERS = ("efficientnet-lite0", "pixels")
SCORES = {"fd": "lower", "kd": "lower", "precision": "higher", "recall": "higher"}
"""The scores and their better direction. Damage makes a score worse, or leaves it as it is."""


def blurred(images: UInt8, sigma: float) -> UInt8:
    return np.asarray(ndimage.gaussian_filter(images.astype(np.float64), (0, 0, sigma, sigma)).round(), np.uint8)


def noisy(images: UInt8, deviation: float) -> UInt8:
    noise = np.random.default_rng(0).normal(0, deviation, images.shape)
    return np.asarray((images + noise).round().clip(0, 255), np.uint8)


def compressed(images: UInt8, quality: float) -> UInt8:
    return np.stack([_compressed(image, int(quality)) for image in images])


def _compressed(image: UInt8, quality: int) -> UInt8:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).transpose(2, 0, 1)


DAMAGES: Mapping[str, tuple[Callable[[UInt8, float], UInt8], tuple[float, ...]]] = {
    "Gaussian blur, σ in pixels": (blurred, (0.4, 0.7, 1.2)),
    "Gaussian noise, σ of 255": (noisy, (5, 12, 30)),
    "JPEG, quality": (compressed, (75, 40, 15)),
}
"""What is done to the 32 x 32 pixels, and its strengths, the weakest first."""
CLASSES_LEFT = (7, 4, 2)


def photographs(path: Path, counts: Mapping[int, int]) -> UInt8:
    """Return the first images of each class, uint8 [N, 3, 32, 32]; ``counts`` are numbers of images by class."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        folders = sorted({name.partition("/")[0] for name in names})
        chosen = [
            [name for name in names if name.startswith(f"{folders[number]}/")][:count]
            for number, count in counts.items()
        ]
        files = [archive.read(name) for some in chosen for name in some]
    return np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).transpose(2, 0, 1) for file in files])


def sets_of_images(folder: Path) -> Iterator[tuple[str, str, UInt8]]:
    """Yield damage, strength and images of each set; the first one is intact."""
    balanced = dict.fromkeys(range(10), COUNT // 10)
    intact = photographs(folder / "train-10k.zip", balanced)
    yield "none", "", intact
    for damage, (function, strengths) in DAMAGES.items():
        for strength in strengths:
            yield damage, f"{strength:g}", function(intact, strength)
    # the number of images stays the same
    for left in CLASSES_LEFT:
        counts = {number: COUNT // left + (number < COUNT % left) for number in range(left)}
        yield "classes left of 10", str(left), photographs(folder / "train-10k.zip", counts)


def scored(images: UInt8, reference: UInt8, encoder: str) -> dict[str, Entry]:
    """Return the scores of ``SCORES`` by their short names."""
    result = genbench.score(images, reference=reference, features=encoder, metrics="fd,kid,pr", progress=False)
    return {name: result[f"{name}@{encoder}"] for name in SCORES}


Row = tuple[str, str, dict[str, Entry]]
"""Damage, strength and scores of a set."""


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the table of one encoder; the kernel distance is multiplied by 1,000."""
    yield "| damage | strength | fd | kd × 1,000 | precision | recall |"
    yield "|---|---:|---:|---:|---:|---:|"
    for damage, strength, scores in rows:
        cells = []
        for name, entry in scores.items():
            factor, digits = {"fd": (1, 1), "kd": (1000, 2)}.get(name, (1, 3))
            cells.append(f"{factor * entry.value:.{digits}f} ± {factor * (entry.error or math.nan):.{digits}f}")
        yield f"| {damage} | {strength} | {' | '.join(cells)} |"


def steps_in_order(rows: list[Row], name: str, damage: str) -> tuple[int, int]:
    """Return how many steps to the next strength make a score worse, and how many steps there are."""
    intact = rows[0][2][name].value
    values = [intact, *(scores[name].value for each, _, scores in rows if each == damage)]
    sign = 1 if SCORES[name] == "lower" else -1
    return sum(sign * (after - before) > 0 for before, after in pairwise(values)), len(values) - 1


def weakest_seen(rows: list[Row], name: str, damage: str) -> str:
    """Return the weakest strength by which a score is worse than that of intact images by two standard errors."""
    intact = rows[0][2][name]
    for each, strength, scores in rows:
        change = (scores[name].value - intact.value) * (1 if SCORES[name] == "lower" else -1)
        if each == damage and change > 2 * math.hypot(scores[name].error or math.nan, intact.error or math.nan):
            return strength
    return "none"


def summary(by_encoder: Mapping[str, list[Row]]) -> Iterator[str]:
    """Yield the table of orders and of the weakest damage that is seen."""
    yield f"| damage | score | {' | '.join(by_encoder)} |"
    yield "|---|---|" + "---|" * len(by_encoder)
    damages = dict.fromkeys(damage for damage, *_ in next(iter(by_encoder.values()))[1:])
    for damage in damages:
        for name in SCORES:
            cells = []
            for rows in by_encoder.values():
                ordered, steps = steps_in_order(rows, name, damage)
                cells.append(f"{ordered} of {steps}; {weakest_seen(rows, name, damage)}")
            yield f"| {damage} | {name} | {' | '.join(cells)} |"


def page(folder: Path, encoders: tuple[str, ...]) -> str:
    """Return the page."""
    reference = photographs(folder / "test.zip", dict.fromkeys(range(10), COUNT // 10))
    by_encoder: dict[str, list[Row]] = {encoder: [] for encoder in encoders}
    for encoder, rows in by_encoder.items():
        for damage, strength, images in sets_of_images(folder):
            rows.append((damage, strength, scored(images, reference, encoder)))
            print(encoder, damage, strength, {name: entry.value for name, entry in rows[-1][2].items()}, flush=True)
    lines = [
        "# What each encoder sees\n",
        "Written by `python -m tests.studies.encoder_order`. Photographs of CIFAR-10, 32 × 32 pixels, from JPEG files: "
        f"{COUNT:,} training images are damaged and scored against {COUNT:,} test images, {COUNT // 10} of each class. "
        "Errors are one standard error. With so few images, `fd` is biased upward, by about the same in all rows; "
        "`kd` has no bias. These are small images of ten classes; other data may give another picture.\n",
        "## Order, and the weakest damage that is seen\n",
        "How many steps to the next strength, from intact images on, make the score worse; and the weakest strength at "
        "which it is worse than that of intact images by two standard errors of the difference. The samples are the "
        "same under each strength and the errors are those of independent sets, so this is cautious.\n",
        *summary(by_encoder),
    ]
    for encoder, rows in by_encoder.items():
        lines += [f"\n## {encoder}\n", *table(rows)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    chosen = tuple(sys.argv[2:]) or ENCODERS
    PAGE.write_text(page(Path(sys.argv[1]), chosen), encoding="utf-8")
