"""Table of cases with a known answer; ``genbench selftest`` checks them and reports/theory.md prints them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from genbench.array_types import Float64
from genbench.theory import exact_divergences as divergences
from genbench.theory import games
from genbench.theory.densities import Discrete, Exponential, Line, MultivariateNormal, Normal, Uniform, bernoulli
from genbench.theory.dirac_gan import eigenvalues, norms
from genbench.theory.discriminators import optimal_discriminator, optimal_logit
from genbench.theory.gradient_estimators import reparameterized_gradient, score_function_gradient
from genbench.theory.likelihoods import gaussian_kl
from genbench.theory.pacgan import Steps, packed_tv
from genbench.theory.ppca import PPCA, elbo_gap, fit_ppca
from genbench.theory.two_time_scales import noisy_saddle

TheoryCase = tuple[str, str, float, float, Callable[[], float]]
"""Id (or ""), description (at most 40 characters), expected value, tolerance, and the function that measures it."""


def theory_cases() -> Iterator[TheoryCase]:
    """Yield all cases; measuring all of them takes about a second."""
    yield from divergence_cases()
    yield from parallel_line_cases()
    yield from discriminator_cases()
    yield from game_cases()
    yield from two_time_scale_cases()
    yield from likelihood_cases()
    yield from gradient_cases()
    yield from packing_cases()


def divergence_cases() -> Iterator[TheoryCase]:
    """Yield KL, TV, JSD, W1, W2 and the GAN value V(D*) of pairs of known distributions."""
    standard = Normal()
    # pair -> P, Q and the values with six digits
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
        "equal distributions": (standard, standard, {"kl": 0, "tv": 0, "jsd": 0, "w1": 0, "w2": 0}),
        "disjoint distributions": (Uniform(), Uniform(2, 3), {"tv": 1, "jsd": math.log(2)}),
    }
    for pair, (p, q, values) in known.items():
        for name, expected in values.items():
            yield "A01", f"{name.upper()} of {pair}", expected, 1e-4, partial(getattr(divergences, name), p, q)
    # KL is infinite here; compare its reciprocal, because inf - inf is not a number
    yield "A01", "1 / KL of U shifted by .3", 0.0, 0.0, lambda: 1 / divergences.kl(Uniform(), Uniform(0.3, 1.3))

    # the GAN value at the optimal discriminator, 2 JSD - ln 4
    gan_values = {"N(0,1), N(1,1)": -1.163451, "N(0,1), N(2,1)": -0.712633, "N(0,1), N(3,1)": -0.332740}
    gan_values |= {"N(0,1), N(0,4)": -1.200828, "Exp(1), Exp(2)": -1.278730}
    gan_values |= {"equal distributions": -math.log(4), "disjoint distributions": 0.0}
    for pair, expected in gan_values.items():
        yield "A01", f"V(D*) of {pair}", expected, 1e-4, partial(divergences.gan_value, *known[pair][:2])


def parallel_line_cases() -> Iterator[TheoryCase]:
    """Yield the divergences of two parallel lines at a distance theta."""
    for theta in (0.1, 1.0, 4.0):
        yield "A02", f"JSD of lines {theta:g} apart", math.log(2), 1e-9, partial(_line_divergence, "jsd", theta)
        yield "A02", f"TV of lines {theta:g} apart", 1.0, 1e-9, partial(_line_divergence, "tv", theta)
        yield "A02", f"W1 of lines {theta:g} apart", theta, 1e-9, partial(_line_divergence, "w1", theta)
    yield "A02", "1 / KL of lines 1 apart", 0.0, 0.0, lambda: 1 / divergences.parallel_lines(1.0).kl


def _line_divergence(name: str, theta: float) -> float:
    return float(getattr(divergences.parallel_lines(theta), name))


def discriminator_cases() -> Iterator[TheoryCase]:
    """Yield values of the optimal discriminator of two normals."""
    # here logit D*(x) = 1/2 - x
    p, q = Normal(), Normal(1)
    yield "", "D*(0), N(0,1) against N(1,1)", 0.622459, 1e-6, lambda: float(optimal_discriminator(p, q, 0.0))
    yield "", "logit D*(2), N(0,1) against N(1,1)", -1.5, 1e-9, lambda: float(optimal_logit(p, q, 2.0))


def game_cases() -> Iterator[TheoryCase]:
    """Yield growth rates of the update rules on f = x y, and the eigenvalues of the Dirac-GAN."""
    # |last point| / |first point| from the closed-form factor of one step
    for method, rate, expected in (
        ("simultaneous", 0.1, 1.644632),
        ("simultaneous", 0.2, 7.106683),
        ("extragradient", 0.1, 0.608069),
        ("extragradient", 0.2, 0.141164),
        ("proximal", 0.1, 1.01**-50),
    ):
        case = f"xy: 100 {method} steps of {rate}"
        yield "A25", case, expected, 1e-6, partial(_growth_in_100_steps, method, rate)
    for rate, radius in ((0.1, 0.994936), (0.2, 0.978906), (0.5, 0.707107)):
        yield "A25", f"xy: radius, optimistic, {rate}", radius, 1e-6, partial(games.spectral_radius, "optimistic", rate)
    yield "A25", "xy: drift of the alternating invariant", 0.0, 1e-12, _alternating_drift

    # R1 is the weight of the gradient penalty; 1 is its critical value
    yield "A26", "Dirac-GAN: real part, no penalty", 0.0, 1e-8, lambda: eigenvalues(0.0)[0].real
    yield "A26", "Dirac-GAN: imaginary part, no penalty", 0.5, 1e-8, lambda: eigenvalues(0.0)[0].imag
    yield "A26", "Dirac-GAN: eigenvalue at R1 = 1", -0.5, 1e-8, lambda: eigenvalues(1.0)[0].real
    yield "A26", "Dirac-GAN: slow eigenvalue at R1 = 2", -1 + math.sqrt(0.75), 1e-8, lambda: eigenvalues(2.0)[0].real
    yield "A26", "Dirac-GAN: norm after 500 steps, R1 = 1", 0.0, 1e-9, lambda: float(norms(1.0)[-1])


def _growth_in_100_steps(method: str, rate: float) -> float:
    return games.growth(games.play(method, rate, 100))


def _alternating_drift() -> float:
    return float(np.ptp(games.invariant(games.play("alternating", 0.1, 1000), 0.1)))


def two_time_scale_cases() -> Iterator[TheoryCase]:
    """Yield the mean distance to the noisy saddle for two pairs of learning rates."""
    # near the saddle y' = .98 y + .01 e: a normal of this std, whose mean absolute value is std sqrt(2/pi); x is small
    std = 0.01 / math.sqrt(1 - 0.98**2)
    yield "", "TTUR: distance at rates 1e-4, 1e-2", std * math.sqrt(2 / math.pi), 0.01, partial(_distance, 1e-4, 1e-2)
    yield "", "TTUR: 1 / distance at rates .05, .001", 0.0, 0.0, lambda: 1 / _distance(0.05, 0.001)


def _distance(rate_x: float, rate_y: float) -> float:
    return float(noisy_saddle(rate_x, rate_y)[-4000:].mean())


def likelihood_cases() -> Iterator[TheoryCase]:
    """Yield KL terms of the VAE and ELBO gaps of probabilistic PCA."""
    # the closed-form KL of the VAE against the general formula
    mean, variance = [1.0, -0.5], [1.0, 0.25]
    full = MultivariateNormal(np.array(mean), np.diag(variance))
    unit = MultivariateNormal(np.zeros(2), np.eye(2))
    yield "A30", "KL of N((1,-.5), (1,.25)) to N(0, I)", 0.943147, 1e-6, lambda: float(gaussian_kl(mean, variance))
    yield "A30", "same KL, from full covariances", 0.943147, 1e-6, lambda: divergences.kl(full, unit)
    # the ELBO with a posterior covariance that is too small, exact or too large
    for scale, gap in ((0.5, 0.28972), (1.0, 0.0), (2.0, 0.46028)):
        yield "A27", f"PPCA: ELBO gap, covariance x {scale:g}", gap, 1e-5, partial(_mean_elbo_gap, scale)
        yield "A27", f"PPCA: gap minus its formula, x {scale:g}", 0.0, 1e-8, partial(_gap_minus_formula, scale)
    yield "A27", "PPCA: ln p(x) minus the Gaussian's", 0.0, 1e-11, _likelihood_difference


def _mean_elbo_gap(scale: float) -> float:
    """Return the mean ln p(x) - ELBO over the rows; q has the posterior's mean and ``scale`` times its covariance."""
    model, data = _ppca()
    means, covariance = model.posterior(data)
    return float((model.log_likelihood(data) - model.elbo(data, means, scale * covariance)).mean())


