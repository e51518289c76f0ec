"""The page of an audit: ``audit.md`` and ``audit.html``, with the curve behind each cell."""

from __future__ import annotations

import math
from pathlib import Path

from markupsafe import Markup

from genbench.checks.audit.audit_text import blind_spots, score_label
from genbench.checks.audit.record import Audit, Cell, Curve
from genbench.files.atomic_write import atomic_write
from genbench.page.svg import Scale, chart, cloud, line, polyline, svg_text, tick_text, y_axis
from genbench.tables.jinja_templates import rendered

CURVE_WIDTH, CURVE_HEIGHT = 220.0, 110.0
"""Natural size of a curve in pixels."""
LEFT, RIGHT, TOP, BOTTOM = 44.0, 8.0, 16.0, 26.0
"""Margins of a curve in pixels."""


def write_audit(audit: Audit, folder: Path) -> list[Path]:
    """Write both pages to a folder, and return their paths. Raises InputError if the folder cannot be written."""
    # both templates get the same values
    values = {"audit": audit, "label": score_label, "blind": blind_spots, "charts": cell_charts}
    written = []
    for name in ("audit.md", "audit.html"):
        path = folder / name
        with atomic_write(path) as temporary:
            temporary.write_text(rendered("genbench.page", name, **values), encoding="utf-8", newline="\n")
        written.append(path)
    return written


def cell_charts(cell: Cell) -> Markup:
    """Return the curves of a cell as SVG, one after the other."""
    return Markup("").join(curve_chart(curve) for curve in cell.curves)


def curve_chart(curve: Curve) -> Markup:
    """Return one curve: the mean over repeats at each point of the grid, with its standard error as a bar."""
    known = [
        (place, value, error or 0.0)
        for place, (value, error) in enumerate(zip(curve.values, curve.errors, strict=True))
        if value is not None
    ]
    # the points of the grid are equally far apart, because grids are often logarithmic
    x = Scale(0, max(1, len(curve.x) - 1), LEFT, CURVE_WIDTH - RIGHT)
    ends = [value + sign * error for _, value, error in known for sign in (-1, 1)]
    y = Scale.over(ends, CURVE_HEIGHT - BOTTOM, TOP)
    parts = [svg_text(LEFT, 10, curve.case, "axis"), y_axis(_few_ticks(y), LEFT, CURVE_WIDTH - RIGHT)]
    # names of the first, the middle and the last point
    parts += [
        svg_text(x(place), CURVE_HEIGHT - 12, tick_text(curve.x[place]), "tick", anchor="middle")
        for place in sorted({0, len(curve.x) // 2, len(curve.x) - 1})
    ]
    parts.append(svg_text((LEFT + CURVE_WIDTH) / 2, CURVE_HEIGHT - 2, curve.axis, "tick", anchor="middle"))
    # errors below the curve, and the points above it
    parts += [line(x(place), y(value - error), x(place), y(value + error), "bar") for place, value, error in known]
    parts.append(polyline([(x(place), y(value)) for place, value, _ in known], "curve") if len(known) > 1 else "")
    parts.append(cloud([(x(place), y(value)) for place, value, _ in known], "points"))
    words = f"{curve.case}: the score from {_text_of(curve.values[0])} to {_text_of(curve.values[-1])}"
    return chart(CURVE_WIDTH, CURVE_HEIGHT, parts, label=words, css="small")


def _text_of(value: float | None) -> str:
    return "unknown" if value is None or not math.isfinite(value) else f"{value:.3g}"


class _FewTicks(Scale):
    """A scale with at most three intervals between its ticks."""

    def ticks(self, count: int = 3) -> list[float]:
        return super().ticks(count)


def _few_ticks(scale: Scale) -> Scale:
    return _FewTicks(scale.low, scale.high, scale.start, scale.stop, scale.log)
