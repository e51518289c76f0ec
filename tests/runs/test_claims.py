"""What a model claims of itself: likelihoods and its critic's distance, beside the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from baselines.gan import GAN
from baselines.vae import VAE
from baselines.wgan import WGAN
from genbench.errors import PlugError
from genbench.runs.critic_estimates import critic_claim
from genbench.runs.likelihood_scores import likelihoods
from genbench.sources.memory import ArraySource
from genbench.theory.mixtures import RING


class Gaussian:
    """Knows its density exactly: N(0, I)."""

    def log_likelihood(self, data: Any) -> np.ndarray:
        x = np.asarray(data, np.float64)
        return -0.5 * (x**2).sum(axis=1) - x.shape[1] / 2 * math.log(2 * math.pi)


class Loose(Gaussian):
    """A bound that misses 1/K of a nat with K codes."""

    def log_likelihood(self, data: Any, *, samples: int = 1, seed: int = 0) -> np.ndarray:
        return super().log_likelihood(data) - 1 / samples


def points(count: int = 150) -> ArraySource:
    return ArraySource(np.random.default_rng(0).standard_normal((count, 2)).astype(np.float32))


def test_an_exact_likelihood_is_reported_with_its_error() -> None:
    (found,) = likelihoods(Gaussian(), points())
    assert found.name == "log_likelihood"
    assert found.error is not None
    assert abs(found.value - -(1 + math.log(2 * math.pi))) < 4 * found.error  # minus the entropy of N(0, I) in 2-D
    assert found.detail["rows"] == 100


def test_a_bound_that_takes_codes_is_told_with_1_to_1000_of_them_on_the_same_rows() -> None:
    found = likelihoods(Loose(), points())
    assert [entry.name for entry in found] == ["elbo", "iwae_10", "iwae_100", "iwae_1000"]
    assert np.diff([entry.value for entry in found]) == pytest.approx([0.9, 0.09, 0.009])


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

    with pytest.raises(PlugError, match="wanted one number a row"):
        likelihoods(Wrong(), points())


@dataclass
class Critic:
    """Claims a distance of half of the ring from the ring."""

    quantity: str = "w1"

    def claim(self, data: np.ndarray, seed: int) -> tuple[str, float, np.ndarray]:
        half = replace(RING, centres=RING.centres[:4])
        return self.quantity, 0.25, half.sample(len(data), seed + 1).astype(np.float32)


def test_a_claimed_distance_stands_beside_the_true_one() -> None:
    found = critic_claim(Critic(), "ring")
    assert found is not None
    assert found.claimed == 0.25
    assert found.exact > 0.6  # half of the mass crosses the ring
    assert 0 < found.floor < 0.2


def test_a_claimed_value_stands_beside_2_jsd_less_ln_4() -> None:
    found = critic_claim(Critic("value"), "ring")
    jsd = 0.5 * math.log(4 / 3) + 0.25 * math.log(4 / 3)
    assert found is not None
    assert found.exact == pytest.approx(2 * jsd - math.log(4), abs=0.05)
    assert found.floor == pytest.approx(-math.log(4), abs=0.05)


def test_who_claims_nothing_is_not_asked() -> None:
    assert critic_claim(object(), "ring") is None


@pytest.mark.parametrize(("make", "quantity"), [(GAN, "value"), (WGAN, "w1")])
def test_the_baselines_critics_say_what_they_believe(make: Any, quantity: str) -> None:
    model = make()
    model.fit(ArraySource(RING.sample(400, 0).astype(np.float32)), seed=0, steps=3)
    real = RING.sample(300, 1).astype(np.float32)
    name, value, generated = model.claim(real, 0)
    assert name == quantity
    assert generated.shape == (300, 2)
    with torch.inference_mode():
        scale = model.about["scale"]
        of_real, of_fake = (model.networks["critic"](torch.tensor(x) / scale) for x in (real, generated))
    if quantity == "w1":
        expected = scale * float(of_real.mean() - of_fake.mean())
    else:
        expected = float(torch.sigmoid(of_real).log().mean() + (1 - torch.sigmoid(of_fake)).log().mean())
    assert value == pytest.approx(expected, abs=1e-5)


def test_a_critic_that_errs_is_named() -> None:
    class Broken:
        def claim(self, data: np.ndarray, seed: int) -> None:
            raise RuntimeError("no critic today")

    with pytest.raises(PlugError, match="The critic raised RuntimeError: no critic today"):
        critic_claim(Broken(), "ring")
