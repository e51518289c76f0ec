"""The charts of the page that compare samplers: forest plots, precision against recall, and training curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from genbench.comparison.leaderboard import Standing
from genbench.page.svg import Scale, box, chart, dot, line, polyline, spans_decades, text, tick_text, x_axis, y_axis
from genbench.tables.numbers import ARROWS, number_with_error

WIDTH = 340.0
"""Of every chart, in pixels at its natural size: it fits a phone."""

NAME = 100.0
"""Where the names of a forest plot end and its scale begins."""


class Measured(NamedTuple):
    """A standing, with the value of each training seed."""

    standing: Standing
    values: Sequence[float]


def forest(metric: str, rows: Sequence[Measured]) -> Markup:
    """Draw a metric of all samplers: each seed, their mean, its sampling interval, and the spread over seeds."""
    ends = [end for row in rows for end in (*_interval(row.standing), *_spread(row.standing), *row.values)]
    # an interval may reach below 0 where the means are decades apart: then it is cut at the lower end of the scale
    log = spans_decades([row.standing.mean for row in rows])
    if log:
        floor = min(row.standing.mean for row in rows) / 3
        ends = [max(end, floor) for end in ends]
    scale = Scale.over(ends, NAME + 8, WIDTH - 8, log=log)
    bottom = 8 + 22.0 * len(rows)
    parts = [x_axis(scale, 4, bottom)]
    for at, row in enumerate(rows):
        y = 8 + 22 * at + 11
        parts.append(text(NAME, y + 3.5, _clipped(row.standing.name, 16), "name", anchor="end"))
        low, high = (scale(end) for end in _interval(row.standing))
        parts.append(box(low, y - 4.5, high - low, 9, "sampling"))
        left, right = (scale(end) for end in _spread(row.standing))
        if right > left:
            parts += [line(left, y, right, y, "spread"), line(left, y - 3, left, y + 3, "spread"),
                      line(right, y - 3, right, y + 3, "spread")]  # fmt: skip
        if len(row.values) > 1:
            parts += [dot(scale(value), y, 2, "seed", title=tick_text(float(f"{value:.5g}"))) for value in row.values]
        parts.append(line(scale(row.standing.mean), y - 6, scale(row.standing.mean), y + 6, "mean"))
    said = "; ".join(f"{row.standing.name} {_said(row.standing)}" for row in rows)
    return chart(WIDTH, bottom + 18, parts, label=f"{metric} {ARROWS[rows[0].standing.better]}: {said}")


def precision_recall(rows: Mapping[str, tuple[Standing, Standing]]) -> Markup:
    """Draw precision against recall, with the spread over seeds or the sampling error of either."""
    top = max([1.0, *(end for pair in rows.values() for one in pair for end in _reach(one))])
    across, up = Scale(0, top, 40, WIDTH - 12), Scale(0, top, WIDTH - 70, 10)
    parts = [x_axis(across, 10, WIDTH - 70, label="recall"), y_axis(up, 40, WIDTH - 12)]
    parts.append(f'<text class="axis" transform="translate(11 {up(top / 2):.0f}) rotate(-90)" '
                 'text-anchor="middle">precision</text>')  # fmt: skip
    taken: list[tuple[float, float]] = []
    for name, (precision, recall) in rows.items():
        x, y = across(recall.mean), up(precision.mean)
        (left, right), (low, high) = _reach(recall), _reach(precision)
        parts += [line(across(left), y, across(right), y, "spread"), line(x, up(low), x, up(high), "spread")]
        parts.append(dot(x, y, 3.5, "point", title=f"{name}: precision {_said(precision)}, recall {_said(recall)}"))
        side = -6 if x > WIDTH - 90 else 6
        label = _free(taken, x + side, y - 5)
        parts.append(text(x + side, label, _clipped(name, 16), "name", anchor="end" if side < 0 else "start"))
    said = "; ".join(f"{name} {_said(pair[0])} and {_said(pair[1])}" for name, pair in rows.items())
    return chart(WIDTH, WIDTH - 40, parts, label=f"precision and recall: {said}", css="wide")


def curves(name: str, quantity: str, histories: Mapping[int, Sequence[Mapping[str, Any]]], chosen: Mapping[int, int]
           ) -> Markup:  # fmt: skip
    """Draw what was watched in training, a line a seed, with the chosen checkpoints as dots."""
    series = {
        seed: [(float(entry["step"]), float(entry[quantity])) for entry in history if _finite(entry.get(quantity))]
        for seed, history in histories.items()
    }
    points = [point for found in series.values() for point in found]
    values = [value for _, value in points]
    across = Scale.over([0, *(step for step, _ in points)], 46, WIDTH - 10, margin=0.02)
    up = Scale.over(values, 112, 8, log=spans_decades(values, 10))
    parts = [x_axis(across, 8, 112), y_axis(up, 46, WIDTH - 10)]
    for number, (seed, found) in enumerate(series.items()):
        if not found:
            continue
        parts.append(polyline([(across(step), up(value)) for step, value in found], f"curve curve-{number % 3}"))
        best = dict(found).get(float(chosen.get(seed, -1)))
        if best is not None:
            parts.append(dot(across(chosen[seed]), up(best), 4, "chosen", title=f"seed {seed}: step {chosen[seed]:,}"))
    marked = ", ".join(f"step {step:,} of seed {seed}" for seed, step in chosen.items())
    return chart(WIDTH, 130, parts, label=f"{quantity} of {name} over training steps; chosen: {marked or 'none'}")


def _interval(standing: Standing) -> tuple[float, float]:
    reach = 1.96 * (standing.error or 0.0)
    return standing.mean - reach, standing.mean + reach


def _spread(standing: Standing) -> tuple[float, float]:
    reach = standing.spread or 0.0
    return standing.mean - reach, standing.mean + reach


def _reach(standing: Standing) -> tuple[float, float]:
    reach = standing.spread if standing.spread is not None else standing.error or 0.0
    return max(standing.mean - reach, 0.0), standing.mean + reach


def _said(standing: Standing) -> str:
    return " ".join(number_with_error(standing.mean, standing.spread or standing.error)).rstrip()


def _clipped(name: str, letters: int) -> str:
    return name if len(name) <= letters else name[: letters - 1] + "…"


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _free(taken: list[tuple[float, float]], x: float, y: float) -> float:
    """Return a height for a label at which it does not lie on another."""
    y = max(y, 14)
    while any(abs(x - other) < 90 and abs(y - height) < 11 for other, height in taken):
        y += 11
    taken.append((x, y))
    return y
