"""Authenticity and C_T: copies, values for equal distributions, signs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genbench.errors import InputError
from genbench.features.features import Features
from genbench.metrics.memorisation import AuthenticShare, authentic_share, copying_score


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


@pytest.mark.parametrize("cells", [1, 3])
def test_A18_copying_scores_of_new_copied_and_spread_out_samples(cells: int) -> None:
    train, test = normal(2000, 4, 1), normal(1000, 4, 2)
    assert abs(copying_score(normal(1000, 4, 3), train, test, cells=cells)) < 3
    assert copying_score(train[:1000], train, test, cells=cells) < -10
    assert copying_score(np.float32(1.5) * normal(1000, 4, 4), train, test, cells=cells) > 10


def test_A18_the_copying_score_of_copies_in_one_cell_is_its_least_possible_value() -> None:
    train, test = normal(500, 4, 1), normal(300, 4, 2)
    truth = -(300 * 300 / 2) / np.sqrt(300 * 300 * 601 / 12)
    assert copying_score(train[:300], train, test, cells=1) == pytest.approx(truth)


def test_too_few_rows_for_a_cell_are_refused() -> None:
    with pytest.raises(InputError, match="No cell holds 20"):
        copying_score(normal(10, 4, 1), normal(50, 4, 2), normal(50, 4, 3))