def _gap_minus_formula(scale: float) -> float:
    return _mean_elbo_gap(scale) - elbo_gap(3, scale)


def _likelihood_difference() -> float:
    # the likelihood of a linear Gaussian model is the density of its marginal normal
    model, data = _ppca()
    return float(np.abs(model.log_likelihood(data) - model.marginal.logpdf(data)).max())


def _ppca() -> tuple[PPCA, Float64]:
    """Return PPCA with three latent dimensions, and the 300 rows of eight dimensions that it was fitted to."""
    rng = np.random.default_rng(0)
    data = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 8)) + 0.5 * rng.standard_normal((300, 8))
    return fit_ppca(data, 3), data


def gradient_cases() -> Iterator[TheoryCase]:
    """Yield both gradients of E z^2 by the mean at z ~ N(1, .5^2), from 10,000 draws, with their standard errors."""
    pathwise = partial(reparameterized_gradient, lambda z: 2 * z, 1.0, 0.5)
    by_score = partial(score_function_gradient, lambda z: z**2, 1.0, 0.5, seed=1)
    # exact variances of one draw: Var[2z] = 1 and Var[z^2 (z - 1) / .25] = 21.75
    yield "", "gradient of E z^2, reparameterized", 2.0, 0.05, lambda: pathwise().by_mean.value
    yield "", "its standard error, reparameterized", 0.01, 1e-3, lambda: pathwise().by_mean.error
    yield "", "gradient of E z^2, score function", 2.0, 0.2, lambda: by_score().by_mean.value
    yield "", "its standard error, score function", math.sqrt(21.75) / 100, 5e-3, lambda: by_score().by_mean.error


def packing_cases() -> Iterator[TheoryCase]:
    """Yield the total variation of packs of 1 to 4 samples for a collapsed and for a skewed generator (PacGAN)."""
    # both generators have a total variation of .2 to the data without packing
    data, collapsed = Steps((0, 1), (1,)), Steps((0, 0.8), (1.25,))
    skewed = Steps((0, 0.5, 1), (0.6, 1.4))
    for name, generated, values in (
        ("collapsed", collapsed, (0.2, 0.36, 0.488, 0.5904)),
        ("skewed", skewed, (0.2, 0.24, 0.284, 0.3392)),
    ):
        for pack, expected in enumerate(values, start=1):
            yield "A42", f"TV of {pack} packed, {name}", expected, 1e-12, partial(packed_tv, data, generated, pack)
