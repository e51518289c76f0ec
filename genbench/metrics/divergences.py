"""Divergences of a sampler from a distribution whose density is known: what the games and bounds speak of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from genbench.errors import UsageError
from genbench.features.features import Features, Moments
from genbench.plugs.contracts import Score
from genbench.theory.densities import MixtureDensity
from genbench.theory.divergence_estimates import binned, nearest_neighbour_kl, nearest_neighbour_reverse_kl
from genbench.theory.estimates import Estimate
from genbench.theory.mixtures import mixture
from genbench.theory.transport import transport_to

BLOCK = 500
"""Points that one optimal assignment matches."""


@dataclass(frozen=True)
class KnownDensityDivergences:
    """The metric ``divergences``: KL, reverse KL, JSD, TV, W1 and W2 between a 2-D mixture P and the sampler's Q.

    P's density is exact, Q is known by its samples alone, so each has a method and a bias, both in the detail. ``toy``
    names the mixture: ``ring`` or ``grid``. Divergences are in nats, distances in the units of the points; ``expected``
    is what samples of P itself would show. Raises UsageError for an unknown mixture.
    """

    toy: str
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["none"]] = "none"

    def __post_init__(self) -> None:
        mixture(self.toy)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return kl = KL(P||Q), reverse_kl = KL(Q||P), jsd, tv, w1 and w2."""
        points = np.asarray(generated["embedding"], np.float64)
        if len(points) < 2 * BLOCK or points.shape[1] != 2:
            raise UsageError(
                f"The divergences from {self.toy!r} need {2 * BLOCK:,} points [N, 2] or more; {generated.name} has "
                f"{list(points.shape)}."
            )
        density = MixtureDensity(mixture(self.toy))
        cells = binned(points, density, seed=seed)
        w1, w1_floor = transport_to(points, density, order=1, block=BLOCK, seed=seed)
        w2, w2_floor = transport_to(points, density, order=2, block=BLOCK, seed=seed)
        _, tv_floor, jsd_floor = cells.floor
        return [
            _score("kl", nearest_neighbour_reverse_kl(points, density, seed=seed), 0.0, CROSSED, "kl_divergence"),
            _score("reverse_kl", nearest_neighbour_kl(points, density), 0.0, NEIGHBOURS, "reverse_kl_divergence"),
            _score("jsd", cells.jsd, jsd_floor, CELLS, "jensen_shannon_divergence"),
            _score("tv", cells.tv, tv_floor, CELLS, "total_variation"),
            _score("w1", w1, w1_floor.value, BLOCKS, "wasserstein_1"),
            _score("w2", w2, w2_floor.value, BLOCKS, "wasserstein_2"),
        ]


CROSSED = (
    "E_P[ln p - ln q], q by 5 nearest samples (Wang, Kulkarni and Verdu 2009); biased downward; finite even where Q "
    "lacks a mode: it then grows with the distance to the next"
)
NEIGHBOURS = "entropy of Q by 5 nearest neighbours (Kozachenko and Leonenko 1987), E_Q[ln p] exact; bias falls with N"
CELLS = (
    "counts in 128 cells of equal mass of P: what happens inside a cell is not seen (a lower bound), and the noise of "
    "counts adds what `expected` says"
)
BLOCKS = "optimal assignment in blocks of 500 to fresh samples of P; biased upward, to `expected` where Q = P"


def _score(name: str, found: Estimate, expected: float, method: str, key: str) -> Score:
    detail: dict[str, Any] = {"expected": expected, "method": method}
    return Score(name, found.value, found.error, "lower", detail, key)
