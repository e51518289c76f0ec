"""Likelihoods of the VAEs: the bounds against exact likelihoods, and data that do not fit the model."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from genbench_baselines.likelihood import importance_bound, likelihood_bounds
from genbench_baselines.vae import VAE
from scipy import stats

from genbench.array_types import Array
from tests.baselines.training_sets import Rows, random_images, three_clusters


@pytest.fixture(scope="module")
def vae() -> VAE:
    model = VAE()
    model.fit(three_clusters(), seed=0, steps=300)
    return model


def test_an_importance_bound_is_the_log_of_a_mean() -> None:
    log_weights = torch.tensor([[1.0, 3.0, 2.0, 6.0]]).log()
    bounds = [importance_bound(log_weights, count).item() for count in (1, 2, 4)]
    assert bounds == pytest.approx([math.log(36) / 4, math.log(2 * 4) / 2, math.log(3)])


def test_the_bounds_of_every_row_rise_with_the_number_of_codes(vae: VAE) -> None:
    bounds = likelihood_bounds(vae, three_clusters().data[:50])
    assert [bound.name for bound in bounds] == ["elbo", "iwae-10", "iwae-100", "iwae-1000"]
    for lower, higher in pairwise(bounds):
        assert (lower.rows <= higher.rows + 1e-9).all()
        assert lower.value < higher.value


def test_a_bound_is_the_mean_over_rows_with_its_error(vae: VAE) -> None:
    (bound,) = likelihood_bounds(vae, three_clusters().data[:50], samples=[10])
    assert bound.value == pytest.approx(bound.rows.mean())
    assert bound.error == pytest.approx(stats.sem(bound.rows))
    assert (bound.rows == vae.log_likelihood(three_clusters().data[:50], samples=10)).all()


def test_the_bounds_of_a_known_model_have_the_theoretical_gap_to_its_likelihood() -> None:
    # q is the exact posterior with its covariance doubled: the ELBO's gap is k/2 (c - 1 - ln c) = 0.46028
    model, rows, exact = known_linear_model(spread=2.0)
    weights = model.log_weights(rows / model.metadata["scale"], None, 5000, torch.Generator().manual_seed(0)).detach()
    gaps = {count: exact - importance_bound(weights, count).numpy() for count in (1, 5, 50, 500)}
    expected = {1: 0.46028, 5: 0.055, 50: 0.008, 500: 0.001}
    for count, gap in gaps.items():
        assert gap.mean() == pytest.approx(expected[count], abs=0.01)


def test_with_the_exact_posterior_the_elbo_is_the_likelihood() -> None:
    model, rows, exact = known_linear_model(spread=1.0)
    assert likelihood_bounds(model, rows, samples=[1])[0].rows == pytest.approx(exact, abs=1e-4)


def known_linear_model(spread: float) -> tuple[VAE, torch.Tensor, Array]:
    """Return a linear VAE with known weights, rows, and their exact ln p(x) in the units of the rows."""
    random = np.random.default_rng(0)
    size, latent, sigma = 6, 3, 0.5
    rows = torch.tensor(2 * random.standard_normal((40, size)), dtype=torch.float32)
    model = VAE(latent=latent, linear=True)
    model.fit(Rows(rows), seed=0, steps=0)
    w = np.linalg.qr(random.standard_normal((size, latent)))[0] * [0.5, 1.0, 1.5]
    mu = random.standard_normal(size)
    m = w.T @ w + sigma**2 * np.eye(latent)
    v = np.linalg.solve(m, w.T)
    values = {
        "generator.layers.0.weight": w,
        "generator.layers.0.bias": mu,
        "encoder.layers.1.weight": v,
        "encoder.layers.1.bias": -v @ mu,
        "noise.log_sigma": np.log(sigma),
        "encoder.log_variance": np.log(spread * sigma**2 / np.diag(m)),
    }
    for name, value in values.items():
        network, _, key = name.partition(".")
        model.networks[network].get_parameter(key).data = torch.tensor(value, dtype=torch.float32)
    scale = model.metadata["scale"]
    covariance = scale**2 * (w @ w.T + sigma**2 * np.eye(size))
    return model, rows, stats.multivariate_normal(scale * mu, covariance).logpdf(rows.numpy())


def test_a_trained_linear_vae_reaches_the_likelihood_of_probabilistic_pca_from_below() -> None:
    random = np.random.default_rng(1)
    count, size, latent = 2000, 8, 2
    x = random.standard_normal((count, latent)) @ random.standard_normal((latent, size)) + 1.0
    x += 0.4 * random.standard_normal((count, size))
    rows = torch.tensor(x, dtype=torch.float32)

    eigenvalues = np.linalg.eigvalsh(np.cov(x.T, ddof=0))[::-1]  # Tipping and Bishop 1999
    variance = eigenvalues[latent:].mean()
    log_determinant = np.log(eigenvalues[:latent]).sum() + (size - latent) * math.log(variance)
    exact = -(size * math.log(2 * math.pi) + log_determinant + size) / 2

    model = VAE(latent=latent, linear=True, learning_rate=0.01)
    model.fit(Rows(rows), seed=0, steps=2500)
    weights = model.log_weights(rows / model.metadata["scale"], None, 20, torch.Generator().manual_seed(0)).detach()
    elbo, error = weights.mean().item(), weights.std(dim=1).mean().item() / math.sqrt(weights.numel())
    assert elbo == pytest.approx(exact, rel=0.01)
    assert elbo <= exact + 4 * error


def test_likelihoods_of_images_are_those_of_pixels_in_0_to_1() -> None:
    # with zero weights the decoder is mid-gray and the KL is 0, so ln p(x) is that of a Gaussian around .5
    source = random_images(8)
    model = VAE(sigma=0.3)
    model.fit(source, seed=0, steps=0)
    for network in ("generator", "encoder"):
        for parameter in model.networks[network].parameters():
            torch.nn.init.zeros_(parameter)
    exact = stats.norm.logpdf(source.data[:, :1].numpy() / 255, 0.5, 0.15).sum(axis=(1, 2, 3))
    assert model.log_likelihood(source.data, samples=1) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (torch.zeros(3, 5), "float"),
        (torch.zeros(3, 3, 8, 8, dtype=torch.uint8), "float"),
    ],
)
def test_rows_that_do_not_fit_the_model_are_refused(vae: VAE, data: torch.Tensor, complaint: str) -> None:
    with pytest.raises(ValueError, match=rf"the model expects {complaint} \[N, 2\]"):
        vae.log_likelihood(data)


def test_coloured_images_are_refused_by_a_model_of_gray_ones() -> None:
    model = VAE()
    model.fit(random_images(8), seed=0, steps=0)
    with pytest.raises(ValueError, match="gray"):
        model.log_likelihood(random_images(8, channels=3).data)


def test_an_untrained_model_has_no_likelihood() -> None:
    with pytest.raises(ValueError, match="not trained yet"):
        VAE().log_likelihood(three_clusters().data)


def test_the_likelihood_of_no_rows_is_refused(vae: VAE) -> None:
    with pytest.raises(ValueError, match="no rows"):
        vae.log_likelihood(three_clusters().data[:0])


def test_numbers_of_codes_must_divide_the_largest(vae: VAE) -> None:
    with pytest.raises(ValueError, match="divide"):
        likelihood_bounds(vae, three_clusters().data[:5], samples=[10, 15])
