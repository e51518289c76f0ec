"""Estimated divergences against exact values: they agree within their error and the documented bias."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from genbench.errors import InputError, UsageError
from genbench.theory.densities import MultivariateNormal, Normal, Uniform
from genbench.theory.divergence_estimates import (
    binned,
    monte_carlo,
    nearest_neighbour_kl,
    nearest_neighbour_reverse_kl,
    on_grid,
)
from genbench.theory.estimates import EstimateWithError, mean_of
from genbench.theory.exact_divergences import divergences
from genbench.theory.mixtures import RING, Mixture, MixtureDensity
from genbench.theory.transport import assignment_distance, sorted_distance, transport_to

STANDARD = MultivariateNormal(np.zeros(2), np.eye(2))
SHIFTED = MultivariateNormal(np.array([1.0, 0.0]), np.eye(2))
EXACT = divergences(Normal(), Normal(1))  # both have the same second coordinate
HALF_RING = MixtureDensity(Mixture("half", RING.centres[:4], RING.std))


def test_monte_carlo_agrees_with_exact_divergences_on_the_line() -> None:
    exact, estimates = divergences(Normal(), Normal(0, 2)), monte_carlo(Normal(), Normal(0, 2), seed=1)
    for name in ("kl", "reverse_kl", "tv", "jsd", "gan_value"):
        estimate = getattr(estimates, name)
        assert abs(estimate.value - getattr(exact, name)) < 4 * estimate.error < 0.05


def test_monte_carlo_agrees_with_exact_divergences_in_the_plane() -> None:
    estimates = monte_carlo(STANDARD, SHIFTED, seed=2)
    for name in ("kl", "reverse_kl", "tv", "jsd"):
        estimate = getattr(estimates, name)
        assert abs(estimate.value - getattr(EXACT, name)) < 4 * estimate.error < 0.05


def test_monte_carlo_gives_infinity_instead_of_nan() -> None:
    estimates = monte_carlo(Uniform(), Uniform(0.3, 1.3), count=10_000)
    assert estimates.kl == EstimateWithError(math.inf, 0.0)
    assert abs(estimates.jsd.value - 0.3 * math.log(2)) < 4 * estimates.jsd.error
    assert abs(estimates.tv.value - 0.3) < 4 * estimates.tv.error


def test_the_grid_is_exact_for_smooth_densities() -> None:
    estimates = on_grid(STANDARD, SHIFTED, low=(-8, -8), high=(9, 8))
    assert estimates.kl.value == pytest.approx(EXACT.kl, abs=1e-9)
    assert estimates.jsd.value == pytest.approx(EXACT.jsd, abs=1e-9)
    assert abs(estimates.tv.value - EXACT.tv) < 2 * estimates.tv.error < 1e-3  # |p - q| has a kink


def test_the_grid_gives_kl_ln_2_for_half_a_ring() -> None:
    estimates = on_grid(HALF_RING, MixtureDensity(RING), low=(-1.1, -1.1), high=(1.1, 1.1), cells=400)
    assert estimates.kl.value == pytest.approx(math.log(2), abs=1e-6)
    assert estimates.tv.value == pytest.approx(0.5, abs=1e-6)
    assert estimates.jsd.value == pytest.approx(
        0.5 * math.log(2) + 0.75 * math.log(2 / 3) + 0.25 * math.log(2), abs=1e-3
    )
    assert 1000 < estimates.reverse_kl.value < math.inf


def test_a_grid_that_misses_the_mass_is_refused() -> None:
    with pytest.raises(UsageError, match="widen the box"):
        on_grid(STANDARD, SHIFTED, low=(-1, -1), high=(1, 1))
    with pytest.raises(UsageError, match="more than 30 cells"):
        on_grid(MixtureDensity(RING), MixtureDensity(RING), low=(-1.1, -1.1), high=(1.1, 1.1), cells=30)


def test_neighbours_estimate_kl_both_ways() -> None:
    points = SHIFTED.sample(4000, seed=3)
    forward, backward = nearest_neighbour_kl(points, STANDARD), nearest_neighbour_reverse_kl(points, STANDARD)
    assert abs(forward.value - 0.5) < 0.1
    assert abs(backward.value - 0.5) < 0.12
    assert 0.01 < forward.error < 0.05


def test_the_error_of_the_neighbour_estimates_is_their_spread_over_repeats() -> None:
    for estimate in (nearest_neighbour_kl, nearest_neighbour_reverse_kl):
        repeats = np.array([estimate(SHIFTED.sample(1000, seed), STANDARD) for seed in range(30)])
        assert 0.7 < repeats[:, 1].mean() / repeats[:, 0].std() < 1.6


def test_neighbour_estimates_detect_lost_modes() -> None:
    ring = MixtureDensity(RING)
    lost = HALF_RING.sample(2500, seed=0)
    assert abs(nearest_neighbour_kl(lost, ring).value - math.log(2)) < 0.08
    assert nearest_neighbour_reverse_kl(lost, ring).value > 3
    whole = ring.sample(2500, seed=1)
    assert abs(nearest_neighbour_kl(whole, ring).value) < 0.08
    assert abs(nearest_neighbour_reverse_kl(whole, ring).value) < 0.08


def test_repeated_samples_have_infinite_kl_to_a_density() -> None:
    repeated = np.repeat(STANDARD.sample(50, seed=0), 10, axis=0)
    assert nearest_neighbour_kl(repeated, STANDARD) == EstimateWithError(math.inf, 0.0)


def test_cell_counts_detect_half_a_ring() -> None:
    estimates = binned(HALF_RING.sample(2500, seed=0), MixtureDensity(RING))
    assert estimates.tv.value == pytest.approx(0.5, abs=0.02)
    assert estimates.reverse_kl.value == pytest.approx(math.log(2), abs=0.03)
    assert estimates.jsd.value == pytest.approx(0.2158, abs=0.01)


def test_a_perfect_sampler_has_the_floor_values_of_the_cells() -> None:
    repeats = [binned(STANDARD.sample(2000, seed), STANDARD, depth=5, seed=seed) for seed in range(12)]
    for index, name in enumerate(("reverse_kl", "tv", "jsd")):
        mean = np.mean([getattr(repeat, name).value for repeat in repeats])
        assert mean == pytest.approx(repeats[0].floor[index], rel=0.15)


def test_merging_into_cells_lowers_divergences_and_noise_raises_them() -> None:
    repeats = [binned(SHIFTED.sample(4000, seed), STANDARD, depth=5, seed=seed) for seed in range(8)]
    for index, name in enumerate(("kl", "tv", "jsd")):
        estimates = [getattr(repeat, "reverse_kl" if name == "kl" else name) for repeat in repeats]
        exact, mean = getattr(EXACT, name), np.mean([estimate.value for estimate in estimates])
        assert 0.85 * exact < mean < exact + repeats[0].floor[index]


def test_sorted_samples_agree_with_scipy() -> None:
    x, y = Normal().sample(300, seed=0), Normal(1, 2).sample(170, seed=1)
    assert sorted_distance(x, y) == pytest.approx(wasserstein_distance(x, y), abs=1e-12)


def test_sorted_samples_of_equal_count_are_paired() -> None:
    x, y = np.array([3.0, 1.0, 2.0]), np.array([0.0, 5.0, 1.0])
    assert sorted_distance(x, y) == pytest.approx((1 + 1 + 2) / 3)
    assert sorted_distance(x, y, order=2) == pytest.approx(math.sqrt((1 + 1 + 4) / 3))


def test_assignment_on_the_line_is_sorting() -> None:
    x, y = Normal().sample(120, seed=0), Normal(1, 2).sample(120, seed=1)
    for order in (1, 2):
        distance = assignment_distance(x[:, None], y[:, None], order=order)
        assert distance == pytest.approx(sorted_distance(x, y, order=order), abs=1e-12)


def test_the_distance_to_a_shifted_set_is_the_shift() -> None:
    x = STANDARD.sample(200, seed=0)
    assert assignment_distance(x, x[::-1] + np.array([0.3, 0.4]), order=2) == pytest.approx(0.5, abs=1e-12)
    assert assignment_distance(x, x[::-1]) == 0


def test_transport_to_a_known_distribution_is_above_its_floor() -> None:
    estimate, floor = transport_to(SHIFTED.sample(1200, seed=0), STANDARD, block=300)
    assert abs(estimate.value - 1.0) < 4 * estimate.error
    assert 0.1 < floor.value < 0.4
    same, floor = transport_to(STANDARD.sample(1200, seed=5), STANDARD, block=300)
    assert abs(same.value - floor.value) < 4 * math.hypot(same.error, floor.error)


@pytest.mark.parametrize(
    "call",
    [
        lambda: nearest_neighbour_kl(np.zeros((3, 2)), STANDARD),
        lambda: binned(np.full((30, 2), np.nan), STANDARD),
        lambda: sorted_distance([], [1.0]),
        lambda: assignment_distance(np.zeros((3, 2)), np.zeros((4, 2))),
        lambda: transport_to(np.zeros((600, 2)), STANDARD),
    ],
)
def test_unusable_samples_are_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(InputError, match="got"):
        call()


def test_the_mean_of_one_draw_has_an_infinite_error() -> None:
    assert mean_of(np.array([2.0])) == EstimateWithError(2.0, math.inf)
