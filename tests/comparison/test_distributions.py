"""The light functions of distributions: SciPy's numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from genbench.comparison.distributions import (
    MANY_DEGREES,
    digamma,
    normal_cdf,
    normal_quantile,
    student_cdf,
    student_quantile,
    tetragamma,
    trigamma,
)

# both sides of each change of method, and numbers of degrees as Satterthwaite gives them
DEGREES = (1, 1.3, 2, 2.5, 4, 7.7, 30, 199.9, 200, 999, MANY_DEGREES - 1, MANY_DEGREES, 1e7, math.inf)
PROBABILITIES = (1e-30, 1e-12, 1e-6, 0.001, 0.025, 0.05, 0.2, 0.49, 0.5, 0.51, 0.8, 0.95, 0.975, 0.999)


@pytest.mark.parametrize("degrees", DEGREES)
def test_student_cdf_is_that_of_scipy(degrees: float) -> None:
    for t in (-30.0, -8.0, -3.0, -2.0, -1.7, -1.3, -1.0, -0.3, -0.01, 0.0, 0.5, 1.5, 4.0):
        assert student_cdf(degrees, t) == pytest.approx(special.stdtr(degrees, t), rel=1e-11 if t < -10 else 1e-12)


@pytest.mark.parametrize("degrees", DEGREES)
def test_student_quantile_is_that_of_scipy(degrees: float) -> None:
    for p in PROBABILITIES:
        assert student_quantile(degrees, p) == pytest.approx(special.stdtrit(degrees, p), rel=1e-12, abs=1e-15)


def test_student_at_the_ends() -> None:
    assert (student_cdf(3.0, -math.inf), student_cdf(3.0, math.inf)) == (0.0, 1.0)
    assert (student_quantile(3.0, 0.0), student_quantile(3.0, 1.0)) == (-math.inf, math.inf)


def test_the_normal_distribution_is_that_of_scipy() -> None:
    for z in np.linspace(-37, 8, 91):
        assert normal_cdf(z) == pytest.approx(special.ndtr(z), rel=1e-12)
    for p in PROBABILITIES:
        assert normal_quantile(p) == pytest.approx(special.ndtri(p), rel=1e-14, abs=1e-15)
    assert (normal_quantile(0.0), normal_quantile(1.0)) == (-math.inf, math.inf)


def test_the_polygamma_functions_are_those_of_scipy() -> None:
    for x in np.geomspace(1e-4, 1e6, 101):
        # the digamma function is 0 near 1.46
        assert digamma(x) == pytest.approx(special.digamma(x), rel=1e-13, abs=1e-14)
        assert trigamma(x) == pytest.approx(special.polygamma(1, x), rel=1e-13)
        assert tetragamma(x) == pytest.approx(special.polygamma(2, x), rel=1e-13)
