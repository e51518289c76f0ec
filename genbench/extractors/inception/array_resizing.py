"""The four resizes of ``resizing`` for arrays, without torch; the numbers agree up to rounding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from genbench.array_types import Array, Float32
from genbench.extractors.inception.sizes import SIZE

ArrayResize = Callable[[Array], Float32]
"""Maps uint8 [N, 3, H, W] to the network's input, float32 [N, 3, 299, 299], -1..1."""


def _like_tensorflow(images: Array) -> Float32:
    # corners are not aligned: output pixel i is at position i * H / 299; bit-identical to the resize by torch
    pixel = np.arange(SIZE, dtype=np.float32)
    rows, columns = (pixel * np.float32(length / SIZE) for length in images.shape[2:])
    return _interpolated_at(images, rows, columns, 128, 128)


def _like_pytorch_fid(images: Array) -> Float32:
    # half-pixel centres: output pixel i is at position (i + 1/2) * H / 299 - 1/2, rounded as by torch
    centre = np.arange(SIZE, dtype=np.float32) + np.float32(0.5)
    rows, columns = ((centre * np.float32(length / SIZE) - np.float32(0.5)).clip(0) for length in images.shape[2:])
    return _interpolated_at(images, rows, columns, 127.5, 127.5)


def _interpolated_at(images: Array, rows: Float32, columns: Float32, centre: float, scale: float) -> Float32:
    """Interpolate linearly at positions of rows and columns, and return ``(values - centre) / scale``."""
    resized = np.empty((*images.shape[:2], len(rows), len(columns)), np.float32)
    top, left = rows.astype(np.int64), columns.astype(np.int64)
    y_fraction, x_fraction = (rows - top).astype(np.float32)[:, None], (columns - left).astype(np.float32)
    # the last pixel is its own neighbour
    bottom, right = np.minimum(top + 1, images.shape[2] - 1), np.minimum(left + 1, images.shape[3] - 1)
    # one image at a time stays in the cache
    for image, output in zip(images, resized, strict=True):
        # along the columns, then along the rows
        wide = np.take(image, left, 2).astype(np.float32)
        wide += (np.take(image, right, 2).astype(np.float32) - wide) * x_fraction
        np.take(wide, bottom, 1, output)
        above = np.take(wide, top, 1)
        output -= above
        output *= y_fraction
        output += above
    # in place, because float32 needs four times the memory of uint8
    resized -= np.float32(centre)
    resized /= np.float32(scale)
    return resized


def _by_pillow(images: Array, kernel: Image.Resampling) -> Float32:
    # Pillow resizes a float image with one channel at a time, and smoothes images that shrink
    resized = np.empty((*images.shape[:2], SIZE, SIZE), np.float32)
    for image, output in zip(images, resized, strict=True):
        for plane, target in zip(image, output, strict=True):
            target[:] = np.asarray(Image.fromarray(plane.astype(np.float32)).resize((SIZE, SIZE), kernel))
    # the bicubic filter goes beyond the range at edges
    np.clip(resized, 0, 255, out=resized)
    resized -= 128
    resized /= 128
    return resized


ARRAY_RESIZES: dict[str, ArrayResize] = {
    "tf": _like_tensorflow,
    "torch": _like_pytorch_fid,
    "clean": lambda images: _by_pillow(images, Image.Resampling.BICUBIC),
    "torchmetrics": lambda images: _by_pillow(images, Image.Resampling.BILINEAR),
}
"""The resizes by the value of the option ``resize``."""
