"""Labels of points in a chart: near their points, apart from each other, and joined by a line where they stand away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from genbench.page.svg import line, svg_text

LETTER, HEIGHT = 5.8, 11.0
"""Width of a letter and height of a label in pixels, rounded up."""
BESIDE = 7.0
"""Distance of a label from the centre of its point in pixels, if there is room."""
LEADER = 12.0
"""A label farther away than this is joined to its point by a line."""


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: _Box) -> float:
        """Return the area that both boxes share."""
        # boxes that are apart have a negative width or height
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    def distance(self, x: float, y: float) -> float:
        """Return the distance of a point from the box; 0 inside."""
        return math.hypot(max(self.left - x, 0, x - self.right), max(self.top - y, 0, y - self.bottom))


def labels_beside(points: Mapping[str, tuple[float, float]], frame: tuple[float, float, float, float]) -> list[str]:
    """Return a label for each point, and the lines that join labels to points. ``frame``: left, top, right, bottom."""
    # labels avoid the points and each other
    taken = [_Box(x - 4, y - 4, x + 4, y + 4) for x, y in points.values()]
    parts = []
    for name, (x, y) in points.items():
        width = LETTER * len(name)
        places = [
            place
            for distance in (BESIDE, 14.0, 22.0, 32.0, 44.0, 58.0)
            for place in _around(x, y, width, distance)
            if place.left >= frame[0] and place.top >= frame[1] and place.right <= frame[2] and place.bottom <= frame[3]
        ]
        # the nearest free place, or the one that covers least
        fallback = _Box(x + BESIDE, y - HEIGHT / 2, x + BESIDE + width, y + HEIGHT / 2)
        covered = {place: sum(place.overlap(other) for other in taken) for place in places}
        best = min(places, key=covered.__getitem__, default=fallback)
        taken.append(best)
        # from the point to the nearest place of the label
        if best.distance(x, y) > LEADER:
            end = (min(max(x, best.left), best.right), min(max(y, best.top), best.bottom))
            parts.append(line(x, y, *end, "leader"))
        parts.append(svg_text(best.left, best.bottom - 2, name, "name"))
    return parts


def _around(x: float, y: float, width: float, distance: float) -> list[_Box]:
    """Return places for a label at a distance from a point: right, left, above, below, and the four corners."""
    # the corners are as far away as the sides
    half, slanted = HEIGHT / 2, distance * 0.7
    corners = [
        (x + distance, y - half),
        (x - distance - width, y - half),
        (x - width / 2, y - distance - HEIGHT),
        (x - width / 2, y + distance),
        (x + slanted, y - slanted - HEIGHT),
        (x + slanted, y + slanted),
        (x - slanted - width, y - slanted - HEIGHT),
        (x - slanted - width, y + slanted),
    ]
    return [_Box(left, top, left + width, top + HEIGHT) for left, top in corners]
