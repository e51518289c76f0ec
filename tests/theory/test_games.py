"""Games: theoretical factors, invariants and eigenvalues against simulated play."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from genbench.errors import UsageError
from genbench.theory.dirac_gan import dirac_gan, eigenvalues, jacobian, norms
from genbench.theory.games import METHODS, Game, growth, invariant, play, predicted_factor, spectral_radius
from genbench.theory.two_time_scales import noisy_saddle


@pytest.mark.parametrize(
    ("method", "rate", "expected"),
    [
        ("simultaneous", 0.1, 1.644632),
        ("simultaneous", 0.2, 7.106683),
        ("extragradient", 0.1, 0.608069),
        ("extragradient", 0.2, 0.141164),
        ("proximal", 0.1, 1.01**-50),
        ("proximal", 0.5, 1.25**-50),
    ],
)
def test_A25_growth_over_a_hundred_steps(method: str, rate: float, expected: float) -> None:
    assert growth(play(method, rate, 100)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("method", ["simultaneous", "alternating", "extragradient", "proximal", "optimistic"])
def test_A25_spectral_radius_is_the_predicted_factor(method: str, rate: float) -> None:
    assert spectral_radius(method, rate) == pytest.approx(predicted_factor(method, rate), abs=1e-7)


@pytest.mark.parametrize(("rate", "radius"), [(0.1, 0.994936), (0.2, 0.978906), (0.5, 0.707107)])
def test_A25_optimistic_radius(rate: float, radius: float) -> None:
    assert spectral_radius("optimistic", rate) == pytest.approx(radius, abs=1e-6)


def test_A25_alternating_keeps_its_invariant() -> None:
    for rate in (0.1, 0.5, 1.5):
        values = invariant(play("alternating", rate, 2000), rate)
        assert np.ptp(values) <= 1e-12 * max(1, rate) * 10
    assert growth(play("alternating", 0.1, 5000)) < 1.2


def test_A25_negative_momentum_converges() -> None:
    assert spectral_radius("negative-momentum", 0.1) < 1
    assert growth(play("negative-momentum", 0.1, 20_000)) < 1e-3


@pytest.mark.parametrize("method", sorted(METHODS))
def test_A25_the_growth_of_play_is_the_spectral_radius(method: str) -> None:
    path = np.linalg.norm(play(method, 0.3, 600), axis=1)
    # the largest norm of a window, because some methods oscillate
    rate = (path[500:].max() / path[200:300].max()) ** (1 / 300)
    assert rate == pytest.approx(spectral_radius(method, 0.3), abs=2e-3)


def test_swapping_the_players_of_xy_gives_minus_xy() -> None:
    swapped = Game(lambda x, y: -y, lambda x, y: -x)
    path, mirrored = play("simultaneous", 0.1, 50), play("simultaneous", 0.1, 50, game=swapped, start=(1.0, -1.0))
    assert mirrored == pytest.approx(path * np.array([1, -1]), abs=1e-12)


def test_an_unknown_method_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean 'extragradient'"):
        play("extra-gradient", 0.1, 1)
    with pytest.raises(UsageError, match="No factor"):
        predicted_factor("negative-momentum", 0.1)


def test_a_proximal_step_with_a_large_rate_is_refused() -> None:
    with pytest.raises(UsageError, match="smaller"):
        play("proximal", 1.5, 1)


@pytest.mark.parametrize("penalty", [0.0, 0.3, 1.0, 2.5])
def test_A26_eigenvalues_of_the_dirac_gan(penalty: float) -> None:
    first, second = eigenvalues(penalty)
    field = jacobian(penalty)
    assert first + second == pytest.approx(np.trace(field), abs=1e-8)
    assert first * second == pytest.approx(np.linalg.det(field), abs=1e-8)
    assert first == pytest.approx(-penalty / 2 + cmath.sqrt(penalty**2 / 4 - 0.25), abs=1e-8)


@pytest.mark.parametrize("penalty", [0.0, 0.7])
def test_A26_the_jacobian_is_the_derivative_of_the_game(penalty: float) -> None:
    game, step = dirac_gan(penalty), 1e-6
    differences = [
        [
            -(game.by_x(dx, dy) - game.by_x(-dx, -dy)) / (2 * step),
            (game.by_y(dx, dy) - game.by_y(-dx, -dy)) / (2 * step),
        ]
        for dx, dy in ((step, 0.0), (0.0, step))
    ]
    assert pytest.approx(jacobian(penalty), abs=1e-8) == np.array(differences).T


def test_A26_play_diverges_without_a_penalty_and_converges_with_it() -> None:
    without, penalised = norms(0.0), norms(1.0)
    assert without[-1] > 1.2 * without[0]
    assert penalised[-1] < 1e-9
    assert penalised[-1] == pytest.approx(2e-10, rel=0.5)


def test_A26_the_penalty_sets_the_rate_of_convergence() -> None:
    distances = norms(0.4, steps=1000)
    rate = (distances[1000] / distances[500]) ** (1 / 500)
    assert rate == pytest.approx(max(abs(1 + 0.1 * value) for value in eigenvalues(0.4)), abs=2e-3)


def test_two_time_scales_reach_the_saddle_that_a_large_common_rate_misses() -> None:
    for seed in range(3):
        common = noisy_saddle(0.01, 0.01, seed=seed)[-1000:].mean()
        slow = noisy_saddle(0.001, 0.001, seed=seed)[-1000:].mean()
        two = noisy_saddle(1e-4, 0.01, seed=seed)[-1000:].mean()
        swapped = noisy_saddle(0.01, 1e-4, seed=seed)[-1000:].mean()
        assert common > 0.3
        assert swapped > 0.1
        assert max(two, slow) < 0.1


def test_a_rate_too_large_for_the_curvature_ends_in_infinity() -> None:
    assert noisy_saddle(0.05, 0.001)[-1] == math.inf


def test_a_seed_gives_the_same_noisy_path() -> None:
    assert np.array_equal(noisy_saddle(1e-3, 1e-3, steps=50), noisy_saddle(1e-3, 1e-3, steps=50))
