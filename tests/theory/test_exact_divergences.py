"""Exact divergences: a table of known values, quadrature against formulas, and inequalities between divergences."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from genbench.errors import UsageError
from genbench.metrics.frechet.metric import frechet_distance
from genbench.theory import quadrature
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
    point_mass,
)
from genbench.theory.exact_divergences import Divergences, divergences, gan_value, jsd, kl, parallel_lines, tv, w1, w2
from genbench.theory.mixtures import RING, MixtureDensity

INF = math.inf
NAN = math.nan  # not in the table

A01 = [
    # P, Q, KL(P||Q), KL(Q||P), TV, JSD, W1, W2, V(D*)
    (Normal(), Normal(1), 0.5, 0.5, 0.382925, 0.111421, 1, 1, -1.163451),
    (Normal(), Normal(2), 2, 2, 0.682689, 0.336831, 2, 2, -0.712633),
    (Normal(), Normal(3), 4.5, 4.5, 0.866386, 0.526777, 3, 3, -0.332740),
    (Normal(), Normal(0, 2), 0.318147, 0.806853, 0.322675, 0.092733, 0.797885, 1, -1.200828),
    (Uniform(), Uniform(0.3, 1.3), INF, INF, 0.3, 0.207944, 0.3, 0.3, -0.970406),
    (Exponential(1), Exponential(2), 0.306853, 0.193147, 0.25, 0.053782, 0.5, NAN, -1.278730),
    (bernoulli(0.2), bernoulli(0.5), 0.192745, NAN, 0.3, NAN, 0.3, NAN, NAN),
    (Normal(), Normal(), 0, 0, 0, 0, 0, 0, -1.386294),
    (Uniform(), Uniform(2, 3), INF, INF, 1, math.log(2), NAN, NAN, 0),
]


@pytest.mark.parametrize("row", A01, ids=lambda row: f"{row[0]} {row[1]}")
def test_A01_divergences_of_known_pairs(row: tuple[Line, Line, float]) -> None:
    p, q, *expected = row
    d = divergences(p, q)
    values = [d.kl, d.reverse_kl, d.tv, d.jsd, d.w1, d.w2, d.gan_value]
    for value, known in zip(values, expected, strict=True):
        assert math.isnan(known) or value == pytest.approx(known, abs=1e-4)


@pytest.mark.parametrize("theta", [0.1, 1.0, 4.0])
def test_A02_parallel_lines(theta: float) -> None:
    lines = parallel_lines(theta)
    assert lines == Divergences(kl=INF, reverse_kl=INF, tv=1.0, jsd=lines.jsd, w1=theta, w2=lines.w2)
    assert lines.jsd == pytest.approx(math.log(2), abs=1e-15)
    assert lines.w2 == pytest.approx(theta, abs=1e-15)


def test_A02_equal_lines_have_no_divergence() -> None:
    assert parallel_lines(0.0) == Divergences(0, 0, 0, 0, 0, 0)


def test_A01_the_gan_value_is_the_objective_at_the_optimal_discriminator() -> None:
    p, q = Normal(), Normal(1)

    def integrand(x: float) -> float:
        d = float(p.pdf(x) / (p.pdf(x) + q.pdf(x)))
        return float(p.pdf(x)) * math.log(d) + float(q.pdf(x)) * math.log(1 - d)

    x = np.linspace(-12, 13, 20_001)
    by_sum = sum(integrand(float(point)) for point in x) * (x[1] - x[0])
    assert gan_value(p, q) == pytest.approx(by_sum, abs=1e-9)


PAIRS = [
    (Normal(0.3, 1.2), Normal(-1, 0.4)),
    (Normal(0, 1), Normal(0.1, 1.01)),
    (Uniform(0, 1), Uniform(-1, 3)),
    (Uniform(0, 2), Uniform(1, 2.5)),
    (Uniform(0, 1), Uniform(5, 7)),
    (Exponential(0.5), Exponential(3)),
]


@pytest.mark.parametrize("name", ["kl", "tv", "jsd", "w1", "w2"])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_formula_and_quadrature_agree(pair: tuple[Line, Line], name: str) -> None:
    exact = {"kl": kl, "tv": tv, "jsd": jsd, "w1": w1, "w2": w2}[name]
    for p, q in permutations(pair):
        assert getattr(quadrature, f"{name}_by_quadrature")(p, q) == pytest.approx(exact(p, q), abs=1e-8)


def test_distributions_of_different_families_are_compared_by_quadrature() -> None:
    p, q = Uniform(0, 1), Exponential(1)
    assert kl(p, q) == pytest.approx(0.5, abs=1e-9)  # -h(U) + E_U[x]
    assert kl(q, p) == INF
    assert w1(p, Normal(0.5, 1e-3)) == pytest.approx(0.25, abs=1e-3)


def test_kl_is_finite_where_a_far_density_underflows() -> None:
    assert quadrature.kl_by_quadrature(Normal(0, 1), Normal(60, 1)) == pytest.approx(1800, rel=1e-9)
    assert jsd(Normal(0, 1), Normal(60, 1)) == pytest.approx(math.log(2), abs=1e-9)


def test_a_lost_half_has_kl_ln_2_and_infinite_reverse_kl() -> None:
    both = Blend((Uniform(0, 1), Uniform(2, 3)), (0.5, 0.5))
    assert kl(Uniform(0, 1), both) == pytest.approx(math.log(2), abs=1e-9)
    assert kl(both, Uniform(0, 1)) == INF
    assert w1(both, Uniform(0, 1)) == pytest.approx(1.0, abs=1e-9)


def test_jsd_is_the_square_of_scipys_distance() -> None:
    p, q = (0.1, 0.2, 0.7), (0.5, 0.5, 0.0)
    assert jsd(categorical(*p), categorical(*q)) == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-14)


def test_discrete_wasserstein_distances_are_hand_computed() -> None:
    p, q = Discrete((0.0, 1.0), (0.5, 0.5)), Discrete((0.0, 3.0), (0.25, 0.75))
    assert w1(p, q) == pytest.approx(0.25 * 3 + 0.5 * 2)
    assert w2(p, q) == pytest.approx(math.sqrt(0.25 * 9 + 0.5 * 4))
    assert w1(point_mass(-1), point_mass(2.5)) == 3.5


def test_w2_of_normals_is_the_frechet_distance() -> None:
    a = MultivariateNormal(np.zeros(2), np.eye(2))
    b = MultivariateNormal(np.array([1.0, 2.0]), np.array([[2.0, 0.5], [0.5, 1.0]]))
    assert w2(a, b) ** 2 == pytest.approx(5.247842, abs=1e-6)
    assert w2(a, b) ** 2 == pytest.approx(frechet_distance(a.mean, a.covariance, b.mean, b.covariance), abs=1e-9)


def test_divergences_of_normals_with_diagonal_covariance_add_up() -> None:
    a = MultivariateNormal(np.array([0.0, 1.0]), np.diag([1.0, 4.0]))
    b = MultivariateNormal(np.array([1.0, -1.0]), np.diag([0.25, 9.0]))
    axes = [(Normal(0, 1), Normal(1, 0.5)), (Normal(1, 2), Normal(-1, 3))]
    assert kl(a, b) == pytest.approx(sum(kl(p, q) for p, q in axes), abs=1e-12)
    assert w2(a, b) ** 2 == pytest.approx(sum(w2(p, q) ** 2 for p, q in axes), abs=1e-12)


def test_total_variation_of_shifted_normals_depends_on_the_mahalanobis_distance() -> None:
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])
    shift = np.linalg.cholesky(covariance) @ np.array([0.6, 0.8])
    moved = MultivariateNormal(shift, covariance)
    assert tv(MultivariateNormal(np.zeros(2), covariance), moved) == pytest.approx(tv(Normal(), Normal(1)), abs=1e-12)


def test_a_pair_without_formula_is_refused_with_a_remedy() -> None:
    unequal = MultivariateNormal(np.zeros(2), np.eye(2)), MultivariateNormal(np.zeros(2), 2 * np.eye(2))
    with pytest.raises(UsageError, match="monte_carlo"):
        tv(*unequal)
    with pytest.raises(UsageError, match="monte_carlo"):
        jsd(*unequal)
    with pytest.raises(UsageError, match="monte_carlo"):
        kl(MixtureDensity(RING), Normal())  # type: ignore[arg-type]


masses = st.lists(st.floats(0.01, 1), min_size=2, max_size=6)
normals = st.builds(Normal, st.floats(-5, 5), st.floats(0.2, 5))


def discrete(weights: list[float], size: int) -> Discrete:
    share = np.resize(np.array(weights), size)
    return categorical(*(share / share.sum()).tolist())


@settings(max_examples=60, deadline=None)
@given(masses, masses)
def test_inequalities_between_discrete_divergences(a: list[float], b: list[float]) -> None:
    assert_inequalities_hold(divergences(discrete(a, 6), discrete(b, 6)), divergences(discrete(b, 6), discrete(a, 6)))


@settings(max_examples=25, deadline=None)
@given(normals, normals)
def test_inequalities_between_normal_divergences(p: Normal, q: Normal) -> None:
    assert_inequalities_hold(divergences(p, q), divergences(q, p))


def assert_inequalities_hold(d: Divergences, swapped: Divergences) -> None:
    slack = 1e-9
    assert d.tv == pytest.approx(swapped.tv, abs=slack)
    assert d.jsd == pytest.approx(swapped.jsd, abs=slack)
    assert (d.w1, d.w2) == pytest.approx((swapped.w1, swapped.w2), abs=slack)
    assert d.kl == pytest.approx(swapped.reverse_kl, abs=slack)
    assert min(d.kl, d.reverse_kl, d.tv, d.jsd, d.w1) >= 0
    assert d.tv <= min(1, math.sqrt(d.kl / 2)) + slack  # Pinsker
    assert d.tv**2 / 2 - slack <= d.jsd <= math.log(2) * d.tv + slack  # Lin 1991
    assert d.w1 <= d.w2 + slack
    assert -math.log(4) - slack <= d.gan_value <= slack


@settings(max_examples=40, deadline=None)
@given(masses, masses, masses)
def test_total_variation_and_wasserstein_distances_obey_the_triangle_inequality(
    a: list[float], b: list[float], c: list[float]
) -> None:
    p, q, r = discrete(a, 6), discrete(b, 6), discrete(c, 6)
    for distance in (tv, w1, w2):
        assert distance(p, r) <= distance(p, q) + distance(q, r) + 1e-9
    assert math.sqrt(jsd(p, r)) <= math.sqrt(jsd(p, q)) + math.sqrt(jsd(q, r)) + 1e-7  # a metric
