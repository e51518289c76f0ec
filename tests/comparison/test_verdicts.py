"""Test verdicts at a margin, what would decide, and which subjects and scores are compared."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genbench.benchmarks import DIGITS
from genbench.comparison.chosen_scores import one_of_each_family
from genbench.comparison.differences import ADVISED_POWER, EQUIVALENCE_LEVEL, MOST_TIMES, rounded_up
from genbench.comparison.group_by_subject import metric_name
from genbench.comparison.leaderboard import leaderboard
from genbench.comparison.margins import Margin, margin_of
from genbench.comparison.scales import ScoreScale
from genbench.comparison.scored_subjects import difference
from genbench.errors import UsageError
from genbench.plugs.contracts import Score
from genbench.results import Result, SampleSet
from genbench.scoring.compare import compare
from genbench.tables.comparison_table import comparison_text
from tests.helpers.compared import normal, result, scored, valued

FILE = Path(__file__).parents[2] / "reports" / "digits.jsonl"


@pytest.mark.parametrize(
    ("value", "error", "verdict"),
    [(10.0, 0.1, "equivalent"), (10.3, 0.1, "equivalent"), (8.0, 0.1, "better"), (12.0, 0.1, "worse"),
     (10.5, 0.5, "not enough data"), (10.0, 1.0, "not enough data")],
)  # fmt: skip
def test_there_are_four_verdicts(value: float, error: float, verdict: str) -> None:
    assert difference(valued("a", value, error), valued("b", 10.01, error), "fd", margin="10%").verdict == verdict


def test_equivalence_needs_the_90_percent_interval_inside_the_margin() -> None:
    # the error of the logarithm is .0141: 1.645 errors are .0233, and log(1.1) = .0953
    b = valued("b", 10.0, 0.1)
    assert difference(valued("a", 10 * np.exp(0.0953 - 0.0240), 0.1), b, "fd").equivalent
    assert not difference(valued("a", 10 * np.exp(0.0953 - 0.0215), 0.1), b, "fd").equivalent


def test_not_enough_data_says_what_would_decide() -> None:
    a, b = (replace(valued(name, 10.0 + shift, 1.0), benchmark=None) for name, shift in (("a", 0.1), ("b", 0.0)))
    estimate = difference(a, b, "fd")
    assert estimate.verdict == "not enough data"
    # the error of .141 must fall to log(1.1) / 2.93 = .0310
    assert estimate.decided_by.startswith("about 19,000 samples each")
    assert estimate.smallest_shown == pytest.approx(10 * (np.exp(2.8 * 0.1408) - 1), rel=0.02)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("value", [10.0, 10.2, 10.7])
def test_what_would_decide_is_the_number_of_a_full_bisection(value: float, seeds: int) -> None:
    a, b = valued("a", value, 1.3), valued("b", 10.0, 1.3)
    made = replace(difference(a, b, "fd"), seeds=(seeds, seeds), degrees=4.0, fixed_count=False)
    few, many = 1.0, MOST_TIMES
    for _ in range(60):
        middle = math.sqrt(few * many)
        error, degrees = made._after(middle)
        enough = abs(made.shift) >= error * made._needed_errors(0.025, ADVISED_POWER, degrees)
        enough |= math.log(1.1) >= error * made._needed_errors(EQUIVALENCE_LEVEL, 0.9, degrees)
        few, many = (few, middle) if enough else (middle, many)
    assert made.decided_by.startswith(f"about {rounded_up(many * (seeds if seeds > 1 else 1000)):,} ")


def test_the_same_samples_are_equivalent() -> None:
    same = SampleSet("s", 1000, "same")
    estimate = difference(valued("a", 10.0, 3.0, generated=same), valued("b", 10.0, 3.0, generated=same), "fd")
    assert (estimate.same_samples, estimate.verdict) == (True, "equivalent")


def test_paired_samples_with_tiny_noise_are_equivalent() -> None:
    reference, base = normal(0), normal(1, shift=0.3)
    noise = 1e-6 * np.random.default_rng(2).standard_normal(base["embedding"].shape)
    moved = type(base).of(embedding=base["embedding"] + noise)
    for metric in ("fd", "fd_debiased"):
        a, b = scored("a", base, reference, "fd"), scored("b", moved, reference, "fd")
        assert difference(a, b, metric, paired=True).verdict == "equivalent"


@pytest.mark.parametrize(("text", "words"), [("10%", "10 %"), (0.5, "0.5"), ("2 units", "2"), (" 3 % ", "3 %")])
def test_margins_are_percentages_or_numbers(text: str | float, words: str) -> None:
    assert str(Margin.of(text)) == words


@pytest.mark.parametrize("wrong", ["two", "-1", "nan", "2%%", "", "inf%"])
def test_a_wrong_margin_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="--margin must be 0 or more"):
        Margin.of(wrong)


def test_a_margin_reaches_equally_far_on_the_log_scale() -> None:
    assert Margin.of("10%").limits(ScoreScale("log"), 7.0) == pytest.approx((np.log(1.1), np.log(1.1)))
    assert Margin.of(8).limits(ScoreScale("log"), 7.0) == (np.inf, pytest.approx(np.log(15 / 7)))


def test_the_recipe_has_a_margin_for_each_score() -> None:
    recipe = replace(DIGITS, margins={"fd": "5%", "recall": "0.01"})
    assert str(margin_of("fd_debiased@digits", recipe)) == "5 %"
    assert [str(margin_of(f"{name}@x", recipe)) for name in ("recall", "precision", "is")] == ["0.01", "0.02", "10 %"]


def test_one_score_of_each_family_is_compared() -> None:
    names = ["fd@x", "fd_debiased@x", "kd@x", "kd_subsets@x", "recall_k5@x", "fd@y", "fid_pc8", "fid_pc8_debiased"]
    assert one_of_each_family(names) == ["fd_debiased@x", "kd@x", "recall_k5@x", "fd@y", "fid_pc8_debiased"]


def several() -> list[Result]:
    values = {"good": (1.0, 0.9), "middle": (2.0, 0.8), "bad": (9.0, 0.1)}
    return [
        result(name, Score("fid", fd, 0.05, "lower"), Score("recall", recall, 0.01, "higher"))
        for name, (fd, recall) in values.items()
    ]


def test_subjects_are_compared_with_the_best_in_the_main_metric() -> None:
    comparison = compare(*several())
    assert comparison.baselines == {"fd@x": "good"}
    assert {each.a: each.verdict for each in comparison.differences} == {"middle": "worse", "bad": "worse"}
    assert comparison.tests == 3


def test_a_baseline_all_metrics_and_all_pairs_are_compared_on_request() -> None:
    against = compare(*several(), baseline="middle")
    assert {each.a: each.verdict for each in against.differences} == {"good": "better", "bad": "worse"}
    assert against.tests == 2
    assert set(compare(*several(), all_metrics=True).baselines) == {"fd@x", "recall@x"}
    assert len(compare(*several(), all_pairs=True).differences) == 3
    with pytest.raises(UsageError, match="did you mean 'middle'"):
        compare(*several(), baseline="midle")


def test_the_text_fits_80_columns_and_is_short() -> None:
    text = comparison_text(compare(FILE))
    assert len(text.splitlines()) <= 40
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "tied" not in text


def test_all_pairs_are_a_matrix() -> None:
    lines = comparison_text(compare(*several(), all_pairs=True)).splitlines()
    assert [line.split()[2:] for line in lines[3:6]] == [[".", "+", "+"], ["-", ".", "+"], ["-", "-", "."]]
    assert "+ better, - worse" in lines[7]


def test_the_same_samples_are_not_significant_after_rounding() -> None:
    old = valued("a", 10.0, 0.0)
    new = replace(valued("b", 10.001, 0.0), generated=old.generated)
    estimate = difference(new, old, "fd")
    assert (estimate.verdict, estimate.significant) == ("equivalent", False)
    assert [(row.first, row.last) for row in leaderboard([old, new], "fd")] == [(1, 2), (1, 2)]


@pytest.mark.parametrize("name", ["kid", "kd", "kid@x", "kd@x"])
def test_a_distance_is_found_under_its_name_with_and_without_inception(name: str) -> None:
    assert metric_name([result("a", Score("kid", 1.0, 0.1, "lower"))], name) == "kd@x"
    assert metric_name([result("a", Score("fid", 1.0, 0.1, "lower"))], "fid") == "fd@x"
