"""Charts of one sampler's samples: modes, predictions, points, and the distance against 1/N."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from genbench.page.comparison_charts import CHART_WIDTH
from genbench.page.svg import Scale, box, chart, cloud, dot, line, polyline, svg_text, y_axis
from genbench.results.rounding import number_with_error
from genbench.runs.gallery_record import CountedDistance, DistanceByCount
from genbench.theory.mixtures import Mixture

MOST_BARS = 60
"""Up to this number of modes a histogram has bars; with more modes it is a line, sorted by share."""

HISTOGRAM_HEIGHT = 96.0


def highest_bar(shares: Sequence[Sequence[float]], references: Sequence[Sequence[float]]) -> float:
    """Return the top of the scale of several histograms: their largest share, or 4 times that of the reference."""
    # a sampler with a single mode must not make the others flat; an empty histogram still needs a positive scale
    most, expected = (max([1e-9, *(share for each in sides for share in each)]) for sides in (shares, references))
    return max(min(most, 4 * expected), expected)


def histogram(name: str, shares: Sequence[float], reference: Sequence[float], *, what: str, top: float) -> Markup:
    """Draw shares as bars, and those of the reference as marks; if there are many, draw two sorted lines instead.

    ``top``: the end of the scale; a higher bar is cut there, and its share stands above it.
    """
    up = Scale(0, top * 1.16, HISTOGRAM_HEIGHT, 6)
    parts = [y_axis(up, 40, CHART_WIDTH - 6)]
    if len(shares) > MOST_BARS:
        # the modes of both sides are sorted independently
        across = Scale(0, len(shares) - 1, 42, CHART_WIDTH - 8)
        for values, css in ((reference, "reference"), (shares, "curve curve-0")):
            ordered = sorted(values, reverse=True)
            parts.append(polyline([(across(index), up(value)) for index, value in enumerate(ordered)], css))
        note = f"{len(shares):,} modes, sorted by share"
        parts.append(svg_text(CHART_WIDTH / 2, HISTOGRAM_HEIGHT + 13, note, "axis", anchor="middle"))
    else:
        # with more than 12 bars only every fifth has a number
        step = (CHART_WIDTH - 50) / len(shares)
        for index, (share, expected) in enumerate(zip(shares, reference, strict=True)):
            left = 43 + step * index
            height = up(min(share, top))
            parts.append(box(left + step * 0.12, height, step * 0.76, up(0) - height, "bar"))
            parts.append(line(left, up(expected), left + step, up(expected), "reference"))
            if share > top:
                parts.append(svg_text(left + step / 2, height - 3, f"{share:.2g}", "tick", anchor="middle"))
            if len(shares) <= 12 or index % 5 == 0:
                parts.append(svg_text(left + step / 2, HISTOGRAM_HEIGHT + 12, str(index), "tick", anchor="middle"))
    empty = sum(share == 0 for share in shares)
    label = f"{what} of {name}: {len(shares)} classes, {empty} of them empty, the largest share {max(shares):.3g}"
    return chart(CHART_WIDTH, HISTOGRAM_HEIGHT + 18, parts, label=label)


def conditional(probabilities: Sequence[float]) -> Markup:
    """Draw the predicted class probabilities p(y|x) of one sample as small bars."""
    step = 60 / len(probabilities)
    up = Scale(0, 1, 34, 2)
    parts = [line(0, 34, 60, 34, "grid")]
    for index, share in enumerate(probabilities):
        parts.append(box(step * index + step * 0.1, up(share), step * 0.8, 34 - up(share), "bar"))
    # the number below the highest bar must not leave the chart
    likeliest = max(range(len(probabilities)), key=probabilities.__getitem__)
    parts.append(svg_text(min(max(step * (likeliest + 0.5), 5), 55), 43, str(likeliest), "tick", anchor="middle"))
    label = f"most probable class {likeliest}, probability {probabilities[likeliest]:.2f}"
    return chart(60, 45, parts, label=label, css="small")


def scatter(
    name: str, points: Sequence[Sequence[float]], reference: Sequence[Sequence[float]], mixture: Mixture | None
) -> Markup:
    """Draw points over their target: the mixture's circles of 1, 2 and 3 std, or else the reference points."""
    # a square frame around the target, a quarter larger than it
    frame = list(mixture.centres) if mixture is not None else [(p[0], p[1]) for p in reference]
    reach = 3 * mixture.std if mixture is not None else 0.0
    middle = [(max(p[axis] for p in frame) + min(p[axis] for p in frame)) / 2 for axis in (0, 1)]
    half = max(max(abs(p[axis] - middle[axis]) for p in frame) for axis in (0, 1)) * 1.25 + reach
    across = Scale(middle[0] - half, middle[0] + half, 4, 236)
    up = Scale(middle[1] - half, middle[1] + half, 236, 4)
    parts = [box(4, 4, 232, 232, "frame")]
    # the target: circles of at least 1.7 pixels around each mode, or the reference points
    if mixture is not None:
        pixel = 232 / (2 * half)
        parts += [
            dot(across(x), up(y), max(times * mixture.std * pixel, times * 1.7), "density")
            for x, y in mixture.centres
            for times in (3, 2, 1)
        ]
    else:
        parts.append(cloud([(across(p[0]), up(p[1])) for p in reference], "cloud-reference"))
    # points outside the frame are counted instead of drawn
    inside = [p for p in points if abs(p[0] - middle[0]) <= half and abs(p[1] - middle[1]) <= half]
    parts.append(cloud([(across(p[0]), up(p[1])) for p in inside], "cloud"))
    outside = len(points) - len(inside)
    if outside:
        parts.append(svg_text(232, 14, f"{outside} outside", "tick", anchor="end"))
    return chart(240, 240, parts, label=f"{len(points)} points of {name} over the density; {outside} outside the frame")


