"""Write reports/theory.md: the lecture's formulas, with their known values and the values that genbench computes.

``python -m tests.studies.theory_page`` takes about a minute. Everything is seeded, so the page is always the same.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from genbench_baselines.gan import GAN
from genbench_baselines.vae import VAE
from tabulate import tabulate

from genbench.sources.memory import ArraySource
from genbench.theory import cases
from genbench.theory import divergence_estimates as estimates
from genbench.theory.densities import MultivariateNormal, Normal
from genbench.theory.discriminators import fit_logistic, optimal_discriminator
from genbench.theory.likelihoods import GaussianProposal, ais, iwae, standard_prior
from genbench.theory.mixtures import RING, MixtureDensity
from genbench.theory.ppca import fit_ppca, maximum_log_likelihood
from genbench.theory.transport import transport_to
from genbench.theory.two_time_scales import noisy_saddle
from genbench.theory.wasserstein_critics import (
    GradientPenalty,
    SpectralNorm,
    WeightClipping,
    gradient_penalty_estimate,
    line_points,
    train_critic,
)

PAGE = Path(__file__).parents[2] / "reports" / "theory.md"
Row = Sequence[object]
Topic = Callable[[], Iterator[cases.TheoryCase]]


def main() -> None:
    """Measure everything and write the page."""
    torch.set_num_threads(1)
    sections = [divergences(), estimated(), discriminator(), packing(), games(), critics(), likelihoods(), gradients()]
    sections.append(linear_vae())
    PAGE.write_text("\n\n".join([HEAD, *sections]) + "\n", encoding="utf-8")
    print(PAGE)


HEAD = """# The theory, with numbers

The formulas of the lecture, with known and computed values. *Known* is a closed form or a published value; *computed*
is the result of `genbench.theory`. Everything is seeded. `python -m tests.studies.theory_page` writes this page;
`genbench selftest` checks many of these values."""


def divergences() -> str:
    return section(
        "Divergences between known densities",
        r"""$$\mathrm{KL}(P\|Q)=\int p\ln\frac pq,\quad \mathrm{TV}=\tfrac12\int|p-q|,\quad
\mathrm{JSD}=\tfrac12\mathrm{KL}(P\|M)+\tfrac12\mathrm{KL}(Q\|M),\ M=\tfrac{P+Q}2,\quad
W_k=\inf_{\pi}\big(\mathrm E_\pi|x-y|^k\big)^{1/k}$$

$$\max_D V(D,G)=2\,\mathrm{JSD}(P\|Q)-\ln 4$$

