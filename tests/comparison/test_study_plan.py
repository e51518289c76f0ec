"""Test plans: the variance components of a pilot, the power of a design, and what to buy."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from genbench.comparison.study_plan import PRIOR_GAP, StudyPlan, plan
from genbench.errors import InputError, UsageError
from genbench.plugs.contracts import Influence, Score
from genbench.results import Result, TrainingRecord
from genbench.tables.plan_report import plan_text
from tests.helpers.compared import result, valued

SIMPLE = StudyPlan(
    metric="fd", difference="10 %", shift=math.log(1.1), seed_variance=0.03**2, sample_variance=0.02**2,
    reference_variance=0.0, count=1000, seeds_by="the pilot", training_seconds=60.0, sample_seconds=0.001,
)  # fmt: skip


def pilot(spread: float, error: float, seeds: int = 4, count: int = 12) -> list[Result]:
    """Return trained subjects whose logarithms have a spread over trainings and an error of sampling."""
    rng = np.random.default_rng(0)
    return [
        result(
            f"m{number}",
            Score("fid", value, value * error, "lower", influence=Influence(())),
            seed=seed,
            training=TrainingRecord("full", seed, steps=100, seconds=30.0),
        )
        for number in range(count)
        for seed in range(seeds)
        for value in [float(np.exp(number + math.hypot(spread, error) * rng.standard_normal()))]
    ]


def test_the_components_of_a_pilot_are_found() -> None:
    made = plan(pilot(0.1, 0.02))
    assert math.sqrt(made.seed_variance) == pytest.approx(0.1, rel=0.25)
    assert math.sqrt(made.sample_variance) == pytest.approx(0.02, rel=0.01)
    assert (made.training_seconds, made.sample_seconds) == (30.0, 0.001)
    assert (made.seeds_by, made.fixed_count, made.count) == ("the pilot", True, 1000)


def test_a_difference_in_percent_is_a_factor() -> None:
    assert plan(pilot(0.1, 0.02), difference="20%").shift == pytest.approx(math.log(1.2))


def test_the_design_has_the_power_in_simulation_and_one_seed_less_has_not() -> None:
    design = SIMPLE.design()
    assert design is not None
    rng, shown = np.random.default_rng(0), {}
    for seeds in (design.seeds - 1, design.seeds):
        noise = math.hypot(0.03, 0.02) * rng.standard_normal((4000, 2, seeds))
        p = stats.ttest_ind(noise[:, 0] + math.log(1.1), noise[:, 1], axis=1).pvalue
        shown[seeds] = float((p < 0.05).mean())
    assert shown[design.seeds - 1] < 0.8 + 0.02
    assert shown[design.seeds] > 0.8 - 0.02


def test_more_samples_reduce_the_number_of_seeds_only_if_they_matter() -> None:
    by_training = replace(SIMPLE, sample_variance=1e-6)
    assert by_training.design(1_000_000) is not None
    assert by_training.design(1_000_000).seeds == by_training.design().seeds  # type: ignore[union-attr]
    assert "Buy training seeds" in plan_text(by_training)
    by_sampling = replace(SIMPLE, seed_variance=1e-8)
    assert by_sampling.design(1_000_000).seeds < by_sampling.design().seeds  # type: ignore[union-attr]
    assert "Buy samples." in plan_text(by_sampling)


def test_the_cheapest_design_is_not_dearer_than_the_usual_one() -> None:
    cheap, usual = SIMPLE.cheapest, SIMPLE.design()
    assert cheap is not None
    assert usual is not None
    assert (cheap.seconds or 0) <= (usual.seconds or 0)
    assert usual.seconds == pytest.approx(2 * usual.seeds * 61.0)
    assert replace(SIMPLE, fixed_count=True).cheapest is None


def test_checkpoints_need_samples_by_the_formula() -> None:
    # (1.96 + .84) sqrt(2 v N0 / N) = log 1.1
    assert SIMPLE.checkpoint_count == math.ceil(2 * 0.02**2 * 1000 * (2.8016 / math.log(1.1)) ** 2)


def test_a_reference_that_is_too_small_is_named() -> None:
    text = plan_text(replace(SIMPLE, reference_variance=1.0))
    assert "no number of seeds is enough, because the reference is too small" in text
    assert "no number of samples is enough" in text


def test_without_a_pilot_the_published_values_hold() -> None:
    made = plan(difference="2%")
    assert made.smallest_shift == pytest.approx(PRIOR_GAP)
    assert math.sqrt(made.seed_variance / made.sample_variance) == pytest.approx(3.2)
    assert "2606.20536" in plan_text(made)
    with pytest.raises(UsageError, match="Without a pilot"):
        plan(difference=0.5)


def test_one_seed_each_takes_the_published_ratio() -> None:
    made = plan([valued("a", 5.0, 0.05), valued("b", 9.0, 0.09)])
    assert made.seeds_by == "the published ratio to sampling"
    assert math.sqrt(made.seed_variance / made.sample_variance) == pytest.approx(3.2)


def test_a_pilot_without_errors_and_wrong_options_are_refused() -> None:
    with pytest.raises(InputError, match="no fd@x with an error"):
        plan([valued("a", 5.0, None), valued("b", 5.0, None)])
    with pytest.raises(UsageError, match="--difference must be 0 or more"):
        plan(difference="much")
    with pytest.raises(UsageError, match="--difference is 0"):
        plan(difference="0%")


def test_a_percentage_of_a_median_of_0_is_refused() -> None:
    zeros = [result(name, Score("kid", 0.0, 0.1, "lower")) for name in "ab"]
    with pytest.raises(UsageError, match=r"10 % at the median kd@x of the pilot, 0, is no difference"):
        plan(zeros, metric="kd")


def test_a_pilot_with_a_median_of_0_has_absolute_amounts() -> None:
    made = plan([result(name, Score("kid", 0.0, 0.1, "lower")) for name in "ab"], difference=0.5, metric="kd")
    # the scale is about linear near 0
    assert made.shift * made.unit == pytest.approx(0.5, rel=0.05)
    assert made.is_share


def test_a_share_near_1_is_planned_by_the_direction_that_can_be_reached() -> None:
    shares = [result(name, Score("recall", 0.99, 0.003, "higher")) for name in "ab"]
    made = plan(shares, difference=0.02, metric="recall")
    assert math.isfinite(made.shift)
    assert made.shift * made.unit == pytest.approx(0.02, rel=0.6)
    with pytest.raises(UsageError, match="is no difference that can be shown"):
        plan(shares, difference="2 units", metric="recall")


def test_too_many_seeds_are_not_blamed_on_the_reference() -> None:
    text = plan_text(replace(SIMPLE, seed_variance=100.0))
    assert "methods: more than 1,000 training seeds a side" in text
    assert "the reference is too small" not in text
