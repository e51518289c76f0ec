"""The ratios of a panel: a subject that is optimised for one encoder is flagged, an honest one is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from genbench.comparison.panel_ratios import PanelRatios, panel_ratios
from tests.helpers.made_results import made, with_panel


def ratios(values: Sequence[float], error: float = 0.05, correlation: float = 0.0) -> PanelRatios:
    """Return made ratios whose relative errors are ``error``, with the same correlation of all pairs."""
    (found,) = panel_ratios(with_panel(made("gan", 5.0), values, error=error, correlation=correlation))
    return found


def test_a_ratio_below_that_of_real_samples_and_far_below_the_others_is_flagged() -> None:
    found = ratios([0.8, 3.1, 3.5, 4.0])
    assert found.optimised_for == "first"
    assert found.suspicion == (
        "optimised for first? its fdr there, 0.8, is below the 1 of real samples and far below the others (3.1 to 4)"
    )
    assert found.warning.startswith(found.suspicion)


def test_the_lowest_ratio_is_found_at_any_place() -> None:
    assert ratios([3.1, 4.0, 0.8, 3.5]).optimised_for == "third"


def test_honest_ratios_that_differ_by_a_factor_of_ten_are_not_flagged() -> None:
    # encoders see different damage
    found = ratios([1.06, 30.0, 20.0, 12.0])
    assert found.optimised_for == found.suspicion == found.warning == ""


def test_ratios_that_are_all_below_1_are_not_flagged() -> None:
    # copies of the reference are near it for all encoders
    assert ratios([0.5, 0.6, 0.55, 0.65]).optimised_for == ""


def test_a_gap_within_the_error_is_not_flagged() -> None:
    assert ratios([0.8, 3.1, 3.5, 4.0], error=0.1).optimised_for == ""
    assert ratios([0.8, 1.3, 1.3, 1.3], error=0.02).optimised_for == "first"


def test_errors_that_encoders_share_cancel_in_the_difference_but_not_in_the_distance_from_1() -> None:
    # .6 is 5 errors below 1; the others are 4.9 errors of independent encoders above it, and more of correlated ones
    assert ratios([0.6, 0.95, 0.95, 0.95], error=0.1).optimised_for == "first"
    assert ratios([0.6, 0.95, 0.95, 0.95], error=0.145).optimised_for == ""
    assert ratios([0.6, 0.95, 0.95, 0.95], error=0.145, correlation=0.9).optimised_for == "first"
    assert ratios([0.6, 0.95, 0.95, 0.95], error=0.19, correlation=0.9).optimised_for == ""


def test_the_level_is_that_of_the_lowest_of_all_encoders() -> None:
    # one-sided test at the level .01 / 4 of the logarithm of .8
    limit = -np.log(0.8) / stats.norm.ppf(1 - 0.01 / 4)
    assert ratios([0.8, 30, 30, 30], error=limit * 0.999).optimised_for == "first"
    assert ratios([0.8, 30, 30, 30], error=limit * 1.001).optimised_for == ""


def test_few_degrees_of_freedom_need_a_larger_gap() -> None:
    limit = -np.log(0.8) / stats.norm.ppf(1 - 0.01 / 4)
    (found,) = panel_ratios(with_panel(made("gan", 5.0), [0.8, 30, 30, 30], error=limit * 0.999, degrees=19))
    assert found.optimised_for == ""


def test_the_interval_is_that_of_the_logarithm() -> None:
    low, high = ratios([2.0, 3.0], error=0.1).intervals[0]
    assert [low, high] == pytest.approx([2 * np.exp(-0.19600), 2 * np.exp(0.19600)], rel=1e-4)


def test_with_two_encoders_the_sentence_names_the_ratio_of_the_other_one() -> None:
    assert "far below that of the other encoder (3)" in ratios([0.5, 3.0]).suspicion


@pytest.mark.parametrize(
    "damage",
    [{"ratios": None}, {"ratios": [1.0]}, {"ratios": ["a", "b"]}, {"ratios": [0.0, 1.0]}, {"covariance": [[1.0]]},
     {"covariance": [[None, 0], [0, 1]]}, {"extractors": "ab"}, {"extractors": None}],
)  # fmt: skip
def test_damaged_details_are_no_ratios(damage: dict[str, Any]) -> None:
    assert panel_ratios(with_panel(made("gan", 5.0), [1.0, 2.0], detail=damage)) == []


def test_degrees_that_are_unknown_are_infinite() -> None:
    (found,) = panel_ratios(with_panel(made("gan", 5.0), [1.0, 2.0], detail={"degrees": "many"}))
    assert found.degrees == np.inf
