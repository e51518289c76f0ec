"""The distance that a trained critic estimates, beside the exact one."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from genbench.errors import guest_error
from genbench.theory.densities import MixtureDensity
from genbench.theory.divergence_estimates import binned
from genbench.theory.mixtures import mixture
from genbench.theory.transport import transport_to


class Claim(NamedTuple):
    """A critic's estimate beside the truth."""

    quantity: str
    """``"w1"``: Wasserstein-1 distance, in the points' units; ``"value"``: the GAN's 2 JSD - ln 4, in nats."""
    claimed: float
    exact: float
    floor: float
    """What ``exact`` would be for samples of the data themselves: the bias of finite samples."""


def critic_claim(sampler: Any, density: str, *, seed: int = 0) -> Claim | None:
    """Return what a sampler's critic believes about generated and real points of a known 2-D mixture, and the truth.

    The truth about the same generated points: W1 by optimal assignment to fresh points of the mixture; the GAN's value
    by the JSD of counts in cells of equal mass. None where the sampler claims nothing. Raises PlugError where it errs.
    """
    if not hasattr(sampler, "claim"):
        return None
    known = MixtureDensity(mixture(density))
    try:
        quantity, claimed, points = sampler.claim(known.sample(POINTS, seed).astype(np.float32), seed)
    except Exception as error:
        raise guest_error("The critic", error) from error
    if quantity == "w1":
        found, floor = transport_to(points, known, order=1, seed=seed)
        return Claim(quantity, float(claimed), found.value, floor.value)
    cells = binned(points, known, seed=seed)
    return Claim(quantity, float(claimed), 2 * cells.jsd.value - math.log(4), 2 * cells.floor[2] - math.log(4))


POINTS = 2500
"""Real points that a critic is asked about."""
