"""The influence of groups of rows."""

import numpy as np
import pytest

from genbench.metrics.group_influence import influence_of


@pytest.mark.parametrize("rows", [100, 1000, 4096, 10_000])
def test_an_error_that_no_row_explains_has_no_influence(rows: int) -> None:
    assert influence_of(np.full(rows, 1 / rows), error=0.1) is None


def test_the_influence_has_the_variance_of_the_error() -> None:
    influence = influence_of(np.random.default_rng(0).standard_normal(320) / 320, error=0.1)
    assert influence is not None
    assert 32 / 31 * np.square(influence.generated).sum() == pytest.approx(0.01, rel=1e-6)
