"""Test ranks: moderation, the step-down test, copies, debiased scores and values near 0."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from genbench.comparison.estimates import Noise, moderate
from genbench.comparison.group_by_subject import newest
from genbench.comparison.leaderboard import leaderboard
from genbench.comparison.multiple_testing import Contrast, step_down
from genbench.comparison.scales import scale_of
from genbench.errors import InputError
from genbench.plugs.contracts import GROUPS, Influence, Score
from genbench.results import Result, SampleSet, read_results
from tests.helpers.compared import repeated, result, valued

ALONE = np.zeros(GROUPS)
DIGITS = Path(__file__).parents[2] / "reports" / "digits.jsonl"


def pairs(means: list[float], noises: list[Noise]) -> list[Contrast]:
    return [
        Contrast(means[a] - means[b], ((noises[a], 1.0), (noises[b], -1.0)), ALONE)
        for a, b in combinations(range(len(means)), 2)
    ]


def test_a_small_variance_is_raised_and_gains_degrees_and_a_large_one_stays() -> None:
    moderated = moderate(np.array([0.2, 1.0, 1.1, 0.9, 5.0]), np.full(5, 3))
    assert moderated.variances[0] > 0.4
    assert moderated.degrees[0] == pytest.approx(2 + 4, abs=2)
    assert moderated.variances[4] == 5.0
    assert moderated.degrees[4] == 2


def test_a_subject_alone_has_nothing_to_learn_from() -> None:
    moderated = moderate(np.array([0.5]), np.array([3]))
    assert (moderated.variances[0], moderated.degrees[0]) == (0.5, 2)


def test_equal_variances_give_the_largest_prior() -> None:
    # with d0 = 4 the typical variance is exp(mean log s2 - digamma(1) + digamma(2) - log 2), and 1 -> 1.359
    moderated = moderate(np.ones(6), np.full(6, 3))
    assert moderated.typical == pytest.approx(np.exp(1) / 2)
    assert moderated.degrees == pytest.approx(6)
    assert moderated.variances == pytest.approx((4 * np.exp(1) / 2 + 2) / 6)


def test_one_comparison_of_known_variances_is_a_normal_test() -> None:
    (p,) = step_down(pairs([1.96, 0.0], [Noise(0.5, np.inf), Noise(0.5, np.inf)]), draws=40_000)
    assert p == pytest.approx(0.05, abs=0.005)


def test_the_correction_lies_between_none_and_bonferroni_and_keeps_the_order() -> None:
    means, noises = [0.0, 3.2, 3.0], [Noise(0.5, np.inf) for _ in range(3)]
    alone = step_down(pairs(means[:2], noises[:2]))[0]
    together = step_down(pairs(means, noises))
    assert alone < together[0] < 3 * alone + 0.003
    assert together[0] <= together[1] <= together[2]


def test_shared_reference_noise_makes_the_tests_dependent_but_not_invalid() -> None:
    # the reference adds the same noise to all means, so differences do not see it
    reference = np.tile([1.0, -1.0], GROUPS // 2)
    noise = [Noise(0.5, np.inf), Noise(0.5, np.inf)]
    with_it = Contrast(2.0, ((noise[0], 1.0), (noise[1], -1.0)), reference - reference)
    assert step_down([with_it]) == step_down(pairs([2.0, 0.0], noise))


def test_without_noise_equal_values_do_not_differ_and_others_do() -> None:
    noise = Noise(0.0, np.inf)
    equal, other = step_down([Contrast(0.0, ((noise, 1.0),), ALONE), Contrast(1e-9, ((noise, 1.0),), ALONE)])
    assert (equal, other) == (1.0, pytest.approx(1e-4, rel=0.01))


@pytest.mark.parametrize("spread", ["equal", "unequal", "one large"])
def test_identical_models_rarely_get_a_false_rank(spread: str) -> None:
    rng, false, tables = np.random.default_rng(0), 0, 200
    for _ in range(tables):
        sds = {"equal": np.full(10, 0.1), "unequal": rng.choice([0.01, 0.5], 10), "one large": np.full(10, 0.1)}[spread]
        sds[0] = 1.0 if spread == "one large" else sds[0]
        values = rng.standard_normal((10, 3)) * np.hypot(sds, 0.05)[:, None]
        moderated = moderate(values.var(axis=1, ddof=1), np.full(10, 3))
        noises = [
            Noise(max(variance / 3, 0.05**2 / 3), degrees)
            for variance, degrees in zip(moderated.variances, moderated.degrees, strict=True)
        ]
        false += min(step_down(pairs(list(values.mean(axis=1)), noises), draws=1000)) < 0.05
    assert false <= 20  # 5 % of 200 are 10


def test_copies_of_one_sample_set_count_once_everywhere() -> None:
    real = [replace(valued("real", 0.4, seed=seed), generated=SampleSet("real", 1000, "same")) for seed in range(3)]
    assert len(newest(real)) == 1
    (row,) = leaderboard(real, "fd")
    assert (row.seeds, row.spread) == (1, None)
    assert row.error == pytest.approx(0.1)


def test_times_are_compared_as_times() -> None:
    early = valued("a", 1.0, created="2026-01-01T12:00:00+00:00")
    late = valued("a", 2.0, created="2026-01-01T10:00:00-05:00")
    assert [each["fd@x"].value for each in newest([late, early])] == [2.0]
    with pytest.raises(InputError, match="not a time in ISO 8601"):
        newest([early, valued("a", 2.0, created="yesterday")])


def debiased(name: str, plain: float, unbiased: float, seed: int = 0) -> Result:
    return result(name, Score("fid", plain, 0.1, "lower"), Score("fid_debiased", unbiased, 0.1, "lower"), seed=seed)


def test_a_distance_is_ranked_by_its_debiased_form_if_all_have_it() -> None:
    a, b = debiased("a", 5.0, 1.0), debiased("b", 4.0, 3.0)
    rows = leaderboard([a, b], "fd")
    assert [(row.name, row.mean, row.first, row.decided_by) for row in rows] == [
        ("a", 5.0, 1, "fd_debiased@x"), ("b", 4.0, 2, "fd_debiased@x"),
    ]  # fmt: skip
    older = leaderboard([a, valued("b", 4.0)], "fd")
    assert [(row.name, row.decided_by) for row in older] == [("b", "fd@x"), ("a", "fd@x")]


def test_contradicting_directions_are_refused() -> None:
    with pytest.raises(InputError, match=r"direction of fd@x: lower \(a\), higher \(b\)"):
        leaderboard([valued("a", 1.0), valued("b", 2.0, better="higher")], "fd")
    rows = leaderboard([valued("a", 1.0), valued("c", 2.0), valued("b", 2.0, better="higher")], "fd", allow_mixed=True)
    assert [(row.name, row.ranked) for row in rows] == [("a", True), ("c", True), ("b", False)]


def test_values_that_are_not_finite_come_last_without_a_rank() -> None:
    rows = leaderboard([valued("nan", float("nan")), valued("a", 1.0), valued("b", 9.0)], "fd")
    assert [(row.name, row.first) for row in rows] == [("a", 1), ("b", 2), ("nan", None)]


def test_the_order_of_the_results_plays_no_role() -> None:
    results = [*repeated("a", [1.0, 1.2, 1.1]), *repeated("b", [1.3, 1.4, 1.2]), *repeated("c", [2.0, 2.4, 2.1])]
    assert leaderboard(results, "fd") == leaderboard(results[::-1], "fd")


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [("fd", [1.0, 9.0], "log"), ("fd", [0.2, 9.0], "asinh"), ("kd", [5.0, 9.0], "asinh"),
     ("fd_debiased", [5.0], "asinh"), ("recall", [0.0, 1.0], "logit")],
)  # fmt: skip
def test_the_scale_follows_the_score(name: str, values: list[float], kind: str) -> None:
    entries = [result("a", Score(name, value, 0.1, "lower")).scores[0] for value in values]
    scale = scale_of(entries, 1000)
    assert scale.kind == kind
    assert scale.back(scale.forward(values)) == pytest.approx(values)
    # the slope is the derivative
    step = (scale.forward(0.5001) - scale.forward(0.4999)) / 0.0002
    assert scale.slope(0.5) == pytest.approx(step, rel=1e-3)


def test_a_share_of_one_without_an_error_is_not_certain() -> None:
    perfect, near = (
        result(name, Score("high_quality", value, error, "higher", influence=Influence(())))
        for name, value, error in (("a", 1.0, 0.0), ("b", 0.999, 0.001))
    )
    rows = leaderboard([perfect, near], "high_quality")
    assert {(row.first, row.last) for row in rows} == {(1, 2)}


def test_the_ranks_of_the_digits_are_narrow_and_files_of_earlier_versions_have_ranks() -> None:
    rows = leaderboard(read_results(DIGITS), "fd")
    assert sum((row.last or 0) - (row.first or 0) for row in rows) / len(rows) <= 3.1
    assert {row.name: row.seeds for row in rows}["real"] == 1


def test_a_collapsed_seed_of_the_stacked_digits_is_named() -> None:
    rows = leaderboard(read_results(DIGITS.with_name("stacked-digits.jsonl")), "mode_kl")
    assert [row.collapsed for row in rows if row.name == "gan"] == [(1,)]
