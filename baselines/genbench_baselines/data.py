"""Training data of a baseline: all samples of a source, scaled for a network, and the inverse of this scaling."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor


class TrainingBatch(Protocol):
    """A batch of samples with labels, or None for the labels."""

    data: Any
    label: Any


class TrainingSource(Protocol):
    """Samples that can be read batch by batch."""

    def batches(self, size: int) -> Iterable[TrainingBatch]: ...


@dataclass(frozen=True, eq=False)
class TrainingData:
    """All samples in memory: images in -1..1 (one channel if all are gray), points with root mean square 1."""

    values: Tensor
    """float32 [N, C, H, W] or [N, D]"""
    label: Tensor | None
    """int64 [N]"""
    scale: float
    """Points were divided by this number; 1 for images."""

    @staticmethod
    def of(source: TrainingSource) -> TrainingData:
        """Read all samples of a source. Raises ValueError if its images differ in size."""
        batches = list(source.batches(256))
        # a source gives images of different sizes as a list
        if any(isinstance(batch.data, list) for batch in batches):
            raise ValueError("the training images differ in size; resize them to one size first")
        data = torch.cat([torch.as_tensor(batch.data) for batch in batches])
        labels = [None if batch.label is None else torch.as_tensor(batch.label) for batch in batches]
        known = [label for label in labels if label is not None]
        label = torch.cat(known) if len(known) == len(labels) else None
        # points: divide by the root mean square
        if data.ndim == 2:
            scale = float(data.double().square().mean().sqrt())
            return TrainingData(data.float() / scale, label, scale)
        # images: one channel if all three are equal, and 0..255 to -1..1
        gray = bool((data == data[:, :1]).all())
        return TrainingData((data[:, :1] if gray else data).float() / 127.5 - 1, label, 1.0)

    @property
    def shape(self) -> tuple[int, ...]:
        """[C, H, W] or [D]"""
        return tuple(self.values.shape[1:])

    @property
    def classes(self) -> int:
        """Number of classes; 0 without labels."""
        return 0 if self.label is None else int(self.label.max()) + 1

    @property
    def digest(self) -> str:
        """Hash of the samples and labels, to recognise the same training data."""
        sha = hashlib.sha256(self.values.numpy().tobytes())
        sha.update(b"" if self.label is None else self.label.numpy().tobytes())
        return sha.hexdigest()[:16]

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Draw ``count`` samples with replacement, and their labels."""
        # the given generator makes the batches reproducible
        index = torch.randint(len(self.values), (count,), generator=generator)
        return self.values[index], None if self.label is None else self.label[index]

    def draw_labelled(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw samples and labels as ``draw`` does. Raises ValueError if the data have no labels."""
        values, label = self.draw(count, generator)
        if label is None:
            raise ValueError("a conditional model needs the class of each training sample; these data have no labels")
        return values, label


def as_samples(values: Tensor, scale: float) -> np.ndarray[Any, Any]:
    """Convert the output of a network to images uint8 [N, H, W, 3] or points float32 [N, D]."""
    if values.ndim == 2:
        return (values * scale).numpy()
    # -1..1 to 0..255; a gray image gets three equal channels
    images = ((values.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
