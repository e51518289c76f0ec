"""The layouts of arrays that hold images or points, and the conversion of their rows to a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from genbench.array_types import Array, Bool
from genbench.errors import InputError, UsageError
from genbench.plugs.value_range import parse_range

Axes = Literal["NHWC", "NCHW", "NHW", "ND"]


@dataclass(frozen=True)
class Layout:
    """How to read the rows of an array."""

    name: str
    """Name of the array, for messages."""
    axes: Axes
    range: str | None
    """The declared range of float images; None for uint8 images and for points."""

    def __str__(self) -> str:
        return f"{self.axes} {self.range or ''}"

    def data(self, rows: Array, first: int = 0) -> torch.Tensor:
        """Return a copy of the rows as Batch.data: uint8 [N, 3, H, W] or float32 [N, D]; gray is replicated.

        Float images become ``round((x - low) / (high - low) * 255)``. Raises InputError for NaN and for values outside
        of the declared range; the message names the row, where ``first`` is the number of the first row.
        """
        if self.axes == "ND":
            return torch.from_numpy(self._finite_float32(rows, first))
        levels = rows if self.range is None else self._to_uint8(rows, first)
        # bring the channels to the second axis and make three of one
        if self.axes == "NHW":
            levels = levels[:, None]
        elif self.axes == "NHWC":
            levels = levels.transpose(0, 3, 1, 2)
        shape = (len(levels), 3, *levels.shape[2:])
        return torch.from_numpy(np.array(np.broadcast_to(levels, shape), dtype=np.uint8, order="C"))

    def _finite_float32(self, rows: Array, first: int) -> Array:
        # a float64 that overflows float32 becomes infinite and is refused
        with np.errstate(over="ignore"):
            points = np.array(rows, dtype=np.float32)
        self._refuse(~np.isfinite(points), rows, first, "points must be finite")
        return points

    def _to_uint8(self, rows: Array, first: int) -> Array:
        # scale to 0..255 in float64, so that float16 and float32 images round alike
        low, high = parse_range(str(self.range))
        levels = (np.asarray(rows, np.float64) - low) * (255 / (high - low))
        # a value that rounds to 0..255 is in the range, because 1.0000001 is only a rounding error
        wrong = ~((levels >= -0.5) & (levels < 255.5))
        self._refuse(wrong, rows, first, f"the declared range is {self.range}")
        return np.rint(levels).astype(np.uint8)

    def _refuse(self, wrong: Bool, rows: Array, first: int, rule: str) -> None:
        if not wrong.any():
            return
        # name the first wrong value
        index = np.unravel_index(int(wrong.argmax()), wrong.shape)
        value = "NaN" if np.isnan(rows[index]) else f"{rows[index]:g}"
        raise InputError(f"{self.name} holds {value} in row {first + int(index[0])}, but {rule}; correct the samples.")


def layout_of(
    name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic], *, range: str | None, declare: str
) -> Layout:
    """Return the layout of an array of that shape and dtype.

    Images are uint8 [N, H, W, C], [N, C, H, W] (C is 1 or 3) or [N, H, W], or float with the same shapes and a declared
    ``range``. Points are float [N, D]. Raises InputError for other arrays, UsageError for a wrong ``range``.
    ``declare`` is the text with which the user declares a range of ``{name}``.
    """
    # arrays that can hold no samples
    if range is not None:
        parse_range(range)
    if dtype.kind == "O":
        raise InputError(f"{name} holds Python objects, which are never loaded; save it as a uint8 array.")
    if not shape or 0 in shape:
        raise InputError(f"{name} has shape {list(shape)}, so it holds no samples.")
    # points: float [N, D]
    if len(shape) == 2 and dtype.kind == "f":
        if range is not None:
            raise UsageError(f"{name} holds points [N, D], not images, so leave out range={range}.")
        return Layout(name, "ND", None)
    # images: the range must be known from the dtype or be declared
    axes = _image_axes(name, shape)
    if dtype.kind == "f" and range is None:
        raise InputError(
            f"{name} holds images as {dtype}, whose range is not guessed; declare it with {declare.format(name=name)}, "
            "or save uint8."
        )
    if dtype.kind != "f" and dtype != np.uint8:
        raise InputError(
            f"{name} holds {dtype}; expected uint8 0..255 (if the values are 0..255, convert them with "
            ".astype('uint8'))."
        )
    if dtype == np.uint8 and range is not None:
        raise UsageError(f"{name} holds uint8, whose range is 0..255; leave out range={range}.")
    return Layout(name, axes, range)


def _image_axes(name: str, shape: tuple[int, ...]) -> Axes:
    expected = "expected [N, H, W, 3], [N, 3, H, W], [N, H, W, 1], [N, 1, H, W] or [N, H, W]"
    # three axes: gray images, unless the array looks like one colour image
    if len(shape) == 3:
        if shape[0] in (1, 3) or shape[2] in (1, 3, 4):
            raise InputError(
                f"{name} has shape {list(shape)}, which may be one image or several gray images; write x[None] for "
                "one, x[..., None] for several."
            )
        return "NHW"
    if len(shape) != 4:
        raise InputError(f"{name} has shape {list(shape)}; {expected}, or float points [N, D].")
    # four axes: the channel axis has 1 or 3 entries
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first and last:
        raise InputError(f"{name} has shape {list(shape)}, whose channel axis is ambiguous; {expected}.")
    if not first and not last:
        alpha = " (drop alpha with x[..., :3])" if shape[3] in (2, 4) else ""
        raise InputError(f"{name} has shape {list(shape)}, which has neither 1 nor 3 channels{alpha}; {expected}.")
    return "NCHW" if first else "NHWC"
