"""Noise: uniform values with the shape and range of the data, an upper limit for every distance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genbench_baselines.data import TrainingData, TrainingSource, as_samples


@dataclass
class Noise:
    """A sampler that ignores the data except for their shape and their smallest and largest value."""

    seed_bits = 32  # as the other baselines

    def fit(
        self,
        source: TrainingSource,
        *,
        seed: int,
        steps: int,
        watch: Callable[[int, dict[str, float]], None] | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        """Store the shape and the range of the data; there is nothing to train."""
        data = TrainingData.of(source)
        self.shape, self.scale = data.shape, data.scale
        self.low, self.high = float(data.values.min()), float(data.values.max())

    def sample(self, count: int, seed: int) -> np.ndarray[Any, Any]:
        """Return images uint8 [count, H, W, 3] or points float32 [count, D]."""
        # scaled to low..high, then to the units of the data
        uniform = torch.rand(count, *self.shape, generator=torch.Generator().manual_seed(seed))
        return as_samples(self.low + (self.high - self.low) * uniform, self.scale)
