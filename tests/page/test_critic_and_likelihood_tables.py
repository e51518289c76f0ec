"""The tables of critics' estimates and log-likelihoods in the report."""

from __future__ import annotations

from dataclasses import replace

from genbench.page.critic_and_likelihood_tables import critic_rows, likelihood_rows
from genbench.results import CriticRecord, Entry, TrainingRecord
from genbench.results.rounding import number_with_error
from tests.helpers.made_results import made

CRITIC = CriticRecord("w1", claimed=0.123456, exact=0.2, floor=0.05)


def test_a_critics_estimate_is_shown_with_the_exact_value() -> None:
    trained = replace(made("wgan", 1.0), training=TrainingRecord("full", 4, steps=10, critic=CRITIC))
    (row,) = critic_rows([trained, made("real", 0.5)])
    assert (row.name, row.seed, row.quantity) == ("wgan", 4, "W1")
    assert (row.estimate, row.exact, row.floor, row.correlation) == ("0.1235", "0.2", "0.05", "–")


def test_likelihoods_are_shown_with_their_errors() -> None:
    bounds = tuple(
        Entry(name, name, value, 0.5, "higher", "likelihood", {"given": "class"})
        for name, value in (("elbo", 28.25), ("iwae_10", 30.5))
    )
    plain = made("vae", 1.0)
    (row,) = likelihood_rows([replace(plain, scores=(*plain.scores, *bounds)), plain])
    assert row.given == "class"
    assert row.bounds == {"elbo": "28.25 ± 0.50", "iwae_10": "30.50 ± 0.50"}


def test_a_count_with_a_tiny_error_is_written_without_decimals() -> None:
    assert number_with_error(10.0, 1.4e-5) == ("10", "± 1e-05")
