"""Discriminators: the optimal one by formula, and a logistic one that tends to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import logit

from genbench.errors import GenbenchError, InputError
from genbench.theory.densities import MultivariateNormal, Normal, Uniform
from genbench.theory.discriminators import fit_logistic, gan_value_of_logits, optimal_discriminator, optimal_logit
from genbench.theory.exact_divergences import gan_value, tv
from genbench.theory.mixtures import RING, MixtureDensity

REFERENCE, GENERATED = Normal(), Normal(1)


def test_the_optimal_discriminator_is_hand_computed() -> None:
    assert optimal_discriminator(REFERENCE, GENERATED, [0.0, 0.5]) == pytest.approx([0.622459, 0.5], abs=1e-6)
    assert optimal_logit(REFERENCE, GENERATED, [0.0, 2.0]) == pytest.approx([0.5, -1.5], abs=1e-12)


def test_the_discriminator_is_certain_where_only_one_side_has_mass() -> None:
    probabilities = optimal_discriminator(Uniform(0, 1), Uniform(0.5, 1.5), [0.2, 0.7, 1.2, 9.0])
    assert probabilities.tolist() == [1.0, 0.5, 0.0, 0.5]


def test_the_logit_stays_finite_far_from_both_sides() -> None:
    assert optimal_logit(REFERENCE, GENERATED, [-100.0]) == pytest.approx([100.5])
    assert logit(optimal_discriminator(REFERENCE, GENERATED, [3.0])) == pytest.approx([-2.5], abs=1e-9)


def test_the_optimal_discriminator_reaches_the_gan_value() -> None:
    reference_logits = optimal_logit(REFERENCE, GENERATED, REFERENCE.sample(20_000, seed=0))
    generated_logits = optimal_logit(REFERENCE, GENERATED, GENERATED.sample(20_000, seed=1))
    estimate = gan_value_of_logits(reference_logits, generated_logits)
    assert abs(estimate.value - gan_value(REFERENCE, GENERATED)) < 4 * estimate.error < 0.03


def test_a_discriminator_that_always_says_one_half_has_the_value_minus_ln_4() -> None:
    assert gan_value_of_logits(np.zeros(10), np.zeros(5)).value == pytest.approx(-math.log(4))


def test_A31_logistic_discriminator() -> None:
    x, y = REFERENCE.sample(20_000, seed=1), GENERATED.sample(20_000, seed=2)
    fitted = fit_logistic(x, y)
    assert fitted.weights[0] == pytest.approx(-1, abs=0.05)
    assert fitted.bias == pytest.approx(0.5, abs=0.05)
    assert fitted.value(x, y).value == pytest.approx(-1.163451, abs=0.02)


def test_A31_the_accuracy_gives_the_total_variation() -> None:
    fitted = fit_logistic(REFERENCE.sample(20_000, seed=1), GENERATED.sample(20_000, seed=2))
    accuracy = fitted.accuracy(REFERENCE.sample(50_000, seed=3), GENERATED.sample(50_000, seed=4))
    assert accuracy == pytest.approx(0.5 + tv(REFERENCE, GENERATED) / 2, abs=0.008)


def test_the_fitted_weights_are_the_optimal_ones_for_a_full_covariance() -> None:
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])
    reference = MultivariateNormal(np.array([0.5, -0.5]), covariance)
    generated = MultivariateNormal(np.zeros(2), covariance)
    fitted = fit_logistic(reference.sample(20_000, seed=0), generated.sample(10_000, seed=1))
    assert fitted.weights == pytest.approx(np.linalg.solve(covariance, reference.mean), abs=0.06)


def test_the_fitted_discriminator_maximises_the_value() -> None:
    x, y = REFERENCE.sample(500, seed=0), GENERATED.sample(900, seed=1)
    fitted = fit_logistic(x, y)
    best = fitted.value(x, y).value
    for bias, slope in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
        changed = type(fitted)(fitted.bias + bias, (fitted.weights[0] + slope,))
        assert changed.value(x, y).value < best


def test_a_logistic_discriminator_cannot_separate_two_concentric_rings() -> None:
    ring = MixtureDensity(RING)
    x, y = ring.sample(4000, seed=0), ring.sample(4000, seed=1) * 0.5
    assert fit_logistic(x, y).value(x, y).value == pytest.approx(-math.log(4), abs=0.01)


def test_separated_sets_are_refused() -> None:
    with pytest.raises(GenbenchError, match="separates"):
        fit_logistic([0.0, 1.0], [2.0, 3.0])


def test_sets_of_different_dimension_are_refused() -> None:
    with pytest.raises(InputError, match="equal dimension"):
        fit_logistic(np.zeros((3, 2)), np.zeros((3, 1)))
