"""What an array must look like to hold images or points, and how its rows become a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from genbench.arrays import Array
from genbench.errors import InputError, UsageError, did_you_mean

Axes = Literal["NHWC", "NCHW", "NHW", "ND"]

RANGES = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}
"""The ranges that float images can be declared to have."""


@dataclass(frozen=True)
class Layout:
    """How the rows of one array are read."""

    name: str
    """Whose rows they are, for messages."""
    axes: Axes
    range: str | None
    """The declared range of float images; None for uint8 images and for points."""

    def __str__(self) -> str:
        return f"{self.axes} {self.range or ''}"

    def data(self, rows: Array, first: int = 0) -> torch.Tensor:
        """Return rows as Batch.data: a copy, uint8 [N, 3, H, W] or float32 [N, D]; gray is replicated.

        Float images become ``round((x - low) / (high - low) * 255)``. Raises InputError, naming the row (counted from
        ``first``), for NaN and for values outside of the declared range.
        """
        if self.axes == "ND":
            return torch.from_numpy(self._points(rows, first))
        levels = rows if self.range is None else self._levels(rows, first)
        if self.axes == "NHW":
            levels = levels[:, None]
        elif self.axes == "NHWC":
            levels = levels.transpose(0, 3, 1, 2)
        shape = (len(levels), 3, *levels.shape[2:])
        return torch.from_numpy(np.array(np.broadcast_to(levels, shape), dtype=np.uint8, order="C"))

    def _points(self, rows: Array, first: int) -> Array:
        with np.errstate(over="ignore"):
            points = np.array(rows, dtype=np.float32)
        self._refuse(~np.isfinite(points), rows, first, "points must be finite")
        return points

    def _levels(self, rows: Array, first: int) -> Array:
        low, high = RANGES[str(self.range)]
        levels = (np.asarray(rows, np.float64) - low) * (255 / (high - low))
        # what rounds to 0..255 is within the range: a sigmoid that gives 1.0000001 is no mistake
        wrong = ~((levels >= -0.5) & (levels < 255.5))
        self._refuse(wrong, rows, first, f"the declared range is {self.range}")
        return np.rint(levels).astype(np.uint8)

    def _refuse(self, wrong: Array, rows: Array, first: int, wanted: str) -> None:
        if not wrong.any():
            return
        at = np.unravel_index(int(wrong.argmax()), wrong.shape)
        value = rows[at]
        what = "NaN" if np.isnan(value) else f"{value:g}"
        raise InputError(f"{self.name} holds {what} in row {first + int(at[0])}, but {wanted}; mend the samples.")


def layout_of(
    name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic], *, range: str | None, declare: str
) -> Layout:
    """Return how an array of that shape and dtype is read: images or points.

    uint8 [N, H, W, C], [N, C, H, W] (C is 1 or 3), [N, H, W]; the same in float where ``range`` is declared; float
    [N, D] are points. Raises InputError for anything else; ``declare`` says how to declare a range of ``{name}``.
    """
    if range is not None and range not in RANGES:
        raise UsageError(f"The range {range!r} is not known{did_you_mean(range, RANGES)}")
    if dtype.kind == "O":
        raise InputError(f"{name} holds Python objects, which are never loaded; save it as a uint8 array.")
    if not shape or 0 in shape:
        raise InputError(f"{name} has shape {list(shape)}, so it holds no samples.")
    if len(shape) == 2 and dtype.kind == "f":
        return _points_layout(name, range)
    axes = _axes(name, shape)
    if dtype.kind == "f" and range is None:
        raise InputError(
            f"{name} holds images as {dtype}, whose range is not guessed; declare it with {declare.format(name=name)}, "
            "or save uint8."
        )
    if dtype.kind != "f" and dtype != np.uint8:
        raise InputError(f"{name} holds {dtype}; wanted uint8 0..255 (convert with .astype('uint8') if they are that).")
    if dtype == np.uint8 and range is not None:
        raise UsageError(f"{name} holds uint8, whose range is 0..255; leave out range={range}.")
    return Layout(name, axes, range)


def _points_layout(name: str, range: str | None) -> Layout:
    if range is not None:
        raise UsageError(f"{name} holds points [N, D], not images, so leave out range={range}.")
    return Layout(name, "ND", None)


def _axes(name: str, shape: tuple[int, ...]) -> Axes:
    wanted = "wanted [N, H, W, 3], [N, 3, H, W], [N, H, W, 1], [N, 1, H, W] or [N, H, W]"
    if len(shape) == 3:
        if shape[0] in (1, 3) or shape[2] in (1, 3, 4):
            raise InputError(
                f"{name} has shape {list(shape)}, which may be one image or several gray ones; write x[None] for one, "
                "x[..., None] for several."
            )
        return "NHW"
    if len(shape) != 4:
        raise InputError(f"{name} has shape {list(shape)}; {wanted}, or float points [N, D].")
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first and last:
        raise InputError(f"{name} has shape {list(shape)}, whose channel axis cannot be told; {wanted}.")
    if not first and not last:
        alpha = " (drop alpha with x[..., :3])" if shape[3] in (2, 4) else ""
        raise InputError(f"{name} has shape {list(shape)}, so neither 1 nor 3 channels{alpha}; {wanted}.")
    return "NCHW" if first else "NHWC"
