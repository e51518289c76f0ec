"""Charts for notebooks and papers: each function draws into matplotlib axes and returns them (``genbench.plot``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from genbench.comparison.leaderboard import leaderboard
from genbench.comparison.panel_ratios import PanelRatios
from genbench.errors import InputError
from genbench.results import Result, results_of
from genbench.results.rounding import ARROWS
from genbench.runs.history import History
from genbench.runs.pictures import draw_curves, image_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HISTORY = "history.jsonl"
"""Name of the file with the steps of a training."""

MOST_MODES = 60
"""Above this number of modes, the shares are drawn as a sorted line instead of bars."""


def forest(results: str | Path | Sequence[Result], metric: str, *, ax: Axes | None = None) -> Axes:
    """Draw the mean of each sampler with its 95 % confidence interval, best first, and a dot for each training seed.

    ``results`` is a file of results or a list of them. Raises what ``leaderboard`` raises.
    """
    known, ax = results_of(results), _axes(ax)
    rows = leaderboard(known, metric)
    for place, row in enumerate(rows):
        values = [one[row.metric].value for one in known if one.name == row.name]
        ax.plot(values, [place] * len(values), "o", color="tab:blue", alpha=0.35, markersize=4)
        # the interval holds sampling and training together
        if row.interval is not None:
            ax.plot(row.interval, [place, place], color="tab:blue")
        ax.plot([row.mean], [place], "D", color="tab:blue", markersize=5)
    # the best row is at the top
    ax.set_yticks(range(len(rows)), [_literal(row.name) for row in rows])
    ax.margins(y=0.2)
    ax.invert_yaxis()
    ax.set_xlabel(f"{rows[0].metric} {ARROWS[rows[0].better]}" if rows else metric)
    ax.grid(axis="x", alpha=0.3)
    return ax


def ratios(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the ratios of a panel, one encoder per row, with 95 % intervals and a line at 1, the value of real data.

    Raises InputError if the result has no panel.
    """
    found = next((known for entry in result.scores if (known := PanelRatios.of(entry)) is not None), None)
    if found is None:
        raise InputError(f"The result of {result.name!r} has no panel; score with panel='offline' or another one.")
    ax, places = _axes(ax), range(len(found.extractors))
    # errors of a ratio are drawn on the logarithmic scale on which they are computed
    ax.set_xscale("log")
    ax.hlines(places, found.intervals[:, 0], found.intervals[:, 1], color="tab:blue")
    colours = ["tab:orange" if name == found.optimised_for else "tab:blue" for name in found.extractors]
    ax.scatter(found.values, places, c=colours, zorder=3)
    ax.axvline(1.0, color="gray", linestyle="--", linewidth=1)
    ax.set_yticks(places, list(map(_literal, found.extractors)))
    ax.margins(y=0.2)
    ax.invert_yaxis()
    ax.set_xlabel(f"{found.score}: distance / distance of real data")
    ax.grid(axis="x", alpha=0.3)
    return ax


def curves(history: str | Path, *, ax: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw the curves of a training, one axes for each quantity, with a line at the chosen step.

    ``history`` is a file ``history.jsonl`` of ``genbench run``, or the folder of a seed that holds it. Raises
    InputError if it cannot be read or has no steps.
    """
    path = Path(history)
    path = path / HISTORY if path.is_dir() else path
    # another file must not be called a damaged history
    if path.name != HISTORY:
        raise InputError(f"{path} is no {HISTORY} of a training; give such a file, or the folder of a seed with one.")
    known = History.read(path)
    if not known.steps:
        raise InputError(f"{path} has no steps; train with `genbench run` or `genbench train`.")
    # one panel for each quantity, one above the other
    names = list(known.steps[0].quantities)
    if ax is None:
        import matplotlib.pyplot as plt

        size = (6, 1.8 * len(names))
        _, panels = plt.subplots(len(names), 1, sharex=True, squeeze=False, figsize=size, layout="constrained")
        ax = list(panels[:, 0])
    draw_curves(known, ax)
    return list(ax)


def mode_histogram(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the share of the generated samples in each mode, with a line at equal shares.

    Many modes are drawn as a sorted line. Raises InputError if the result has no score ``modes``.
    """
    entry = next((entry for entry in result.scores if entry.name.partition("@")[0] == "modes"), None)
    counts = np.asarray(entry.detail.get("counts_all", ()) if entry is not None else (), dtype=np.float64)
    if counts.ndim != 1 or not counts.sum() > 0:
        raise InputError(f"The result of {result.name!r} has no counts of modes; score with metrics='modes'.")
    shares, ax = counts / counts.sum(), _axes(ax)
    # bars could not be told apart
    if len(shares) > MOST_MODES:
        ax.plot(np.sort(shares)[::-1])
        ax.set_xlabel("mode, sorted by share")
    else:
        ax.bar(range(len(shares)), shares)
        ax.set_xlabel("mode")
    ax.axhline(1 / len(shares), color="gray", linestyle="--", linewidth=1)
    ax.set_ylabel("share of samples")
    return ax


def gallery(images: npt.ArrayLike, *, columns: int | None = None, ax: Axes | None = None) -> Axes:
    """Draw images, uint8 [N, H, W, 3] or [N, 3, H, W], as tiles; ``columns`` is the number of tiles in a row.

    Raises InputError for arrays of another shape or dtype, and for less than one column.
    """
    pixels = np.asarray(images)
    if pixels.ndim != 4 or not len(pixels) or 3 not in (pixels.shape[1], pixels.shape[3]) or pixels.dtype != np.uint8:
        raise InputError(f"A gallery needs images uint8 [N, H, W, 3]; got {pixels.dtype} {list(pixels.shape)}.")
    if columns is not None and columns < 1:
        raise InputError(f"A gallery needs at least one column; got {columns}.")
    ax = _axes(ax)
    ax.imshow(image_tiles(pixels, columns or math.ceil(math.sqrt(len(pixels)))), interpolation="nearest")
    ax.set_axis_off()
    return ax


def _literal(name: str) -> str:
    """Return a name that matplotlib does not read as mathematics."""
    return name.replace("$", r"\$")


def _axes(ax: Axes | None) -> Axes:
    """Return the given axes, or new ones of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]
