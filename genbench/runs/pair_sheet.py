"""A picture of the pairs that ``memorised`` lists: each generated image beside its training image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genbench.array_types import Array
from genbench.errors import UsageError
from genbench.features.features import Features
from genbench.results import Result
from genbench.runs.gallery import take_rows
from genbench.runs.pictures import grid_figure
from genbench.scoring.sides import Side, Sides

SHEET_COLUMNS = 8
"""Images in a row of the sheet: four pairs."""


def write_pair_sheet(result: Result, sides: Sides, path: Path) -> None:
    """Write the pairs of the first score that lists some as one PNG: four pairs in a row, the generated image first.

    Images of different sizes are shown at their own size on gray. Raises UsageError if no score lists pairs, or if the
    samples are no images.
    """
    # the positions are those of the sources only if no sample was left out
    pairs = next((entry.detail["pairs"] for entry in result.scores if entry.detail.get("pairs")), None)
    if not pairs or result.generated.skipped or (result.train is not None and result.train.skipped):
        raise UsageError("There are no pairs to draw: --pairs needs --metrics memorised, and no --skip-corrupt.")
    generated, train = (_images_of(sides, side, [pair[side] for pair in pairs]) for side in ("generated", "train"))
    # the images of a pair stand side by side
    tiles = [image for pair in zip(generated, train, strict=True) for image in pair]
    # all tiles have the size of the largest image
    height, width = (max(image.shape[axis] for image in tiles) for axis in (0, 1))
    grid_figure(np.stack([_on_gray(image, height, width) for image in tiles]), path, columns=SHEET_COLUMNS)


def _images_of(sides: Sides, side: Side, rows: list[int]) -> list[Array]:
    """Return the images, uint8 [H, W, 3], at some positions of a side."""
    source = sides.samples(side)
    if source is None or isinstance(source, Features):
        raise UsageError(f"--pairs draws images, but the {side} samples are features; give the images themselves.")
    images = take_rows(source, rows)
    if images[0].ndim != 3:
        raise UsageError("--pairs draws images, but the samples are points; leave it out.")
    return images


def _on_gray(image: Array, height: int, width: int) -> Array:
    # the upper left corner of a gray tile
    tile = np.full((height, width, 3), 128, np.uint8)
    tile[: image.shape[0], : image.shape[1]] = image
    return tile
