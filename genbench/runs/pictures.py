"""Pictures in the run folder: grids of samples and training curves, as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genbench.array_types import Array
from genbench.files.atomic_write import atomic_write
from genbench.runs.gallery_record import SheetLayout
from genbench.runs.history import History

GAP = 1
"""Pixels of gray between tiles."""


def grid_figure(samples: npt.ArrayLike, path: Path, *, columns: int | None = None) -> None:
    """Write samples as one PNG: images, uint8 [N, H, W, 3] or [N, 3, H, W], as tiles; points [N, 2] as a scatter.

    ``columns``: number of tiles in a row; None makes the picture about square.
    """
    array = np.asarray(samples)
    if array.ndim == 2:
        _scatter_figure(array, path)
        return
    tiles = image_tiles(array, columns or int(np.ceil(np.sqrt(len(array)))))
    # enlarge small images to a width of about 512 pixels
    times = max(1, 512 // tiles.shape[1])
    _write_png(tiles.repeat(times, 0).repeat(times, 1), path)


def image_tiles(images: Array, columns: int) -> npt.NDArray[np.uint8]:
    """Return images, uint8 [N, H, W, C] or [N, C, H, W] with one or three channels, as one picture, uint8 [H, W, 3]."""
    return _tiled(images if images.shape[-1] in (1, 3) else images.transpose(0, 2, 3, 1), columns)


def write_sheet(images: npt.NDArray[np.uint8], path: Path, *, lines: Sequence[str], columns: int) -> SheetLayout:
    """Write images, uint8 [N, H, W, 3], row by row as one PNG without enlarging them; return the layout."""
    _write_png(_tiled(images, columns), path)
    height, width = images.shape[1:3]
    return SheetLayout(lines, columns, width=width, height=height, gap=GAP)


def _write_png(pixels: npt.NDArray[np.uint8], path: Path) -> None:
    """Write uint8 [H, W, 3] as a PNG, with a single channel if all three are equal."""
    from PIL import Image

    gray = (pixels == pixels[..., :1]).all()
    with atomic_write(path) as temporary:
        Image.fromarray(pixels[..., 0] if gray else pixels).save(temporary, "PNG", optimize=True)


# uint8 [N, H, W, 1 or 3] -> uint8 [rows * (H + GAP) + GAP, columns * (W + GAP) + GAP, 3]
def _tiled(images: Array, columns: int) -> npt.NDArray[np.uint8]:
    # gray images get three equal channels
    images = np.broadcast_to(images, (*images.shape[:3], 3))
    rows = -(-len(images) // columns)
    height, width = images.shape[1:3]
    tiles = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), 128, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + GAP) + GAP, index % columns * (width + GAP) + GAP
        tiles[top : top + height, left : left + width] = image
    return tiles


def curves_figure(history: History, path: Path) -> None:
    """Write the curves of a training, one panel for each quantity, with a line at the chosen step."""
    if history.steps:
        figure, panels = _panels(len(history.steps[0].quantities))
        draw_curves(history, panels)
        _save_figure(figure, path)


def draw_curves(history: History, panels: Sequence[Any]) -> None:
    """Draw each quantity of a training with at least one step into matplotlib axes of its own."""
    # the quantities of the first step are those of all steps
    steps = [watched.step for watched in history.steps]
    for panel, name in zip(panels, history.steps[0].quantities, strict=True):
        panel.plot(steps, [watched.quantities[name] for watched in history.steps], marker=".", color="tab:blue")
        panel.axvline(history.chosen_step, color="tab:orange", linestyle="--", linewidth=1)
        panel.set_title(name.replace("_", " "), fontsize=10)
        panel.grid(alpha=0.3)
    panels[-1].set_xlabel("training step (dashed line: chosen step)")


def _scatter_figure(points: Array, path: Path) -> None:
    figure, (panel,) = _panels(1, size=(4, 4))
    panel.scatter(points[:, 0], points[:, 1], s=4, alpha=0.5)
    panel.set_aspect("equal")
    panel.grid(alpha=0.3)
    _save_figure(figure, path)


def _panels(count: int, *, size: tuple[float, float] = (6, 1.8)) -> tuple[Any, list[Any]]:
    # a figure without pyplot: nothing global is changed and no window is needed
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0], size[1] * count), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(count, 1, sharex=count > 1, squeeze=False)[:, 0])


def _save_figure(figure: Any, path: Path) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
