"""Mode coverage: hand-computed histograms, the literature's mixtures, and errors against simulation."""

from __future__ import annotations

import json

import numpy as np
import pytest

from genbench.errors import InputError, PlugError, UsageError
from genbench.features.features import Features
from genbench.metrics.modes import ModeCoverage, ModeCoverageResult, mode_coverage
from genbench.plugs.contracts import Score
from genbench.theory.mixtures import GRID, RING, Mixture


def covered(mixture: Mixture, points: np.ndarray) -> ModeCoverageResult:
    mode, distance = mixture.nearest(points)
    return mode_coverage(mode, modes=len(mixture.centres), quality=distance <= 3)


def spread_evenly(counts: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


def scored(metric: ModeCoverage, generated: Features, reference: Features | None) -> dict[str, Score]:
    return {score.name: score for score in metric(generated, reference, seed=0)}


@pytest.mark.parametrize(("mixture", "floor"), [(RING, 0.005), (GRID, 0.01)])
def test_A21_a_perfect_sampler_finds_every_mode(mixture: Mixture, floor: float) -> None:
    coverage = covered(mixture, mixture.sample(2500, seed=0))
    assert coverage.captured.value == coverage.balanced.value == len(mixture.centres)
    assert coverage.high_quality.value == pytest.approx(0.9889, abs=0.01)
    assert 0 < coverage.kl.value < floor
    assert coverage.kl.expected == pytest.approx((len(mixture.centres) - 1) / 2 / coverage.counts.sum(), rel=1e-12)


@pytest.mark.parametrize("hit", range(1, 9))
def test_A22_some_of_eight_modes_have_the_reverse_kl_of_their_share(hit: int) -> None:
    points = RING.sample(8 * 2500, seed=hit)
    mode, _ = RING.nearest(points)
    coverage = covered(RING, points[mode < hit])
    assert coverage.captured.value == hit
    assert coverage.kl.value == pytest.approx(np.log(8 / hit), abs=0.02)
    assert coverage.tv.value == pytest.approx(1 - hit / 8, abs=0.02)


def test_A23_the_eight_modes_are_distinct() -> None:
    distance = np.linalg.norm(RING.means[:, None] - RING.means, axis=2)[~np.eye(8, dtype=bool)]
    assert distance.min() == pytest.approx(2 * np.sin(np.pi / 8), rel=1e-12)


def test_A24_uniform_labels_of_a_thousand_modes_have_the_expected_divergence() -> None:
    coverage = mode_coverage(np.random.default_rng(0).integers(1000, size=26_000), modes=1000)
    assert coverage.captured.value == 1000
    assert coverage.captured.expected == pytest.approx(1000, abs=1e-6)
    assert coverage.kl.value == pytest.approx(0.0192, abs=0.003)
    assert coverage.kl.expected == pytest.approx(999 / 52_000, rel=1e-12)


def test_hand_computed_histogram_against_a_counted_target() -> None:
    coverage = mode_coverage(spread_evenly([6, 2, 0]), modes=3, target=[2, 1, 1])
    assert coverage.captured.value == 2
    assert coverage.kl.value == pytest.approx(0.75 * np.log(1.5), rel=1e-12)
    assert coverage.tv.value == pytest.approx(0.25, rel=1e-12)
    assert coverage.kl.expected == pytest.approx((1 / 8 + 1 / 4), rel=1e-12)


def test_a_mode_with_less_than_a_fifth_of_its_share_is_captured_but_not_balanced() -> None:
    coverage = mode_coverage(spread_evenly([96, 4, 100]), modes=3)  # a fifth of the fair share is 13.3
    assert (coverage.captured.value, coverage.balanced.value) == (3, 2)
    exact = mode_coverage(spread_evenly([5, 20, 25]), modes=2 + 1, target=[25, 12, 13])  # 5 of 25 is a fifth
    assert exact.balanced.value == 3


def test_the_interval_of_balanced_modes_contains_the_expected_number() -> None:
    # three modes near a fifth of their fair share, which samples reach or miss by chance
    shares = np.array([0.95 / 7] * 7 + [0.01, 0.018, 0.022])
    rng, found = np.random.default_rng(0), []
    for _ in range(300):
        target = rng.multinomial(899, np.full(10, 0.1))
        found.append(mode_coverage(rng.choice(10, 898, p=shares), modes=10, target=target).balanced)
    values, errors = np.array([each.value for each in found]), np.array([each.error for each in found])
    # the chances of the observed shares give errors that hold 86 %
    assert np.mean(np.abs(values - values.mean()) <= 1.96 * errors) > 0.93


def test_samples_of_low_quality_capture_nothing() -> None:
    mode, quality = np.array([0, 0, 1, 2]), np.array([True, True, True, False])
    coverage = mode_coverage(mode, modes=3, quality=quality)
    assert coverage.captured.value == 2
    assert coverage.high_quality.value == 0.75
    assert coverage.high_quality.error == pytest.approx(np.sqrt(0.75 * 0.25 / 4))
    assert coverage.counts.tolist() == [2, 1, 0]
    assert coverage.counts_all.tolist() == [2, 1, 1]
    assert coverage.kl_all.value < coverage.kl.value


def test_without_high_quality_samples_the_divergences_are_the_largest_possible() -> None:
    coverage = mode_coverage(np.zeros(5, int), modes=4, quality=np.zeros(5, bool))
    assert (coverage.captured.value, coverage.high_quality.value) == (0, 0)
    assert coverage.kl.value == pytest.approx(np.log(4))
    assert coverage.tv.value == pytest.approx(0.75)


def test_the_expected_count_of_modes_is_that_of_random_labels() -> None:
    coverage = mode_coverage(np.zeros(10, int), modes=4)
    assert coverage.captured.expected == pytest.approx(4 * (1 - 0.75**10), rel=1e-12)


def test_a_mode_that_the_reference_lacks_is_counted_and_keeps_the_divergence_finite() -> None:
    coverage = mode_coverage(spread_evenly([5, 5]), modes=2, target=[9, 0])
    smoothed = np.array([9.5, 0.5]) / 10
    assert coverage.invented == 1
    assert coverage.captured.value == 1  # of the one mode that the reference has
    assert coverage.kl.value == pytest.approx((0.5 * np.log(0.5 / smoothed)).sum(), rel=1e-12)


def test_a_mode_that_neither_side_has_costs_nothing() -> None:
    coverage = mode_coverage(spread_evenly([4, 4, 0]), modes=3, target=[7, 7, 0])
    assert (coverage.captured.value, coverage.kl.value, coverage.tv.value) == (2, 0, 0)


@pytest.mark.parametrize("shares", [[0.25, 0.25, 0.25, 0.25], [0.7, 0.2, 0.07, 0.03]])
def test_errors_of_divergences_are_the_spread_over_repeated_draws(shares: list[float]) -> None:
    rng = np.random.default_rng(1)
    drawn = [
        mode_coverage(rng.choice(4, 500, p=shares), modes=4, target=rng.multinomial(800, [0.25] * 4))
        for _ in range(600)
    ]
    kl = [coverage.kl.value for coverage in drawn]
    assert np.mean([coverage.kl.error for coverage in drawn]) == pytest.approx(np.std(kl, ddof=1), rel=0.35)
    if len(set(shares)) == 1:
        assert np.mean(kl) == pytest.approx(drawn[0].kl.expected, rel=0.1)
        assert np.mean([coverage.tv.value for coverage in drawn]) == pytest.approx(drawn[0].tv.expected, rel=0.1)
    else:
        spread = np.std([coverage.tv.value for coverage in drawn], ddof=1)
        assert np.mean([coverage.tv.error for coverage in drawn]) == pytest.approx(spread, rel=0.15)


def test_the_error_of_captured_modes_is_of_the_size_of_the_spread_over_draws() -> None:
    rng = np.random.default_rng(2)
    drawn = [mode_coverage(rng.integers(100, size=200), modes=100) for _ in range(300)]
    spread = np.std([coverage.captured.value for coverage in drawn], ddof=1)
    assert spread < np.mean([coverage.captured.error for coverage in drawn]) < 2 * spread


@pytest.mark.parametrize(
    ("mode", "options", "message"),
    [
        ([0, 3], {"modes": 3}, "0..2"),
        ([-1, 0], {"modes": 3}, "0..2"),
        ([0.5], {"modes": 3}, "integers"),
        ([], {"modes": 3}, "integers"),
        ([0, 1], {"modes": 3, "quality": [True]}, "Quality"),
        ([0, 1], {"modes": 3, "target": [1, 2]}, "3 counts"),
        ([0, 1], {"modes": 3, "target": [0, 0, 0]}, "3 counts"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(mode: list[float], options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        mode_coverage(mode, **options)


def test_the_metric_compares_with_the_reference_histogram() -> None:
    generated = Features.of(mode=spread_evenly([6, 2, 0]), modes=3)
    scores = scored(ModeCoverage(), generated, Features.of(mode=spread_evenly([4, 2, 2])))
    assert next(iter(scores)) == "modes"
    assert list(scores) == ["modes", "modes_balanced", "high_quality", "mode_kl", "mode_kl_all", "mode_tv"]
    assert scores["mode_kl"].value == pytest.approx(0.75 * np.log(1.5), rel=1e-12)
    assert scores["modes"].detail["counts"] == [6, 2, 0]
    json.dumps([score.detail for score in scores.values()])


def test_a_uniform_target_needs_no_reference() -> None:
    metric = ModeCoverage(target="uniform")
    assert (metric.reference, ModeCoverage().reference) == ("none", "rows")
    scores = scored(metric, Features.of(mode=spread_evenly([5, 5]), modes=4), None)
    assert scores["mode_kl"].value == pytest.approx(np.log(2), rel=1e-12)


def test_a_uniform_target_needs_to_know_how_many_modes_there_are() -> None:
    with pytest.raises(PlugError, match="how many modes"):
        ModeCoverage(target="uniform")(Features.of(mode=[0, 1]), None, seed=0)


def test_without_a_reference_the_message_names_the_remedy() -> None:
    with pytest.raises(PlugError, match="target=uniform"):
        ModeCoverage()(Features.of(mode=[0, 1]), None, seed=0)


def test_an_unknown_target_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="even"):
        ModeCoverage(target="even")


def test_modes_are_those_of_the_labels_if_the_extractor_does_not_state_their_number() -> None:
    scores = scored(ModeCoverage(), Features.of(mode=[3, 3, 90]), Features.of(mode=[3, 90, 90, 700]))
    assert scores["modes"].value == 2
    assert scores["modes"].detail["total"] == 3


def test_the_expected_share_of_high_quality_is_that_of_the_reference() -> None:
    reference = Features.of(mode=[0, 1, 0, 1], quality=[True, True, True, False], modes=2)
    scores = scored(ModeCoverage(), Features.of(mode=[0, 1], quality=[True, False], modes=2), reference)
    assert scores["high_quality"].value == 0.5
    assert scores["high_quality"].detail["expected"] == 0.75


def test_A35_half_the_classes_missing_has_the_kl_of_ln_2() -> None:
    rng = np.random.default_rng(3)
    generated = Features.of(mode=rng.integers(5, size=2000), modes=10)
    scores = scored(ModeCoverage(), generated, Features.of(mode=np.arange(900) % 10, modes=10))
    assert scores["mode_kl"].value == pytest.approx(np.log(2), abs=0.02)
    assert scores["modes"].value == 5


def test_few_samples_for_many_modes_give_a_warning() -> None:
    rng = np.random.default_rng(4)
    few = scored(ModeCoverage(target="uniform"), Features.of(mode=rng.integers(100, size=50), modes=100), None)
    many = scored(ModeCoverage(target="uniform"), Features.of(mode=rng.integers(100, size=5000), modes=100), None)
    assert "50 samples for 100 modes are few" in few["modes"].detail["warning"]
    assert "warning" not in many["modes"].detail


@pytest.mark.parametrize("counted", [False, True])
def test_the_error_of_the_captured_modes_is_their_spread(counted: bool) -> None:
    shares = 1 / np.arange(1, 301)
    shares /= shares.sum()
    rng = np.random.default_rng(31)
    drawn = []
    for _ in range(150):
        target = rng.multinomial(1000, shares) if counted else shares
        drawn.append(mode_coverage(rng.choice(300, 1000, p=shares), modes=300, target=target).captured)
    if not counted:  # the target is known, so it has no error of its own
        drawn = [mode._replace(error=np.sqrt(mode.error**2 - mode.reference_error**2)) for mode in drawn]
    spread = np.std([mode.value for mode in drawn], ddof=1)
    assert np.mean([mode.error for mode in drawn]) == pytest.approx(spread, rel=0.2)


def test_a_rare_mode_that_is_missed_or_hit_twice_by_chance_decides_nothing() -> None:
    # two draws of one model: the mode of share 0.001 has two samples in one of them and none in the other
    target = np.array([9_000, 9_000, 18])
    few, many = (np.repeat([0, 1, 2], counts) for counts in ([500, 500, 0], [499, 499, 2]))
    one, two = (mode_coverage(labels, modes=3, target=target).captured for labels in (few, many))
    assert (one.value, two.value) == (2, 3)
    assert two.value - one.value < 1.96 * np.hypot(one.error, two.error)


def test_the_influence_on_a_kl_uses_the_smoothed_target_that_its_value_uses() -> None:
    # the reference lacks mode 2, in which a tenth of the generated samples lie
    mode = np.arange(320) % 10 % 3
    reference = Features.of(mode=np.arange(320) % 2, modes=3)
    scores = scored(ModeCoverage(), Features.of(mode=mode, modes=3), reference)
    influence = scores["mode_kl"].influence
    assert influence is not None
    # the slope of a sample is ln(q / p), with p after half a sample was added to each mode
    q = np.bincount(mode, minlength=3) / 320
    p = (np.array([160, 160, 0]) + 0.5) / 321.5
    slopes = np.log(q / p)[mode]
    groups = np.array([slopes[group::32].sum() for group in range(32)])
    groups -= groups.mean()
    expected = groups / np.linalg.norm(groups)
    assert np.array(influence.generated) / np.linalg.norm(influence.generated) == pytest.approx(expected, abs=5e-3)


def test_counts_of_one_are_told_in_the_singular() -> None:
    generated, reference = Features.of(mode=np.arange(20) % 2, modes=2), Features.of(mode=np.zeros(20, int), modes=2)
    warning = scored(ModeCoverage(), generated, reference)["modes"].detail["warning"]
    assert warning.startswith("1 mode has samples but no reference")
