"""The charts of the page that look at one sampler's samples: modes, predictions, points, and distance against 1/N."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from genbench.page.charts import WIDTH
from genbench.page.svg import Scale, box, chart, cloud, dot, line, number, polyline, text, y_axis
from genbench.tables.numbers import number_with_error
from genbench.theory.mixtures import Mixture

FEW = 60
"""Up to here a histogram has a bar for each mode; beyond, a line through the modes in the order of their counts."""

HEIGHT = 96.0


def histogram(name: str, shares: Sequence[float], reference: Sequence[float], *, what: str) -> Markup:
    """Draw shares as bars with the reference's as marks across; many of them as two lines, sorted."""
    top = max([*shares, *reference, 1e-9])
    up = Scale(0, top * 1.08, HEIGHT, 6)
    parts = [y_axis(up, 40, WIDTH - 6)]
    if len(shares) > FEW:
        across = Scale(0, len(shares) - 1, 42, WIDTH - 8)
        for values, css in ((reference, "reference"), (shares, "curve curve-0")):
            ordered = sorted(values, reverse=True)
            parts.append(polyline([(across(at), up(value)) for at, value in enumerate(ordered)], css))
        parts.append(text(WIDTH / 2, HEIGHT + 13, f"{len(shares):,} modes, by count", "axis", anchor="middle"))
    else:
        step = (WIDTH - 50) / len(shares)
        for at, (share, theirs) in enumerate(zip(shares, reference, strict=True)):
            left = 43 + step * at
            parts.append(box(left + step * 0.12, up(share), step * 0.76, up(0) - up(share), "bar"))
            parts.append(line(left, up(theirs), left + step, up(theirs), "reference"))
            if len(shares) <= 12 or at % 5 == 0:
                parts.append(text(left + step / 2, HEIGHT + 12, str(at), "tick", anchor="middle"))
    empty = sum(share == 0 for share in shares)
    said = f"{what} of {name}: {len(shares)} classes, {empty} of them empty, the largest share {max(shares):.3g}"
    return chart(WIDTH, HEIGHT + 18, parts, label=said)


def conditional(probabilities: Sequence[float]) -> Markup:
    """Draw p(y|x) of one sample as small bars."""
    step = 60 / len(probabilities)
    up = Scale(0, 1, 34, 2)
    parts = [line(0, 34, 60, 34, "grid")]
    for at, share in enumerate(probabilities):
        parts.append(box(step * at + step * 0.1, up(share), step * 0.8, 34 - up(share), "bar"))
    likeliest = max(range(len(probabilities)), key=probabilities.__getitem__)
    parts.append(text(min(max(step * (likeliest + 0.5), 5), 55), 43, str(likeliest), "tick", anchor="middle"))
    said = f"likeliest class {likeliest}, probability {probabilities[likeliest]:.2f}"
    return chart(60, 45, parts, label=said, css="small")


def scatter(
    name: str, points: Sequence[Sequence[float]], reference: Sequence[Sequence[float]], mixture: Mixture | None
) -> Markup:
    """Draw points over the density they should follow: a mixture's rings of 1, 2 and 3 std, or reference points."""
    frame = list(mixture.centres) if mixture is not None else [(p[0], p[1]) for p in reference]
    reach = 3 * mixture.std if mixture is not None else 0.0
    middle = [(max(p[axis] for p in frame) + min(p[axis] for p in frame)) / 2 for axis in (0, 1)]
    half = max(max(abs(p[axis] - middle[axis]) for p in frame) for axis in (0, 1)) * 1.25 + reach
    across = Scale(middle[0] - half, middle[0] + half, 4, 236)
    up = Scale(middle[1] - half, middle[1] + half, 236, 4)
    parts = [box(4, 4, 232, 232, "frame")]
    if mixture is not None:
        pixel = 232 / (2 * half)
        parts += [
            dot(across(x), up(y), max(times * mixture.std * pixel, times * 1.7), "density")
            for x, y in mixture.centres
            for times in (3, 2, 1)
        ]
    else:
        parts.append(cloud([(across(p[0]), up(p[1])) for p in reference], "cloud-reference"))
    inside = [p for p in points if abs(p[0] - middle[0]) <= half and abs(p[1] - middle[1]) <= half]
    parts.append(cloud([(across(p[0]), up(p[1])) for p in inside], "cloud"))
    outside = len(points) - len(inside)
    if outside:
        parts.append(text(232, 14, f"{outside} outside", "tick", anchor="end"))
    return chart(240, 240, parts, label=f"{len(points)} points of {name} over the density; {outside} outside the frame")


def by_count(
    name: str, metric: str, rows: Sequence[tuple[int, float, float | None]], debiased: tuple[float, float | None] | None
) -> Markup:
    """Draw a distance at several counts against 1/N, the line through them to N = infinity, and the debiased value."""
    ordered = sorted(rows)
    limit, slope = _line([(1 / count, value) for count, value, _ in ordered])
    ends = [limit, *(value + sign * (error or 0) for _, value, error in ordered for sign in (-1, 1))]
    if debiased is not None:
        ends += [debiased[0] + sign * (debiased[1] or 0) for sign in (-1, 1)]
    across = Scale.over([0, 1 / ordered[0][0]], 50, WIDTH - 14, margin=0.06)
    up = Scale.over(ends, 118, 8, margin=0.08)
    parts = [y_axis(up, 50, WIDTH - 14)]
    for count, value, error in ordered:
        x = across(1 / count)
        parts.append(line(x, 118, x, 121, "spread"))
        parts.append(text(x, 131, f"1/{count:,}", "tick", anchor="middle"))
        parts.append(line(x, up(value - (error or 0)), x, up(value + (error or 0)), "spread"))
        parts.append(dot(x, up(value), 3.5, "point", title=f"N = {count:,}: {value:.5g}"))
    first = 1 / ordered[0][0]
    parts.append(polyline([(across(0), up(limit)), (across(first), up(limit + slope * first))], "fit"))
    parts.append(text(across(0), 131, "0", "tick", anchor="middle"))
    parts.append(dot(across(0), up(limit), 3.5, "open", title=f"extrapolated: {limit:.5g}"))
    said = f"{metric} of {name} against 1/N, extrapolated to {limit:.4g}"
    if debiased is not None:
        x, (value, error) = across(0), debiased
        parts.append(line(x, up(value - (error or 0)), x, up(value + (error or 0)), "chosen-line"))
        parts.append(_diamond(x, up(value)))
        said += f"; debiased by the jackknife {' '.join(number_with_error(value, error))}"
    return chart(WIDTH, 136, parts, label=said)


def crop(image: str, x: float, y: float, width: float, height: float, *, label: str, css: str) -> Markup:
    """Return a part of a picture that stands on the page once under an id."""
    return Markup(
        f'<svg class="{css}" viewBox="{number(x)} {number(y)} {number(width)} {number(height)}" role="img" '
        f'aria-label="{escape(label)}"><use href="#{escape(image)}"/></svg>'
    )


def _diamond(x: float, y: float) -> str:
    corners = [(x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y), (x, y - 5)]
    return polyline(corners, "chosen")


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return intercept and slope of the least-squares line, in plain arithmetic: the same bits everywhere."""
    count = len(points)
    x_mean, y_mean = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    slope = sum((x - x_mean) * (y - y_mean) for x, y in points) / sum((x - x_mean) ** 2 for x, _ in points)
    return y_mean - slope * x_mean, slope
