"""Samples of the 2-D mixtures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from genbench.errors import GenbenchError
from genbench.plugs import registry
from genbench.plugs.contracts import Source
from genbench.theory.mixtures import GRID, RING


def rows(source: Source, size: int = 3) -> np.ndarray:
    return np.concatenate([batch.data for batch in source.batches(size) if not isinstance(batch.data, list)])


@pytest.mark.parametrize("mixture", [RING, GRID])
def test_points_are_drawn_from_the_mixture(mixture: Any) -> None:
    source = registry.load("sources", f"{mixture.name},count=40,seed=3")
    assert source.name == f"{mixture.name},count=40,seed=3"
    assert np.array_equal(rows(source), mixture.sample(40, 3).astype(np.float32))


@pytest.mark.parametrize("options", ["count=0", "count=1.5", "count=x", "seed=-1"])
def test_an_invalid_count_or_seed_is_an_error(options: str) -> None:
    with pytest.raises(GenbenchError, match=r"count of 1 or more|needs a whole number as option 'count'"):
        registry.load("sources", f"ring,{options}")
