"""Autoencoders: likelihood bounds against exact likelihoods, conditional samples, and priors over latent codes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

import genbench
from baselines.ae import AE
from baselines.cvae import CVAE
from baselines.likelihood import importance_bound, likelihood_bounds
from baselines.train import Baseline
from baselines.vae import VAE, kl_to_prior, reparameterized
from genbench.arrays import Array
from genbench.plugs import registry


@dataclass
class Rows:
    """A source with one batch."""

    data: torch.Tensor
    label: torch.Tensor | None = None

    def batches(self, size: int) -> Iterator[Rows]:
        yield self


def points(count: int = 600) -> Rows:
    """Three separate clusters, labelled by cluster."""
    random = np.random.default_rng(0)
    label = np.arange(count) % 3
    centres = np.array([[4.0, 0.0], [-4.0, 0.0], [0.0, 6.0]])
    data = centres[label] + 0.3 * random.standard_normal((count, 2))
    return Rows(torch.tensor(data, dtype=torch.float32), torch.tensor(label))


def images(side: int, channels: int = 1) -> Rows:
    random = np.random.default_rng(0)
    data = torch.tensor(random.integers(0, 256, (20, channels, side, side)), dtype=torch.uint8)
    return Rows(data.expand(-1, 3, -1, -1), torch.arange(20) % 2)


@pytest.fixture(scope="module")
def vae() -> VAE:
    model = VAE()
    model.fit(points(), seed=0, steps=300)
    return model


@pytest.fixture(scope="module")
def cvae() -> CVAE:
    model = CVAE()
    model.fit(points(), seed=0, steps=500)
    return model


def test_the_kl_to_the_prior_is_hand_computed() -> None:
    kl = kl_to_prior(torch.tensor([[1.0, -0.5]]), torch.tensor([[1.0, 0.25]]).log())
    assert kl.item() == pytest.approx(0.943147, abs=1e-6)


def test_the_closed_form_kl_agrees_with_monte_carlo() -> None:
    mean, log_variance = torch.tensor([1.0, -0.5, 0.0]), torch.tensor([1.0, 0.25, 3.0]).log()
    count = 100_000
    z = reparameterized(mean.expand(count, -1), log_variance.expand(count, -1), torch.Generator().manual_seed(0))
    q = stats.norm(mean.numpy(), (log_variance / 2).exp().numpy())
    ratio = (q.logpdf(z.numpy()) - stats.norm.logpdf(z.numpy())).sum(axis=1)
    error = ratio.std() / math.sqrt(count)
    assert kl_to_prior(mean[None], log_variance[None]).item() == pytest.approx(ratio.mean(), abs=4 * error)


def test_gradients_pass_through_a_reparameterized_sample() -> None:
    # E z^2 = m^2 + v, so its gradient is 2 m by m and v by ln v
    count = 100_000
    mean = torch.full((count, 1), 1.5, requires_grad=True)
    log_variance = torch.full((count, 1), math.log(0.25), requires_grad=True)
    z = reparameterized(mean, log_variance, torch.Generator().manual_seed(0))
    by_mean, by_log_variance = torch.autograd.grad(z.square().sum(), (mean, log_variance))
    for gradients, exact in ((by_mean, 3.0), (by_log_variance, 0.25)):
        assert gradients.mean().item() == pytest.approx(exact, abs=4 * gradients.std().item() / math.sqrt(count))


def test_an_importance_bound_is_the_log_of_a_mean() -> None:
    log_weights = torch.tensor([[1.0, 3.0, 2.0, 6.0]]).log()
    bounds = [importance_bound(log_weights, count).item() for count in (1, 2, 4)]
    assert bounds == pytest.approx([math.log(36) / 4, math.log(2 * 4) / 2, math.log(3)])


def test_the_bounds_of_every_row_rise_with_the_number_of_codes(vae: VAE) -> None:
    bounds = likelihood_bounds(vae, points().data[:50])
    assert [bound.name for bound in bounds] == ["elbo", "iwae-10", "iwae-100", "iwae-1000"]
    for lower, higher in pairwise(bounds):
        assert (lower.rows <= higher.rows + 1e-9).all()
        assert lower.value < higher.value


def test_a_bound_is_the_mean_over_rows_with_its_error(vae: VAE) -> None:
    (bound,) = likelihood_bounds(vae, points().data[:50], samples=[10])
    assert bound.value == pytest.approx(bound.rows.mean())
    assert bound.error == pytest.approx(stats.sem(bound.rows))
    assert (bound.rows == vae.log_likelihood(points().data[:50], samples=10)).all()


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
    source = images(8)
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
    model.fit(images(8), seed=0, steps=0)
    with pytest.raises(ValueError, match="gray"):
        model.log_likelihood(images(8, channels=3).data)


def test_an_untrained_model_has_no_likelihood() -> None:
    with pytest.raises(ValueError, match="not trained yet"):
        VAE().log_likelihood(points().data)


def test_the_likelihood_of_no_rows_is_refused(vae: VAE) -> None:
    with pytest.raises(ValueError, match="no rows"):
        vae.log_likelihood(points().data[:0])


def test_numbers_of_codes_must_divide_the_largest(vae: VAE) -> None:
    with pytest.raises(ValueError, match="divide"):
        likelihood_bounds(vae, points().data[:5], samples=[10, 15])


def test_sigma_must_be_greater_than_0() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        VAE(sigma=0.0).fit(points(), seed=0, steps=1)


def test_a_conditional_vae_generates_the_given_class(cvae: CVAE) -> None:
    labels = np.repeat([2, 0, 1], 100)
    samples = cvae.sample_classes(labels, seed=1)
    source = points()
    assert source.label is not None
    centres = np.stack([source.data[source.label == y].numpy().mean(axis=0) for y in range(3)])
    nearest = np.linalg.norm(samples[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == labels).mean() >= 0.99


def test_a_conditional_vae_samples_all_classes_equally_often(cvae: CVAE) -> None:
    samples = cvae.sample(301, seed=1)
    assert sorted([(samples[:, 0] > 2).sum(), (samples[:, 0] < -2).sum(), (samples[:, 1] > 3).sum()]) == [100, 100, 101]


def test_without_labels_a_conditional_vae_averages_over_the_classes(cvae: CVAE) -> None:
    source = points()
    rows, label = source.data[:30], source.label[:30]  # type: ignore[index]
    conditional, marginal = cvae.log_likelihood(rows, label, samples=50), cvae.log_likelihood(rows, samples=50)
    # the other two classes are too far away to contribute
    assert marginal == pytest.approx(conditional - math.log(3), abs=1e-6)


def test_a_conditional_vae_needs_labels() -> None:
    with pytest.raises(ValueError, match="no labels"):
        CVAE().fit(Rows(points().data), seed=0, steps=1)


def test_the_fitted_prior_of_an_autoencoder_has_the_moments_of_its_codes() -> None:
    source = points()
    model = AE()
    model.fit(source, seed=0, steps=500)
    with torch.no_grad():
        codes = model.networks["encoder"](source.data / model.metadata["scale"]).double()
        samples = model.codes(torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0))).double()
    spread = codes.std(dim=0).max()
    assert (samples.mean(dim=0) - codes.mean(dim=0)).abs().max() < 0.05 * spread
    assert (samples.T.cov() - codes.T.cov()).abs().max() < 0.1 * spread**2


def test_an_autoencoder_sampled_from_the_standard_normal_is_far_from_the_data() -> None:
    model = AE()
    model.fit(registry.load("sources", "digits,split=train"), seed=0, steps=300)
    distances = {}
    for prior in ("fitted", "normal"):
        model.prior = prior  # type: ignore[assignment]
        scores = genbench.score(model, reference="digits,split=test", features="digits", metrics="fd", count=500)
        distances[prior] = scores.scores[0].value
    assert distances["normal"] > 2 * distances["fitted"]


def test_an_unknown_prior_is_refused() -> None:
    with pytest.raises(ValueError, match="neither fitted nor normal"):
        AE(prior="uniform")  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [AE, VAE, CVAE, lambda: VAE(linear=True)])
def test_a_saved_and_loaded_model_generates_the_same_samples(make: Callable[[], Baseline], tmp_path: Path) -> None:
    model, loaded = make(), make()
    model.fit(points(), seed=0, steps=20)
    model.save(tmp_path / "model.safetensors")
    loaded.load(tmp_path / "model.safetensors")
    assert (model.sample(20, seed=3) == loaded.sample(20, seed=3)).all()
    if isinstance(model, VAE) and isinstance(loaded, VAE):
        rows, label = points().data[:5], points().label[:5]  # type: ignore[index]
        assert (model.log_likelihood(rows, label, samples=5) == loaded.log_likelihood(rows, label, samples=5)).all()


@pytest.mark.parametrize("make", [AE, VAE, CVAE])
@pytest.mark.parametrize(
    "source",
    [points(60), images(8), images(28), images(32, channels=3)],
    ids=["points", "8x8", "28x28", "32x32"],
)
def test_the_defaults_fit_the_shape_of_the_data(make: Callable[[], Baseline], source: Rows) -> None:
    model = make()
    model.fit(source, seed=0, steps=2)
    samples = model.sample(5, seed=0)
    if source.data.ndim == 2:
        assert (samples.shape, samples.dtype) == ((5, 2), np.float32)
    else:
        assert (samples.shape, samples.dtype) == ((5, *source.data.shape[2:], 3), np.uint8)


def test_a_resumed_autoencoder_generates_the_same_samples(tmp_path: Path) -> None:
    whole, interrupted = AE(), AE()
    whole.fit(points(), seed=0, steps=520)

    def stop(step: int, losses: dict[str, float]) -> None:
        if step == 510:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(points(), seed=0, steps=520, watch=stop, checkpoint=tmp_path / "checkpoint.safetensors")
    resumed = AE()
    resumed.fit(points(), seed=0, steps=520, checkpoint=tmp_path / "checkpoint.safetensors")
    assert (resumed.sample(50, seed=0) == whole.sample(50, seed=0)).all()
