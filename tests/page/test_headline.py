"""The sentence about a table: who leads, who cannot be ranked, and who is as good as real samples."""

from __future__ import annotations

from genbench.page.headline import headline
from genbench.results import Result
from genbench.tables.leaderboard_table import tabulated
from tests.helpers.made_results import made, with_panel


def seeds(name: str, *values: float, error: float = 0.01) -> list[Result]:
    return [made(name, value, seed=seed, error=error) for seed, value in enumerate(values)]


REAL = made("real", 0.5, error=0.001)
NOISE = seeds("noise", 90.0, 90.1, 90.2)
CGAN, CVAE = seeds("cgan", 5.0, 5.01, 5.02), seeds("cvae", 5.01, 5.0, 5.03)
WORSE = [each for name in "abc" for each in seeds(name, 20.0, 20.1, 20.05)]


def sentence(*results: Result) -> str:
    return headline(tabulated(results))


def test_the_models_that_no_other_beats_lead() -> None:
    assert sentence(REAL, *CGAN, *CVAE, *WORSE, *NOISE) == "By fd, cgan and cvae lead."


def test_a_model_with_a_high_spread_and_a_wide_interval_is_not_ranked() -> None:
    gan = seeds("gan", 8.0, 9.0, 80.0)
    words = sentence(REAL, *CGAN, *CVAE, *WORSE, *gan, *NOISE)
    assert words == "By fd, cgan and cvae lead; gan varies too much over seeds to be ranked."


def test_a_model_as_good_as_real_samples_is_named() -> None:
    real = seeds("real", 5.0, 5.01, 5.03)
    words = sentence(*real, *CGAN, *WORSE, *NOISE)
    assert words == "By fd, cgan leads and cannot be told from real samples."


def test_rank_intervals_that_hold_every_rank_decide_nothing() -> None:
    assert sentence(*CGAN, *CVAE) == "By fd, cgan and cvae cannot be told apart."


def test_a_table_without_models_has_no_sentence() -> None:
    assert sentence(REAL, *NOISE) == ""


def test_a_leader_that_looks_optimised_for_one_encoder_is_named() -> None:
    gan = with_panel(made("gan", 5.0, benchmark=None), [0.5, 3.5, 4.0])
    vae = with_panel(made("vae", 5.0, benchmark=None), [7.0, 7.5, 8.0])
    assert sentence(gan, vae) == "By fdr@made, gan leads; gan looks optimised for first."