def distance_by_count(name: str, distances: DistanceByCount, debiased: tuple[float, float | None] | None) -> Markup:
    """Draw a distance at several N against 1/N, the fitted line up to N = infinity, and the debiased value.

    ``debiased``: value and standard error of the jackknife estimate, if it was scored.
    """
    rows = measured(distances)
    first = 1 / rows[0].samples
    limit, slope = _least_squares([(1 / row.samples, row.value) for row in rows])
    # the vertical scale contains all error bars and the limit
    ends = [limit, *(row.value + sign * (row.error or 0) for row in rows for sign in (-1, 1))]
    if debiased is not None:
        ends += [debiased[0] + sign * (debiased[1] or 0) for sign in (-1, 1)]
    across = Scale.over([0, first], 50, CHART_WIDTH - 14, margin=0.06)
    up = Scale.over(ends, 118, 8, margin=0.08)
    parts = [y_axis(up, 50, CHART_WIDTH - 14)]
    # each N with its tick and its error bar
    for count, value, error in rows:
        x = across(1 / count)
        parts.append(line(x, 118, x, 121, "spread"))
        parts.append(svg_text(x, 131, f"1/{count:,}", "tick", anchor="middle"))
        parts.append(line(x, up(value - (error or 0)), x, up(value + (error or 0)), "spread"))
        parts.append(dot(x, up(value), 3.5, "point", title=f"N = {count:,}: {value:.5g}"))
    # the fitted line, and its value at 1/N = 0
    parts.append(polyline([(across(0), up(limit)), (across(first), up(limit + slope * first))], "fit"))
    parts.append(svg_text(across(0), 131, "0", "tick", anchor="middle"))
    parts.append(dot(across(0), up(limit), 3.5, "open", title=f"extrapolated: {limit:.5g}"))
    label = f"{distances.name} of {name} against 1/N, extrapolated to {limit:.4g}"
    # the debiased value is another estimate for N = infinity
    if debiased is not None:
        x, (value, error) = across(0), debiased
        parts.append(line(x, up(value - (error or 0)), x, up(value + (error or 0)), "chosen-line"))
        parts.append(_diamond(x, up(value)))
        label += f"; debiased by the jackknife {' '.join(number_with_error(value, error))}"
    return chart(CHART_WIDTH, 136, parts, label=label)


def measured(distances: DistanceByCount) -> list[CountedDistance]:
    """Return the finite distances, sorted by their number of samples."""
    return sorted(row for row in distances.rows if row.samples > 0 and math.isfinite(row.value))


def _diamond(x: float, y: float) -> str:
    corners = [(x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y), (x, y - 5)]
    return polyline(corners, "chosen")


def _least_squares(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the intercept and slope of the least-squares line.

    Plain Python arithmetic gives the same bits on every machine; a linear algebra library does not.
    """
    count = len(points)
    x_mean, y_mean = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    slope = sum((x - x_mean) * (y - y_mean) for x, y in points) / sum((x - x_mean) ** 2 for x, _ in points)
    return y_mean - slope * x_mean, slope
