"""Samples drawn from a sampler with a count and a seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genbench.derived_sources import CHUNK, Drawn, chunk_seed
from genbench.errors import PlugError


class Noise:
    """Uniform images, or the output of ``give(count, seed)``."""

    def __init__(self, give=None) -> None:  # type: ignore[no-untyped-def]
        self.give = give or (
            lambda count, seed: np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)
        )

    def sample(self, count: int, seed: int) -> np.ndarray:
        return self.give(count, seed)


def drawn(count: int, size: int = 32, seed: int = 0, give=None) -> torch.Tensor:  # type: ignore[no-untyped-def]
    batches = Drawn(Noise(give), count, seed, "noise").batches(size)
    return torch.cat([batch.data for batch in batches])  # type: ignore[misc]


def test_the_samples_do_not_depend_on_the_batch_size() -> None:
    assert torch.equal(drawn(600, size=7), drawn(600, size=600))


def test_fewer_samples_are_the_first_of_more() -> None:
    assert torch.equal(drawn(300), drawn(600)[:300])


def test_another_seed_gives_other_samples() -> None:
    assert not torch.equal(drawn(300), drawn(300, seed=1))


def test_rows_from_the_middle_equal_those_of_the_whole() -> None:
    batches = Drawn(Noise(), 600, 0, "noise").batches(50, 200, 400)
    assert torch.equal(torch.cat([batch.data for batch in batches]), drawn(600)[200:400])  # type: ignore[misc]


def test_chunk_seeds_differ() -> None:
    seeds = {chunk_seed(seed, number) for seed in range(20) for number in range(20)}
    assert len(seeds) == 400


@pytest.mark.parametrize(
    "shape", [(CHUNK, 4, 5, 3), (CHUNK, 3, 4, 5), (CHUNK, 4, 5, 1), (CHUNK, 1, 4, 5), (CHUNK, 4, 5)]
)
def test_images_of_every_layout_become_rgb(shape: tuple[int, ...]) -> None:
    assert drawn(10, give=lambda count, seed: np.full(shape, 7, np.uint8)).shape == (10, 3, 4, 5)


def test_points_stay_points() -> None:
    points = drawn(10, give=lambda count, seed: torch.zeros(count, 2, dtype=torch.float64))
    assert (points.shape, points.dtype) == ((10, 2), torch.float32)


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        (np.zeros((CHUNK - 1, 4, 4, 3), np.uint8), "when asked for 256 samples"),
        (np.zeros((CHUNK, 4, 4, 3), np.float32), "range is not known"),
        (np.zeros((CHUNK, 4, 4, 2), np.uint8), "neither 1 nor 3 channels"),
        (np.zeros((CHUNK, 4, 4, 3), np.int64), "expected uint8"),
        (np.full((CHUNK, 2), np.nan), "NaN or infinity in 256 of 256 points"),
        (None, "when asked for 256 samples"),
    ],
)
def test_an_error_names_a_sampler_that_breaks_the_contract(output: object, complaint: str) -> None:
    with pytest.raises(PlugError, match=f"'noise'.*{complaint}"):
        drawn(10, give=lambda count, seed: output)


def test_an_error_names_the_sampler_that_raised_and_the_line() -> None:
    def broken(count: int, seed: int) -> np.ndarray:
        raise ZeroDivisionError("no latent")

    with pytest.raises(
        PlugError, match=r"'noise' raised ZeroDivisionError: no latent at .*test_derived_sources.py:\d+"
    ):
        drawn(10, give=broken)
