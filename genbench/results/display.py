"""How results, differences and leaderboards show themselves: one line in a terminal, a small table in a notebook."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from genbench.results.rounding import number_with_error

BAR_WIDTH, BAR_HEIGHT = 160, 16
"""Size of the small chart of a row, in pixels."""


class Interval(NamedTuple):
    """A number with the ends of its confidence interval, as the small chart draws them."""

    value: float
    low: float
    high: float


def number_text(value: float, error: float | None) -> str:
    """Return ``"12.3 ± 0.4"``, or the value alone without an error."""
    return " ".join(part for part in number_with_error(value, error) if part)


def html_table(
    caption: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    intervals: Sequence[Interval | None] = (),
    mark: float | None = None,
) -> str:
    """Return an HTML table of text cells; all text is escaped.

    With ``intervals``, one per row, a last column without a cell in ``rows`` is a small forest plot on one scale; None
    leaves a row empty.
    ``mark`` is a number at which a vertical line is drawn, as 0 for differences.
    """
    charts = _forest_cells(intervals, mark) if intervals else []
    # names are at the left, numbers at the right
    body = [
        "<tr>"
        + "".join(
            f'<td style="text-align:{"right" if i else "left"}">{escape(cell)}</td>' for i, cell in enumerate(row)
        )
        + (f"<td>{charts[index]}</td>" if charts else "")
        + "</tr>"
        for index, row in enumerate(rows)
    ]
    heads = "".join(f"<th>{escape(header)}</th>" for header in headers)
    return (
        f'<table><caption style="text-align:left">{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )


def _forest_cells(intervals: Sequence[Interval | None], mark: float | None) -> list[str]:
    """Return one SVG chart per row; all have the same scale."""
    # numbers that are not finite are not drawn
    drawn = [each for each in intervals if each is not None and all(map(math.isfinite, each))]
    numbers = [number for each in drawn for number in each] + ([] if mark is None else [mark])
    if not drawn:
        return [""] * len(intervals)
    low, high = min(numbers), max(numbers)
    unit = (BAR_WIDTH - 8) / ((high - low) or 1.0)
    return [_forest_cell(each, low, unit, mark) if each in drawn else "" for each in intervals]


def _forest_cell(interval: Interval | None, low: float, unit: float, mark: float | None) -> str:
    assert interval is not None
    value, left, right = (4 + (number - low) * unit for number in interval)
    middle = BAR_HEIGHT / 2
    # the colour of the text, so that it is seen in light and in dark notebooks
    shapes = [
        f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}" stroke="currentColor"/>',
        f'<circle cx="{value:.1f}" cy="{middle}" r="3" fill="currentColor"/>',
    ]
    if mark is not None:
        at = 4 + (mark - low) * unit
        line = (
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{BAR_HEIGHT}" stroke="currentColor" stroke-dasharray="2"/>'
        )
        shapes.insert(0, line)
    label = f"{interval.value:.4g}, 95 % interval {interval.low:.4g} to {interval.high:.4g}"
    return (
        f'<svg width="{BAR_WIDTH}" height="{BAR_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f"{''.join(shapes)}</svg>"
    )