All values are in nats. Two disjoint parallel lines: JSD is ln 2 and KL is infinite at every distance, while W1 is the
distance (Arjovsky et al. 2017, arXiv 1701.07875, example 1).""",
        exact(cases.divergence_cases, cases.parallel_line_cases),
    )


def estimated() -> str:
    """Return the section on estimates from samples of one side and the density of the other."""
    reference = MultivariateNormal(np.zeros(2), np.eye(2))
    shifted = MultivariateNormal(np.array([1.0, 0.0]), np.eye(2))
    ring = MixtureDensity(RING)
    half = np.asarray([point for point in RING.sample(5000, 1) if RING.nearest(point[None])[0][0] < 4])[:2000]
    samples = shifted.sample(2000, 1)
    simulated = estimates.monte_carlo(reference, shifted, seed=0)
    w1, floor = transport_to(samples, reference, order=1, seed=0)
    rows: list[Row] = [
        (
            "KL of N((1,0), I) to N(0, I), 100,000 samples of each",
            0.5,
            simulated.reverse_kl.value,
            simulated.reverse_kl.error,
        ),
        ("the same from 2,000 samples and a density", 0.5, *estimates.nearest_neighbour_kl(samples, reference)),
        ("the reverse KL, from the same", 0.5, *estimates.nearest_neighbour_reverse_kl(samples, reference, seed=0)),
        ("TV of the same, 128 cells", 0.382925, *estimates.binned(samples, reference, seed=0).tv),
        ("JSD of the same, 128 cells", 0.111421, *estimates.binned(samples, reference, seed=0).jsd),
        (f"W1 of the same, blocks of 500 (a perfect sampler: {floor.value:.3f})", 1.0, *w1),
        ("ring: KL of a sampler of half the modes", math.log(2), *estimates.nearest_neighbour_kl(half, ring)),
        ("ring: TV of the same, 128 cells", 0.5, *estimates.binned(half, ring, seed=0).tv),
    ]
    return section(
        "Divergences estimated where one density is known",
        "`ring8` and `grid25` report these estimates beside the sample metrics. The Kozachenko-Leonenko entropy "
        "estimate gives KL(generated||reference); distances from reference samples to their nearest generated samples "
        "give KL(reference||generated). Counts in cells of equal mass bound JSD and TV from below, except for the "
        "noise of the counts. Optimal assignment of blocks of samples bounds W1 from above.",
        table(["quantity", "known", "computed", "± error"], rows),
    )


def discriminator() -> str:
    reference, generated = Normal(), Normal(1)
    x, y = reference.sample(20_000, seed=1), generated.sample(20_000, seed=2)
    fitted = fit_logistic(x, y)
    network = trained_discriminator(x, y)
    positions = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    truth = optimal_discriminator(reference, generated, positions)
    rows: list[Row] = [
        ("logistic D: slope", -1.0, fitted.weights[0]),
        ("logistic D: bias", 0.5, fitted.bias),
        ("logistic D: value V", -1.163451, fitted.value(x, y).value),
        (
            "logistic D: accuracy, 1/2 + TV/2",
            0.691462,
            fitted.accuracy(reference.sample(50_000, 3), generated.sample(50_000, 4)),
        ),
        *(
            (f"network of the baseline GAN, trained as D: D({x:g})", known, computed)
            for x, known, computed in zip(positions, truth, network, strict=True)
        ),
    ]
    return section(
        "The discriminator",
        r"$$D^*(x)=\frac{p(x)}{p(x)+q(x)},\qquad \mathrm{logit}\,D^*=\ln p-\ln q$$"
        "\n\n"
        "Data N(0, 1), generated N(1, 1): logit D* = 1/2 - x. D is fitted to 20,000 samples of each.",
        table(["quantity", "known", "computed"], rows),
        exact(cases.discriminator_cases),
    )


def trained_discriminator(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Train the critic of the baseline GAN on two fixed sets of points, [N] each; return D at -1, 0, .5, 1 and 2."""
    model = GAN()
    model.fit(ArraySource(x[:, None].astype(np.float32)), seed=0, steps=0)
    real, fake = (torch.tensor(rows[:, None], dtype=torch.float32) / model.metadata["scale"] for rows in (x, y))
    generator = torch.Generator().manual_seed(0)
    for step in range(1500):
        model.optimisers["critic"].param_groups[0]["lr"] = 1e-3 * (1 - step / 1500)
        rows = torch.randint(len(real), (512,), generator=generator)
        logit_real, logit_fake = (model.networks["critic"](side[rows]) for side in (real, fake))
        softplus = torch.nn.functional.softplus
        model.descend("critic", softplus(-logit_real).mean() + softplus(logit_fake).mean())
    points = torch.tensor([[-1.0], [0.0], [0.5], [1.0], [2.0]]) / model.metadata["scale"]
    with torch.inference_mode():
        return model.networks["critic"](points).sigmoid()[:, 0].numpy()


def packing() -> str:
    return section(
        "Packing (PacGAN)",
        r"$$\mathrm{TV}(P^m,Q^m)$$",
        "The data are U[0, 1]. *Collapsed* is U[0, .8]; *skewed* has the density .6 on the left half and 1.4 on the "
        "right half. Both have a TV of .2, but with packs of m samples the TV of the collapsed one grows faster (Lin "
        "et al. 2017, arXiv 1712.04086).",
        exact(cases.packing_cases),
    )


