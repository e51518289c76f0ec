"""Extractors without weights: the pixels of images, the images themselves, and the coordinates of points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from genbench.array_types import Array
from genbench.errors import PlugError, UsageError
from genbench.plugs.torch_modules import dtype_and_shape
from genbench.theory.mixtures import mixture

if TYPE_CHECKING:
    import torch


class Pixels:
    """The pixels of images resized to ``size`` x ``size``: embedding float32 [N, 3 * size * size], 0..1.

    Height and width are resized separately with a triangle filter, which is wider if the image shrinks (antialiasing),
    in float32 and without rounding to 8 bits. The row of an image does not depend on the other images of the batch.
    Raises PlugError for anything but images.
    """

    device = "cpu"

    def __init__(self, size: int = 16) -> None:
        # True is an int in Python
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise UsageError(f"'pixels' expects a whole number of pixels of at least 1, not size={size!r}.")
        self.size = size
        # the default size is not part of the name, but of the identity
        self.name = "pixels" if size == 16 else f"pixels,size={size}"
        self.identity = f"pixels,size={size},resize=antialiased-triangle"

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Return the embedding of uint8 [N, 3, H, W]."""
        check_images(data, self.name)
        return {"embedding": resize_antialiased(data, self.size).flatten(1) / 255}


class Images:
    """The images resized to ``size`` x ``size``: view ``image`` uint8 [N, 3, size, size], for metrics of image pairs.

    Resized as ``pixels``, then rounded to 8 bits. Images of that size stay as they are. Raises UsageError for a size
    outside of 16 to 4096, PlugError for anything but images.
    """

    device = "cpu"

    def __init__(self, size: int = 64) -> None:
        # True is an int in Python
        if not isinstance(size, int) or isinstance(size, bool) or not 16 <= size <= 4096:
            raise UsageError(f"'images' expects a whole number of pixels from 16 to 4096, not size={size!r}.")
        self.size = size
        # scores of image pairs depend on the resolution, so that it is always part of the name
        self.name = f"images,size={size}"
        self.identity = f"images,size={size},resize=antialiased-triangle,rounded"

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Return the images of uint8 [N, 3, H, W]."""
        import torch

        check_images(data, self.name)
        return {"image": resize_antialiased(data, self.size).round().clamp(0, 255).to(torch.uint8)}


class Points:
    """The coordinates of points: embedding float32 [N, D]; with ``toy`` also mode and quality.

    ``toy`` is the name of a 2-D mixture (``ring``, ``grid``): mode int64 [N] is the index of the nearest mean, quality
    bool [N] is whether the mean is at most 3 standard deviations away (Srivastava et al. 2017, arXiv 1705.07761). A
    perfect sampler has a share of 1 - exp(-4.5) = 0.98889 of high quality.
    Raises PlugError for anything but points, UsageError for an unknown toy.
    """

    device = "cpu"
    takes_arrays = True

    def __init__(self, toy: str | None = None) -> None:
        self.toy = None if toy is None else mixture(toy)
        self.modes = None if self.toy is None else len(self.toy.centres)
        self.name = "points" if self.toy is None else f"points,toy={self.toy.name}"
        self.identity = "points" if self.toy is None else f"points,{self.toy!r}"

    def __call__(self, data: Array | torch.Tensor) -> Mapping[str, Array]:
        """Return the views of points [N, D]: an array of floats, or a tensor on the CPU."""
        if data.ndim != 2 or "float" not in str(data.dtype):
            raise PlugError(
                f"{self.name!r} expects points float32 [N, D], but the samples are {dtype_and_shape(data)}; "
                "for images use --features pixels."
            )
        # float64 points are rounded to float32, as all embeddings
        points = np.asarray(data)
        embedding = points.astype(np.float32)
        if self.toy is None:
            return {"embedding": embedding}
        if data.shape[1] != 2:
            raise PlugError(
                f"{self.name!r} expects points in 2 dimensions, but the samples are {dtype_and_shape(data)}; "
                "use --features points."
            )
        # the distance is in standard deviations of the components
        mode, distance = self.toy.nearest(points)
        return {"embedding": embedding, "mode": mode, "quality": distance <= 3}


def check_images(data: torch.Tensor | Array, name: str) -> None:
    """Raise PlugError unless a tensor or array is uint8 [N, 3, H, W]."""
    if not str(data.dtype).endswith("uint8") or data.ndim != 4 or data.shape[1] != 3:
        # two axes are points, other tensors may be images of another type
        remedy = "use --features points" if data.ndim == 2 else "give RGB images of 8 bits"
        raise PlugError(
            f"{name!r} expects images uint8 [N, 3, H, W], but the samples are {dtype_and_shape(data)}; {remedy}."
        )


def resize_antialiased(images: torch.Tensor, size: int) -> torch.Tensor:
    """Resize uint8 [N, C, H, W] to float32 [N, C, size, size], 0..255, with an antialiased triangle filter."""
    import torch
    from torch.nn import functional

    if images.shape[2:] == (size, size):
        return images.to(torch.float32)
    # Convert a few large images at a time, because float32 needs four times the memory of uint8.
    step = max(1, 2**22 // images[0].numel()) if len(images) else 1
    chunks = [images[row : row + step].to(torch.float32) for row in range(0, len(images), step)]
    return torch.cat([functional.interpolate(chunk, (size, size), mode="bilinear", antialias=True) for chunk in chunks])
