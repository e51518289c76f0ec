"""Charts that compare samplers: forest plots, ratios of panels, precision against recall, and training curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from genbench.comparison.leaderboard import Standing
from genbench.comparison.panel_ratios import PanelRatios
from genbench.page.chart_labels import labels_beside
from genbench.page.svg import (
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
from genbench.results.rounding import ARROWS, number_with_error
from genbench.runs.history import History
from genbench.tables.leaderboard_rows import MARK

CHART_WIDTH = 340.0
"""Natural width of every chart in pixels; it fits a phone."""

NAME_WIDTH = 100.0
"""Width of the names at the left of a forest plot, in pixels."""


class ForestRow(NamedTuple):
    """One sampler of a forest plot."""

    standing: Standing
    values: Sequence[float]
    """The value of each training seed."""


def forest(metric: str, rows: Sequence[ForestRow], limits: tuple[float, float] = (-math.inf, math.inf)) -> Markup:
    """Draw one metric of all samplers: every seed, the mean, its 95 % sampling interval, and the spread over seeds.

    A sampler whose mean is not finite has a name and no marks. ``limits``: the lowest and the highest possible value,
    at which intervals are cut.
    """
    means = [row.standing.mean for row in rows]
    log = spans_decades(means)
    # on a log scale, an interval that reaches below 0 is cut at the lower end of the scale
    least = max(limits[0], min(mean for mean in means if math.isfinite(mean)) / 3 if log else -math.inf)
    limits = (least, limits[1])
    ends = [end for row in rows for reach in (_interval, _spread) for end in _cut(reach(row.standing), limits)]
    ends += [value for row in rows for value in row.values]
    scale = Scale.over(ends, NAME_WIDTH + 12, CHART_WIDTH - 8, log=log)
    # every row is 22 pixels high
    bottom = 8 + 22.0 * len(rows)
    parts = [x_axis(scale, 4, bottom)]
    for index, row in enumerate(rows):
        y = 8 + 22 * index + 11
        parts.append(svg_text(NAME_WIDTH, y + 3.5, _clipped(row.standing.name, 16), "name", anchor="end"))
        parts += _forest_marks(row, y, scale, limits)
    # screen readers get every value
    values = "; ".join(f"{row.standing.name} {_in_words(row.standing)}" for row in rows)
    return chart(CHART_WIDTH, bottom + 18, parts, label=f"{metric} {ARROWS[rows[0].standing.better]}: {values}")


def _forest_marks(row: ForestRow, y: float, scale: Scale, limits: tuple[float, float]) -> list[str]:
    """Return the marks of one sampler at a height."""
    mean = row.standing.mean
    if not math.isfinite(mean):
        return [svg_text(NAME_WIDTH + 8, y + 3.5, str(mean), "tick")]
    # the sampling interval as a box, the spread over seeds as a line with two ends
    low, high = map(scale, _cut(_interval(row.standing), limits))
    ends = _spread(row.standing)
    left, right = map(scale, _cut(ends, limits))
    parts = [box(low, y - 4.5, high - low, 9, "sampling")]
    if right > left:
        parts.append(line(left, y, right, y, "spread"))
        # an end that is cut has no mark
        whole = [x for x, end in ((left, ends[0]), (right, ends[1])) if limits[0] <= end <= limits[1]]
        parts += [line(x, y - 3, x, y + 3, "spread") for x in whole]
    # a single seed coincides with the mean
    finite = [value for value in row.values if math.isfinite(value)]
    if len(row.values) > 1:
        parts += [dot(scale(value), y, 2, "seed", title=tick_text(float(f"{value:.5g}"))) for value in finite]
    return [*parts, line(scale(mean), y - 6, scale(mean), y + 6, "mean")]


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
    # both are shares
    across, up = Scale(0, 1, 40, CHART_WIDTH - 12), Scale(0, 1, CHART_WIDTH - 70, 10)
    parts = [x_axis(across, 10, CHART_WIDTH - 70, label="recall"), y_axis(up, 40, CHART_WIDTH - 12)]
    parts.append(f'<text class="axis" transform="translate(11 {up(0.5):.0f}) rotate(-90)" '
                 'text-anchor="middle">precision</text>')  # fmt: skip
    dots = {name: (across(recall.mean), up(precision.mean)) for name, (precision, recall) in rows.items()}
    for name, (precision, recall) in rows.items():
        x, y = dots[name]
        (left, right), (low, high) = _reach(recall), _reach(precision)
        parts += [line(across(left), y, across(right), y, "spread"), line(x, up(low), x, up(high), "spread")]
        title = f"{name}: precision {_in_words(precision)}, recall {_in_words(recall)}"
        parts.append(dot(x, y, 3.5, "point", title=title))
    # labels last, so that no line crosses them
    frame = (40.0, 10.0, CHART_WIDTH - 2, CHART_WIDTH - 62)
    parts += labels_beside({_clipped(name, 16): place for name, place in dots.items()}, frame)
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
    """Return the ends of the spread over seeds or, with one seed, of one standard error, within 0..1."""
    reach = standing.spread if standing.spread is not None else standing.error or 0.0
    return _cut((standing.mean - reach, standing.mean + reach), (0.0, 1.0))


def _in_words(standing: Standing) -> str:
    return " ".join(number_with_error(standing.mean, standing.spread or standing.error)).rstrip()


def _clipped(name: str, letters: int) -> str:
    return name if len(name) <= letters else name[: letters - 1] + "…"


def _cut(ends: tuple[float, float], limits: tuple[float, float]) -> tuple[float, float]:
    """Return an interval without the part that is outside of the limits."""
    low, high = (min(max(end, limits[0]), limits[1]) for end in ends)
    return low, high
