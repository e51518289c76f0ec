"""Errors and intervals of shares: hand-computed values, bounds, and how often they contain the true share."""

import numpy as np
import pytest
from scipy import stats

from genbench.metrics.share_intervals import binomial_error, log_interval, logit_interval, wilson_interval


@pytest.mark.parametrize("successes", [0, 3, 7, 10])
def test_the_wilson_interval_is_that_of_scipy_except_next_to_the_bounds(successes: int) -> None:
    expected = stats.binomtest(successes, 10).proportion_ci(method="wilson")
    assert wilson_interval(successes / 10, 10) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_one_failure_has_the_upper_end_of_a_poisson_variable() -> None:
    # 1 - exp(-x) = .05 at x = .0513: a failure in 100 samples is compatible with a share of .9995
    low, high = wilson_interval(0.99, 100)
    assert high == pytest.approx(1 + np.log(0.95) / 100)
    assert low == pytest.approx(stats.binomtest(99, 100).proportion_ci(method="wilson").low)
    assert wilson_interval(0.01, 100) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize("share", [0.9, 0.95, 0.98, 0.99, 0.995, 0.999])
@pytest.mark.parametrize("count", [30, 100, 1000])
def test_the_wilson_interval_contains_shares_near_1(share: float, count: int) -> None:
    counts = np.arange(count + 1)
    ends = np.array([wilson_interval(each / count, count) for each in counts])
    inside = (ends[:, 0] <= share) & (share <= ends[:, 1])
    assert stats.binom.pmf(counts[inside], count, share).sum() > 0.925


def test_a_share_of_1_in_100_samples_is_not_certain() -> None:
    # the hand-computed error for 102 of 104
    assert binomial_error(1.0, 100) == pytest.approx(np.sqrt(102 / 104 * 2 / 104 / 104))
    assert wilson_interval(1.0, 100) == (pytest.approx(1 / (1 + 1.959964**2 / 100)), 1.0)


def test_inside_the_error_is_the_binomial_one() -> None:
    assert binomial_error(0.5, 1000) == pytest.approx(np.sqrt(0.25 / 1000))


def test_the_wilson_interval_contains_a_share_near_1_in_95_percent() -> None:
    shares = np.random.default_rng(0).binomial(200, 0.98, 4000) / 200
    covered = [low <= 0.98 <= high for low, high in (wilson_interval(share, 200) for share in shares)]
    assert 0.93 < np.mean(covered) < 0.98  # value ± 1.96 sqrt(p (1 - p) / N) has 0.905


def test_intervals_on_the_logit_and_log_scales_stay_in_their_range() -> None:
    low, high = logit_interval(0.99, 0.02, 16)
    assert 0 < low < 0.99 < high < 1
    interval = log_interval(0.1, 0.08, 16)
    assert interval is not None
    low, high = interval
    assert 0 < low < 0.1 < high
    # a small error gives value ± t error
    half = stats.t.ppf(0.975, 16) * 1e-4
    assert logit_interval(0.3, 1e-4, 16) == pytest.approx((0.3 - half, 0.3 + half), abs=1e-7)


def test_an_error_larger_than_the_value_has_no_interval_on_the_log_scale() -> None:
    assert log_interval(0.001, 0.1, 10) is None
