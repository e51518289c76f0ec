"""Log-likelihoods of trained models, and critics' estimates of the distance beside the exact values."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from genbench_baselines.gan import GAN
from genbench_baselines.vae import VAE
from genbench_baselines.wgan import WGAN

from genbench.errors import PlugError
from genbench.runs.critic_estimates import critic_estimate
from genbench.runs.likelihood_scores import likelihoods
from genbench.sources.memory import ArraySource
from genbench.theory.mixtures import RING


class Gaussian:
    """A sampler whose density N(0, I) is known exactly."""

    def log_likelihood(self, data: Any) -> np.ndarray:
        x = np.asarray(data, np.float64)
        return -0.5 * (x**2).sum(axis=1) - x.shape[1] / 2 * math.log(2 * math.pi)


class Loose(Gaussian):
    """A sampler with a lower bound that is 1/K nat below the log-likelihood for K codes."""

    def log_likelihood(self, data: Any, *, samples: int = 1, seed: int = 0) -> np.ndarray:
        return super().log_likelihood(data) - 1 / samples


def points(count: int = 150) -> ArraySource:
    return ArraySource(np.random.default_rng(0).standard_normal((count, 2)).astype(np.float32))


def test_an_exact_likelihood_is_reported_with_its_error() -> None:
    (entry,) = likelihoods(Gaussian(), points())
    assert entry.name == "log_likelihood"
    assert entry.error is not None
    assert abs(entry.value - -(1 + math.log(2 * math.pi))) < 4 * entry.error  # minus the entropy of N(0, I) in 2-D
    assert entry.detail["rows"] == 100


def test_a_bound_is_computed_with_1_to_1000_codes_on_the_same_rows() -> None:
    entries = likelihoods(Loose(), points())
    assert [entry.name for entry in entries] == ["elbo", "iwae_10", "iwae_100", "iwae_1000"]
    assert np.diff([entry.value for entry in entries]) == pytest.approx([0.9, 0.09, 0.009])


def test_the_bounds_of_a_trained_vae_rise_with_the_codes() -> None:
    source = ArraySource(RING.sample(500, 0).astype(np.float32))
    model = VAE()
    model.fit(source, seed=0, steps=60)
    values = [entry.value for entry in likelihoods(model, source)]
    assert values == sorted(values)


def test_a_model_without_a_likelihood_has_none() -> None:
    assert likelihoods(object(), points()) == []


def test_a_likelihood_of_another_shape_is_refused() -> None:
    class Wrong:
        def log_likelihood(self, data: Any) -> float:
            return 0.0

    with pytest.raises(PlugError, match="return one number a row"):
        likelihoods(Wrong(), points())


@dataclass
class Critic:
    """A sampler that generates one half of the ring; its critic estimates a distance of 0.25."""

    quantity: str = "w1"

    def claim(self, data: np.ndarray, seed: int) -> tuple[str, float, np.ndarray]:
        half = replace(RING, centres=RING.centres[:4])
        return self.quantity, 0.25, half.sample(len(data), seed + 1).astype(np.float32)


def test_an_estimated_w1_is_recorded_with_the_exact_w1() -> None:
    record = critic_estimate(Critic(), "ring")
    assert record is not None
    assert record.claimed == 0.25
    assert record.exact > 0.6  # half of the mass crosses the ring
    assert 0 < record.floor < 0.2


def test_an_estimated_value_of_the_game_is_recorded_with_2_jsd_minus_ln_4() -> None:
    record = critic_estimate(Critic("value"), "ring")
    jsd = 0.5 * math.log(4 / 3) + 0.25 * math.log(4 / 3)
    assert record is not None
    assert record.exact == pytest.approx(2 * jsd - math.log(4), abs=0.05)
    assert record.floor == pytest.approx(-math.log(4), abs=0.05)


def test_a_sampler_without_claim_has_no_estimate() -> None:
    assert critic_estimate(object(), "ring") is None


@pytest.mark.parametrize(("make", "quantity"), [(GAN, "value"), (WGAN, "w1")])
def test_the_critics_of_the_baselines_estimate_the_distance(make: Any, quantity: str) -> None:
    model = make()
    model.fit(ArraySource(RING.sample(400, 0).astype(np.float32)), seed=0, steps=3)
    real = RING.sample(300, 1).astype(np.float32)
    name, value, generated = model.claim(real, 0)
    assert name == quantity
    assert generated.shape == (300, 2)
    with torch.inference_mode():
        scale = model.metadata["scale"]
        of_real, of_fake = (model.networks["critic"](torch.tensor(x) / scale) for x in (real, generated))
    if quantity == "w1":
        expected = scale * float(of_real.mean() - of_fake.mean())
    else:
        expected = float(torch.sigmoid(of_real).log().mean() + (1 - torch.sigmoid(of_fake)).log().mean())
    assert value == pytest.approx(expected, abs=1e-5)


def test_a_critic_that_raises_is_named_in_the_error() -> None:
    class Broken:
        def claim(self, data: np.ndarray, seed: int) -> None:
            raise RuntimeError("no critic today")

    with pytest.raises(PlugError, match="The critic raised RuntimeError: no critic today"):
        critic_estimate(Broken(), "ring")
