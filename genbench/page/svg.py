"""Parts of a chart as SVG text: scales, axes and marks.

Colours are CSS variables. The same data give the same bytes on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from genbench.tables.escapes import markup_safe

ZERO_GAP = 22.0
"""Distance between the place of zero and the beginning of a logarithmic scale, in pixels."""

EXTREME = 1e100
"""Numbers beyond this one, and positive numbers below its inverse on a logarithmic scale, do not widen a scale."""


@dataclass(frozen=True)
class Scale:
    """Map numbers from ``low``..``high`` to ``start``..``stop`` in pixels, on a linear or logarithmic scale."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False
    zero: float | None = None
    """Position of numbers that are not positive, outside of the logarithmic scale; None if there are none."""

    @staticmethod
    def over(values: Iterable[float], start: float, stop: float, *, log: bool = False, margin: float = 0.04) -> Scale:
        """Return the scale that contains all values, except extreme ones, with a margin at both ends."""
        values = list(values)
        # a logarithmic scale has no zero: it gets a place of its own, before the scale begins
        zero = start if log and any(value <= 0 for value in values) else None
        start += 0 if zero is None else math.copysign(ZERO_GAP, stop - start)
        # NaN and infinity fail the comparison
        finite = [0.0 if abs(value) < 1 / EXTREME else value for value in values if abs(value) <= EXTREME]
        finite = [value for value in finite if value > 0 or not log]
        low, high = min(finite, default=0.0 if not log else 0.1), max(finite, default=1.0)
        # on a logarithmic scale the margin is a share of the exponents
        if log:
            low, high = math.log10(low), math.log10(high)
        # a single value gets a scale around it
        gap = (high - low) * margin or (abs(high) or 1.0) * 0.1
        low, high = low - gap, high + gap
        return Scale(10**low, 10**high, start, stop, True, zero) if log else Scale(low, high, start, stop)

    def __call__(self, value: float) -> float:
        """Return the position of a value in pixels. Values beyond an end are drawn at the end."""
        if self.zero is not None and value <= 0:
            return self.zero
        # nothing is drawn outside the chart
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Return about ``count`` round numbers within the scale."""
        return _log_ticks(self.low, self.high, count) if self.log else _round_ticks(self.low, self.high, count)


def spans_decades(values: Iterable[float], ratio: float = 30) -> bool:
    """Whether all values are positive and the largest is more than ``ratio`` times the smallest: use a log scale."""
    finite = [value for value in values if abs(value) <= EXTREME]
    return bool(finite) and min(finite) >= 1 / EXTREME and max(finite) / min(finite) > ratio


def tick_text(value: float) -> str:
    """Return the shortest text of a tick."""
    # very small and very large numbers as 2e-5
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        mantissa, _, exponent = f"{value:.0e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.6g}".replace("-", "−")


def chart(width: float, height: float, parts: Iterable[str], *, label: str, css: str = "") -> Markup:
    """Return a complete ``<svg>``; ``label`` describes it in words for screen readers."""
    # the chart grows with its column, up to 1.35 times its natural size
    inner = "".join(parts)
    return Markup(
        f'<svg class="chart {css}" viewBox="0 0 {number(width)} {number(height)}" role="img" '
        f'aria-label="{markup_safe(label)}" style="max-width:{number(width * 1.35)}px">{inner}</svg>'
    )


def x_axis(scale: Scale, top: float, bottom: float, *, label: str = "") -> str:
    """Return vertical grid lines with ticks below them; ``label`` names the axis."""
    parts = []
    # grid lines are drawn first, so they lie below the data
    for value in scale.ticks():
        x = scale(value)
        parts.append(line(x, top, x, bottom, "grid"))
        parts.append(svg_text(x, bottom + 12, tick_text(value), "tick", anchor="middle"))
    if scale.zero is not None:
        parts.append(line(scale.zero, top, scale.zero, bottom, "grid apart"))
        parts.append(svg_text(scale.zero, bottom + 12, "≤ 0", "tick", anchor="middle"))
    if label:
        parts.append(svg_text((scale.start + scale.stop) / 2, bottom + 25, label, "axis", anchor="middle"))
    return "".join(parts)


def y_axis(scale: Scale, left: float, right: float) -> str:
    """Return horizontal grid lines with ticks at the left."""
    parts = []
    for value in scale.ticks():
        y = scale(value)
        parts.append(line(left, y, right, y, "grid"))
        parts.append(svg_text(left - 4, y + 3.5, tick_text(value), "tick", anchor="end"))
    return "".join(parts)


def svg_text(x: float, y: float, words: str, css: str = "", *, anchor: str = "start") -> str:
    """Return escaped text."""
    return f'<text x="{number(x)}" y="{number(y)}" class="{css}" text-anchor="{anchor}">{markup_safe(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """Return a straight line."""
    return f'<path class="{css}" d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"/>'


def polyline(points: Sequence[tuple[float, float]], css: str) -> str:
    """Return a line through several points."""
    path = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return f'<path class="{css}" d="M{path}"/>'


def box(x: float, y: float, width: float, height: float, css: str) -> str:
    """Return a rectangle."""
    return (
        f'<rect class="{css}" x="{number(x)}" y="{number(y)}" width="{number(max(width, 0))}" '
        f'height="{number(max(height, 0))}"/>'
    )


def dot(x: float, y: float, radius: float, css: str, *, title: str = "") -> str:
    """Return a circle; ``title`` appears when the pointer is over it."""
    # browsers show a title element as a tooltip
    inner = f"<title>{markup_safe(title)}</title>" if title else ""
    return f'<circle class="{css}" cx="{number(x)}" cy="{number(y)}" r="{number(radius)}">{inner}</circle>'


def cloud(points: Iterable[tuple[float, float]], css: str) -> str:
    """Return many small dots as one path; a thousand dots take ten kilobytes."""
    # a line of length 0 with round ends is drawn as a dot
    path = "".join(f"M{number(x)} {number(y)}h0" for x, y in points)
    return f'<path class="{css}" d="{path}"/>' if path else ""


def number(value: float) -> str:
    """Return a coordinate rounded to a tenth of a pixel."""
    rounded = f"{value:.1f}".removesuffix(".0")
    return "0" if rounded == "-0" else rounded


def _round_ticks(low: float, high: float, count: int) -> list[float]:
    # the smallest step of 1, 2, 5 or 10 times a power of ten that gives no more than ``count`` intervals
    raw = (high - low) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= raw)
    first = math.ceil(low / step)
    return [index * step for index in range(first, math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float, count: int) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    # fewer ticks in each decade until they fit; in the end only every n-th power of ten
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(ticks) <= count:
            return ticks
    return ticks[:: -(-len(ticks) // count)]
