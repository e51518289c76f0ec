"""Two-player games and update rules: why simultaneous gradient steps circle, and which rules converge."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genbench.array_types import Float64
from genbench.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Game:
    """min over x, max over y of f(x, y), given by the two partial derivatives."""

    by_x: Callable[[float, float], float]
    """df/dx; x descends along it"""
    by_y: Callable[[float, float], float]
    """df/dy; y ascends along it"""


BILINEAR = Game(lambda x, y: y, lambda x, y: x)
"""f = x y with equilibrium (0, 0) (Goodfellow 2016, arXiv 1701.00160, section 8.2); f = -x y swaps the players."""

PlayerState = tuple[float, float, float, float]
"""x, y, and both of them one step earlier."""
UpdateRule = Callable[[Game, PlayerState, float], PlayerState]

# The docstrings give the factor by which one step changes the norm |(x, y)| on f = x y.


def simultaneous(game: Game, state: PlayerState, rate: float) -> PlayerState:
    """Both players step from the same point; factor sqrt(1 + rate^2)."""
    # each player ignores that the other one moves too
    x, y = state[:2]
    return x - rate * game.by_x(x, y), y + rate * game.by_y(x, y), x, y


def alternating(game: Game, state: PlayerState, rate: float) -> PlayerState:
    """y reacts to the new x; the path stays on x^2 + y^2 - rate x y = constant (rate < 2)."""
    x, y = state[:2]
    new_x = x - rate * game.by_x(x, y)
    return new_x, y + rate * game.by_y(new_x, y), x, y


def extragradient(game: Game, state: PlayerState, rate: float) -> PlayerState:
    """Use the derivatives after a trial step (Korpelevich 1976); factor sqrt(1 - rate^2 + rate^4)."""
    x, y = state[:2]
    # the trial step only decides where to evaluate the derivatives
    trial_x, trial_y = simultaneous(game, state, rate)[:2]
    return x - rate * game.by_x(trial_x, trial_y), y + rate * game.by_y(trial_x, trial_y), x, y


def proximal(game: Game, state: PlayerState, rate: float) -> PlayerState:
    """Use the derivatives at the end of the step (an implicit step); factor 1 / sqrt(1 + rate^2).

    Solved by fixed-point iteration. Raises UsageError if the iteration does not converge (on x y: rate >= 1).
    """
    x, y = state[:2]
    # iterate z <- (x, y) - rate * field(z) until z no longer changes
    new_x, new_y = x, y
    for _ in range(2000):
        last_x, last_y = new_x, new_y
        new_x, new_y = x - rate * game.by_x(last_x, last_y), y + rate * game.by_y(last_x, last_y)
        if abs(new_x - last_x) + abs(new_y - last_y) <= 1e-15 * (abs(x) + abs(y)):
            return new_x, new_y, x, y
    raise UsageError(f"The proximal step does not converge at rate {rate}; use a smaller rate.")


def optimistic(game: Game, state: PlayerState, rate: float) -> PlayerState:
    """Use twice the derivative minus the previous derivative (Daskalakis et al. 2018, arXiv 1711.00141).

    The factor tends to sqrt((1 + sqrt(1 - 4 rate^2)) / 2) for rate <= 1/2.
    """
    x, y, last_x, last_y = state
    # the difference of the two derivatives predicts the next one
    new_x = x - 2 * rate * game.by_x(x, y) + rate * game.by_x(last_x, last_y)
    new_y = y + 2 * rate * game.by_y(x, y) - rate * game.by_y(last_x, last_y)
    return new_x, new_y, x, y


def negative_momentum(game: Game, state: PlayerState, rate: float, *, momentum: float = -0.5) -> PlayerState:
    """Alternate, and undo a part of the previous step (Gidel et al. 2019, arXiv 1807.04740); converges on x y."""
    x, y, last_x, last_y = state
    # y uses the new x, as in ``alternating``
    new_x = x - rate * game.by_x(x, y) + momentum * (x - last_x)
    return new_x, y + rate * game.by_y(new_x, y) + momentum * (y - last_y), x, y


# by name: "negative-momentum" for ``negative_momentum``
METHODS: dict[str, UpdateRule] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (simultaneous, alternating, extragradient, proximal, optimistic, negative_momentum)
}


def play(
    method: str, rate: float, steps: int, *, game: Game = BILINEAR, start: tuple[float, float] = (1.0, 1.0)
) -> Float64:
    """Return the path of (x, y) from the start on, float64 [steps + 1, 2]. Raises UsageError for an unknown method."""
    update = _update_rule(method)
    # before the first step, the previous point is the start too
    state: PlayerState = (*start, *start)
    path = [state[:2]]
    for _ in range(steps):
        state = update(game, state, rate)
        path.append(state[:2])
    return np.array(path)


def growth(path: Float64) -> float:
    """Return |last point| / |first point|."""
    return float(np.linalg.norm(path[-1]) / np.linalg.norm(path[0]))


def spectral_radius(method: str, rate: float) -> float:
    """Return the long-run factor of one step on f = x y; below 1 the method converges from every start.

    A step is a linear map of (x, y, previous x, previous y); the factor is its largest absolute eigenvalue. Raises
    UsageError for an unknown method.
    """
    update = _update_rule(method)
    # the columns of the matrix are the images of the four unit states
    columns = [update(BILINEAR, (float(i == 0), float(i == 1), float(i == 2), float(i == 3)), rate) for i in range(4)]
    return float(np.abs(np.linalg.eigvals(np.array(columns).T)).max())


def predicted_factor(method: str, rate: float) -> float:
    """Return the theoretical factor of one step on f = x y; the docstrings of the methods give the formulas.

    Raises UsageError for a method without a formula.
    """
    if method not in _FACTORS:
        raise UsageError(f"No factor is known for {method!r}{did_you_mean(method, _FACTORS)}")
    return _FACTORS[method](rate)


# negative momentum has no simple formula
_FACTORS: dict[str, Callable[[float], float]] = {
    "simultaneous": lambda rate: math.sqrt(1 + rate**2),
    "alternating": lambda rate: 1.0,
    "extragradient": lambda rate: math.sqrt(1 - rate**2 + rate**4),
    "proximal": lambda rate: 1 / math.sqrt(1 + rate**2),
    "optimistic": lambda rate: math.sqrt((1 + math.sqrt(1 - 4 * rate**2)) / 2),
}


def invariant(path: Float64, rate: float) -> Float64:
    """Return x^2 + y^2 - rate x y along a path, float64 [steps + 1]; alternating steps on f = x y do not change it."""
    # an ellipse: the norm oscillates while this value stays constant
    x, y = path[:, 0], path[:, 1]
    return np.asarray(x**2 + y**2 - rate * x * y)


def _update_rule(method: str) -> UpdateRule:
    if method not in METHODS:
        raise UsageError(f"No method is called {method!r}{did_you_mean(method, METHODS)}")
    return METHODS[method]
