"""The hashes of samples address what is stored, so they stay the same, whatever holds the samples."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genbench.extraction.extract import Extraction, extract
from genbench.plugs.contracts import Batch, Source
from genbench.sources.decoding import decode
from genbench.sources.memory import ArraySource, DatasetSource

IMAGES = (np.arange(5 * 4 * 6 * 3) * 7 % 256).astype(np.uint8).reshape(5, 4, 6, 3)
POINTS = (np.arange(10, dtype=np.float32) / 8).reshape(5, 2)


OF_IMAGES = [-5086810799121350661, 1631932649121004291, 3594601756651684995, -3473073220329097164, -7924489537716634489]
OF_POINTS = [-7508128911949390108, 3019792217059610437, -6460375934511272381, -7400718833010832474, 8467496795329012965]


class Plain:
    """A guest's source, which has no ``digest``, of the batches of another one."""

    def __init__(self, source: Source) -> None:
        self.source, self.name = source, "plain"

    def __len__(self) -> int:
        return len(self.source)

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        return self.source.batches(size, start, stop)


class Count:
    name, identity = "count", ""

    def __call__(self, data: Any) -> dict[str, Any]:
        return {"embedding": np.ones((len(data), 1), np.float32)}


def encoded(image: Image.Image, kind: str) -> Any:
    """Return what decoding an image file gives."""
    file = io.BytesIO()
    image.save(file, kind)
    return decode(file.getvalue())


SOURCES = {
    "images": ArraySource(IMAGES),
    "points": ArraySource(POINTS),
    "floats": ArraySource(IMAGES / np.float32(255), range="0..1"),
    "images without digest": Plain(ArraySource(IMAGES)),
    "points without digest": Plain(ArraySource(POINTS)),
    "sizes": DatasetSource([Image.fromarray(IMAGES[0]), Image.fromarray(IMAGES[1, :, :5])]),
    "files": DatasetSource(
        [encoded(Image.fromarray(IMAGES[2]), "PNG"), encoded(Image.fromarray(IMAGES[3, ..., 0]), "PNG")]
    ),
}


@pytest.mark.parametrize(
    ("name", "fingerprint", "hashes"),
    [
        (
            "images",
            "ae695b7af90ed1ae",
            [
                -5086810799121350661,
                1631932649121004291,
                3594601756651684995,
                -3473073220329097164,
                -7924489537716634489,
            ],
        ),
        (
            "points",
            "d7ed1c4d4d340e47",
            [
                -7508128911949390108,
                3019792217059610437,
                -6460375934511272381,
                -7400718833010832474,
                8467496795329012965,
            ],
        ),
        (
            "floats",
            "2c8961ff070e5165",
            [
                -5086810799121350661,
                1631932649121004291,
                3594601756651684995,
                -3473073220329097164,
                -7924489537716634489,
            ],
        ),
        (
            "images without digest",
            "65b22acc199c151f",
            [
                -5086810799121350661,
                1631932649121004291,
                3594601756651684995,
                -3473073220329097164,
                -7924489537716634489,
            ],
        ),
        (
            "points without digest",
            "12ae999aef04c0bc",
            [
                -7508128911949390108,
                3019792217059610437,
                -6460375934511272381,
                -7400718833010832474,
                8467496795329012965,
            ],
        ),
        ("sizes", "1242e882f755cdbe", [-5086810799121350661, -6689230285547706735]),
        ("files", "90a0e7f9f54cb643", [3594601756651684995, 4490120504340111874]),
    ],
)
def test_the_hashes_of_given_samples_stay(name: str, fingerprint: str, hashes: list[int]) -> None:
    features = extract(SOURCES[name], Count(), Extraction(batch_size=3, progress=False))
    assert features.fingerprint[:16] == fingerprint
    assert features.hashes is not None
    assert features.hashes.tolist() == hashes
