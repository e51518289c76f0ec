"""Crop tiles from the sheet of a sampler's images. The page embeds each sheet once and refers to it by an id."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from genbench.page.svg import number
from genbench.runs.gallery_record import SheetLayout
from genbench.tables.escapes import markup_safe


class Sheet(NamedTuple):
    """A sampler's sheet on the page."""

    id: str
    groups: int
    """Number of groups of samples; each has all lines of the layout."""
    layout: SheetLayout

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole sheet in pixels."""
        # tiles have a gap on every side, and neighbouring tiles share it
        layout = self.layout
        rows = self.groups * len(layout.lines)
        return layout.columns * (layout.width + layout.gap) + layout.gap, rows * self._row_height + layout.gap

    @property
    def _row_height(self) -> int:
        return self.layout.height + self.layout.gap

    def tile(self, row: int, column: int, label: str) -> Markup:
        """Return a single image."""
        # the tile without its gaps
        layout = self.layout
        left = column * (layout.width + layout.gap) + layout.gap
        area = (left, row * self._row_height + layout.gap, layout.width, layout.height)
        return _crop(self.id, area, label=label, css="tile")

    def band(self, group: int, label: str) -> Markup:
        """Return all lines of a group: its samples and their neighbours."""
        # a band includes the gaps around its tiles
        height = len(self.layout.lines) * self._row_height
        area = (0, group * height, self.size[0], height + self.layout.gap)
        return _crop(self.id, area, label=label, css="band")


def _crop(sheet: str, area: tuple[int, int, int, int], *, label: str, css: str) -> Markup:
    """Return a part of a sheet as SVG. ``area``: left, top, width and height in pixels."""
    # the page holds each sheet once; an SVG can show a part of it, which an <img> cannot
    view = " ".join(map(number, area))
    return Markup(
        f'<svg class="{css}" viewBox="{view}" role="img" aria-label="{markup_safe(label)}">'
        f'<use href="#{markup_safe(sheet)}"/></svg>'
    )
