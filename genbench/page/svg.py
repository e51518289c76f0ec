"""The pieces of a chart: scales, ticks and marks as SVG text. Colours are CSS variables; the same data give the same
bytes on every machine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


@dataclass(frozen=True)
class Scale:
    """Maps numbers from ``low``..``high`` to ``start``..``stop`` in pixels, linearly or by logarithm."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    @staticmethod
    def over(values: Iterable[float], start: float, stop: float, *, log: bool = False, margin: float = 0.04) -> Scale:
        """Return the scale that holds all finite values, with a margin on both ends."""
        finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
        low, high = min(finite, default=0.0 if not log else 0.1), max(finite, default=1.0)
        if log:
            low, high = math.log10(low), math.log10(high)
        gap = (high - low) * margin or (abs(high) or 1.0) * 0.1
        low, high = low - gap, high + gap
        return Scale(10**low, 10**high, start, stop, True) if log else Scale(low, high, start, stop)

    def __call__(self, value: float) -> float:
        """Return the place of a value; one beyond an end lies on the end."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Return some round numbers within the scale."""
        return _decades(self.low, self.high, count) if self.log else _round(self.low, self.high, count)


def spans_decades(values: Iterable[float], ratio: float = 30) -> bool:
    """Whether values are all positive and so far apart that a logarithmic scale shows them better."""
    found = [value for value in values if math.isfinite(value)]
    return bool(found) and min(found) > 0 and max(found) / min(found) > ratio


def tick_text(value: float) -> str:
    """Write a tick as short as it can be."""
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        mantissa, _, exponent = f"{value:.0e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.6g}".replace("-", "−")


def chart(width: float, height: float, parts: Iterable[str], *, label: str, css: str = "") -> Markup:
    """Return a whole ``<svg>`` with what it shows in words."""
    inner = "".join(parts)
    return Markup(
        f'<svg class="chart {css}" viewBox="0 0 {number(width)} {number(height)}" role="img" '
        f'aria-label="{escape(label)}" style="max-width:{number(width * 1.35)}px">{inner}</svg>'
    )


def x_axis(scale: Scale, top: float, bottom: float, *, label: str = "") -> str:
    """Return ticks below and grid lines across; ``label`` names the axis."""
    parts = []
    for value in scale.ticks():
        x = scale(value)
        parts.append(line(x, top, x, bottom, "grid"))
        parts.append(text(x, bottom + 12, tick_text(value), "tick", anchor="middle"))
    if label:
        parts.append(text((scale.start + scale.stop) / 2, bottom + 25, label, "axis", anchor="middle"))
    return "".join(parts)


def y_axis(scale: Scale, left: float, right: float) -> str:
    """Return ticks at the left and grid lines across."""
    parts = []
    for value in scale.ticks():
        y = scale(value)
        parts.append(line(left, y, right, y, "grid"))
        parts.append(text(left - 4, y + 3.5, tick_text(value), "tick", anchor="end"))
    return "".join(parts)


def text(x: float, y: float, words: str, css: str = "", *, anchor: str = "start") -> str:
    """Return escaped words."""
    return f'<text x="{number(x)}" y="{number(y)}" class="{css}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """Return a straight line."""
    return f'<path class="{css}" d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"/>'


def polyline(points: Sequence[tuple[float, float]], css: str) -> str:
    """Return a line through points."""
    places = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return f'<path class="{css}" d="M{places}"/>'


def box(x: float, y: float, width: float, height: float, css: str) -> str:
    """Return a rectangle."""
    return (
        f'<rect class="{css}" x="{number(x)}" y="{number(y)}" width="{number(max(width, 0))}" '
        f'height="{number(max(height, 0))}"/>'
    )


def dot(x: float, y: float, radius: float, css: str, *, title: str = "") -> str:
    """Return a circle; ``title`` is shown on pointing at it."""
    inner = f"<title>{escape(title)}</title>" if title else ""
    return f'<circle class="{css}" cx="{number(x)}" cy="{number(y)}" r="{number(radius)}">{inner}</circle>'


def cloud(points: Iterable[tuple[float, float]], css: str) -> str:
    """Return many small dots as one path: a thousand of them take ten kilobytes."""
    places = "".join(f"M{number(x)} {number(y)}h0" for x, y in points)
    return f'<path class="{css}" d="{places}"/>' if places else ""


def number(value: float) -> str:
    """Write a coordinate to a tenth of a pixel."""
    written = f"{value:.1f}".removesuffix(".0")
    return "0" if written == "-0" else written


def _round(low: float, high: float, count: int) -> list[float]:
    raw = (high - low) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= raw)
    first = math.ceil(low / step)
    return [index * step for index in range(first, math.floor(high / step) + 1)]


def _decades(low: float, high: float, count: int) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(found) <= count:
            return found
    return found[:: -(-len(found) // count)]
