"""A device that runs out of memory gets half as many samples at a time, and the person is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genbench.errors import PlugError
from genbench.extraction.extract import Extraction, extract
from genbench.extraction.forward import Caller
from genbench.sources.memory import ArraySource


class Small:
    """An extractor whose device holds so many samples."""

    name, identity, device = "small", "", "cpu"

    def __init__(self, room: int) -> None:
        self.room = room
        self.asked: list[int] = []

    def __call__(self, data: torch.Tensor) -> dict[str, torch.Tensor]:
        self.asked.append(len(data))
        if len(data) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return {"embedding": data.float().mean(dim=(2, 3))}


IMAGES = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 4), dtype=np.uint8)


def test_the_batch_is_halved_until_it_fits_and_stays_so() -> None:
    told: list[str] = []
    extractor = Small(room=3)
    caller = Caller(extractor, told.append)
    for _ in range(2):
        views = caller.views(torch.from_numpy(IMAGES[:8]))
    assert extractor.asked == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]
    assert [text.split(": ")[1] for text in told] == ["going on with 4", "going on with 2"]
    assert np.allclose(views["embedding"], IMAGES[:8].mean(axis=(2, 3)))


def test_the_features_are_those_of_a_device_with_room() -> None:
    how = Extraction(batch_size=16, progress=False)
    small, large = (extract(ArraySource(IMAGES), Small(room), how)["embedding"] for room in (3, 100))
    assert np.array_equal(small, large)


def test_a_single_sample_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(PlugError, match="out of memory with a single sample"):
        Caller(Small(room=0), lambda text: None).views(torch.from_numpy(IMAGES[:4]))
