"""The layouts of arrays that hold images or points, and the conversion of their rows to a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from genbench.array_types import Array, Bool
from genbench.errors import InputError, UsageError
from genbench.plugs.point_precision import lost_digits
from genbench.plugs.value_range import parse_range

Axes = Literal["NHWC", "NCHW", "NHW", "ND"]

VOLUMES = "volumes [N, D, H, W] need slices=axial or slices=three"
"""Advice about arrays that are no images."""


@dataclass(frozen=True)
class Layout:
    """How to read the rows of an array."""

    name: str
    """Name of the array, for messages."""
    axes: Axes
    range: str | None
    """The range of the values of images; None for uint8 images of 0..255 and for points."""
    declare: str = ""
    """The text with which the user declares another ``{range}`` of ``{name}``."""

    def __str__(self) -> str:
        return f"{self.axes} {self.range or ''}"

    def data(self, rows: Array, first: int = 0) -> Array:
        """Return a copy of the rows as Batch.data: uint8 [N, 3, H, W] or float32 [N, D]; gray is replicated.

        Images of a declared range become ``round((x - low) / (high - low) * 255)``. Raises InputError for NaN and for
        values outside of the declared range; the message names the row, where ``first`` is the number of the first row.
        """
        if self.axes == "ND":
            return self._finite_float32(rows, first)
        levels = rows if self.range is None else self._to_uint8(rows, first)
        # bring the channels to the second axis and make three of one
        if self.axes == "NHW":
            levels = levels[:, None]
        elif self.axes == "NHWC":
            levels = levels.transpose(0, 3, 1, 2)
        shape = (len(levels), 3, *levels.shape[2:])
        return np.array(np.broadcast_to(levels, shape), dtype=np.uint8, order="C")

    def refuse_unlikely_range(self, dtype: np.dtype[np.generic], least: float, most: float) -> None:
        """Raise InputError if images with values from ``least`` to ``most`` cannot have this range.

        Values of 0 and 1 would be black in 0..255, and 0..1 in -1..1 would have no dark pixels. Less clear cases are
        told later, from the levels of all decoded images. A declared range of uint8 or bool is taken as it is.
        """
        if self.axes == "ND" or dtype == np.bool_ or (dtype == np.uint8 and self.range is not None):
            return
        low, high = parse_range(self.range or "0..255")
        likely = likely_range(least, most)
        brightest, darkest = ((value - low) / (high - low) for value in (most, least))
        # the middle of the range is the darkest value, and the brightest is far from it
        bright_only = low == -high and 0.5 <= darkest < 0.505 and brightest > 0.75
        # all values are the two lowest of 256 levels
        dark_only = least < most and brightest * 255 < 1.5
        if parse_range(likely) != (low, high) and (bright_only or dark_only):
            keep = ", or range=0..255 if it is right" if dtype == np.uint8 else ""
            raise InputError(
                f"{self.name} holds values from {least:g} to {most:g}, so in the range {low:g}..{high:g} its images "
                f"are {'brighter than mid-gray' if bright_only else 'nearly black'}; declare "
                f"{self.declare.format(name=self.name, range=likely)}{keep}."
            )

    def _finite_float32(self, rows: Array, first: int) -> Array:
        # a float64 that overflows float32 becomes infinite and is refused
        with np.errstate(over="ignore"):
            points = np.array(rows, dtype=np.float32)
        self._refuse(~np.isfinite(points), rows, first, "points must be finite; correct the samples")
        # points that are far from 0 would lose their differences
        lost = lost_digits(rows, points)
        if lost:
            raise InputError(f"{self.name} holds {rows.dtype} {lost}.")
        return points

    def _to_uint8(self, rows: Array, first: int) -> Array:
        # scale to 0..255 in float64, so that float16 and float32 images round alike
        low, high = parse_range(str(self.range))
        levels = (np.asarray(rows, np.float64) - low) * (255 / (high - low))
        # a value that rounds to 0..255 is in the range, because 1.0000001 is only a rounding error
        wrong = ~((levels >= -0.5) & (levels < 255.5))
        self._refuse(wrong, rows, first, f"the declared range is {self.range}; correct the range or the samples")
        return np.rint(levels).astype(np.uint8)

    def _refuse(self, wrong: Bool, rows: Array, first: int, rule: str) -> None:
        if not wrong.any():
            return
        # name the first wrong value
        index = np.unravel_index(int(wrong.argmax()), wrong.shape)
        value = "NaN" if np.isnan(rows[index]) else f"{rows[index]:g}"
        raise InputError(f"{self.name} holds {value} in row {first + int(index[0])}, but {rule}.")


def layout_of(
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
    *,
    range: str | None,
    declare: str,
    first_rows: Callable[[], Array],
) -> Layout:
    """Return the layout of an array of that shape and dtype.

    Images are uint8 [N, H, W, C], [N, C, H, W] (C is 1 or 3) or [N, H, W]; bool with the same shapes, where True is
    white; or other numbers with the same shapes and a declared ``range``. Points are float [N, D]. Raises InputError
    for other arrays, UsageError for a wrong ``range``. ``declare`` is the text with which the user declares a
    ``{range}`` of ``{name}``. ``first_rows`` returns some rows, whose values are named if the range is missing.
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
    if dtype.kind not in "biuf":
        raise InputError(f"{name} holds {dtype}; expected images as uint8 0..255 or as other numbers.")
    if dtype == np.bool_:
        range = range or "0..1"
    elif dtype != np.uint8 and range is None:
        least, most = extremes(first_rows())
        if not np.isfinite([least, most]).all():
            raise InputError(f"{name} holds NaN or infinity; leave such samples out, or mend what wrote them.")
        # the embeddings of the parts of a text or a sound look like gray images
        parts = "; if they are embeddings of parts [N, T, D], give their means x.mean(axis=1)" if axes == "NHW" else ""
        raise InputError(
            f"{name} holds images as {dtype} with values from {least:g} to {most:g}, whose range is not guessed; "
            f"declare it with {declare.format(name=name, range=likely_range(least, most))}, or save uint8{parts}."
        )
    return Layout(name, axes, range, declare)


def extremes(rows: Array) -> tuple[float, float]:
    """Return the smallest and the largest value; NaN if one of them is."""
    return float(rows.min()), float(rows.max())


def likely_range(least: float, most: float) -> str:
    """Return the range that images with these smallest and largest values probably have, as ``LOW..HIGH``."""
    # common ranges, with room for rounding errors
    common = ((0, 1), (-1, 1), (0, 255), (0, 4095), (0, 65535))
    for low, high in common:
        if low - 0.01 <= least and most <= high + 0.01:
            return f"{low}..{high}"
    # NaN and infinity are reported when the values are converted
    if not math.isfinite(most - least):
        return "0..1"
    return f"{math.floor(least)}..{math.ceil(most)}"


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
        volumes = f"; {VOLUMES}" if len(shape) == 5 else ""
        raise InputError(f"{name} has shape {list(shape)}; {expected}, or float points [N, D]{volumes}.")
    # four axes: the channel axis has 1 or 3 entries
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first and last:
        raise InputError(f"{name} has shape {list(shape)}, whose channel axis is ambiguous; {expected}.")
    if not first and not last:
        alpha = " (drop alpha with x[..., :3])" if shape[3] in (2, 4) else ""
        raise InputError(
            f"{name} has shape {list(shape)}, which has neither 1 nor 3 channels{alpha}; {expected}; {VOLUMES}."
        )
    return "NCHW" if first else "NHWC"