def games() -> str:
    paths = {rates: noisy_saddle(*rates, seed=0) for rates in ((0.01, 0.01), (0.001, 0.001), (1e-4, 1e-2))}
    rows: list[Row] = [(f"{a:g}, {b:g}", float(path[-500:].mean())) for (a, b), path in paths.items()]
    return section(
        "Games without a stopping criterion",
        r"$$\min_x\max_y\,xy$$",
        "All paths start at (1, 1). Each simultaneous gradient step increases the norm by the factor sqrt(1 + rate²). "
        "Alternating steps cycle and keep x² + y² - rate·xy constant. Each extragradient step changes the norm by the "
        "factor sqrt(1 - rate² + rate⁴). Optimistic steps converge with the given spectral radius. Dirac-GAN "
        "(Mescheder et al. 2018, arXiv 1801.04406): without a penalty the eigenvalues are imaginary; with R1 = gamma "
        "they are -gamma/2 ± sqrt(gamma²/4 - 1/4).",
        exact(cases.game_cases),
        "Two time scales (TTUR) on the noisy saddle (1 + x²)(100 - y²): the mean distance to (0, 0) over the last 500 "
        "of 5,000 steps. A large common rate does not converge; a small rate for x and a large one for y does.",
        table(["learning rates of x and y", "distance"], rows),
        "With rates a = 10⁻⁴ and b = 10⁻² the noise keeps y at a standard deviation b / sqrt(1 - (1 - 2b)²) around 0, "
        "so the mean distance is that times sqrt(2/π). At a rate of .05 for x the path diverges.",
        exact(cases.two_time_scale_cases),
    )


def critics() -> str:
    rows: list[Row] = []
    for theta in (0.1, 0.5, 1.0, 2.0, 4.0):
        spectral_norm, penalty, clipping = (
            train_critic(line_points(0), line_points(theta), constraint).estimate
            for constraint in (SpectralNorm(), GradientPenalty(10.0), WeightClipping(0.1))
        )
        rows.append((theta, spectral_norm, penalty, gradient_penalty_estimate(theta, 10.0), clipping))
    return section(
        "The critic of a WGAN",
        r"$$W_1(P,Q)=\sup_{\|f\|_L\le1}\mathrm E_P f-\mathrm E_Q f$$",
        "W1 of two parallel lines at the distance theta is theta. A critic with spectral normalisation recovers it. "
        "The gradient penalty is a soft constraint: its critic has a gradient norm above 1 and estimates theta (1 + "
        "theta / (2 lambda)). Weight clipping bounds the gradient norm by an unknown K, so only the order of its "
        "estimates is right. The records of `ring8` and `grid25` compare the estimates of the trained baselines' "
        "critics with the exact distances.",
        table(["W1 = theta", "spectral norm", "penalty, lambda = 10", "theory of the penalty", "clipped to .1"], rows),
    )


def likelihoods() -> str:
    rng = np.random.default_rng(0)
    data = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 8)) + 0.5 * rng.standard_normal((300, 8)) + 1
    model = fit_ppca(data, 3)
    truth = model.log_likelihood(data)
    means, covariance = model.posterior(data)

    def log_joint(codes: np.ndarray) -> np.ndarray:
        return model.log_joint(data, codes)

    wide, prior = GaussianProposal(means, 2 * covariance), standard_prior(len(data), 3)
    rows: list[Row] = [
        (f"IWAE, K = {k}, q = posterior with covariance x 2", (truth - iwae(log_joint, wide, samples=k, seed=1)).mean())
        for k in (1, 5, 50, 500)
    ]
    rows += [(f"IWAE, K = {k}, q = prior", (truth - iwae(log_joint, prior, samples=k)).mean()) for k in (10, 100, 1000)]
    rows += [
        (f"AIS, {k} temperatures", (truth - ais(log_joint, prior, temperatures=k)).mean()) for k in (10, 100, 1000)
    ]
    return section(
        "The lower bound of the VAE, and its gap",
        r"""$$\ln p(x)\ \ge\ \mathrm{ELBO}=\mathrm E_{q(z|x)}\ln p(x|z)-\mathrm{KL}(q(z|x)\|p(z)),\qquad
\mathrm{KL}(N(\mu,\mathrm{diag}\,\sigma^2)\|N(0,I))=\tfrac12\sum\mu^2+\sigma^2-1-\ln\sigma^2$$

$$\mathrm{ELBO}\le\mathrm{IWAE}_K=\mathrm E\ln\tfrac1K\sum_k\frac{p(x,z_k)}{q(z_k|x)}\le\ln p(x)$$

Probabilistic PCA is a linear VAE with an exact ln p(x). If q has the mean of the posterior and c times its covariance,
the gap is k/2 (c - 1 - ln c) nats.""",
        exact(cases.likelihood_cases),
        "Gap to the exact log-likelihood in nats per row (300 rows of 8 dimensions, 3 latent dimensions):",
        table(["estimate", "ln p(x) - estimate"], rows),
    )


