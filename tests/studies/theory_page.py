"""Writes reports/theory.md: the lecture's formulas with the numbers that this package gets for them.

``python -m tests.studies.theory_page`` (a minute or two). Everything is seeded, so the page is the same every time.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from baselines.gan import GAN
from baselines.vae import VAE
from genbench.sources.memory import ArraySource
from genbench.theory import divergence_estimates as estimates
from genbench.theory.cases import Case, cases
from genbench.theory.critics import (
    Clip,
    GradientPenalty,
    SpectralNorm,
    gradient_penalty_estimate,
    line_points,
    train_critic,
)
from genbench.theory.densities import MixtureDensity, MultivariateNormal, Normal
from genbench.theory.discriminators import fit_logistic, optimal_discriminator
from genbench.theory.gradient_estimators import reparametrised, score_function
from genbench.theory.likelihoods import GaussianProposal, ais, iwae, standard_prior
from genbench.theory.mixtures import RING
from genbench.theory.ppca import fit_ppca, maximum_log_likelihood
from genbench.theory.transport import transport_to
from genbench.theory.two_time_scales import noisy_saddle

PAGE = Path(__file__).parents[2] / "reports" / "theory.md"
Row = Sequence[object]


def main() -> None:
    """Measure everything and write the page."""
    torch.set_num_threads(1)
    sections = [divergences(), estimated(), discriminator(), packing(), games(), critics(), likelihoods(), linear_vae()]
    PAGE.write_text("\n\n".join([HEAD, *sections]) + "\n", encoding="utf-8")
    print(PAGE)


HEAD = """# The theory, with numbers

The formulas of the lecture and what `genbench.theory` gets for them. *Known* is the closed form or the published value,
*found* what was computed or simulated here; everything is seeded. Made by `python -m tests.studies.theory_page`; the
exact rows are also what `genbench selftest` checks."""


def divergences() -> str:
    return section(
        "Divergences between known densities",
        r"""$$\mathrm{KL}(P\|Q)=\int p\ln\frac pq,\quad \mathrm{TV}=\tfrac12\int|p-q|,\quad
\mathrm{JSD}=\tfrac12\mathrm{KL}(P\|M)+\tfrac12\mathrm{KL}(Q\|M),\ M=\tfrac{P+Q}2,\quad
W_k=\inf_{\pi}\big(\mathrm E_\pi|x-y|^k\big)^{1/k}$$

$$\max_D V(D,G)=2\,\mathrm{JSD}(P\|Q)-\ln 4$$

In nats. Disjoint lines a distance apart: JSD stays at ln 2 and KL at infinity however near they come, W1 is the
distance (Arjovsky et al. 2017, arXiv 1701.07875, example 1).""",
        exact("A01", "A02"),
    )


def estimated() -> str:
    """Return what samples of one side tell where the other side's density is known."""
    reference = MultivariateNormal(np.zeros(2), np.eye(2))
    moved = MultivariateNormal(np.array([1.0, 0.0]), np.eye(2))
    known = MixtureDensity(RING)
    half = np.asarray([point for point in RING.sample(5000, 1) if RING.nearest(point[None])[0][0] < 4])[:2000]
    drawn = moved.sample(2000, 1)
    simulated = estimates.monte_carlo(reference, moved, seed=0)
    w1, floor = transport_to(drawn, reference, order=1, seed=0)
    rows: list[Row] = [
        (
            "KL of N((1,0), I) to N(0, I), 100,000 samples of each",
            0.5,
            simulated.reverse_kl.value,
            simulated.reverse_kl.error,
        ),
        ("the same from 2,000 samples and the other's density", 0.5, *estimates.nearest_neighbour_kl(drawn, reference)),
        ("the other way round", 0.5, *estimates.nearest_neighbour_reverse_kl(drawn, reference, seed=0)),
        ("TV of the same, 128 cells", 0.382925, *estimates.binned(drawn, reference, seed=0).tv),
        ("JSD of the same, 128 cells", 0.111421, *estimates.binned(drawn, reference, seed=0).jsd),
        (f"W1 of the same, blocks of 500 (a perfect sampler: {floor.value:.3f})", 1.0, *w1),
        ("ring: KL of a sampler of half of the modes", math.log(2), *estimates.nearest_neighbour_kl(half, known)),
        ("ring: TV of the same, 128 cells", 0.5, *estimates.binned(half, known, seed=0).tv),
    ]
    return section(
        "Divergences estimated where one density is known",
        "What `ring8` and `grid25` report beside the sample metrics. The Kozachenko-Leonenko entropy "
        "gives the KL from the generated side, nearest generated neighbours of reference samples the "
        "other; cells of equal mass bound JSD and TV from below, but for the noise of counts; blocks "
        "matched by optimal assignment bound W1 from above.",
        table(["quantity", "known", "found", "± error"], rows),
    )


