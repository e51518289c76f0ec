"""The verdict about generated samples beside real ones: by hand, and how often it is wrong for equal distributions."""

from __future__ import annotations

import numpy as np
import pytest

from genbench.comparison.real_against_real import RealAgainstReal
from genbench.plugs.contracts import Score


def pair(
    generated: float, real: float, error: float | None = 1.0, better: str = "lower", units: int = 1000
) -> RealAgainstReal:
    scores = [Score("x", value, error, better) for value in (generated, real)]  # type: ignore[arg-type]
    return RealAgainstReal(scores[0], scores[1], 100, units)


@pytest.mark.parametrize(
    ("generated", "better", "outcome"),
    [
        # the error of a difference of two scores of error 1 is 1.414, and 1.96 of it 2.77
        (12.7, "lower", "equal"),
        (12.8, "lower", "worse"),
        (7.2, "lower", "better"),
        (12.8, "higher", "better"),
        (7.2, "higher", "worse"),
    ],
)
def test_a_difference_beyond_chance_decides(generated: float, better: str, outcome: str) -> None:
    assert pair(generated, 10.0, 1.0, better).outcome == outcome


def test_few_units_need_a_larger_difference() -> None:
    # the quantile of Student's t with three degrees of freedom is 3.182: 4.50 for two errors of 1
    assert pair(14.4, 10.0, units=4).outcome == "equal"
    assert pair(14.6, 10.0, units=4).outcome == "worse"


@pytest.mark.parametrize(("generated", "error"), [(12.8, None), (float("nan"), 1.0), (float("inf"), 1.0)])
def test_without_an_error_or_a_number_nothing_is_said(generated: float, error: float | None) -> None:
    assert pair(generated, 10.0, error).outcome is None


def test_a_perfect_generator_is_rarely_called_worse() -> None:
    """Means of normal rows against a common reference: the shared part makes the verdict careful.

    At most 5 % of 400 repeats should decide; three Monte-Carlo standard errors above are 8.3 %.
    """
    rng, decided = np.random.default_rng(0), 0
    for _ in range(400):
        reference, *sides = rng.normal(size=(3, 200)).mean(axis=1)
        error = float(np.sqrt(2 / 200))
        decided += pair(sides[0] - reference, sides[1] - reference, error).outcome != "equal"
    assert decided / 400 <= 0.083
