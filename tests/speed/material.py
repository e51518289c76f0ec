"""Write the input of all contestants: folders of images, one random state dict of Inception-v3, and features."""

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

ROLES = ("generated", "reference", "train")
"""The sides of the comparison of features."""

Timed = Callable[[], Any]
"""The call to be timed; the report shows its return value for comparison."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of the input."""

    count: int = 1000
    """Images on each side, end to end."""
    rows: int = 10_000
    """Rows on each side in the comparison of features."""
    batches: int = 4
    """Batches of 32 images for the network and the resize."""


def weights(root: Path) -> str:
    """Return the file of the random state dict."""
    return str(root / "inception.pth")


def folder(root: Path, role: str, sizes: Sizes) -> str:
    """Return a folder of ``sizes.count`` images, which are the first ones of that side."""
    chosen = root / f"{role}-{sizes.count}-images"
    if not chosen.exists():
        chosen.mkdir()
        for path in sorted((root / role).iterdir())[: sizes.count]:
            (chosen / path.name).hardlink_to(path)
    return str(chosen)


@dataclass(frozen=True)
class Material:
    """The input files below a working folder."""

    root: Path
    sizes: Sizes
    images: Path | None = None
    """Folder of images of one size; None means synthetic images."""

    def make(self) -> None:
        """Write all files; their content is the same in every run."""
        # Not at the top: it imports torch, which a measured process may not need.
        from tests.helpers.random_weights import random_inception_weights
        from tests.speed.decoding import write_large_images

        images = self._images()
        for role in ("generated", "reference"):
            (self.root / role).mkdir(parents=True)
            for number, image in enumerate(islice(images, self._count)):
                image.save(self.root / role / f"{number:05}.png")
        write_large_images(self.root, 32 * self.sizes.batches)
        random_inception_weights(Path(weights(self.root)), 0, self._small_images())
        for seed, role in enumerate(ROLES):
            for rows in (self.sizes.rows, DIMENSIONS // 4):
                np.save(self.root / f"{role}-{rows}.npy", _features(rows, seed))

    @property
    def _count(self) -> int:
        return max(self.sizes.count, 32 * self.sizes.batches)

    def _images(self) -> Iterator[Image.Image]:
        if self.images is None:
            return (_synthetic_image(seed) for seed in count())
        paths = [path for path in sorted(self.images.rglob("*")) if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
        needed = 2 * self._count
        if len(paths) < needed:
            raise SystemExit(f"{self.images} holds {len(paths)} of the {needed} images needed; give a smaller --count.")
        # Evenly spread, so that images of every class folder are used.
        spread = [paths[number * len(paths) // needed] for number in range(needed)]
        return (Image.open(path).convert("RGB") for path in (*spread[::2], *spread[1::2]))

    def _small_images(self) -> np.ndarray:
        paths = [path for role in ("generated", "reference") for path in sorted((self.root / role).iterdir())[:4]]
        arrays = [np.asarray(Image.open(path).resize((48, 48))) for path in paths]
        return np.ascontiguousarray(np.stack(arrays).transpose(0, 3, 1, 2))


def _synthetic_image(seed: int) -> Image.Image:
    from tests.helpers.random_weights import smooth_images

    return Image.fromarray(np.ascontiguousarray(smooth_images(1, size=32, seed=seed)[0].transpose(1, 2, 0)))


def _features(rows: int, seed: int) -> np.ndarray:
    """Return float32 [rows, 2048], not negative and correlated like the features of Inception."""
    mixing = np.random.default_rng(7).normal(size=(256, DIMENSIONS)).astype(np.float32) / 16
    random = np.random.default_rng(seed)
    latent = random.normal(size=(rows, 256)).astype(np.float32)
    noise = random.normal(size=(rows, DIMENSIONS)).astype(np.float32)
    return np.maximum(latent @ mixing + 0.3 * noise + 0.1 * seed, 0)


if __name__ == "__main__":
    Material(Path(sys.argv[1]), Sizes(**json.loads(sys.argv[2])), *map(Path, sys.argv[3:])).make()
