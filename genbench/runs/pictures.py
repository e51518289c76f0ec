"""Pictures of a run: a grid of samples, and the curves of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genbench.arrays import Array
from genbench.files.atomic_write import atomic_write

LINE = 1
"""Pixels of gray between the tiles of a grid."""


def grid_figure(samples: npt.ArrayLike, path: Path) -> None:
    """Write samples, uint8 [N, H, W, 3] or [N, 3, H, W], as one PNG of tiles; points [N, 2] as a scatter."""
    array = np.asarray(samples)
    if array.ndim == 2:
        _scatter(array, path)
        return
    images = array if array.shape[-1] in (1, 3) else array.transpose(0, 2, 3, 1)
    columns = int(np.ceil(np.sqrt(len(images))))
    tiles = _tiled(images, columns)
    times = max(1, 512 // tiles.shape[1])
    _write(tiles.repeat(times, 0).repeat(times, 1), path)


def sheet(images: npt.NDArray[np.uint8], columns: int, path: Path) -> dict[str, int]:
    """Write images, uint8 [N, H, W, 3], row by row as one PNG, pixel for pixel; return how its tiles lie.

    A tile's left upper corner is at ``line`` + column * (``width`` + ``line``), and so for its height.
    """
    tiles = _tiled(images, columns)
    _write(tiles, path)
    height, width = images.shape[1:3]
    return {"width": width, "height": height, "line": LINE}


def _write(pixels: npt.NDArray[np.uint8], path: Path) -> None:
    """Write uint8 [H, W, 3] as a PNG, with one channel where all three are equal."""
    from PIL import Image

    gray = (pixels == pixels[..., :1]).all()
    with atomic_write(path) as temporary:
        Image.fromarray(pixels[..., 0] if gray else pixels).save(temporary, "PNG", optimize=True)


def _tiled(images: Array, columns: int) -> npt.NDArray[np.uint8]:
    images = np.broadcast_to(images, (*images.shape[:3], 3))
    rows = -(-len(images) // columns)
    height, width = images.shape[1:3]
    tiles = np.full((rows * (height + LINE) + LINE, columns * (width + LINE) + LINE, 3), 128, np.uint8)
    for at, image in enumerate(images):
        top, left = at // columns * (height + LINE) + LINE, at % columns * (width + LINE) + LINE
        tiles[top : top + height, left : left + width] = image
    return tiles


def curves_figure(history: Sequence[Mapping[str, float]], path: Path, chosen: int) -> None:
    """Write what was watched in a training, one panel a quantity, with the chosen step marked."""
    if not history:
        return
    names = [name for name in history[0] if name not in ("step", "kept", "seconds") and not name.startswith("floor_")]
    figure, panels = _panels(len(names))
    steps = [entry["step"] for entry in history]
    for panel, name in zip(panels, names, strict=True):
        panel.plot(steps, [entry[name] for entry in history], marker=".", color="tab:blue")
        panel.axvline(chosen, color="tab:orange", linestyle="--", linewidth=1)
        panel.set_title(name.replace("_", " "), fontsize=10)
        panel.grid(alpha=0.3)
    panels[-1].set_xlabel("step (dashed: the chosen one)")
    _save(figure, path)


def _scatter(points: Array, path: Path) -> None:
    figure, (panel,) = _panels(1, size=(4, 4))
    panel.scatter(points[:, 0], points[:, 1], s=4, alpha=0.5)
    panel.set_aspect("equal")
    panel.grid(alpha=0.3)
    _save(figure, path)


def _panels(count: int, *, size: tuple[float, float] = (6, 1.8)) -> tuple[Any, list[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0], size[1] * count), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(count, 1, sharex=count > 1, squeeze=False)[:, 0])


def _save(figure: Any, path: Path) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
