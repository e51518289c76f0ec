"""A sampler, an extractor and a metric that genbench finds by their entry points; nothing of it is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np


class Stripes:
    """8x8 images of stripes two pixels wide, black and of one gray level, each shifted by chance."""

    def __init__(self, level: int = 255) -> None:
        self.level = level

    def sample(self, count: int, seed: int) -> np.ndarray:
        """Return uint8 [count, 8, 8, 3]: half of the pixels of each image are 0, half are ``level``."""
        shift = np.random.default_rng(seed).integers(4, size=count)
        white = (np.arange(8) + shift[:, None]) % 4 < 2  # [count, 8]
        columns = np.where(white, self.level, 0).astype(np.uint8)
        return np.broadcast_to(columns[:, None, :, None], (count, 8, 8, 3)).copy()


class Brightness:
    """The mean of each colour, 0..1."""

    name = "acme-brightness"
    identity = "acme-brightness,1"  # changes when the numbers do

    def __call__(self, data: Any) -> Mapping[str, Any]:
        """Return ``embedding`` float32 [N, 3] of uint8 [N, 3, H, W]."""
        return {"embedding": data.float().mean(dim=(2, 3)) / 255}


class Score(NamedTuple):
    """What a metric returns."""

    name: str
    value: float
    error: float | None = None
    better: str | None = None
    detail: Mapping[str, Any] = {}
    key: str | None = None


@dataclass(frozen=True)
class MeanGap:
    """Length of the difference of the two mean embeddings, times ``scale``."""

    scale: float = 1.0
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    reference: ClassVar[str] = "rows"

    def __call__(self, generated: Any, reference: Any, *, seed: int) -> list[Score]:
        """Return one score, 0 for equal means; its error takes each dimension's standard error for independent."""
        ours, theirs = (side["embedding"].astype(np.float64) for side in (generated, reference))
        gap = float(np.linalg.norm(ours.mean(axis=0) - theirs.mean(axis=0)))
        variance = sum(side.var(axis=0, ddof=1).sum() / len(side) for side in (ours, theirs))
        return [Score("acme_gap", self.scale * gap, self.scale * float(np.sqrt(variance)), "lower")]
