"""Contestants that read a folder of PNG of 512 pixels: how much decoding and resizing add to the network's time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tests.speed.material import Sizes, Timed, weights

SIZE = 512


def folder_genbench(root: Path, sizes: Sizes) -> Timed:
    """Decode in threads, resize, and run the network, without a cache."""
    from genbench.cli.malloc import keep_pages
    from genbench.extraction.extract import Extraction, extract

    keep_pages()
    extractor, source = _warm_extractor(root), _folder(root, sizes)
    return lambda: float(extract(source, extractor, Extraction(progress=False))["embedding"].mean(dtype=np.float64))


def network_alone(root: Path, sizes: Sizes) -> Timed:
    """The same images, decoded and resized before."""
    import torch

    from genbench.cli.malloc import keep_pages
    from genbench.extractors.inception.resizing import tensorflow_bilinear

    keep_pages()
    extractor = _warm_extractor(root)
    # whole levels, because an extractor takes uint8; the values do not matter for the time
    batches = [
        tensorflow_bilinear(torch.as_tensor(batch.data), 299).round().to(torch.uint8) for batch in _read(root, sizes)
    ]

    def timed() -> float:
        return float(np.concatenate([np.asarray(extractor(batch)["embedding"]) for batch in batches]).mean())

    return timed


def decoding_alone(root: Path, sizes: Sizes) -> Timed:
    """The decoder in its threads, with nothing beside it."""
    return lambda: sum(len(batch.index) for batch in _read(root, sizes))


def write_large_images(root: Path, count: int) -> None:
    """Write PNG of 512 pixels, with noise as in photographs, which decides how long decoding takes."""
    from PIL import Image

    from tests.helpers.random_weights import smooth_images

    folder = root / "large"
    folder.mkdir()
    for seed in range(count):
        smooth = smooth_images(1, size=SIZE, seed=seed)[0].transpose(1, 2, 0)
        noisy = smooth + np.random.default_rng(seed).normal(scale=4, size=smooth.shape)
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(folder / f"{seed:05}.png")


def _folder(root: Path, sizes: Sizes) -> Any:
    from genbench.plugs.opening import open_source

    return open_source(str(root / "large"))


def _read(root: Path, sizes: Sizes) -> Iterable[Any]:
    from genbench.plugs.contract_checks import read_batches

    return read_batches(_folder(root, sizes), 32)


def _warm_extractor(root: Path) -> Any:
    import torch

    from genbench.extractors.inception.extractor import Inception

    extractor = Inception(weights=weights(root))
    extractor(torch.zeros(32, 3, 64, 64, dtype=torch.uint8))
    return extractor
