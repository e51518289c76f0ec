"""Sides that are not independent: told, and scores without meaning withheld."""

from __future__ import annotations

import numpy as np
import pytest

import genbench
from genbench.results import Result

METRICS = "fd,kid,subset_size=100,subsets=10,c2st"


def normal(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 5]).standard_normal((count, 32)).astype(np.float32)


def scored(generated: np.ndarray, reference: np.ndarray) -> Result:
    return genbench.score(generated, reference=reference, features="points", metrics=METRICS)


def test_reconstructions_scored_against_their_originals_are_told_and_have_no_such_scores() -> None:
    originals = normal(1000, 1)
    reconstructions = originals + 1e-3 * normal(1000, 2)
    result = scored(reconstructions[::-1], originals)
    assert "the two sides are not independent" in result.warnings[0]
    # the debiased distance would be about -0.6 with an error of 0.04; the plain one is that of the two sets
    assert [entry.name for entry in result.scores] == ["fd@points"]
    assert "Left out: fd_debiased@points assumes independent sides." in result.hints
    assert "Left out: c2st@points assumes independent sides." in result.hints


def test_a_score_that_was_asked_for_alone_stays_but_is_not_ranked() -> None:
    originals = normal(1000, 1)
    reconstructions = (originals + 1e-3 * normal(1000, 2))[::-1]
    result = genbench.score(reconstructions, reference=originals, features="points", metrics="kid,subset_size=100")
    assert "the two sides are not independent" in result.warnings[0]
    assert {entry.better for entry in result.scores} == {None}


def test_a_side_half_of_which_is_copied_is_told_and_has_no_debiased_distance() -> None:
    reference = normal(1000, 1)
    result = scored(np.concatenate([normal(500, 2), reference[:500]]), reference)
    assert result.warnings[0].startswith("500 of 1,000 generated samples are exact copies")
    assert "fd_debiased@points" not in {entry.name for entry in result.scores}


def test_independent_sides_keep_all_their_scores() -> None:
    result = scored(normal(1000, 1), normal(1000, 2))
    assert not [warning for warning in result.warnings if "independent" in warning]
    assert result["fd_debiased@points"].better == result["kd@points"].better == result["c2st@points"].better == "lower"
    assert result.hints == ()


def test_a_set_and_itself_have_distance_0_and_are_told_once() -> None:
    rows = normal(500, 1)
    result = scored(rows, rows)
    assert result["fd@points"].value == pytest.approx(0, abs=1e-9)
    assert result["fd_debiased@points"].value == pytest.approx(0, abs=1e-9)
    assert [warning for warning in result.warnings if "independent" in warning] == [result.warnings[0]]
    assert result.warnings[0].startswith("the two sides are the same samples")


def test_a_set_in_another_order_has_no_debiased_distance() -> None:
    rows = normal(500, 1)
    result = scored(rows[::-1], rows)
    assert result["fd@points"].value == pytest.approx(0, abs=1e-9)
    assert "fd_debiased@points" not in {entry.name for entry in result.scores}