def gradients() -> str:
    return section(
        "The reparameterization trick",
        r"""$$\nabla_{m}\,\mathrm E_{z\sim N(m,s^2)}f(z)=\mathrm E_{e\sim N(0,1)}f'(m+se)
=\mathrm E_{z\sim N(m,s^2)}\big[f(z)\,\nabla_m\ln p(z)\big]$$

The first form is the reparameterized gradient (Kingma and Welling 2014, arXiv 1312.6114), the second one the
score-function gradient (REINFORCE, Williams 1992). Both are unbiased. The table gives the gradient of E z² by m at
m = 1, s = .5 from 10,000 draws: the second estimate has a standard error almost five times as large.""",
        exact(cases.gradient_cases),
    )


def linear_vae() -> str:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2000, 2)) @ rng.standard_normal((2, 8)) + 1.0 + 0.4 * rng.standard_normal((2000, 8))
    truth = maximum_log_likelihood(x, 2)
    rows: list[Row] = []
    for seed in range(3):
        model = VAE(latent=2, linear=True, learning_rate=0.01)
        model.fit(ArraySource(x.astype(np.float32)), seed=seed, steps=2500)
        elbo = float(model.log_likelihood(x.astype(np.float32), samples=1, seed=seed).mean())
        rows.append((seed, truth, elbo, 100 * (truth - elbo) / abs(truth)))
    return section(
        "A trained linear VAE against probabilistic PCA",
        r"`vae,linear=true`, trained from scratch on 2,000 points in 8 dimensions. The exact maximum of "
        r"the mean log-likelihood is $-\tfrac12(d\ln2\pi+\sum_{i\le k}\ln\lambda_i+(d-k)\ln\sigma^2+d)$ (Tipping "
        r"and Bishop 1999; Lucas et al. 2019, arXiv 1911.02469).",
        table(["seed", "exact PPCA, nats per row", "ELBO of the VAE", "gap, %"], rows),
    )


def section(title: str, *parts: str) -> str:
    """Return a section; parts on one line are wrapped as prose, other parts are formulas and tables."""
    wrapped = [part if "\n" in part or part.startswith("$$") else textwrap.fill(part, 118) for part in parts]
    return "\n\n".join([f"## {title}", *wrapped])


def exact(*topics: Topic) -> str:
    """Return the table of the exact cases of some topics."""
    rows: list[Row] = [(name, known, measure()) for topic in topics for _, name, known, _, measure in topic()]
    return table(["quantity", "known", "computed"], rows)


def table(headers: list[str], rows: Sequence[Row]) -> str:
    """Return a Markdown table; numbers have five digits, and values below 1e-9 are 0."""
    shown = [[number(cell) if isinstance(cell, (float, int, np.floating)) else cell for cell in row] for row in rows]
    align = ["left" if isinstance(cell, str) else "right" for cell in rows[0]]
    return tabulate(shown, headers=headers, tablefmt="pipe", disable_numparse=True, colalign=align)


def number(value: float) -> str:
    return "0" if abs(value) < 1e-9 else f"{value:.5g}"


if __name__ == "__main__":
    main()
