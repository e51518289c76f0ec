"""Extractors without weights: the pixels of any images, and the coordinates of points."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional

from genbench.errors import PlugError, UsageError
from genbench.theory.mixtures import mixture


class Pixels:
    """The images themselves, resized to ``size`` x ``size``: embedding float32 [N, 3 * size * size], 0..1.

    Each side is resized on its own by a triangle filter, widened where it shrinks (antialiased), in float32 and
    without rounding to 8 bits. An image's row does not depend on its neighbours in the batch.
    Raises PlugError for anything but images.
    """

    device = "cpu"

    def __init__(self, size: int = 16) -> None:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise UsageError(f"'pixels' takes a whole number of pixels from 1 on, not size={size!r}.")
        self.size = size
        self.name = "pixels" if size == 16 else f"pixels,size={size}"
        self.identity = f"pixels,size={size},resize=antialiased-triangle"

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Return the embedding of uint8 [N, 3, H, W]."""
        check_images(data, self.name)
        return {"embedding": resized(data, self.size).flatten(1) / 255}


class Points:
    """The points themselves: embedding float32 [N, D]; with ``toy`` also mode and quality.

    ``toy`` names a 2-D mixture (``ring``, ``grid``): mode int64 [N] is the nearest mean, quality bool [N] tells whether
    it is at most 3 standard deviations away (Srivastava et al. 2017, arXiv 1705.07761). A perfect sampler's share of
    high quality is 1 - exp(-4.5) = 0.98889.
    Raises PlugError for anything but points, UsageError for an unknown toy.
    """

    device = "cpu"

    def __init__(self, toy: str | None = None) -> None:
        self.toy = None if toy is None else mixture(toy)
        self.modes = None if self.toy is None else len(self.toy.centres)
        self.name = "points" if self.toy is None else f"points,toy={self.toy.name}"
        self.identity = "points" if self.toy is None else f"points,{self.toy!r}"

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Return the views of float32 [N, D]."""
        if data.ndim != 2 or not data.is_floating_point():
            raise PlugError(
                f"{self.name!r} looks at points float32 [N, D], but the samples are {describe(data)}; "
                "for images write --features pixels."
            )
        embedding = data.to(torch.float32)
        if self.toy is None:
            return {"embedding": embedding}
        if data.shape[1] != 2:
            raise PlugError(
                f"{self.name!r} knows the modes of points in 2 dimensions, but the samples are {describe(data)}; "
                "write --features points."
            )
        mode, distance = self.toy.nearest(data.numpy())
        return {"embedding": embedding, "mode": torch.from_numpy(mode), "quality": torch.from_numpy(distance <= 3)}


def check_images(data: torch.Tensor, name: str) -> None:
    """Raise PlugError unless ``data`` is uint8 [N, 3, H, W]."""
    if data.dtype != torch.uint8 or data.ndim != 4 or data.shape[1] != 3:
        remedy = "write --features points" if data.ndim == 2 else "give RGB images of 8 bits"
        raise PlugError(f"{name!r} looks at images uint8 [N, 3, H, W], but the samples are {describe(data)}; {remedy}.")


def describe(data: torch.Tensor) -> str:
    """Return ``float32 [64, 2]``."""
    return f"{str(data.dtype).removeprefix('torch.')} {list(data.shape)}"


def resized(images: torch.Tensor, size: int) -> torch.Tensor:
    """Resize uint8 [N, C, H, W] to float32 [N, C, size, size], still 0..255, with an antialiased triangle filter."""
    if images.shape[2:] == (size, size):
        return images.to(torch.float32)
    # a few at a time: a batch of large images as float32 would take four times the memory of the batch
    step = max(1, 2**22 // images[0].numel()) if len(images) else 1
    parts = [images[row : row + step].to(torch.float32) for row in range(0, len(images), step)]
    return torch.cat([functional.interpolate(part, (size, size), mode="bilinear", antialias=True) for part in parts])
