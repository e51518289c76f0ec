"""Known densities: density, distribution function, quantiles and samples agree with each other."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from genbench.errors import UsageError
from genbench.theory.densities import (
    Blend,
    Discrete,
    Exponential,
    Line,
    MultivariateNormal,
    Normal,
    Uniform,
    bernoulli,
    categorical,
)
from genbench.theory.mixtures import GRID, RING, MixtureDensity

BLEND = Blend((Normal(-2, 0.5), Normal(3, 1.0), Uniform(0, 1)), (0.3, 0.5, 0.2))
LINES = [Normal(1, 2), Uniform(-1, 3), Exponential(2), BLEND]


@pytest.mark.parametrize("line", LINES, ids=lambda line: type(line).__name__)
def test_a_density_integrates_to_its_cdf(line: Line) -> None:
    knots = line.knots.tolist()
    for limit in (0.2, 0.7, 2.5):
        edges = [knots[0], *(knot for knot in knots if knots[0] < knot < limit), limit]
        mass = sum(quad(line.pdf, a, b)[0] for a, b in pairwise(edges))
        assert mass == pytest.approx(float(line.cdf(limit)), abs=1e-7)


@pytest.mark.parametrize("line", LINES, ids=lambda line: type(line).__name__)
def test_the_quantile_inverts_the_cdf(line: Line) -> None:
    probability = np.array([0.01, 0.25, 0.5, 0.9, 0.999])
    assert line.cdf(line.quantile(probability)) == pytest.approx(probability, abs=1e-12)


@pytest.mark.parametrize("line", LINES, ids=lambda line: type(line).__name__)
def test_samples_follow_the_cdf(line: Line) -> None:
    samples = np.sort(line.sample(4000, seed=1))
    empirical = (np.arange(4000) + 0.5) / 4000
    assert np.abs(line.cdf(samples) - empirical).max() < 1.63 / math.sqrt(4000)  # Kolmogorov at 1 %


@pytest.mark.parametrize("line", [*LINES, bernoulli(0.3), MixtureDensity(RING)], ids=lambda line: type(line).__name__)
def test_a_seed_gives_the_same_samples(line: Line) -> None:
    assert np.array_equal(line.sample(50, seed=3), line.sample(50, seed=3))
    assert not np.array_equal(line.sample(50, seed=3), line.sample(50, seed=4))


def test_the_density_of_a_normal_with_full_covariance_is_hand_computed() -> None:
    density = MultivariateNormal(np.array([1.0, 2.0]), np.array([[2.0, 0.5], [0.5, 1.0]]))
    # |S| = 1.75, S^-1 = [[1, -.5], [-.5, 2]] / 1.75, at (2, 2) the quadratic form is 1 / 1.75
    expected = -math.log(2 * math.pi) - 0.5 * math.log(1.75) - 0.5 / 1.75
    assert density.logpdf([[2.0, 2.0]])[0] == pytest.approx(expected, abs=1e-14)


def test_samples_of_a_normal_have_its_mean_and_covariance() -> None:
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])
    samples = MultivariateNormal(np.array([1.0, 2.0]), covariance).sample(50_000, seed=0)
    assert samples.mean(axis=0) == pytest.approx(np.array([1.0, 2.0]), abs=0.03)
    assert np.cov(samples.T) == pytest.approx(covariance, abs=0.05)


@pytest.mark.parametrize("mixture", [RING, GRID], ids=lambda mixture: mixture.name)
def test_a_mixture_has_the_density_of_its_nearest_mode(mixture: object) -> None:
    assert isinstance(mixture, type(RING))
    density = MixtureDensity(mixture)
    log_density = density.logpdf(mixture.means)
    assert log_density == pytest.approx(-math.log(len(mixture.centres) * 2 * math.pi * mixture.std**2), abs=1e-9)


def test_the_entropy_of_separate_modes_is_that_of_a_mode_plus_ln_of_their_number() -> None:
    density = MixtureDensity(GRID)
    entropy = -density.logpdf(density.sample(20_000, seed=0)).mean()
    assert entropy == pytest.approx(math.log(25) + math.log(2 * math.pi * math.e * 0.05**2), abs=0.03)


def test_a_discrete_distribution_has_mass_only_on_its_values() -> None:
    coin = Discrete((0.0, 2.5), (0.25, 0.75))
    assert coin.pdf([0.0, 1.0, 2.5, 3.0]).tolist() == pytest.approx([0.25, 0.0, 0.75, 0.0])
    assert categorical(0.1, 0.2, 0.7).values == (0.0, 1.0, 2.0)
    assert coin.sample(10_000, seed=0).mean() == pytest.approx(1.875, abs=0.05)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Normal(0, 0),
        lambda: Normal(0, math.nan),
        lambda: Uniform(1, 1),
        lambda: Exponential(-1),
        lambda: categorical(0.5, 0.6),
        lambda: categorical(),
        lambda: Discrete((1.0, 0.0), (0.5, 0.5)),
        lambda: Blend((Normal(),), (0.5,)),
        lambda: MultivariateNormal(np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]])),
        lambda: MultivariateNormal(np.zeros(3), np.eye(2)),
    ],
)
def test_parameters_of_no_distribution_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(UsageError):
        make()
