"""Authenticity and the memorised share: copies, values for equal distributions, planted copies, pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genbench.errors import InputError
from genbench.features.features import Features
from genbench.metrics.memorisation import AuthenticShare, MemorisedShare, authentic_share, chance_of_ratio
from genbench.plugs.contracts import Score


def normal(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 6]).standard_normal((count, width)).astype(np.float32)


def test_A17_copies_are_not_authentic() -> None:
    train = normal(200, 300, 1)
    assert authentic_share(np.repeat(train, 2, axis=0), train).value == 0


@pytest.mark.parametrize(("width", "truth"), [(2, 0.37), (10, 0.62), (64, 0.80)])
def test_A17_the_authentic_share_of_new_samples_depends_on_the_dimension(width: int, truth: float) -> None:
    # the share varies by about .02 between training sets
    shares = [authentic_share(normal(1000, width, 2 * i), normal(1000, width, 2 * i + 1)).value for i in range(4)]
    assert np.mean(shares) == pytest.approx(truth, abs=0.04)


@pytest.mark.parametrize("offset", [0, 1000])
def test_authenticity_agrees_with_brute_force(offset: float) -> None:
    generated, train = normal(300, 20, 1) + np.float32(offset), normal(200, 20, 2) + np.float32(offset)
    generated[:50], train[150:] = train[:50], train[:50]
    across = cdist(generated.astype(np.float64), train.astype(np.float64))
    own = cdist(train.astype(np.float64), train.astype(np.float64))
    np.fill_diagonal(own, np.inf)
    truth = (own.min(axis=1)[across.argmin(axis=1)] < across.min(axis=1)).mean()
    assert authentic_share(generated, train).value == pytest.approx(truth, abs=1e-12)


def test_authenticity_of_points_on_a_line_by_hand() -> None:
    # training rows 0 1 5: 0.4 is closer to 0 than 1 is; 7 is closer to 5 than 1 is; 9.5 is farther from 5 than 1 is
    share = authentic_share([[0.4], [7.0], [9.5]], [[0.0], [1.0], [5.0]])
    assert share.value == pytest.approx(1 / 3)


def test_the_score_is_a_percentage() -> None:
    (score,) = AuthenticShare()(
        Features.of(embedding=normal(300, 10, 1)), Features.of(embedding=normal(300, 10, 2)), seed=0
    )
    assert score.name == "authpct"
    assert 40 < score.value < 80


def test_one_training_row_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2 reference rows"):
        authentic_share(normal(5, 3, 1), normal(1, 3, 2))


def features(rows: np.ndarray) -> Features:
    return Features.of(embedding=np.asarray(rows, np.float32))


def memorised(generated: np.ndarray, train: np.ndarray, held_out: np.ndarray, *, rate: float = 0.01) -> Score:
    (score,) = MemorisedShare(rate)(features(generated), features(held_out), seed=0, train=features(train))
    return score


def test_with_training_samples_the_value_of_held_out_samples_stands_beside_it() -> None:
    generated, train, held_out = (features(normal(200, 10, seed)) for seed in (1, 2, 3))
    (score,) = AuthenticShare()(generated, held_out, seed=0, train=train)
    assert score.value == 100 * authentic_share(generated["embedding"], train["embedding"]).value
    assert score.detail["expected"] == 100 * authentic_share(held_out["embedding"], train["embedding"]).value


def test_the_ratio_test_on_a_line_by_hand() -> None:
    # held-out 0 10 20 30 are 1 2 3 4 from the training rows and 10 from each other: ratios .1 .2 .3 .4
    held_out, train = np.array([[0.0], [10.0], [20.0], [30.0]]), np.array([[-1.0], [8.0], [23.0], [34.0]])
    # generated 22.9 is .1 from 23 and 2.9 from 20 (ratio .034); 6 is 2 from 8 and 4 from 10 (ratio .5)
    score = memorised(np.array([[22.9], [6.0]]), train, held_out, rate=0.2)
    assert score.value == 0.5
    assert score.detail["threshold"] == pytest.approx(0.1)
    first, second = score.detail["pairs"]
    assert (first["generated"], first["train"], second["generated"], second["train"]) == (0, 2, 1, 1)
    assert (first["distance"], first["ratio"]) == pytest.approx((0.1, 0.1 / 2.9), rel=1e-4)
    assert (first["chance"], second["chance"]) == (0.2, 1.0)


def test_chances_agree_with_counting() -> None:
    rng = np.random.default_rng(0)
    ratio, calibration = rng.integers(0, 9, 50) / 4, rng.integers(0, 9, 99) / 4
    expected = [(1 + sum(known <= one for known in calibration)) / 100 for one in ratio]
    assert chance_of_ratio(ratio, calibration) == pytest.approx(expected)


def test_planted_exact_and_near_copies_are_found_and_nothing_else() -> None:
    # 10 % exact copies, and 10 % copies with noise of a tenth of the standard deviation
    train, held_out, generated = normal(1500, 16, 1), normal(1000, 16, 2), normal(1000, 16, 3)
    generated[:100] = train[:100]
    generated[100:200] = train[100:200] + 0.1 * normal(100, 16, 4)
    score = memorised(generated, train, held_out)
    assert score.value == pytest.approx(0.2 + 0.8 * 0.01, abs=0.01)
    assert score.detail["excess"] == pytest.approx(0.2, abs=0.01)
    assert all(pair["generated"] == pair["train"] < 100 for pair in score.detail["pairs"])


def test_copies_that_are_held_out_as_well_are_copies() -> None:
    train, held_out = normal(300, 4, 1), normal(200, 4, 2)
    train[0] = held_out[0]
    score = memorised(np.concatenate([train[:1], held_out[1:2]]), train, held_out)
    assert [pair["ratio"] for pair in score.detail["pairs"]] == [0.0, np.inf]


def test_too_few_held_out_samples_for_the_rate_are_refused() -> None:
    with pytest.raises(InputError, match="needs at least 99 held-out samples, but arrays holds 98"):
        memorised(normal(10, 3, 1), normal(50, 3, 2), normal(98, 3, 3))


@pytest.mark.slow
@pytest.mark.parametrize("width", [2, 32])
def test_new_samples_are_called_memorised_at_most_at_the_rate(width: int) -> None:
    # 300 data sets of 200 samples; both sets of real samples differ in size
    shares = [
        memorised(normal(200, width, 3 * i), normal(400, width, 3 * i + 1), normal(199, width, 3 * i + 2), rate=0.05)
        for i in range(300)
    ]
    values = np.array([score.value for score in shares])
    assert values.mean() <= 0.05 + 3 * values.std() / np.sqrt(300)
    assert values.mean() >= 0.035
    inside = [score.interval[0] <= 0.05 <= score.interval[1] for score in shares if score.interval]
    assert np.mean(inside) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 300)
