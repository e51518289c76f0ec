"""Packing: the total variation of product distributions against known values and brute force."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from genbench.errors import UsageError
from genbench.theory.pacgan import Steps, packed_tv

DATA = Steps((0, 1), (1,))
COLLAPSED = Steps((0, 0.8), (1.25,))
SKEWED = Steps((0, 0.5, 1), (0.6, 1.4))


@pytest.mark.parametrize(
    ("generated", "expected"), [(COLLAPSED, (0.36, 0.488, 0.5904)), (SKEWED, (0.24, 0.284, 0.3392))]
)
def test_A42_packed_total_variation(generated: Steps, expected: tuple[float, ...]) -> None:
    assert packed_tv(DATA, generated, 1) == pytest.approx(0.2, abs=1e-12)
    for pack, value in zip((2, 3, 4), expected, strict=True):
        assert packed_tv(DATA, generated, pack) == pytest.approx(value, abs=1e-12)


def test_counting_pieces_equals_counting_sequences() -> None:
    p, q = Steps((0, 1, 2, 3), (0.2, 0.5, 0.3)), Steps((1, 2, 3, 4), (0.1, 0.6, 0.3))
    edges = np.arange(5.0)
    a, b = p.masses(edges), q.masses(edges)
    brute_force = sum(abs(np.prod(a[list(s)]) - np.prod(b[list(s)])) for s in product(range(4), repeat=3)) / 2
    assert packed_tv(p, q, 3) == pytest.approx(brute_force, abs=1e-14)


def test_total_variation_rises_with_the_pack_up_to_the_bound() -> None:
    for generated in (COLLAPSED, SKEWED):
        values = [packed_tv(DATA, generated, pack) for pack in range(1, 9)]
        assert values == sorted(values)
        assert all(value <= 1 - 0.8**pack + 1e-12 for pack, value in enumerate(values, start=1))


def test_equal_densities_have_distance_0_and_disjoint_ones_1() -> None:
    assert packed_tv(SKEWED, SKEWED, 4) == 0
    assert packed_tv(DATA, Steps((2, 3), (1,)), 3) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    "make", [lambda: Steps((0, 1), (0.9,)), lambda: Steps((1, 0), (1,)), lambda: packed_tv(DATA, SKEWED, 0)]
)
def test_invalid_densities_and_packs_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(UsageError, match="got"):
        make()
