"""What models claim of themselves, as the report shows it."""

from __future__ import annotations

from dataclasses import replace

from genbench.page.training_tables import critics, likelihoods
from genbench.results import CriticRecord, Entry, TrainingRecord
from genbench.tables.numbers import number_with_error
from tests.helpers.made_results import made

CLAIM = {"quantity": "w1", "claimed": 0.123456, "exact": 0.2, "floor": 0.05, "rank_correlation": None}


def test_a_critics_claim_stands_beside_the_truth() -> None:
    trained = replace(made("wgan", 1.0), training=TrainingRecord("full", 4, steps=10, critic=CriticRecord(**CLAIM)))
    (row,) = critics([trained, made("real", 0.5)])
    assert (row.name, row.seed, row.quantity) == ("wgan", 4, "W1")
    assert (row.claimed, row.exact, row.floor, row.together) == ("0.1235", "0.2", "0.05", "–")


def test_likelihoods_are_shown_with_their_errors() -> None:
    bounds = tuple(
        Entry(name, name, value, 0.5, "higher", "likelihood", {"given": "class"})
        for name, value in (("elbo", 28.25), ("iwae_10", 30.5))
    )
    plain = made("vae", 1.0)
    (row,) = likelihoods([replace(plain, scores=(*plain.scores, *bounds)), plain])
    assert row.given == "class"
    assert row.bounds == {"elbo": "28.25 ± 0.50", "iwae_10": "30.50 ± 0.50"}


def test_a_count_that_is_all_but_certain_is_written_short() -> None:
    assert number_with_error(10.0, 1.4e-5) == ("10", "± 1e-05")
