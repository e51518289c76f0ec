"""Packing: how showing the discriminator m samples at once tells a collapsed generator from a merely imperfect one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from genbench.arrays import Float64
from genbench.errors import UsageError


@dataclass(frozen=True)
class Steps:
    """A piecewise-constant density: ``heights[i]`` between ``edges[i]`` and ``edges[i + 1]``, 0 elsewhere.

    Raises UsageError unless the edges ascend, the heights are >= 0 and the whole mass is 1.
    """

    edges: tuple[float, ...]
    heights: tuple[float, ...]

    def __post_init__(self) -> None:
        widths = np.diff(self.edges)
        if len(widths) != len(self.heights) or not (widths > 0).all() or min(self.heights) < 0:
            raise UsageError(f"Steps need ascending edges and a height >= 0 for each gap; {self} came.")
        if abs(float(widths @ np.array(self.heights)) - 1) > 1e-9:
            raise UsageError(f"Steps need a mass of 1; {float(widths @ np.array(self.heights))} came.")

    def masses(self, edges: Float64) -> Float64:
        """Return the mass between neighbouring ``edges``, a refinement of the own ones."""
        middle = (edges[1:] + edges[:-1]) / 2
        place = np.searchsorted(self.edges, middle) - 1
        inside = (place >= 0) & (place < len(self.heights))
        return np.where(inside, np.asarray(self.heights)[np.where(inside, place, 0)], 0.0) * np.diff(edges)


def packed_tv(p: Steps, q: Steps, pack: int) -> float:
    """Return the total variation of the products P^m and Q^m, m = ``pack`` samples at once, 0..1.

    Lin et al. 2018 (PacGAN, arXiv 1712.04086): two generators at the same TV from the data part company under
    packing, the one that lost a mode moves away faster. Exact: on the common pieces both are discrete, and the product
    depends on how often each piece was drawn only, TV = 1/2 sum over counts n of m!/prod n_i! |prod p_i^n_i - prod
    q_i^n_i|. Raises UsageError unless pack >= 1.
    """
    if pack < 1:
        raise UsageError(f"At least one sample is packed; pack={pack} came.")
    edges = np.union1d(p.edges, q.edges)
    of_p, of_q = p.masses(edges), q.masses(edges)
    return 0.5 * math.fsum(
        _arrangements(pieces) * abs(float(np.prod(of_p[list(pieces)]) - np.prod(of_q[list(pieces)])))
        for pieces in combinations_with_replacement(range(len(of_p)), pack)
    )


def _arrangements(pieces: tuple[int, ...]) -> int:
    return math.factorial(len(pieces)) // math.prod(math.factorial(pieces.count(piece)) for piece in set(pieces))
