"""What the decoded samples of a block are, whatever the extractor: positions, hashes, levels, what is left out."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from genbench.array_types import Array, Int64
from genbench.plugs.contracts import Batch


@dataclass
class BlockFacts:
    """Collects what the batches of one block hold."""

    index: list[Int64] = field(default_factory=list)
    """The positions of the samples in the source, one array per batch."""
    hashes: list[bytes] = field(default_factory=list)
    """The content hash of each sample, 8 bytes each: blake2b of its bytes, with dtype and shape."""
    levels: tuple[int, int] | None = None
    """Lowest and highest pixel of all images; None for points."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Sum of ``Batch.left_out``."""

    def add(self, batch: Batch) -> None:
        """Add the samples of a batch."""
        self.index.append(np.asarray(batch.index, np.int64))
        self.left_out.update(batch.left_out)
        # images of one size come as one array, others as a list
        for images in _as_arrays(batch.data):
            self.hashes += _row_hashes(images)
            if images.dtype == np.uint8 and images.size:
                low, high = int(images.min()), int(images.max())
                lowest, highest = self.levels or (255, 0)
                self.levels = min(lowest, low), max(highest, high)


def _as_arrays(data: Array | list[Array]) -> list[Array]:
    arrays = [image[None] for image in data] if isinstance(data, list) else [data]
    return [np.ascontiguousarray(array) for array in arrays]


def _row_hashes(rows: Array) -> list[bytes]:
    # dtype and shape enter as the "person" of blake2b, because equal bytes may be different samples
    kind = hashlib.blake2b(f"{rows.dtype} {rows.shape[1:]}".encode(), digest_size=16).digest()
    content = rows.reshape(-1).view(np.uint8).data
    size = rows[:1].nbytes
    return [
        hashlib.blake2b(content[row * size : (row + 1) * size], digest_size=8, person=kind).digest()
        for row in range(len(rows))
    ]
