"""What a baseline trains on: all rows of a source, scaled for a network, and the way back to samples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor


class Batch(Protocol):
    """What a source gives, as far as it matters here."""

    data: Any
    label: Any


class Source(Protocol):
    """Rows that can be read batch by batch."""

    def batches(self, size: int) -> Iterable[Batch]: ...


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Rows in memory: images in -1..1 (one channel where all are gray), points with root mean square 1."""

    values: Tensor
    """float32 [N, C, H, W] or [N, D]"""
    label: Tensor | None
    """int64 [N]"""
    scale: float
    """What points were divided by; 1 for images."""

    @staticmethod
    def of(source: Source) -> TrainingData:
        """Read a source to its end. Raises ValueError where its images differ in size."""
        batches = list(source.batches(256))
        if any(isinstance(batch.data, list) for batch in batches):
            raise ValueError("the training images differ in size; resize them to one first")
        data = torch.cat([batch.data for batch in batches])
        labels = [batch.label for batch in batches]
        label = None if any(one is None for one in labels) else torch.cat(labels)
        if data.ndim == 2:
            scale = float(data.double().square().mean().sqrt())
            return TrainingData(data.float() / scale, label, scale)
        gray = bool((data == data[:, :1]).all())
        return TrainingData((data[:, :1] if gray else data).float() / 127.5 - 1, label, 1.0)

    @property
    def shape(self) -> tuple[int, ...]:
        """[C, H, W] or [D]"""
        return tuple(self.values.shape[1:])

    @property
    def classes(self) -> int:
        """How many classes the labels tell; 0 without labels."""
        return 0 if self.label is None else int(self.label.max()) + 1

    @property
    def digest(self) -> str:
        """Which rows and labels these are."""
        found = hashlib.sha256(self.values.numpy().tobytes())
        found.update(b"" if self.label is None else self.label.numpy().tobytes())
        return found.hexdigest()[:16]

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Return ``count`` rows drawn with replacement, and their labels."""
        index = torch.randint(len(self.values), (count,), generator=generator)
        return self.values[index], None if self.label is None else self.label[index]

    def draw_labelled(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return rows and labels as ``draw`` does. Raises ValueError where the data have no labels."""
        values, label = self.draw(count, generator)
        if label is None:
            raise ValueError("a conditional model needs the class of each training sample; these data have no labels")
        return values, label


def as_samples(values: Tensor, scale: float) -> np.ndarray[Any, Any]:
    """Return what a network made as uint8 [N, H, W, 3] images or float32 [N, D] points."""
    if values.ndim == 2:
        return (values * scale).numpy()
    images = ((values.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
