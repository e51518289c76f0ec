"""Group-sequential boundaries: published constants, closed forms and simulated paths."""

import math

import numpy as np
import pytest
from scipy import stats

from genbench.comparison.sequential_boundaries import critical_values, rejection_rates, sequence_width, spent


def test_one_look_at_full_information_is_a_one_sided_z_test():
    assert critical_values([1.0], 0.05) == [pytest.approx(stats.norm.ppf(0.95), abs=1e-8)]


@pytest.mark.parametrize(
    ("constant", "power"),
    # Pocock's and O'Brien and Fleming's constants for 5 looks, two-sided 5 % (Jennison and Turnbull 2000, table 2.9)
    [(2.413, 0.0), (2.040, 0.5)],
)
def test_published_boundaries_of_five_looks_reject_with_the_published_rate(constant, power):
    fractions = np.arange(1, 6) / 5
    rates = rejection_rates(constant / fractions**power, fractions)
    assert sum(rates) == pytest.approx(0.025, abs=1e-4)


@pytest.mark.parametrize(
    "fractions", [[0.06, 0.09, 0.12, 0.2, 0.5, 1.0], [0.5, 0.501, 1.0], list(np.arange(1, 41) / 40)]
)
def test_each_look_spends_its_share_of_the_error_rate(fractions):
    rates = rejection_rates(critical_values(fractions, 0.05), fractions)
    assert np.cumsum(rates) == pytest.approx([spent(fraction, 0.05) for fraction in fractions], abs=1e-6)


def test_simulated_paths_cross_the_boundary_as_often_as_the_integration_says():
    fractions = np.array([0.064, 0.09, 0.126, 0.25, 0.6, 1.0])
    critical = np.array(critical_values(fractions, 0.05))
    steps = np.sqrt(np.diff(fractions, prepend=0.0))
    paths = (np.random.default_rng(0).standard_normal((200_000, 6)) * steps).cumsum(axis=1) / np.sqrt(fractions)
    for drift in (0.0, 2.0):
        crossed = (paths + drift * np.sqrt(fractions) >= critical).any(axis=1).mean()
        expected = sum(rejection_rates(critical, fractions, drift))
        # five standard errors of the simulation
        assert abs(crossed - expected) < 5 * math.sqrt(expected * (1 - expected) / 200_000)


def test_earlier_critical_values_do_not_depend_on_later_looks():
    assert critical_values([0.1, 0.3], 0.05) == critical_values([0.1, 0.3, 0.7, 1.0], 0.05)[:2]


def test_nothing_is_left_to_spend_beyond_full_information():
    assert critical_values([0.5, 1.0, 1.2], 0.05)[2] == math.inf


def test_fractions_that_do_not_ascend_are_refused():
    with pytest.raises(ValueError, match="ascend"):
        critical_values([0.2, 0.2], 0.05)


def test_a_confidence_sequence_holds_at_all_looks_together():
    # means of 4,000 normal numbers, looked at from 64 on
    generator = np.random.default_rng(1)
    counts = np.arange(64, 4001)
    width = np.array([sequence_width(count, 64, 0.05) for count in counts])
    missed = 0
    for _ in range(1000):
        z = generator.standard_normal(4000).cumsum()[63:] / np.sqrt(counts)
        missed += bool((z > width).any())
    assert missed / 1000 < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 1000)
