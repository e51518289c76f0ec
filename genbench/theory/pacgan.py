"""Packing (PacGAN): a discriminator of m samples at once tells a collapsed generator from a merely imperfect one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from genbench.array_types import Float64
from genbench.errors import UsageError


@dataclass(frozen=True)
class Steps:
    """A piecewise-constant density: ``heights[i]`` between ``edges[i]`` and ``edges[i + 1]``, 0 elsewhere.

    Raises UsageError unless the edges are in ascending order, the heights are >= 0 and the total mass is 1.
    """

    edges: tuple[float, ...]
    heights: tuple[float, ...]

    def __post_init__(self) -> None:
        widths = np.diff(self.edges)
        if len(widths) != len(self.heights) or not (widths > 0).all() or min(self.heights) < 0:
            raise UsageError(f"Steps needs ascending edges and one height >= 0 for each interval; got {self}.")
        mass = float(widths @ np.array(self.heights))
        if abs(mass - 1) > 1e-9:
            raise UsageError(f"Steps needs a total mass of 1; got {mass}.")

    def masses(self, edges: Float64) -> Float64:
        """Return the mass between neighbouring ``edges`` float64 [K + 1], which must include its own edges; [K]."""
        # the density is constant between two edges, so its value in the middle is enough
        middle = (edges[1:] + edges[:-1]) / 2
        index = np.searchsorted(self.edges, middle) - 1
        inside = (index >= 0) & (index < len(self.heights))
        return np.where(inside, np.asarray(self.heights)[np.where(inside, index, 0)], 0.0) * np.diff(edges)


def packed_tv(p: Steps, q: Steps, pack: int) -> float:
    """Return the total variation of the product distributions P^m and Q^m, m = ``pack``, 0..1.

    Lin et al. 2018 (PacGAN, arXiv 1712.04086): of two generators with the same TV to the data, the one that lost a
    mode has the larger TV under packing. Exact: P and Q are discrete on their common pieces, and
    TV = 1/2 sum over counts n of m!/prod n_i! |prod p_i^n_i - prod q_i^n_i|. Raises UsageError unless pack >= 1.
    """
    if pack < 1:
        raise UsageError(f"A pack needs at least one sample; got pack={pack}.")
    # P and Q are constant on each piece between two common edges
    edges = np.union1d(p.edges, q.edges)
    p_mass, q_mass = p.masses(edges), q.masses(edges)
    # one term for each multiset of pieces, weighted by the number of sequences with these pieces
    return 0.5 * math.fsum(
        _sequences(pieces) * abs(float(np.prod(p_mass[list(pieces)]) - np.prod(q_mass[list(pieces)])))
        for pieces in combinations_with_replacement(range(len(p_mass)), pack)
    )


def _sequences(pieces: tuple[int, ...]) -> int:
    """Return the multinomial coefficient m! / prod n_i!."""
    # the number of orders in which these pieces can be drawn
    return math.factorial(len(pieces)) // math.prod(math.factorial(pieces.count(piece)) for piece in set(pieces))
