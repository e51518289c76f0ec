"""Samples drawn from a sampler with a count and a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from genbench.derived_sources import CHUNK, Drawn, chunk_seed, subset
from genbench.errors import PlugError
from genbench.plugs.contracts import Batch
from genbench.plugs.registry import installed
from genbench.sources.memory import ArraySource


class Noise:
    """Uniform images, or the output of ``give(count, seed)``."""

    def __init__(self, give=None) -> None:  # type: ignore[no-untyped-def]
        self.give = give or (
            lambda count, seed: np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)
        )

    def sample(self, count: int, seed: int) -> np.ndarray:
        return self.give(count, seed)


def drawn(count: int, size: int = 32, seed: int = 0, give=None) -> np.ndarray:  # type: ignore[no-untyped-def]
    batches = Drawn(Noise(give), count, seed, "noise").batches(size)
    return np.concatenate([batch.data for batch in batches])  # type: ignore[misc]


def test_the_samples_do_not_depend_on_the_batch_size() -> None:
    assert np.array_equal(drawn(600, size=7), drawn(600, size=600))


def test_fewer_samples_are_the_first_of_more() -> None:
    assert np.array_equal(drawn(300), drawn(600)[:300])


def test_another_seed_gives_other_samples() -> None:
    assert not np.array_equal(drawn(300), drawn(300, seed=1))


def test_rows_from_the_middle_equal_those_of_the_whole() -> None:
    batches = Drawn(Noise(), 600, 0, "noise").batches(50, 200, 400)
    assert np.array_equal(np.concatenate([batch.data for batch in batches]), drawn(600)[200:400])  # type: ignore[misc]


def test_chunk_seeds_differ() -> None:
    seeds = {chunk_seed(seed, number) for seed in range(20) for number in range(20)}
    assert len(seeds) == 400


def _seeds_given(**attributes: int) -> set[int]:
    given: set[int] = set()

    def remember(count: int, seed: int) -> np.ndarray:
        given.add(seed)
        return np.zeros((count, 1), np.float32)

    sampler = Noise(remember)
    vars(sampler).update(attributes)
    for seed in range(64):
        list(Drawn(sampler, 1, seed, "noise").batches(1))
    return given


def test_seeds_are_below_two_to_the_31() -> None:
    seeds = _seeds_given()
    assert len(seeds) == 64
    assert 2**30 < max(seeds) < 2**31


def test_a_sampler_with_seed_bits_gets_seeds_of_that_size() -> None:
    # the seeds of 32 bits are those of older versions, so their samples are the same
    assert _seeds_given(seed_bits=32) == {
        int(np.random.SeedSequence([seed, 0]).generate_state(1)[0]) for seed in range(64)
    }
    assert max(_seeds_given(seed_bits=8)) < 256


@pytest.mark.parametrize("bits", [0, 64, "32"])
def test_seed_bits_that_are_no_size_are_refused(bits: object) -> None:
    with pytest.raises(PlugError, match=r"'noise' has seed_bits=.*expected a whole number from 1 to 32"):
        _seeds_given(seed_bits=bits)  # type: ignore[arg-type]


def test_every_installed_model_gets_seeds_of_32_bits() -> None:
    # these samples are in published results
    names = ("ae", "cgan", "cvae", "gan", "noise", "r3gan", "vae", "wgan", "wgan-gp")
    assert {getattr(installed("samplers")[name].load(), "seed_bits", None) for name in names} == {32}


def test_chunks_of_different_shapes_are_refused_with_both_shapes() -> None:
    sizes = iter([4, 5])
    with pytest.raises(PlugError, match=r"shape \[3, 5, 5\] in chunk 1, but \[3, 4, 4\] before"):
        drawn(300, give=lambda count, seed: np.zeros((count, size := next(sizes), size, 3), np.uint8))


def test_points_after_images_are_refused() -> None:
    shapes = iter([(CHUNK, 4, 4, 3), (CHUNK, 2)])
    with pytest.raises(PlugError, match=r"shape \[2\] in chunk 1, but \[3, 4, 4\] before"):
        drawn(300, give=lambda count, seed: np.zeros((s := next(shapes)), np.uint8 if len(s) == 4 else np.float32))


@pytest.mark.parametrize(
    "shape", [(CHUNK, 4, 5, 3), (CHUNK, 3, 4, 5), (CHUNK, 4, 5, 1), (CHUNK, 1, 4, 5), (CHUNK, 4, 5)]
)
def test_images_of_every_layout_become_rgb(shape: tuple[int, ...]) -> None:
    assert drawn(10, give=lambda count, seed: np.full(shape, 7, np.uint8)).shape == (10, 3, 4, 5)


def test_points_stay_points() -> None:
    points = drawn(10, give=lambda count, seed: torch.zeros(count, 2, dtype=torch.float64))
    assert (points.shape, points.dtype) == ((10, 2), np.float32)


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        (np.zeros((CHUNK - 1, 4, 4, 3), np.uint8), "when asked for 256 samples"),
        (np.zeros((CHUNK, 4, 4, 3), np.float32), "range is not known"),
        (np.zeros((CHUNK, 4, 4, 2), np.uint8), "neither 1 nor 3 channels"),
        (np.zeros((CHUNK, 4, 4, 3), np.int64), "expected uint8"),
        (
            np.zeros((CHUNK, 0)),
            r"gave float64 \[256, 0\], samples without a value; expected .* float \[256, D\] points",
        ),
        (torch.zeros(CHUNK, 0), r"gave float32 \[256, 0\], samples without a value"),
        (np.zeros((CHUNK, 3, 0, 0), np.uint8), r"gave uint8 \[256, 3, 0, 0\], samples without a value"),
        (np.full((CHUNK, 2), 1e300), "NaN or infinity in 256 of 256 points"),
        (np.full((CHUNK, 2), np.nan), "NaN or infinity in 256 of 256 points"),
        (None, "gave NoneType when asked for 256 samples"),
        ({"samples": [1]}, "gave dict when asked for 256 samples"),
        (np.float32(1), r"gave float32 \[\] when asked for 256 samples"),
        (np.random.default_rng(0).normal(1e9, 1, (CHUNK, 2)), "float64 points whose .*, which float32 cannot tell"),
        (np.arange(2 * CHUNK).reshape(CHUNK, 2) + (1 << 40), "int64 points whose .*, which float32 cannot tell"),
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


def test_a_subset_has_the_class_names_of_its_source_and_tells_what_is_left_out() -> None:
    class Named(ArraySource):
        def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
            return (replace(batch, left_out={"further frames": 1}) for batch in super().batches(size, start, stop))

    source = Named(np.arange(48, dtype=np.uint8).reshape(4, 2, 2, 3), labels=[0, 1, 1, 0])
    source.class_names, source.left_out = ("cat", "dog"), {"hidden files": 2}
    chosen: Any = subset(source, 2, 0)
    assert (chosen.class_names, chosen.left_out) == (("cat", "dog"), {"hidden files": 2})
    assert all(batch.left_out == {"further frames": 1} for batch in chosen.batches(2))
