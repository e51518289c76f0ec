"""A device that runs out of memory gets half as many samples per call, and the user gets a message."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from genbench.errors import PlugError
from genbench.extraction.extract import Extraction, extract
from genbench.extraction.forward import ForwardPass
from genbench.sources.memory import ArraySource


class Small:
    """An extractor whose device has memory for ``room`` samples."""

    name, identity, device = "small", "", "cpu"

    def __init__(self, room: int) -> None:
        self.room = room
        self.sizes: list[int] = []

    def __call__(self, data: torch.Tensor) -> dict[str, torch.Tensor]:
        self.sizes.append(len(data))
        if len(data) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return {"embedding": data.float().mean(dim=(2, 3))}


IMAGES = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 4), dtype=np.uint8)


def test_the_batch_is_halved_until_it_fits_and_stays_small() -> None:
    messages: list[str] = []
    extractor = Small(room=3)
    forward = ForwardPass(extractor, messages.append)
    for _ in range(2):
        views = forward.views(IMAGES[:8])
    assert extractor.sizes == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]
    assert [text.split(": ")[1] for text in messages] == ["going on with 4", "going on with 2"]
    assert np.allclose(views["embedding"], IMAGES[:8].mean(axis=(2, 3)))


def test_the_features_do_not_depend_on_the_memory() -> None:
    options = Extraction(batch_size=16, progress=False)
    small, large = (extract(ArraySource(IMAGES), Small(room), options)["embedding"] for room in (3, 100))
    assert np.array_equal(small, large)


def test_a_single_sample_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(PlugError, match="out of memory with a single sample"):
        ForwardPass(Small(room=0), lambda text: None).views(IMAGES[:4])


class Types:
    """Records the type of its data, and whether gradients are kept."""

    name, identity = "types", ""

    def __init__(self, **attributes: object) -> None:
        self.given: list[tuple[type, bool]] = []
        vars(self).update(attributes)

    def __call__(self, data: Any) -> dict[str, Any]:
        self.given.append((type(data), torch.is_inference_mode_enabled()))
        return {"embedding": np.asarray(data).reshape(len(data), -1).astype(np.float32)}


def test_an_extractor_gets_a_tensor_unless_it_takes_arrays() -> None:
    plain, taker = Types(), Types(takes_arrays=True)
    views = [ForwardPass(each, print).views(IMAGES) for each in (plain, taker)]
    assert (plain.given, taker.given) == ([(torch.Tensor, True)], [(np.ndarray, True)])
    assert np.array_equal(views[0]["embedding"], views[1]["embedding"])


def test_read_only_arrays_and_those_of_other_orders_become_tensors() -> None:
    fixed, points = IMAGES.copy(), IMAGES[:, 0, 0].astype(np.float32)
    fixed.flags.writeable = False
    for data in (fixed, IMAGES[::-1], IMAGES[:, ::-1], points.astype(">f4")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            views = ForwardPass(Types(), print).views(data)
        assert np.array_equal(views["embedding"], data.reshape(len(data), -1))