def discriminator() -> str:
    reference, generated = Normal(), Normal(1)
    x, y = reference.sample(20_000, seed=1), generated.sample(20_000, seed=2)
    fitted = fit_logistic(x, y)
    network = trained_discriminator(x, y)
    places = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    truth = optimal_discriminator(reference, generated, places)
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
            (f"the GAN's own network trained as D: D({at:g})", one, found)
            for at, one, found in zip(places, truth, network, strict=True)
        ),
    ]
    return section(
        "The discriminator",
        r"$$D^*(x)=\frac{p(x)}{p(x)+q(x)},\qquad \mathrm{logit}\,D^*=\ln p-\ln q$$"
        "\n\n"
        "Data N(0, 1), generated N(1, 1): logit D* = 1/2 - x. Fitted to 20,000 samples of each.",
        table(["quantity", "known", "found"], rows),
        exact(""),
    )


def trained_discriminator(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return D at -1, 0, .5, 1, 2 after training the critic of the baseline GAN on two fixed sets of points."""
    model = GAN()
    model.fit(ArraySource(x[:, None].astype(np.float32)), seed=0, steps=0)
    real, fake = (torch.tensor(rows[:, None], dtype=torch.float32) / model.about["scale"] for rows in (x, y))
    generator = torch.Generator().manual_seed(0)
    for step in range(1500):
        model.optimisers["critic"].param_groups[0]["lr"] = 1e-3 * (1 - step / 1500)
        rows = torch.randint(len(real), (512,), generator=generator)
        judged_real, judged_fake = (model.networks["critic"](side[rows]) for side in (real, fake))
        softplus = torch.nn.functional.softplus
        model.descend("critic", softplus(-judged_real).mean() + softplus(judged_fake).mean())
    at = torch.tensor([[-1.0], [0.0], [0.5], [1.0], [2.0]]) / model.about["scale"]
    with torch.inference_mode():
        return model.networks["critic"](at).sigmoid()[:, 0].numpy()


def packing() -> str:
    return section(
        "Packing (PacGAN)",
        r"$$\mathrm{TV}(P^m,Q^m)$$",
        "Data U[0, 1]. *Collapsed* is U[0, .8], *skewed* has density .6 then 1.4: the same TV of .2, but "
        "packs of m samples tell the collapse faster (Lin et al. 2017, arXiv 1712.04086).",
        exact("A42"),
    )


def games() -> str:
    paths = {rates: noisy_saddle(*rates, seed=0) for rates in ((0.01, 0.01), (0.001, 0.001), (1e-4, 1e-2))}
    rows: list[Row] = [(f"rates {a:g}, {b:g}", float(path[-500:].mean())) for (a, b), path in paths.items()]
    return section(
        "Games without a stopping criterion",
        r"$$\min_x\max_y\,xy$$",
        "From (1, 1). Simultaneous gradient steps spiral out by sqrt(1 + rate²) a step, alternating ones "
        "cycle and conserve x² + y² - rate·xy, extragradient shrinks by sqrt(1 - rate² + rate⁴), "
        "optimistic steps converge at the spectral radius shown. Dirac-GAN (Mescheder et al. 2018, arXiv "
        "1801.04406): without a penalty the eigenvalues are imaginary, with R1 = gamma they are -gamma/2 "
        "± sqrt(gamma²/4 - 1/4).",
        exact("A25", "A26"),
        "Two time scales (TTUR) on the noisy saddle (1 + x²)(100 - y²), mean distance to (0, 0) over the "
        "last 500 of 5,000 steps; inf has left every bound:",
        table(["players", "distance"], rows),
    )


def critics() -> str:
    rows: list[Row] = []
    for theta in (0.1, 0.5, 1.0, 2.0, 4.0):
        found = [
            train_critic(line_points(0), line_points(theta), control).estimate
            for control in (SpectralNorm(), GradientPenalty(10.0), Clip(0.1))
        ]
        rows.append((theta, found[0], found[1], gradient_penalty_estimate(theta, 10.0), found[2]))
    return section(
        "The critic of a WGAN",
        r"$$W_1(P,Q)=\sup_{\|f\|_L\le1}\mathrm E_P f-\mathrm E_Q f$$",
        "On parallel lines theta apart W1 is theta. Spectral norm finds it; the penalty is soft, so its "
        "critic is steeper than 1 and finds theta (1 + theta / (2 lambda)); clipped weights bound the "
        "slope by an unknown K, so only the order is right. What the critics of the trained baselines "
        "claim beside the truth is in the records of `ring8` and `grid25`.",
        table(["W1 = theta", "spectral norm", "penalty, lambda = 10", "its theory", "clipped to .1"], rows),
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
        (f"IWAE, {k} codes of a posterior twice too wide", (truth - iwae(log_joint, wide, samples=k, seed=1)).mean())
        for k in (1, 5, 50, 500)
    ]
    rows += [
        (f"IWAE, {k} codes of the prior", (truth - iwae(log_joint, prior, samples=k)).mean()) for k in (10, 100, 1000)
    ]
    rows += [
        (f"AIS, {k} temperatures", (truth - ais(log_joint, prior, temperatures=k)).mean()) for k in (10, 100, 1000)
    ]
    through, by_score = reparametrised(lambda z: 2 * z, 1.0, 0.5), score_function(lambda z: z**2, 1.0, 0.5, seed=1)
    gradients: list[Row] = [
        ("through the samples (reparameterised)", 2.0, through.by_mean.value, through.by_mean.error),
        ("by the score function", 2.0, by_score.by_mean.value, by_score.by_mean.error),
    ]
    return section(
        "The VAE's bound and how loose it is",
        r"""$$\ln p(x)\ \ge\ \mathrm{ELBO}=\mathrm E_{q(z|x)}\ln p(x|z)-\mathrm{KL}(q(z|x)\|p(z)),\qquad
\mathrm{KL}(N(\mu,\mathrm{diag}\,\sigma^2)\|N(0,I))=\tfrac12\sum\mu^2+\sigma^2-1-\ln\sigma^2$$

$$\mathrm{ELBO}\le\mathrm{IWAE}_K=\mathrm E\ln\tfrac1K\sum_k\frac{p(x,z_k)}{q(z_k|x)}\le\ln p(x)$$

Probabilistic PCA is the linear VAE whose ln p(x) is exact: a posterior whose covariance is c times the true one costs
k/2 (c - 1 - ln c) nats.""",
        exact("A27", "A30"),
        "Gap to the exact log-likelihood, nats a row (300 rows, 3 codes, 8 dimensions):",
        table(["estimate", "ln p(x) - estimate"], rows),
        "Gradient of E z², z ~ N(m, s²), by m at m = 1, s = .5, from 10,000 draws:",
        table(["estimator", "known", "found", "± error"], gradients),
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
        r"`vae,linear=true`, trained from scratch on 2,000 points in 8 dimensions; the exact maximum of "
        r"the likelihood is $-\tfrac12(d\ln2\pi+\sum_{i\le k}\ln\lambda_i+(d-k)\ln\sigma^2+d)$ (Tipping "
        r"and Bishop 1999; Lucas et al. 2019, arXiv 1911.02469).",
        table(["seed", "exact PPCA, nats a row", "ELBO of the VAE", "below it, %"], rows),
    )


def section(title: str, *parts: str) -> str:
    """Return a section: a part on one line is prose and wrapped, the others are formulas and tables."""
    wrapped = [part if "\n" in part or part.startswith("$$") else textwrap.fill(part, 118) for part in parts]
    return "\n\n".join([f"## {title}", *wrapped])


def exact(*identifiers: str) -> str:
    """Return the table of the exact cases of some ids."""
    chosen: Iterator[Case] = (case for case in cases() if case[0] in identifiers)
    rows: list[Row] = [(name, expected, measure()) for _, name, expected, _, measure in chosen]
    return table(["quantity", "known", "found"], rows)


def table(headers: list[str], rows: Sequence[Row]) -> str:
    """Return a Markdown table; numbers to five digits, and what is below rounding as 0."""
    shown = [[number(cell) if isinstance(cell, (float, int, np.floating)) else cell for cell in row] for row in rows]
    align = ["left" if isinstance(cell, str) else "right" for cell in rows[0]]
    return tabulate(shown, headers=headers, tablefmt="pipe", disable_numparse=True, colalign=align)


def number(value: float) -> str:
    return "0" if abs(value) < 1e-9 else f"{value:.5g}"


if __name__ == "__main__":
    main()
