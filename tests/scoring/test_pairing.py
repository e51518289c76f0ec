"""Paired sides: reconstructions in the order of their originals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import genbench
from genbench.features.features import Features
from genbench.scoring.pairing import is_paired


def normal(count: int, seed: int, width: int = 16) -> np.ndarray:
    return np.random.default_rng([seed, 9]).standard_normal((count, width)).astype(np.float32)


def paired(generated: np.ndarray, reference: np.ndarray) -> bool:
    return is_paired(Features.of(embedding=generated), Features.of(embedding=reference))


@pytest.mark.parametrize("noise", [1e-3, 0.5, 1.0])
@pytest.mark.parametrize("count", [100, 1500])
def test_reconstructions_in_the_order_of_their_originals_are_paired(noise: float, count: int) -> None:
    assert paired(normal(count, 1) + noise * normal(count, 2), normal(count, 1))


def test_independent_sides_are_not_paired() -> None:
    assert not any(paired(normal(200, 2 * seed), normal(200, 2 * seed + 1)) for seed in range(30))
    assert not any(paired(normal(24, 2 * seed), normal(24, 2 * seed + 1)) for seed in range(200))


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("in_turn", [True, False])
def test_independent_sides_in_the_order_of_their_classes_are_not_paired(classes: int, in_turn: bool) -> None:
    label = np.arange(1000) % classes
    centres = 5 * normal(classes, 3)[label if in_turn else np.sort(label)]
    assert not paired(centres + normal(1000, 1), centres + normal(1000, 2))


def test_with_labels_rows_of_one_class_are_compared() -> None:
    # 500 classes in turn: only the labels show which other rows are of the same class
    label = np.arange(1000) % 500
    centres = 5 * normal(500, 3)[label]
    sides = [replace(Features.of(embedding=centres + normal(1000, seed)), label=label) for seed in (1, 2)]
    assert not is_paired(*sides)
    moved = replace(Features.of(embedding=sides[1]["embedding"] + 0.1 * normal(1000, 4)), label=label)
    assert is_paired(moved, sides[1])


def test_paired_sides_are_told_and_their_debiased_distance_is_left_out() -> None:
    originals = normal(400, 1)
    reconstructions = originals + 0.01 * normal(400, 2)
    result = genbench.score(reconstructions, reference=originals, features="points", metrics="fd")
    assert result.warnings[0].startswith("sample i of one side belongs to sample i of the other")
    assert [entry.name for entry in result.scores] == ["fd@points"]
