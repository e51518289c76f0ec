"""The distance that a trained critic estimates, and the exact value of the same distance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from genbench.errors import guest_code
from genbench.results import CriticRecord
from genbench.theory.divergence_estimates import binned
from genbench.theory.mixtures import MixtureDensity, mixture
from genbench.theory.transport import transport_to

REAL_POINTS = 2500
"""Number of real points on which a critic is evaluated."""


def critic_estimate(sampler: Any, density: str, *, seed: int = 0) -> CriticRecord | None:
    """Return the critic's estimate of the distance between generated and real points, and the exact distance.

    ``density`` names the 2-D mixture of the real points. The sampler's ``claim(data, seed)`` gets real points, float32
    [2500, 2], and returns the quantity, the estimate and the generated points that it used. The exact value for these
    points: for ``"w1"``, W1 by optimal assignment to fresh points of the mixture; for any other quantity, the value
    2 JSD - ln 4 of the GAN game in nats, with the JSD of counts in cells of equal mass. Returns None if the sampler
    has no ``claim``. Raises PlugError if ``claim`` raises.
    """
    if not hasattr(sampler, "claim"):
        return None
    # the points on which the critic is evaluated depend on the seed only
    exact_density = MixtureDensity(mixture(density))
    with guest_code("The critic"):
        quantity, estimate, points = sampler.claim(exact_density.sample(REAL_POINTS, seed).astype(np.float32), seed)
    # the floor is the bias of the exact value: finite samples of the data themselves are not at distance 0
    if quantity == "w1":
        exact, floor = transport_to(points, exact_density, order=1, seed=seed)
        return CriticRecord(quantity, float(estimate), exact.value, floor.value)
    # the value of the GAN game with an optimal critic is 2 JSD - ln 4; the third floor of ``binned`` is that of JSD
    cells = binned(points, exact_density, seed=seed)
    return CriticRecord(quantity, float(estimate), 2 * cells.jsd.value - math.log(4), 2 * cells.floor[2] - math.log(4))
