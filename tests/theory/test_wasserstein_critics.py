"""Critics on parallel lines: which Lipschitz constraint recovers W1, and how large the bias of the others is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genbench.errors import InputError
from genbench.theory.exact_divergences import parallel_lines
from genbench.theory.transport import assignment_distance
from genbench.theory.wasserstein_critics import (
    GradientPenalty,
    SpectralNorm,
    WeightClipping,
    gradient_penalty_estimate,
    line_points,
    train_critic,
)

THETAS = (0.1, 0.5, 1.0, 2.0, 4.0)


def points_between_lines(theta: float) -> np.ndarray:
    return np.concatenate([line_points(theta * share, count=16) for share in (0, 0.25, 0.5, 0.75, 1)])


@pytest.fixture(autouse=True)
def one_thread() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("theta", [0.1, 1.0, 4.0])
def test_A32_spectral_norm_recovers_the_distance(theta: float) -> None:
    critic = train_critic(line_points(0), line_points(theta), SpectralNorm())
    assert critic.estimate == pytest.approx(parallel_lines(theta).w1, rel=0.02)
    assert critic.gradient_norms(points_between_lines(theta)).max() <= 1 + 1e-9


@pytest.mark.parametrize("theta", [0.1, 1.0, 4.0])
def test_A32_the_gradient_penalty_overestimates_as_theory_says(theta: float) -> None:
    critic = train_critic(line_points(0), line_points(theta), GradientPenalty(10.0))
    assert critic.estimate == pytest.approx(gradient_penalty_estimate(theta, 10.0), rel=0.02)
    assert critic.gradient_norms(points_between_lines(theta)).mean() == pytest.approx(1 + theta / 20, rel=0.02)


def test_A33_clipping_gives_the_right_order_but_the_wrong_scale() -> None:
    estimates = [train_critic(line_points(0), line_points(theta), WeightClipping(0.1)).estimate for theta in THETAS]
    assert estimates == sorted(estimates)
    scale = np.array(estimates) / np.array(THETAS)
    assert (np.abs(scale - 1) > 0.2).all()


def test_clipped_weights_stay_within_the_limit() -> None:
    critic = train_critic(line_points(0), line_points(1), WeightClipping(0.05), steps=20)
    assert max(float(parameter.detach().abs().max()) for parameter in critic.network.parameters) <= 0.05


def test_no_lipschitz_critic_exceeds_w1_of_its_samples() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((128, 2)), 0.5 * rng.standard_normal((128, 2)) + 1
    estimate = train_critic(x, y, SpectralNorm(), steps=150).estimate
    assert 0.6 * assignment_distance(x, y) < estimate <= assignment_distance(x, y) + 1e-9


def test_the_estimate_is_the_difference_of_the_critics_means() -> None:
    x, y = line_points(0), line_points(1)
    critic = train_critic(x, y, SpectralNorm(), steps=30)
    assert critic.estimate == pytest.approx(critic(x).mean() - critic(y).mean(), abs=1e-12)


def test_a_seed_gives_the_same_critic_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = (
        train_critic(line_points(0), line_points(1), GradientPenalty(), steps=15, seed=seed).estimate
        for seed in (1, 1, 2)
    )
    assert first == second != other
    assert torch.equal(torch.get_rng_state(), before)


def test_sets_of_unequal_shape_are_refused() -> None:
    with pytest.raises(InputError, match="equal shape"):
        train_critic(line_points(0, count=4), line_points(1, count=5), SpectralNorm())
