"""Charts that compare samplers: forest plots, ratios of panels, precision against recall, and training curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from genbench.comparison.leaderboard import Standing
from genbench.comparison.panel_ratios import PanelRatios
from genbench.page.svg import (
    EXTREME,
    Scale,
    box,
    chart,
    dot,
    line,
    polyline,
    spans_decades,
    svg_text,
    tick_text,
    x_axis,
    y_axis,
)
from genbench.runs.history import History
from genbench.tables.leaderboard_table import MARK
from genbench.tables.numbers import ARROWS, number_with_error

CHART_WIDTH = 340.0
"""Natural width of every chart in pixels; it fits a phone."""

NAME_WIDTH = 100.0
"""Width of the names at the left of a forest plot, in pixels."""


class ForestRow(NamedTuple):
    """One sampler of a forest plot."""

    standing: Standing
    values: Sequence[float]
    """The value of each training seed."""


def forest(metric: str, rows: Sequence[ForestRow]) -> Markup:
    """Draw one metric of all samplers: every seed, the mean, its 95 % sampling interval, and the spread over seeds.

    A sampler whose mean is not finite has a name and no marks.
    """
    ends = [end for row in rows for end in (*_interval(row.standing), *_spread(row.standing), *row.values)]
    # on a log scale, an interval that reaches below 0 is cut at the lower end of the scale
    log = spans_decades([row.standing.mean for row in rows])
    if log:
        floor = min(row.standing.mean for row in rows if math.isfinite(row.standing.mean)) / 3
        ends = [max(end, floor) for end in ends]
    scale = Scale.over(ends, NAME_WIDTH + 8, CHART_WIDTH - 8, log=log)
    # every row is 22 pixels high
    bottom = 8 + 22.0 * len(rows)
    parts = [x_axis(scale, 4, bottom)]
    for index, row in enumerate(rows):
        y = 8 + 22 * index + 11
        parts.append(svg_text(NAME_WIDTH, y + 3.5, _clipped(row.standing.name, 16), "name", anchor="end"))
        if not math.isfinite(row.standing.mean):
            parts.append(svg_text(NAME_WIDTH + 8, y + 3.5, str(row.standing.mean), "tick"))
            continue
        # the sampling interval as a box, the spread over seeds as a line with two ends
        low, high = (scale(end) for end in _interval(row.standing))
        parts.append(box(low, y - 4.5, high - low, 9, "sampling"))
        left, right = (scale(end) for end in _spread(row.standing))
        if right > left:
            parts += [line(left, y, right, y, "spread"), line(left, y - 3, left, y + 3, "spread"),
                      line(right, y - 3, right, y + 3, "spread")]  # fmt: skip
        # a single seed coincides with the mean
        finite = [value for value in row.values if math.isfinite(value)]
        if len(row.values) > 1:
            parts += [dot(scale(value), y, 2, "seed", title=tick_text(float(f"{value:.5g}"))) for value in finite]
        parts.append(line(scale(row.standing.mean), y - 6, scale(row.standing.mean), y + 6, "mean"))
    # screen readers get every value
    values = "; ".join(f"{row.standing.name} {_in_words(row.standing)}" for row in rows)
    return chart(CHART_WIDTH, bottom + 18, parts, label=f"{metric} {ARROWS[rows[0].standing.better]}: {values}")


def panel_scale(panels: Sequence[PanelRatios]) -> Scale:
    """Return the logarithmic scale that contains 1 and the intervals of the ratios of all subjects of a panel."""
    # an interval that is very wide is cut
    values = [float(value) for ratios in panels for value in ratios.values]
    low, high = min([1.0, *values]) / 3, max([1.0, *values]) * 3
    ends = [min(max(float(end), low), high) for ratios in panels for end in ratios.intervals.flat]
    return Scale.over([1.0, *ends], 10, CHART_WIDTH - 10, log=True)


def panel_dots(name: str, ratios: PanelRatios, scale: Scale) -> Markup:
    """Draw the ratios of one subject: a dot and a 95 % interval for each encoder, and a line at 1, real samples.

    The encoder that the subject looks optimised for has an orange dot, and its number has the mark of the table.
    """
    # the name of an encoder may be long, so it stands above its track, and the number at the right
    suspect, ticks = ratios.optimised_for, scale.ticks()
    bottom = 4 + 31.0 * len(ratios.extractors)
    parts = [svg_text(scale(tick), bottom + 12, tick_text(tick), "tick", anchor="middle") for tick in ticks]
    words = []
    for index, (extractor, value, ends) in enumerate(
        zip(ratios.extractors, ratios.values.tolist(), ratios.intervals.tolist(), strict=True)
    ):
        y = 4 + 31 * index + 22
        number, marked = f"{value:.3g}", extractor == suspect
        parts.append(svg_text(10, y - 10, _clipped(extractor, 46), "name"))
        parts.append(svg_text(CHART_WIDTH - 10, y - 10, f"{number} {MARK}" if marked else number, "name", anchor="end"))
        # the lines of the grid leave the names free
        parts += [line(scale(tick), y - 7, scale(tick), y + 7, "grid") for tick in ticks]
        low, high = map(scale, ends)
        parts += [box(low, y - 4.5, high - low, 9, "sampling"), line(scale(1), y - 7, scale(1), y + 7, "mean")]
        title = f"{extractor}: {number} ({ends[0]:.3g} to {ends[1]:.3g})"
        parts.append(dot(scale(value), y, 4, "chosen" if marked else "point", title=title))
        words.append(title + (", suspiciously low" if marked else ""))
    return chart(CHART_WIDTH, bottom + 18, parts, label=f"{ratios.score} of {name}: {'; '.join(words)}")


def precision_against_recall(rows: Mapping[str, tuple[Standing, Standing]]) -> Markup:
    """Draw precision (first) against recall (second) of each sampler, with the spread over seeds or the error."""
    rows = {name: pair for name, pair in rows.items() if all(math.isfinite(each.mean) for each in pair)}
    # both axes from 0 to 1, or further if an error bar needs it
    ends = [end for pair in rows.values() for standing in pair for end in _reach(standing)]
    top = max([1.0, *(end for end in ends if end <= EXTREME)])
    across, up = Scale(0, top, 40, CHART_WIDTH - 12), Scale(0, top, CHART_WIDTH - 70, 10)
    parts = [x_axis(across, 10, CHART_WIDTH - 70, label="recall"), y_axis(up, 40, CHART_WIDTH - 12)]
    parts.append(f'<text class="axis" transform="translate(11 {up(top / 2):.0f}) rotate(-90)" '
                 'text-anchor="middle">precision</text>')  # fmt: skip
    # the places of the labels so far, so that no two overlap
    labels: list[tuple[float, float]] = []
    for name, (precision, recall) in rows.items():
        x, y = across(recall.mean), up(precision.mean)
        (left, right), (low, high) = _reach(recall), _reach(precision)
        parts += [line(across(left), y, across(right), y, "spread"), line(x, up(low), x, up(high), "spread")]
        title = f"{name}: precision {_in_words(precision)}, recall {_in_words(recall)}"
        parts.append(dot(x, y, 3.5, "point", title=title))
        # near the right edge the label stands at the left of the dot
        side = -6 if x > CHART_WIDTH - 90 else 6
        height = _free_height(labels, x + side, y - 5)
        parts.append(svg_text(x + side, height, _clipped(name, 16), "name", anchor="end" if side < 0 else "start"))
    values = "; ".join(f"{name} {_in_words(pair[0])} and {_in_words(pair[1])}" for name, pair in rows.items())
    return chart(CHART_WIDTH, CHART_WIDTH - 40, parts, label=f"precision and recall: {values}", css="wide")


def training_curves(name: str, quantity: str, histories: Mapping[int, History], chosen: Mapping[int, int]) -> Markup:
    """Draw a watched quantity over the training steps, one line for each seed, with dots at the chosen checkpoints."""
    # the points of each seed, without values that are not finite
    series = {
        seed: [
            (float(watched.step), float(value))
            for watched in history.steps
            if (value := watched.quantities.get(quantity)) is not None and math.isfinite(value)
        ]
        for seed, history in histories.items()
    }
    points = [point for line_points in series.values() for point in line_points]
    values = [value for _, value in points]
    # all seeds share the scales; losses that span a decade get a logarithmic one
    across = Scale.over([0, *(step for step, _ in points)], 46, CHART_WIDTH - 10, margin=0.02)
    up = Scale.over(values, 112, 8, log=spans_decades(values, 10))
    parts = [x_axis(across, 8, 112), y_axis(up, 46, CHART_WIDTH - 10)]
    for number, (seed, line_points) in enumerate(series.items()):
        if not line_points:
            continue
        parts.append(polyline([(across(step), up(value)) for step, value in line_points], f"curve curve-{number % 3}"))
        # a dot at the chosen checkpoint, if this quantity was watched there
        best = dict(line_points).get(float(chosen.get(seed, -1)))
        if best is not None:
            parts.append(dot(across(chosen[seed]), up(best), 4, "chosen", title=f"seed {seed}: step {chosen[seed]:,}"))
    marked = ", ".join(f"step {step:,} of seed {seed}" for seed, step in chosen.items())
    label = f"{quantity} of {name} over training steps; chosen: {marked or 'none'}"
    return chart(CHART_WIDTH, 130, parts, label=label)


def _interval(standing: Standing) -> tuple[float, float]:
    """Return the 95 % interval from the standard error of sampling."""
    reach = 1.96 * (standing.error or 0.0)
    return standing.mean - reach, standing.mean + reach


def _spread(standing: Standing) -> tuple[float, float]:
    """Return the mean plus and minus one standard deviation over seeds."""
    reach = standing.spread or 0.0
    return standing.mean - reach, standing.mean + reach


def _reach(standing: Standing) -> tuple[float, float]:
    """Return the ends of the spread over seeds or, with one seed, of one standard error; not below 0."""
    reach = standing.spread if standing.spread is not None else standing.error or 0.0
    return max(standing.mean - reach, 0.0), standing.mean + reach


def _in_words(standing: Standing) -> str:
    return " ".join(number_with_error(standing.mean, standing.spread or standing.error)).rstrip()


def _clipped(name: str, letters: int) -> str:
    return name if len(name) <= letters else name[: letters - 1] + "…"


def _free_height(labels: list[tuple[float, float]], x: float, y: float) -> float:
    """Return a height at which a new label does not overlap the others, and add the label to them."""
    # move down by a line height until the label is free; the top of the chart is not available
    y = max(y, 14)
    while any(abs(x - other) < 90 and abs(y - height) < 11 for other, height in labels):
        y += 11
    labels.append((x, y))
    return y
