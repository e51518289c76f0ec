"""The metric that compares samples with a known density: closed forms for the 2-D mixtures."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from genbench.errors import UsageError
from genbench.features.features import Features
from genbench.plugs import registry
from genbench.plugs.contracts import Score
from genbench.theory.mixtures import GRID, RING, Mixture


def divergences(mixture: Mixture, toy: str, *, count: int = 2500, seed: int = 1) -> dict[str, Score]:
    points = mixture.sample(count, seed)
    scores = registry.load("metrics", f"divergences,toy={toy}")(Features.of(embedding=points), None, seed=0)
    return {score.name: score for score in scores}


@pytest.mark.parametrize(("mixture", "toy"), [(RING, "ring"), (GRID, "grid")])
def test_a_perfect_sampler_is_within_its_errors_of_the_expected_values(mixture: Mixture, toy: str) -> None:
    for name, score in divergences(mixture, toy).items():
        assert score.error is not None
        assert abs(score.value - score.detail["expected"]) < 4 * score.error + 0.02, name


def test_a_lost_half_of_the_modes_costs_ln_two() -> None:
    scores = divergences(replace(RING, centres=RING.centres[:4]), "ring")
    assert scores["reverse_kl"].value == pytest.approx(math.log(2), abs=0.06)
    assert scores["tv"].value == pytest.approx(0.5, abs=0.03)
    # JSD of q = p restricted to half: 1/2 ln(4/3) + 1/4 ln(2/3) + 1/4 ln 2
    assert scores["jsd"].value == pytest.approx(0.5 * math.log(4 / 3) + 0.25 * math.log(4 / 3), abs=0.03)
    assert scores["kl"].value > 4  # infinite in truth


def test_a_wider_spread_has_the_divergence_of_the_gaussian_formula() -> None:
    wide = divergences(replace(GRID, std=0.1), "grid")
    # far-off modes: KL(N(0, s^2 I) || N(0, t^2 I)) = s^2/t^2 - 1 - ln(s^2/t^2) in 2-D
    assert wide["reverse_kl"].value == pytest.approx(4 - 1 - math.log(4), rel=0.08)
    assert wide["kl"].value == pytest.approx(0.25 - 1 + math.log(4), rel=0.15)


def test_every_score_grows_with_the_damage() -> None:
    levels = [divergences(replace(RING, std=std), "ring") for std in (0.01, 0.3, 0.6)]
    for name in levels[0]:
        values = [level[name].value for level in levels]
        assert values == sorted(values), name


def test_a_shift_changes_w1_by_its_length_within_the_stated_bias() -> None:
    moved = tuple((x + 0.5, y) for x, y in GRID.centres)
    w1 = divergences(replace(GRID, centres=moved), "grid", count=5000)["w1"]
    assert 0.5 <= w1.value <= 0.5 + w1.detail["expected"]


def test_the_same_points_give_the_same_bits() -> None:
    assert divergences(RING, "ring") == divergences(RING, "ring")


def test_an_unknown_mixture_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean 'ring'"):
        registry.load("metrics", "divergences,toy=rings")


def test_too_few_points_are_refused() -> None:
    features = Features.of(embedding=np.zeros((10, 2)))
    with pytest.raises(UsageError, match="need 1,000 points"):
        registry.load("metrics", "divergences,toy=ring")(features, None, seed=0)
