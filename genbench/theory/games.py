"""Two-player games and the ways of playing them: why descent against ascent circles, and what makes it converge."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genbench.arrays import Float64
from genbench.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Game:
    """min over x, max over y of f(x, y), told by its two derivatives."""

    by_x: Callable[[float, float], float]
    """df/dx: x descends along it"""
    by_y: Callable[[float, float], float]
    """df/dy: y ascends along it"""


BILINEAR = Game(lambda x, y: y, lambda x, y: x)
"""f = x y, with its equilibrium at (0, 0) (Goodfellow 2016, arXiv 1701.00160, section 8.2); -x y swaps the players."""

State = tuple[float, float, float, float]
"""x, y, and both one step ago."""
Method = Callable[[Game, State, float], State]


def simultaneous(game: Game, state: State, rate: float) -> State:
    """Both step from the same place; on x y the norm grows by sqrt(1 + rate^2) a step."""
    x, y = state[:2]
    return x - rate * game.by_x(x, y), y + rate * game.by_y(x, y), x, y


def alternating(game: Game, state: State, rate: float) -> State:
    """y answers the new x; on x y it cycles for ever on x^2 + y^2 - rate x y = constant (rate < 2)."""
    x, y = state[:2]
    moved = x - rate * game.by_x(x, y)
    return moved, y + rate * game.by_y(moved, y), x, y


def extragradient(game: Game, state: State, rate: float) -> State:
    """Look one step ahead and use the derivatives there (Korpelevich 1976); factor sqrt(1 - rate^2 + rate^4) on x y."""
    x, y = state[:2]
    ahead_x, ahead_y = simultaneous(game, state, rate)[:2]
    return x - rate * game.by_x(ahead_x, ahead_y), y + rate * game.by_y(ahead_x, ahead_y), x, y


def proximal(game: Game, state: State, rate: float) -> State:
    """Use the derivatives at the place where the step ends (implicit); factor 1 / sqrt(1 + rate^2) on x y.

    Solved by fixed-point iteration. Raises UsageError where the rate is too large for it (1 and more on x y).
    """
    x, y = state[:2]
    new_x, new_y = x, y
    for _ in range(2000):
        last_x, last_y = new_x, new_y
        new_x, new_y = x - rate * game.by_x(last_x, last_y), y + rate * game.by_y(last_x, last_y)
        if abs(new_x - last_x) + abs(new_y - last_y) <= 1e-15 * (abs(x) + abs(y)):
            return new_x, new_y, x, y
    raise UsageError(f"The proximal step has no solution by iteration at rate {rate}; take a smaller one.")


def optimistic(game: Game, state: State, rate: float) -> State:
    """Twice the derivative less the last one (Daskalakis et al. 2018, arXiv 1711.00141).

    On x y the factor tends to sqrt((1 + sqrt(1 - 4 rate^2)) / 2) for rate <= 1/2.
    """
    x, y, last_x, last_y = state
    new_x = x - 2 * rate * game.by_x(x, y) + rate * game.by_x(last_x, last_y)
    new_y = y + 2 * rate * game.by_y(x, y) - rate * game.by_y(last_x, last_y)
    return new_x, new_y, x, y


def negative_momentum(game: Game, state: State, rate: float, *, momentum: float = -0.5) -> State:
    """Alternate, and go back a part of the last step (Gidel et al. 2019, arXiv 1807.04740); converges on x y."""
    x, y, last_x, last_y = state
    new_x = x - rate * game.by_x(x, y) + momentum * (x - last_x)
    return new_x, y + rate * game.by_y(new_x, y) + momentum * (y - last_y), x, y


METHODS: dict[str, Method] = {
    method.__name__.replace("_", "-"): method
    for method in (simultaneous, alternating, extragradient, proximal, optimistic, negative_momentum)
}


def play(
    method: str, rate: float, steps: int, *, game: Game = BILINEAR, start: tuple[float, float] = (1.0, 1.0)
) -> Float64:
    """Return the path float64 [steps + 1, 2] of (x, y), the start included. Raises UsageError for an unknown method."""
    state: State = (*start, *start)
    path = [state[:2]]
    step = _method(method)
    for _ in range(steps):
        state = step(game, state, rate)
        path.append(state[:2])
    return np.array(path)


def growth(path: Float64) -> float:
    """Return |last point| / |first point|."""
    return float(np.linalg.norm(path[-1]) / np.linalg.norm(path[0]))


def spectral_radius(method: str, rate: float) -> float:
    """Return by which factor a step of ``method`` on f = x y shrinks or stretches in the long run.

    The step is a linear map of (x, y, last x, last y); its matrix is read off the four unit states, the radius is its
    largest absolute eigenvalue. Below 1 the method converges from every start. Raises UsageError as ``play`` does.
    """
    step = _method(method)
    columns = [step(BILINEAR, (float(i == 0), float(i == 1), float(i == 2), float(i == 3)), rate) for i in range(4)]
    return float(np.abs(np.linalg.eigvals(np.array(columns).T)).max())


def predicted_factor(method: str, rate: float) -> float:
    """Return the factor a step that theory gives for f = x y; the formulas stand at the methods.

    Raises UsageError for a method without a formula here.
    """
    if method not in _FACTORS:
        raise UsageError(f"No factor is known for {method!r}{did_you_mean(method, _FACTORS)}")
    return _FACTORS[method](rate)


_FACTORS: dict[str, Callable[[float], float]] = {
    "simultaneous": lambda rate: math.sqrt(1 + rate**2),
    "alternating": lambda rate: 1.0,
    "extragradient": lambda rate: math.sqrt(1 - rate**2 + rate**4),
    "proximal": lambda rate: 1 / math.sqrt(1 + rate**2),
    "optimistic": lambda rate: math.sqrt((1 + math.sqrt(1 - 4 * rate**2)) / 2),
}


def invariant(path: Float64, rate: float) -> Float64:
    """Return x^2 + y^2 - rate x y along a path, float64 [steps + 1]: alternating steps on f = x y keep it exactly."""
    x, y = path[:, 0], path[:, 1]
    return np.asarray(x**2 + y**2 - rate * x * y)


def _method(name: str) -> Method:
    if name not in METHODS:
        raise UsageError(f"No method is called {name!r}{did_you_mean(name, METHODS)}")
    return METHODS[name]
