"""What everybody is measured on: folders of images, one random state dict of Inception-v3, features."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

DIMENSIONS = 2048


Timed = Callable[[], Any]
"""What is timed; what it returns is shown for comparison."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    count: int = 256
    """Images a side, end to end."""
    rows: int = 10_000
    """Rows a side where features are compared."""
    batches: int = 4
    """Batches of 32 through network and resize."""


@dataclass(frozen=True)
class Material:
    """Everything below a working folder."""

    root: Path
    sizes: Sizes
    images: Path | None = None
    """A folder of images of one size to take instead of made ones."""

    def make(self) -> None:
        """Write everything; the same each time."""
        from tests.helpers.random_weights import (
            random_inception_weights,  # brings torch, which a measured process may lack
        )

        images = self._images()
        for role in ("generated", "reference"):
            (self.root / role).mkdir(parents=True)
            for number, image in enumerate(islice(images, self._count)):
                image.save(self.root / role / f"{number:05}.png")
        random_inception_weights(self.root / "inception.pth", 0, self._few())
        for seed, role in enumerate(("generated", "reference")):
            for rows in (self.sizes.rows, DIMENSIONS // 4):
                np.save(self.root / f"{role}-{rows}.npy", _features(rows, seed))

    @property
    def _count(self) -> int:
        return max(self.sizes.count, 32 * self.sizes.batches)

    def _images(self) -> Iterator[Image.Image]:
        if self.images is None:
            return (_made(seed) for seed in count())
        paths = [path for path in sorted(self.images.rglob("*")) if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
        wanted = 2 * self._count
        if len(paths) < wanted:
            raise SystemExit(f"{self.images} holds {len(paths)} images; {wanted} are wanted: give --count.")
        spread = [paths[number * len(paths) // wanted] for number in range(wanted)]  # over folders of classes
        return (Image.open(path).convert("RGB") for path in (*spread[::2], *spread[1::2]))

    def _few(self) -> np.ndarray:
        paths = [path for role in ("generated", "reference") for path in sorted((self.root / role).iterdir())[:4]]
        arrays = [np.asarray(Image.open(path).resize((48, 48))) for path in paths]
        return np.ascontiguousarray(np.stack(arrays).transpose(0, 3, 1, 2))


def _made(seed: int) -> Image.Image:
    from tests.helpers.random_weights import smooth_images

    return Image.fromarray(np.ascontiguousarray(smooth_images(1, size=32, seed=seed)[0].transpose(1, 2, 0)))


def _features(rows: int, seed: int) -> np.ndarray:
    """Return float32 [rows, 2048]: not negative and correlated, as Inception's are."""
    mixing = np.random.default_rng(7).normal(size=(256, DIMENSIONS)).astype(np.float32) / 16
    random = np.random.default_rng(seed)
    latent = random.normal(size=(rows, 256)).astype(np.float32)
    noise = random.normal(size=(rows, DIMENSIONS)).astype(np.float32)
    return np.maximum(latent @ mixing + 0.3 * noise + 0.1 * seed, 0)


if __name__ == "__main__":
    Material(Path(sys.argv[1]), Sizes(**json.loads(sys.argv[2])), *map(Path, sys.argv[3:])).make()
