"""The Dirac-GAN: a minimal GAN that does not converge without a gradient penalty (Mescheder et al. 2018)."""

from __future__ import annotations

import cmath
import math

import numpy as np
from scipy.special import expit

from genbench.array_types import Float64
from genbench.theory.games import Game, play


def dirac_gan(penalty: float) -> Game:
    """Return the game of the generated point theta (x) and the discriminator D(x) = psi x (y); all data are at 0.

    f(theta, psi) = l(psi theta) + l(0) - penalty/2 psi^2 with l(t) = -ln(1 + e^-t): the GAN loss with the R1 penalty,
    the squared gradient of D at the data. The equilibrium is (0, 0). Mescheder, Geiger and Nowozin 2018
    (arXiv 1801.04406).
    """

    def loss_derivative(theta: float, psi: float) -> float:
        return float(expit(-theta * psi))  # l'(t) at t = psi theta

    # chain rule: dt/dtheta = psi and dt/dpsi = theta
    return Game(
        by_x=lambda theta, psi: psi * loss_derivative(theta, psi),
        by_y=lambda theta, psi: theta * loss_derivative(theta, psi) - penalty * psi,
    )


def eigenvalues(penalty: float) -> tuple[complex, complex]:
    """Return the eigenvalues of the gradient field at the equilibrium, -g/2 +- sqrt(g^2/4 - 1/4) for penalty g.

    Without a penalty they are +-i/2: nothing pulls the players inwards, and simultaneous steps diverge. At the
    critical penalty g = 1 they are real and equal.
    """
    # complex for penalties below 1
    root = cmath.sqrt(penalty**2 / 4 - 0.25)
    return -penalty / 2 + root, -penalty / 2 - root


def jacobian(penalty: float) -> Float64:
    """Return the Jacobian of (-df/dtheta, df/dpsi) at the equilibrium, [[0, -1/2], [1/2, -penalty]]."""
    # l'(0) = 1/2
    return np.array([[0.0, -0.5], [0.5, -penalty]])


def norms(penalty: float, *, rate: float = 0.1, steps: int = 500, start: tuple[float, float] = (1.0, 1.0)) -> Float64:
    """Return |(theta, psi)| after each simultaneous step, float64 [steps + 1]; the first entry is the start."""
    # plain gradient steps: only the penalty can make them converge
    path = play("simultaneous", rate, steps, game=dirac_gan(penalty), start=start)
    return np.array([math.hypot(theta, psi) for theta, psi in path])
