"""Noise: uniform values of the data's shape and range, the ceiling of every table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.data import Source, TrainingData, as_samples


@dataclass
class Noise:
    """Knows only the shape of the data: pixels are uniform in 0..255, points in the box that holds the data."""

    def fit(
        self,
        source: Source,
        *,
        seed: int,
        steps: int,
        watch: Callable[[int, dict[str, float]], None] | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        """Remember shape and range; nothing is trained."""
        data = TrainingData.of(source)
        self.shape, self.scale = data.shape, data.scale
        self.low, self.high = float(data.values.min()), float(data.values.max())

    def sample(self, count: int, seed: int) -> np.ndarray[Any, Any]:
        """Return uint8 [count, H, W, 3] images or float32 [count, D] points."""
        uniform = torch.rand(count, *self.shape, generator=torch.Generator().manual_seed(seed))
        return as_samples(self.low + (self.high - self.low) * uniform, self.scale)
