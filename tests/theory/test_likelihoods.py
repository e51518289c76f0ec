"""Likelihoods: the exact likelihood of PPCA, and lower bounds of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from genbench.array_types import Float64
from genbench.errors import InputError, UsageError
from genbench.theory.densities import MultivariateNormal
from genbench.theory.exact_divergences import kl
from genbench.theory.gradient_estimators import reparameterized_gradient, score_function_gradient
from genbench.theory.likelihoods import GaussianProposal, ais, elbo, gaussian_kl, iwae, standard_prior
from genbench.theory.ppca import PPCA, elbo_gap, fit_ppca, maximum_log_likelihood

RNG = np.random.default_rng(0)
DATA = RNG.standard_normal((300, 3)) @ RNG.standard_normal((3, 8)) + 0.5 * RNG.standard_normal((300, 8)) + 1
MODEL = fit_ppca(DATA, 3)
EXACT = MODEL.log_likelihood(DATA)
MEANS, COVARIANCE = MODEL.posterior(DATA)
WIDE = GaussianProposal(MEANS, 2 * COVARIANCE)


def log_joint(codes: Float64) -> Float64:
    return MODEL.log_joint(DATA, codes)


def test_A27_the_likelihood_equals_that_of_the_marginal_normal() -> None:
    assert pytest.approx(MODEL.marginal.logpdf(DATA), abs=1e-11) == EXACT
    assert EXACT.mean() == pytest.approx(maximum_log_likelihood(DATA, 3), abs=1e-12)


@pytest.mark.parametrize(("scale", "gap"), [(0.5, 0.28972), (1.0, 0.0), (2.0, 0.46028)])
def test_A27_elbo_gap(scale: float, gap: float) -> None:
    gaps = EXACT - MODEL.elbo(DATA, MEANS, scale * COVARIANCE)
    assert gaps == pytest.approx(elbo_gap(3, scale), abs=1e-8)
    assert elbo_gap(3, scale) == pytest.approx(gap, abs=1e-5)


def test_A27_the_gap_is_the_kl_to_the_posterior() -> None:
    shifted, covariance = MEANS + 0.1, np.diag([0.2, 0.1, 0.3])
    gap = EXACT - MODEL.elbo(DATA, shifted, covariance)
    q = MultivariateNormal(shifted[0], covariance)
    assert gap == pytest.approx(kl(q, MultivariateNormal(MEANS[0], COVARIANCE)), abs=1e-9)


def test_joint_minus_posterior_is_the_likelihood_at_every_code() -> None:
    codes = np.random.default_rng(1).standard_normal((4, len(DATA), 3))
    posterior = GaussianProposal(MEANS, COVARIANCE)
    difference = log_joint(codes) - posterior.logpdf(codes)
    assert difference == pytest.approx(np.broadcast_to(EXACT, difference.shape), abs=1e-9)


def test_no_model_near_the_fitted_one_has_a_larger_likelihood() -> None:
    rng = np.random.default_rng(2)
    best = EXACT.mean()
    for _ in range(20):
        loadings = MODEL.loadings + 0.03 * rng.standard_normal(MODEL.loadings.shape)
        other = PPCA(MODEL.mean, loadings, MODEL.noise * math.exp(0.05 * rng.standard_normal()))
        assert other.log_likelihood(DATA).mean() < best


def test_a_model_is_recovered_from_its_samples() -> None:
    refitted = fit_ppca(MODEL.sample(40_000, seed=0), 3)
    assert refitted.noise == pytest.approx(MODEL.noise, rel=0.02)
    assert np.abs(refitted.covariance - MODEL.covariance).max() < 0.03 * np.abs(MODEL.covariance).max()


def test_the_posterior_is_the_conditional_of_the_joint_normal() -> None:
    # condition the joint normal of (z, x) on x by the textbook formula
    gain = MODEL.loadings.T @ np.linalg.inv(MODEL.covariance)
    assert pytest.approx((DATA - MODEL.mean) @ gain.T, abs=1e-10) == MEANS
    assert pytest.approx(np.eye(3) - gain @ MODEL.loadings, abs=1e-10) == COVARIANCE


@pytest.mark.parametrize(
    ("data", "latent", "error"),
    [(DATA, 8, UsageError), (DATA, 0, UsageError), (DATA[:4], 3, InputError), (np.full((5, 3), np.nan), 1, InputError)],
)
def test_data_that_ppca_cannot_fit_are_refused(data: Float64, latent: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        fit_ppca(data, latent)


def test_A28_iwae_rises_with_samples_and_stays_below_the_likelihood() -> None:
    gaps = []
    for samples in (1, 5, 50, 500):
        gap = EXACT - iwae(log_joint, WIDE, samples=samples, seed=1)
        gaps.append(gap.mean())
        assert gap.mean() > -3 * gap.std() / math.sqrt(len(gap))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] == pytest.approx(elbo_gap(3, 2), abs=0.15)
    assert gaps[1] == pytest.approx(0.055, abs=0.06)
    assert gaps[3] < 0.01


def test_A28_with_the_exact_posterior_every_bound_is_tight() -> None:
    posterior = GaussianProposal(MEANS, COVARIANCE)
    for samples in (1, 7):
        assert iwae(log_joint, posterior, samples=samples) == pytest.approx(EXACT, abs=1e-9)
    assert elbo(log_joint, posterior, samples=2) == pytest.approx(EXACT, abs=1e-9)


def test_A28_one_importance_sample_is_the_elbo() -> None:
    assert np.array_equal(iwae(log_joint, WIDE, samples=1, seed=4), elbo(log_joint, WIDE, samples=1, seed=4))


def test_the_sampled_elbo_agrees_with_the_exact_elbo() -> None:
    difference = elbo(log_joint, WIDE, samples=1000) - MODEL.elbo(DATA, MEANS, 2 * COVARIANCE)
    assert abs(difference.mean()) < 4 * difference.std() / math.sqrt(len(difference)) < 0.02


def test_importance_weights_from_the_prior_need_many_samples() -> None:
    prior = standard_prior(len(DATA), 3)
    gaps = [(EXACT - iwae(log_joint, prior, samples=samples)).mean() for samples in (10, 100, 1000)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 2
    assert 0 < gaps[2] < 0.6


def test_A29_ais_closes_the_gap_as_temperatures_grow() -> None:
    prior = standard_prior(len(DATA), 3)
    gaps = [(EXACT - ais(log_joint, prior, temperatures=count)).mean() for count in (10, 100, 1000)]
    assert gaps == sorted(gaps, reverse=True)
    assert abs(gaps[2]) < 0.2


def test_A29_one_temperature_is_one_importance_sample() -> None:
    prior = standard_prior(len(DATA), 3)
    estimate = ais(log_joint, prior, temperatures=1, seed=0)
    seed = int(np.random.default_rng(0).integers(2**63))
    assert estimate == pytest.approx(iwae(log_joint, prior, samples=1, seed=seed), abs=1e-12)


def test_A29_from_the_exact_posterior_ais_is_exact() -> None:
    estimate = ais(log_joint, GaussianProposal(MEANS, COVARIANCE), temperatures=5)
    assert estimate == pytest.approx(EXACT, abs=1e-9)


def test_A29_ais_needs_a_temperature() -> None:
    with pytest.raises(UsageError, match="at least one temperature"):
        ais(log_joint, WIDE, temperatures=0)


def test_A30_gaussian_kl() -> None:
    assert gaussian_kl([1.0, -0.5], [1.0, 0.25]) == pytest.approx(0.943147, abs=1e-6)
    full = MultivariateNormal(np.array([1.0, -0.5]), np.diag([1.0, 0.25]))
    assert gaussian_kl([1.0, -0.5], [1.0, 0.25]) == pytest.approx(
        kl(full, MultivariateNormal(np.zeros(2), np.eye(2))), abs=1e-12
    )


def test_A30_gaussian_kl_is_per_row_and_zero_at_the_prior() -> None:
    assert gaussian_kl(np.zeros((4, 3)), np.ones((4, 3))).tolist() == [0.0] * 4


def test_A30_a_log_variance_is_refused() -> None:
    with pytest.raises(UsageError, match="logarithms"):
        gaussian_kl([0.0], [-1.0])


@pytest.mark.parametrize(("mean", "std"), [(1.0, 0.5), (-2.0, 1.5)])
def test_both_gradients_are_unbiased_and_reparameterization_has_less_variance(mean: float, std: float) -> None:
    pathwise = reparameterized_gradient(lambda z: 2 * z, mean, std)
    by_score = score_function_gradient(lambda z: z**2, mean, std, seed=1)
    for gradient in (pathwise, by_score):
        assert abs(gradient.by_mean.value - 2 * mean) < 4 * gradient.by_mean.error
        assert abs(gradient.by_std.value - 2 * std) < 4 * gradient.by_std.error
    assert by_score.by_mean.error > 2 * pathwise.by_mean.error
    assert by_score.by_std.error > 2 * pathwise.by_std.error
