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
    scales: Sequence[str] = (),
    mark: float | None = None,
) -> str:
    """Return an HTML table of text cells; all text is escaped.

    With ``intervals``, one per row, a last column without a cell in ``rows`` is a small forest plot; None leaves a row
    empty. The plots have one scale, or one for each name in ``scales``, which has one name per row.
    ``mark`` is a number at which a vertical line is drawn, as 0 for differences.
    """
    charts = _forest_cells(intervals, scales or [""] * len(intervals), mark)
    body = [
        f"<tr>{_cells('td', row)}{f'<td>{charts[index]}</td>' if charts else ''}</tr>" for index, row in enumerate(rows)
    ]
    title = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    return f"<table>{title}<thead><tr>{_cells('th', headers)}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _cells(tag: str, texts: Sequence[str]) -> str:
    # the name is at the left, all else at the right, also in the head
    return "".join(
        f'<{tag} style="text-align:{"right" if index else "left"}">{escape(text)}</{tag}>'
        for index, text in enumerate(texts)
    )


def _forest_cells(intervals: Sequence[Interval | None], scales: Sequence[str], mark: float | None) -> list[str]:
    """Return one SVG chart per row."""
    # numbers that are not finite are not drawn
    rows = list(zip(intervals, scales, strict=True))
    drawn = [(each, scale) for each, scale in rows if each is not None and all(map(math.isfinite, each))]
    origins: dict[str, tuple[float, float]] = {}
    for scale in {scale for _, scale in drawn}:
        numbers = [number for each, of in drawn if of == scale for number in each] + ([] if mark is None else [mark])
        low, high = min(numbers), max(numbers)
        origins[scale] = low, (BAR_WIDTH - 8) / ((high - low) or 1.0)
    return [_forest_cell(row[0], *origins[row[1]], mark) if row in drawn else "" for row in rows]


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
