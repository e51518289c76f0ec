"""What a sampler returns, as the data of a batch: uint8 images or float32 points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.array_types import Array
from genbench.errors import DivergedError, PlugError, described
from genbench.plugs.point_precision import lost_digits

if TYPE_CHECKING:
    import torch


def as_batch_data(samples: Any, count: int, who: str) -> torch.Tensor:
    """Return a sampler's output as uint8 [count, 3, H, W] or float32 [count, D].

    Raises PlugError if that is impossible; ``who`` names the sampler in the message.
    """
    import torch

    # convert to numpy, whatever the sampler returned
    expected = f"expected uint8 [{count}, H, W, 3] or [{count}, 3, H, W], or float [{count}, D] points"
    try:
        array = samples.detach().cpu().numpy() if isinstance(samples, torch.Tensor) else np.asarray(samples)
    except Exception as error:  # lists of different lengths, an unknown dtype, or an object that is no array
        raise PlugError(
            f"{who} gave a {type(samples).__name__} that is no array ({described(error)}); {expected}."
        ) from error
    # what is no array at all, such as None, is called by its type
    received = (
        f"{array.dtype} {list(array.shape)}" if array.ndim or hasattr(samples, "dtype") else type(samples).__name__
    )
    if array.ndim == 0 or array.shape[0] != count:
        raise PlugError(f"{who} gave {received} when asked for {count} samples; {expected}.")

    # points
    if array.ndim == 2 and array.dtype.kind in "fiu":
        return torch.from_numpy(_finite_points(array, who))

    # images: only uint8 has a known range
    if array.ndim in (3, 4) and array.dtype.kind == "f":
        raise PlugError(
            f"{who} gave {received}, whose range is not known; {expected} (for values in -1..1: "
            "((x + 1) * 127.5).round().clip(0, 255).astype('uint8'))."
        )
    if array.dtype != np.uint8 or array.ndim not in (3, 4):
        raise PlugError(f"{who} gave {received}; {expected}.")
    return torch.from_numpy(_as_rgb(array, who, expected))


def _as_rgb(array: Array, who: str, expected: str) -> Array:
    # uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] -> uint8 [N, 3, H, W]; gray is replicated
    images = array[:, None] if array.ndim == 3 else array
    if images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.shape[1] not in (1, 3) or 0 in images.shape:
        raise PlugError(f"{who} gave uint8 {list(array.shape)}, which has neither 1 nor 3 channels; {expected}.")
    return np.array(np.broadcast_to(images, (images.shape[0], 3, *images.shape[2:])))


def _finite_points(array: Array, who: str) -> Array:
    # NaN often comes from a diverged model, so the error is raised here and not in every metric; a large float64
    # becomes infinite
    with np.errstate(over="ignore"):
        points = array.astype(np.float32)
    if not np.isfinite(points).all():
        rows = int((~np.isfinite(points)).any(axis=1).sum())
        raise DivergedError(
            f"{who} gave NaN or infinity in {rows} of {len(array)} points; the model may have diverged."
        )
    # the same rule as for points in files
    lost = lost_digits(array, points)
    if lost:
        raise PlugError(f"{who} gave {array.dtype} {lost}.")
    return points
