"""Small training sets for the tests of the baselines."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Rows:
    """A source of given rows and labels."""

    def __init__(self, data: Any, label: Tensor | None = None) -> None:
        self.data, self.label = data, label

    def batches(self, size: int) -> Iterator[Any]:
        for start in range(0, len(self.data), size):
            part = slice(start, start + size)
            yield SimpleNamespace(data=self.data[part], label=None if self.label is None else self.label[part])


def three_clusters(count: int = 600) -> Rows:
    """Three separate clusters, labelled by cluster."""
    random = np.random.default_rng(0)
    label = np.arange(count) % 3
    centres = np.array([[4.0, 0.0], [-4.0, 0.0], [0.0, 6.0]])
    data = centres[label] + 0.3 * random.standard_normal((count, 2))
    return Rows(torch.tensor(data, dtype=torch.float32), torch.tensor(label))


def random_images(side: int, channels: int = 1) -> Rows:
    random = np.random.default_rng(0)
    data = torch.tensor(random.integers(0, 256, (20, channels, side, side)), dtype=torch.uint8)
    return Rows(data.expand(-1, 3, -1, -1), torch.arange(20) % 2)
