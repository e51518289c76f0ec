"""The Dirac-GAN: the smallest GAN that does not converge, and the gradient penalty that makes it (Mescheder 2018)."""

from __future__ import annotations

import cmath
import math

import numpy as np
from scipy.special import expit

from genbench.arrays import Float64
from genbench.theory.games import Game, play


def dirac_gan(penalty: float) -> Game:
    """Return the game of the generator's point theta (x) and the discriminator D(x) = psi x (y); the data lie at 0.

    f(theta, psi) = l(psi theta) + l(0) - penalty/2 psi^2 with l(t) = -ln(1 + e^-t): the GAN's loss with R1, the
    squared slope of D at the data. Equilibrium (0, 0). Mescheder, Geiger and Nowozin 2018 (arXiv 1801.04406).
    """

    def slope(theta: float, psi: float) -> float:
        return float(expit(-theta * psi))  # l'(t)

    return Game(
        by_x=lambda theta, psi: psi * slope(theta, psi),
        by_y=lambda theta, psi: theta * slope(theta, psi) - penalty * psi,
    )


def eigenvalues(penalty: float) -> tuple[complex, complex]:
    """Return the eigenvalues of the gradient field at the equilibrium, -g/2 +- sqrt(g^2/4 - 1/4) for penalty g.

    +-i/2 without a penalty: no pull inwards, so simultaneous steps diverge. Real and equal at the critical g = 1.
    """
    root = cmath.sqrt(penalty**2 / 4 - 0.25)
    return -penalty / 2 + root, -penalty / 2 - root


def jacobian(penalty: float) -> Float64:
    """Return the derivative of (-df/dtheta, df/dpsi) at the equilibrium, [[0, -1/2], [1/2, -penalty]]."""
    return np.array([[0.0, -0.5], [0.5, -penalty]])


def norms(penalty: float, *, rate: float = 0.1, steps: int = 500, start: tuple[float, float] = (1.0, 1.0)) -> Float64:
    """Return |(theta, psi)| along simultaneous steps, float64 [steps + 1]."""
    path = play("simultaneous", rate, steps, game=dirac_gan(penalty), start=start)
    return np.array([math.hypot(theta, psi) for theta, psi in path])
