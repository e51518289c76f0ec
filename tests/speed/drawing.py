"""Contestants that draw samples: the sampler works while the extractor does, or only between its chunks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.speed.material import Sizes, Timed

CHUNKS = 8
"""Number of chunks of 256 samples. With n chunks, at most 2n / (n + 1) can be gained: the first one has no company."""


class SmallNetwork:
    """An extractor of .1 billion multiplications for an image, so that a chunk takes about a second."""

    name, identity = "small network", ""

    def __init__(self) -> None:
        from torch import manual_seed, nn

        manual_seed(0)
        inner = [layer for _ in range(3) for layer in (nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())]
        self.network = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), *inner, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def __call__(self, data: Any) -> dict[str, Any]:
        """Return the means of the last layer."""
        return {"embedding": self.network(data.float() / 255)}


class SlowSampler:
    """A sampler that takes a given time on one core, as one of NumPy or of C does: it does not hold the GIL."""

    def __init__(self, products: int, draw_ahead: bool) -> None:
        self.products, self.draw_ahead = products, draw_ahead
        self.matrix = np.random.default_rng(0).normal(size=(512, 512)).astype(np.float32) / 23

    def sample(self, count: int, seed: int) -> np.ndarray:
        """Return random images of 32 pixels after many products of matrices."""
        random = np.random.default_rng(seed)
        # the samples do not depend on the number of products, which is another one in each process
        images = random.integers(0, 256, (count, 32, 32, 3), np.uint8)
        state = self.matrix
        for _ in range(self.products):
            state = np.tanh(state @ self.matrix)
        return images


def side_by_side(root: Path, sizes: Sizes, draw_ahead: bool = True) -> Timed:
    """Extract the features of a sampler's samples; both sides use one thread."""
    import torch
    from threadpoolctl import threadpool_limits

    from genbench.derived_sources import CHUNK, Drawn
    from genbench.extraction.extract import Extraction, extract

    threadpool_limits(1)
    torch.set_num_threads(1)
    extractor = SmallNetwork()
    quiet = Extraction(progress=False)
    # the work of a chunk in the extractor, and of the products in the sampler, both warm
    extract(_drawn(SlowSampler(1, False), CHUNK), extractor, quiet)
    start = time.process_time()
    extract(_drawn(SlowSampler(1, False), CHUNK), extractor, quiet)
    goal = time.process_time() - start
    start = time.process_time()
    SlowSampler(200, False).sample(CHUNK, 0)
    sampler = SlowSampler(max(1, round(goal / (time.process_time() - start) * 200)), draw_ahead)
    chunks = CHUNKS if sizes.batches > 1 else 2
    source = Drawn(sampler, chunks * CHUNK, 0, "slow")
    return lambda: float(extract(source, extractor, quiet)["embedding"].mean(dtype=np.float64))


def one_after_the_other(root: Path, sizes: Sizes) -> Timed:
    """The same, and the sampler waits until the extractor has finished a chunk."""
    return side_by_side(root, sizes, False)


def _drawn(sampler: SlowSampler, count: int) -> Any:
    from genbench.derived_sources import Drawn

    return Drawn(sampler, count, 0, "slow")
