"""Divergences and distances between a sampler and a 2-D mixture whose density is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from genbench.errors import UsageError
from genbench.features.features import Features, Moments
from genbench.plugs.contracts import Score
from genbench.theory.divergence_estimates import binned, nearest_neighbour_kl, nearest_neighbour_reverse_kl
from genbench.theory.estimates import EstimateWithError
from genbench.theory.mixtures import MixtureDensity, mixture
from genbench.theory.transport import transport_to

ASSIGNMENT_SIZE = 500
"""Number of points in one optimal assignment."""


@dataclass(frozen=True)
class KnownDensityDivergences:
    """KL, reverse KL, JSD, TV, W1 and W2 between a 2-D mixture P and the sampler's Q.

    The density of P is known exactly, Q only by its samples. The detail of each score states its method and bias (see
    the constants below), and ``expected``, the mean value for samples of P. ``toy`` names the mixture: ``ring`` or
    ``grid``. Divergences are in nats, distances in the units of the points. Raises UsageError for an unknown mixture.
    """

    toy: str
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[Literal["none"]] = "none"
    least_samples: ClassVar[tuple[int, int]] = (2 * ASSIGNMENT_SIZE, 0)

    def __post_init__(self) -> None:
        # raises if there is no such mixture
        mixture(self.toy)

    def __call__(self, generated: Features, reference: Features | Moments | None, *, seed: int) -> list[Score]:
        """Return kl = KL(P||Q), reverse_kl = KL(Q||P), jsd, tv, w1 and w2.

        Raises UsageError for fewer than 1,000 points, or points that are not 2-D.
        """
        # the error needs at least two assignments
        points = np.asarray(generated["embedding"], np.float64)
        if len(points) < 2 * ASSIGNMENT_SIZE or points.shape[1] != 2:
            raise UsageError(
                f"The divergences from {self.toy!r} need {2 * ASSIGNMENT_SIZE:,} points [N, 2] or more, but those of "
                f"{generated.name} have shape {list(points.shape)}; draw more samples."
            )

        # tv and jsd come from counts in cells; samples of P have positive ones too
        density = MixtureDensity(mixture(self.toy))
        cells = binned(points, density, seed=seed)
        _, tv_floor, jsd_floor = cells.floor

        # w1 and w2 come from optimal assignments, and their expected values from two sets of samples of P
        w1, w1_floor = transport_to(points, density, order=1, block=ASSIGNMENT_SIZE, seed=seed)
        w2, w2_floor = transport_to(points, density, order=2, block=ASSIGNMENT_SIZE, seed=seed)

        # kl and reverse_kl come from distances to nearest neighbours; the theory names them by the sampler's side
        kl = nearest_neighbour_reverse_kl(points, density, seed=seed)
        reverse_kl = nearest_neighbour_kl(points, density)
        return [
            _divergence_score("kl", kl, 0.0, CROSSED, "kl_divergence"),
            _divergence_score("reverse_kl", reverse_kl, 0.0, NEIGHBOURS, "reverse_kl_divergence"),
            _divergence_score("jsd", cells.jsd, jsd_floor, CELLS, "jensen_shannon_divergence"),
            _divergence_score("tv", cells.tv, tv_floor, CELLS, "total_variation"),
            _divergence_score("w1", w1, w1_floor.value, BLOCKS, "wasserstein_1"),
            _divergence_score("w2", w2, w2_floor.value, BLOCKS, "wasserstein_2"),
        ]


# the method and the bias of each score, for its detail
CROSSED = (
    "E_P[ln p - ln q], q from the 5 nearest samples (Wang, Kulkarni and Verdu 2009); biased downward; finite even if Q "
    "lacks a mode, and then it grows with the distance to the next mode"
)
NEIGHBOURS = (
    "entropy of Q from the 5 nearest neighbours (Kozachenko and Leonenko 1987), E_Q[ln p] exact; the bias falls with N"
)
CELLS = (
    "counts in 128 cells of equal mass of P; differences within a cell do not count (a lower bound), and the noise of "
    "the counts adds about `expected`"
)
BLOCKS = "optimal assignment in blocks of 500 to fresh samples of P; biased upward, by `expected` if Q = P"


def _divergence_score(name: str, estimate: EstimateWithError, expected: float, method: str, key: str) -> Score:
    detail: dict[str, Any] = {"expected": expected, "method": method}
    return Score(name, estimate.value, estimate.error, "lower", detail, key)
