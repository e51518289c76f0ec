"""FLD: parity with an independent implementation in torch, copies, noise, order of rows, the error at the null."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.metrics.feature_likelihood import FeatureLikelihood
from genbench.metrics.point_mixtures import PointMixture, fitted_mixture, squared_distances
from genbench.plugs.contracts import Score


def normal(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 8]).standard_normal((count, width)).astype(np.float32)


def fld(generated: np.ndarray, train: np.ndarray, held_out: np.ndarray, *, most: int = 10_000) -> dict[str, Score]:
    sides = [Features.of(embedding=side) for side in (generated, held_out, train)]
    scores = FeatureLikelihood(most)(sides[0], sides[1], seed=0, train=sides[2])
    return {score.name: score for score in scores}


def widths_by_torch(centres: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Fit the log-variances by torch's autograd and Adam, with the settings of the authors' program."""
    mu, x = torch.from_numpy(centres), torch.from_numpy(rows)
    dimension = x.shape[1]
    squared = ((x[:, None] - mu) ** 2).sum(dim=2)
    to_mean = 0.81 * ((x - x.mean(dim=0)) ** 2).sum(dim=1, keepdim=True)
    widths = ((squared.min(dim=0).values + 1e-3) / dimension).log().requires_grad_()
    last = torch.zeros((), dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([widths, last], lr=0.5)
    for _ in range(50):
        adam.zero_grad()
        logs = -squared / (2 * widths.exp()) - dimension / 2 * (widths + math.log(2 * math.pi)) - math.log(len(mu))
        own = -to_mean / (2 * last.exp()) - dimension / 2 * (last + math.log(2 * math.pi))
        (-torch.logsumexp(torch.cat([logs, own], dim=1), dim=1).mean() / dimension).backward()  # type: ignore[no-untyped-call]
        adam.step()
        widths.data.clamp_(-40, 20)
    return widths.detach().numpy()


@pytest.mark.parametrize("copies", [0, 20])
def test_the_fitted_widths_are_those_of_torch(copies: int) -> None:
    centres, rows = normal(60, 5, 1).astype(np.float64), normal(90, 5, 2).astype(np.float64)
    centres[:copies] = rows[:copies]
    mixture = fitted_mixture(centres, rows)
    np.testing.assert_allclose(mixture.log_widths, widths_by_torch(centres, rows), rtol=1e-6, atol=1e-6)


def test_likelihoods_are_those_of_the_mixture() -> None:
    rng = np.random.default_rng(0)
    centres, widths, rows = rng.standard_normal((70, 3)), rng.standard_normal(70), rng.standard_normal((40, 3))
    components = [multivariate_normal(*pair) for pair in zip(centres, np.exp(widths), strict=True)]
    densities = [component.pdf(rows) for component in components]
    found = logsumexp(PointMixture(centres, widths).log_likelihoods(rows), axis=1) - math.log(70)
    assert found == pytest.approx(np.log(np.mean(densities, axis=0)))


def test_the_score_equals_an_independent_computation() -> None:
    generated, train, held_out = normal(40, 4, 1) * np.float32(1.3), normal(90, 4, 2), normal(50, 4, 3)
    centre, spread = held_out.mean(axis=0, dtype=np.float64), held_out.std(axis=0, ddof=1, dtype=np.float64)
    scaled = [(side - centre) / spread for side in (generated, train, held_out)]

    def nll(centres: np.ndarray, fitted_to: np.ndarray, rows: np.ndarray) -> float:
        widths = widths_by_torch(centres, fitted_to)
        squared = ((rows[:, None] - centres) ** 2).sum(axis=2)
        logs = -squared / (2 * np.exp(widths)) - 2 * (widths + math.log(2 * math.pi)) - math.log(len(centres))
        return -float(logsumexp(logs, axis=1).mean())

    scores = fld(generated, train, held_out)
    own, of_train = (nll(scaled[0], scaled[1], rows) for rows in (scaled[2], scaled[1]))
    baseline = scores["fld"].detail["nll_of_baseline"]
    assert scores["fld"].value == pytest.approx(100 * (own - baseline) / 4)
    assert scores["fld_gap"].value == pytest.approx(100 * (of_train - own) / 4)
    # the halves of the training rows are the program's own choice; any such halves give nearly the same
    halves = nll(scaled[1][:40], scaled[1][40:], scaled[2])
    assert baseline == pytest.approx(halves, abs=0.3)


def test_copies_have_a_negative_gap_and_noise_a_large_value() -> None:
    train, held_out = normal(400, 16, 1), normal(200, 16, 2)
    new, noise = (fld(rows, train, held_out) for rows in (normal(200, 16, 3), 3 * normal(200, 16, 4)))
    copies = fld(np.concatenate([train[:100], normal(100, 16, 5)]), train, held_out)
    assert abs(new["fld"].value) < 4
    assert noise["fld"].value > 40
    # half of the samples are copies: on training rows the mixture is far more likely
    assert copies["fld_gap"].value < -100 < -4 < new["fld_gap"].value < 4


def test_distances_of_near_copies_keep_their_digits() -> None:
    rows = 100 + normal(30, 8, 1).astype(np.float64)
    near = rows + 1e-7
    assert np.diag(squared_distances(rows, near)) == pytest.approx(((rows - near) ** 2).sum(axis=1), rel=1e-9)
    assert not np.diag(squared_distances(rows, rows.copy())).any()


def test_the_order_of_the_training_rows_does_not_matter() -> None:
    sides = normal(50, 4, 1), normal(101, 4, 2), normal(60, 4, 3)
    first, second = fld(*sides), fld(sides[0], sides[1][::-1].copy(), sides[2])
    assert second["fld"].value == pytest.approx(first["fld"].value, rel=1e-9)


def test_dimensions_that_do_not_vary_are_allowed_and_equal_samples_are_not() -> None:
    sides = [np.pad(normal(count, 3, count), ((0, 0), (0, 1)), constant_values=1) for count in (40, 80, 50)]
    assert math.isfinite(fld(*sides)["fld"].value)
    with pytest.raises(InputError, match="All held-out samples have the same features"):
        fld(normal(40, 3, 1), normal(80, 3, 2), np.ones((50, 3), np.float32))


def test_large_sets_are_drawn_from() -> None:
    scores = fld(normal(80, 4, 1), normal(120, 4, 2), normal(90, 4, 3), most=60)
    assert scores["fld"].detail["note"] == "of sets with more than 60 rows, so many were drawn."
    with pytest.raises(UsageError, match="most=3 is too few rows"):
        FeatureLikelihood(most=3)
