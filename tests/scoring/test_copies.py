"""Exact copies of the reference, and repeated samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import genbench
from genbench.features.features import Features
from genbench.scoring.copies import Copies, find_copies


def points(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3)).astype(np.float32)


def found(generated: np.ndarray, reference: np.ndarray | None, *, drawn: bool = False) -> Copies:
    other = None if reference is None else Features.of(embedding=reference)
    copies = find_copies(Features.of(embedding=generated), other, drawn=drawn)
    assert copies is not None
    return copies


def test_copies_of_reference_samples_are_counted() -> None:
    reference = points(300, 1)
    copies = found(np.concatenate([reference[:40], points(160, 2)]), reference)
    assert (copies.copied, copies.distinct, copies.same) == (40, 200, False)
    assert copies.warnings()[0].startswith("40 of 200 generated samples are exact copies of reference samples")


def test_independent_samples_have_no_copies() -> None:
    assert found(points(300, 1), points(200, 2)).warnings() == []


def test_a_set_and_itself_are_told_as_the_same_samples() -> None:
    rows = points(200, 1)
    (warning,) = found(rows[::-1], rows).warnings()
    assert warning.startswith("the two sides are the same samples")


def test_content_hashes_decide_where_both_sides_have_them() -> None:
    generated, reference = (Features.of(embedding=points(100, seed)) for seed in (1, 2))
    hashes = np.arange(100)
    copies = find_copies(replace(generated, hashes=hashes), replace(reference, hashes=hashes + 90), drawn=False)
    assert copies is not None
    assert copies.copied == 10


def test_few_different_values_on_both_sides_are_no_copies() -> None:
    rng = np.random.default_rng(0)
    dice = [rng.integers(1, 7, (count, 2)).astype(float) for count in (400, 300)]
    assert found(*dice).warnings() == []


def test_repeated_samples_are_counted() -> None:
    rows = points(90, 1)
    (warning,) = found(np.concatenate([rows, rows[:10]]), points(100, 2)).warnings()
    assert warning == (
        "10 of 100 generated samples are exact duplicates of others (90 unique of 100): errors are too small."
    )
    (warning,) = found(np.concatenate([rows, rows[:1]]), None).warnings()
    assert warning.startswith("1 of 91 generated samples is an exact duplicate of another")


@pytest.mark.parametrize("count", [512, 898])
def test_a_sampler_that_ignores_its_seed_is_told(count: int) -> None:
    def stubborn(count: int, seed: int) -> np.ndarray:
        return points(count, 0)

    result = genbench.score(stubborn, reference=points(600, 1), features="points", metrics="fd", count=count)
    assert result.warnings[0] == (
        f"the sampler repeats its samples (256 unique of {count}): errors are too small; check that it uses its seed."
    )


def test_a_sampler_that_uses_its_seed_has_no_warning() -> None:
    result = genbench.score(points, reference=points(600, 1), features="points", metrics="fd", count=600)
    assert result.warnings == ()
