"""The lecture's known answers as a table of cases: what ``genbench selftest`` asks of the theory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from genbench.theory import divergences, games
from genbench.theory.densities import Discrete, Exponential, Line, MultivariateNormal, Normal, Uniform, bernoulli
from genbench.theory.dirac_gan import eigenvalues, norms
from genbench.theory.discriminators import optimal_discriminator, optimal_logit
from genbench.theory.likelihoods import gaussian_kl
from genbench.theory.packing import Steps, packed_tv
from genbench.theory.ppca import PPCA, elbo_gap, fit_ppca

Case = tuple[str, str, float, float, Callable[[], float]]
"""Id, what it is (at most 40 characters), expected value, tolerance, measurement."""


def cases() -> Iterator[Case]:
    """Yield the exact cases (tier 0); all of them together take about a second."""
    yield from _divergence_cases()
    yield from _parallel_line_cases()
    yield from _discriminator_cases()
    yield from _game_cases()
    yield from _likelihood_cases()
    yield from _packing_cases()


def _divergence_cases() -> Iterator[Case]:
    standard = Normal()
    known: dict[str, tuple[Line | Discrete, Line | Discrete, dict[str, float]]] = {
        "N(0,1), N(1,1)": (standard, Normal(1), {"kl": 0.5, "tv": 0.382925, "jsd": 0.111421, "w1": 1, "w2": 1}),
        "N(0,1), N(2,1)": (standard, Normal(2), {"kl": 2, "tv": 0.682689, "jsd": 0.336831, "w1": 2, "w2": 2}),
        "N(0,1), N(3,1)": (standard, Normal(3), {"kl": 4.5, "tv": 0.866386, "jsd": 0.526777, "w1": 3, "w2": 3}),
        "N(0,1), N(0,4)": (standard, Normal(0, 2), {"kl": 0.318147, "tv": 0.322675, "jsd": 0.092733, "w1": 0.797885}),
        "N(0,4), N(0,1)": (Normal(0, 2), standard, {"kl": 0.806853, "w2": 1}),
        "U shifted by .3": (Uniform(), Uniform(0.3, 1.3), {"tv": 0.3, "jsd": 0.3 * math.log(2), "w1": 0.3, "w2": 0.3}),
        "Exp(1), Exp(2)": (Exponential(1), Exponential(2), {"kl": 0.306853, "tv": 0.25, "jsd": 0.053782, "w1": 0.5}),
        "Exp(2), Exp(1)": (Exponential(2), Exponential(1), {"kl": 0.193147}),
        "Bern(.2), Bern(.5)": (bernoulli(0.2), bernoulli(0.5), {"kl": 0.192745, "tv": 0.3, "w1": 0.3}),
        "a law and itself": (standard, standard, {"kl": 0, "tv": 0, "jsd": 0, "w1": 0, "w2": 0}),
        "disjoint laws": (Uniform(), Uniform(2, 3), {"tv": 1, "jsd": math.log(2)}),
    }
    for pair, (p, q, values) in known.items():
        for name, expected in values.items():
            yield "A01", f"{name.upper()} of {pair}", expected, 1e-4, partial(getattr(divergences, name), p, q)
    # a reciprocal, since an infinite difference is not a number
    yield "A01", "1 / KL of U shifted by .3", 0.0, 0.0, lambda: 1 / divergences.kl(Uniform(), Uniform(0.3, 1.3))
    values_of_v = {"N(0,1), N(1,1)": -1.163451, "N(0,1), N(2,1)": -0.712633, "N(0,1), N(3,1)": -0.332740}
    values_of_v |= {"N(0,1), N(0,4)": -1.200828, "Exp(1), Exp(2)": -1.278730}
    values_of_v |= {"a law and itself": -math.log(4), "disjoint laws": 0.0}
    for pair, expected in values_of_v.items():
        yield "A01", f"V(D*) of {pair}", expected, 1e-4, partial(divergences.gan_value, *known[pair][:2])


def _parallel_line_cases() -> Iterator[Case]:
    for theta in (0.1, 1.0, 4.0):
        yield "A02", f"JSD of lines {theta:g} apart", math.log(2), 1e-9, partial(_between_lines, "jsd", theta)
        yield "A02", f"TV of lines {theta:g} apart", 1.0, 1e-9, partial(_between_lines, "tv", theta)
        yield "A02", f"W1 of lines {theta:g} apart", theta, 1e-9, partial(_between_lines, "w1", theta)
    yield "A02", "1 / KL of lines 1 apart", 0.0, 0.0, lambda: 1 / divergences.parallel_lines(1.0).kl


def _between_lines(name: str, theta: float) -> float:
    return float(getattr(divergences.parallel_lines(theta), name))


def _discriminator_cases() -> Iterator[Case]:
    reference, generated = Normal(), Normal(1)
    yield (
        "",
        "D*(0), N(0,1) against N(1,1)",
        0.622459,
        1e-6,
        lambda: float(optimal_discriminator(reference, generated, 0.0)),
    )
    yield "", "logit D*(2), N(0,1) against N(1,1)", -1.5, 1e-9, lambda: float(optimal_logit(reference, generated, 2.0))


def _game_cases() -> Iterator[Case]:
    for method, rate, expected in (
        ("simultaneous", 0.1, 1.644632),
        ("simultaneous", 0.2, 7.106683),
        ("extragradient", 0.1, 0.608069),
        ("extragradient", 0.2, 0.141164),
        ("proximal", 0.1, 1.01**-50),
    ):
        case = f"xy: 100 {method} steps of {rate}"
        yield "A25", case, expected, 1e-6, partial(_growth, method, rate)
    for rate, radius in ((0.1, 0.994936), (0.2, 0.978906), (0.5, 0.707107)):
        yield "A25", f"xy: radius, optimistic, {rate}", radius, 1e-6, partial(games.spectral_radius, "optimistic", rate)
    yield "A25", "xy: drift of the alternating invariant", 0.0, 1e-12, _alternating_drift
    yield "A26", "Dirac-GAN: real part, no penalty", 0.0, 1e-8, lambda: eigenvalues(0.0)[0].real
    yield "A26", "Dirac-GAN: imaginary part, no penalty", 0.5, 1e-8, lambda: eigenvalues(0.0)[0].imag
    yield "A26", "Dirac-GAN: eigenvalue at R1 = 1", -0.5, 1e-8, lambda: eigenvalues(1.0)[0].real
    yield "A26", "Dirac-GAN: slow eigenvalue at R1 = 2", -1 + math.sqrt(0.75), 1e-8, lambda: eigenvalues(2.0)[0].real
    yield "A26", "Dirac-GAN: norm after 500 steps, R1 = 1", 0.0, 1e-9, lambda: float(norms(1.0)[-1])


def _growth(method: str, rate: float) -> float:
    return games.growth(games.play(method, rate, 100))


def _alternating_drift() -> float:
    return float(np.ptp(games.invariant(games.play("alternating", 0.1, 1000), 0.1)))


def _likelihood_cases() -> Iterator[Case]:
    mean, variance = [1.0, -0.5], [1.0, 0.25]
    full = MultivariateNormal(np.array(mean), np.diag(variance))
    unit = MultivariateNormal(np.zeros(2), np.eye(2))
    yield "A30", "KL of N((1,-.5), (1,.25)) to N(0, I)", 0.943147, 1e-6, lambda: float(gaussian_kl(mean, variance))
    yield "A30", "the same by full covariances", 0.943147, 1e-6, lambda: divergences.kl(full, unit)
    for scale, gap in ((0.5, 0.28972), (1.0, 0.0), (2.0, 0.46028)):
        yield "A27", f"PPCA: ELBO gap, covariance x {scale:g}", gap, 1e-5, partial(_elbo_gap, scale)
        yield "A27", f"PPCA: gap less its formula, x {scale:g}", 0.0, 1e-8, partial(_gap_less_formula, scale)
    yield "A27", "PPCA: likelihood less the Gaussian's", 0.0, 1e-11, _likelihood_difference


def _elbo_gap(scale: float) -> float:
    """Return ln p(x) - ELBO with the posterior's covariance scaled, mean over the rows."""
    model, data = _ppca()
    means, covariance = model.posterior(data)
    return float((model.log_likelihood(data) - model.elbo(data, means, scale * covariance)).mean())


def _gap_less_formula(scale: float) -> float:
    return _elbo_gap(scale) - elbo_gap(3, scale)


def _likelihood_difference() -> float:
    model, data = _ppca()
    return float(np.abs(model.log_likelihood(data) - model.marginal.logpdf(data)).max())


def _ppca() -> tuple[PPCA, np.ndarray]:
    rng = np.random.default_rng(0)
    data = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 8)) + 0.5 * rng.standard_normal((300, 8))
    return fit_ppca(data, 3), data


def _packing_cases() -> Iterator[Case]:
    data, collapsed = Steps((0, 1), (1,)), Steps((0, 0.8), (1.25,))
    skewed = Steps((0, 0.5, 1), (0.6, 1.4))
    for name, generated, values in (
        ("collapsed", collapsed, (0.2, 0.36, 0.488, 0.5904)),
        ("skewed", skewed, (0.2, 0.24, 0.284, 0.3392)),
    ):
        for pack, expected in enumerate(values, start=1):
            yield "A42", f"TV of {pack} packed, {name}", expected, 1e-12, partial(packed_tv, data, generated, pack)
