"""Autoencoders: the KL to the prior, conditional samples, priors over latent codes, and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from genbench_baselines.ae import AE
from genbench_baselines.cvae import CVAE
from genbench_baselines.train import Baseline
from genbench_baselines.vae import VAE, kl_to_prior, reparameterized
from scipy import stats

import genbench
from genbench.plugs import registry
from tests.baselines.training_sets import Rows, random_images, three_clusters


@pytest.fixture(scope="module")
def cvae() -> CVAE:
    model = CVAE()
    model.fit(three_clusters(), seed=0, steps=500)
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


def test_sigma_must_be_greater_than_0() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        VAE(sigma=0.0).fit(three_clusters(), seed=0, steps=1)


def test_a_conditional_vae_generates_the_given_class(cvae: CVAE) -> None:
    labels = np.repeat([2, 0, 1], 100)
    samples = cvae.sample_classes(labels, seed=1)
    source = three_clusters()
    assert source.label is not None
    centres = np.stack([source.data[source.label == y].numpy().mean(axis=0) for y in range(3)])
    nearest = np.linalg.norm(samples[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == labels).mean() >= 0.99


def test_a_conditional_vae_samples_all_classes_equally_often(cvae: CVAE) -> None:
    samples = cvae.sample(301, seed=1)
    assert sorted([(samples[:, 0] > 2).sum(), (samples[:, 0] < -2).sum(), (samples[:, 1] > 3).sum()]) == [100, 100, 101]


def test_without_labels_a_conditional_vae_averages_over_the_classes(cvae: CVAE) -> None:
    source = three_clusters()
    rows, label = source.data[:30], source.label[:30]  # type: ignore[index]
    conditional, marginal = cvae.log_likelihood(rows, label, samples=50), cvae.log_likelihood(rows, samples=50)
    # the other two classes are too far away to contribute
    assert marginal == pytest.approx(conditional - math.log(3), abs=1e-6)


def test_a_conditional_vae_needs_labels() -> None:
    with pytest.raises(ValueError, match="no labels"):
        CVAE().fit(Rows(three_clusters().data), seed=0, steps=1)


def test_the_fitted_prior_of_an_autoencoder_has_the_moments_of_its_codes() -> None:
    source = three_clusters()
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
    model.fit(three_clusters(), seed=0, steps=20)
    model.save(tmp_path / "model.safetensors")
    loaded.load(tmp_path / "model.safetensors")
    assert (model.sample(20, seed=3) == loaded.sample(20, seed=3)).all()
    if isinstance(model, VAE) and isinstance(loaded, VAE):
        rows, label = three_clusters().data[:5], three_clusters().label[:5]  # type: ignore[index]
        assert (model.log_likelihood(rows, label, samples=5) == loaded.log_likelihood(rows, label, samples=5)).all()


@pytest.mark.parametrize("make", [AE, VAE, CVAE])
@pytest.mark.parametrize(
    "source",
    [three_clusters(60), random_images(8), random_images(28), random_images(32, channels=3)],
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
    whole.fit(three_clusters(), seed=0, steps=520)

    def stop(step: int, losses: dict[str, float]) -> None:
        if step == 510:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(three_clusters(), seed=0, steps=520, watch=stop, checkpoint=tmp_path / "checkpoint.safetensors")
    resumed = AE()
    resumed.fit(three_clusters(), seed=0, steps=520, checkpoint=tmp_path / "checkpoint.safetensors")
    assert (resumed.sample(50, seed=0) == whole.sample(50, seed=0)).all()
