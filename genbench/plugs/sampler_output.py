"""What a sampler returns, as the data of a batch: uint8 images or float32 points."""

from __future__ import annotations

from typing import Any

import numpy as np

from genbench.array_types import Array
from genbench.errors import DivergedError, InputError, PlugError, described
from genbench.plugs.point_precision import lost_digits
from genbench.plugs.registry import open_accepted
from genbench.plugs.tensors import is_tensor, to_numpy


def as_batch_data(samples: Any, count: int, who: str) -> Array:
    """Return a sampler's output as uint8 [count, 3, H, W] or float32 [count, D].

    Raises PlugError if that is impossible; ``who`` names the sampler in the message.
    """
    # whatever the sampler returned becomes an array
    samples = unpacked(samples, count, who)
    array = as_array(samples, count, who)
    received = f"{array.dtype} {list(array.shape)}"

    # points
    if array.ndim == 2 and array.dtype.kind in "fiu":
        return _finite_points(array, who)

    # images: only uint8 has a known range
    if array.ndim in (3, 4) and array.dtype.kind == "f" and array.size:
        raise PlugError(
            f"{who} gave {received} with values from {array.min():.3g} to {array.max():.3g}, whose range is not known; "
            "declare it after the name of the sampler, as in module:attribute,range=-1..1, or return uint8 (for values "
            "in -1..1: ((x + 1) * 127.5).round().clip(0, 255).astype('uint8'))."
        )
    if array.dtype != np.uint8 or array.ndim not in (3, 4):
        raise PlugError(f"{who} gave {received}; {_contract(count)}.")
    return _as_rgb(array, who, count)


def unpacked(output: Any, count: int, who: str) -> Any:
    """Return the samples in what a guest returned.

    They may be the first part of a tuple whose other parts hold one number for each sample, such as scikit-learn's
    (X, y) or the (samples, log-density) of flows; the attribute ``images``, as of diffusers' pipelines; or a list of
    Pillow images, which are converted as image files are. Anything else is returned as it is. Raises PlugError for
    Pillow images of several sizes or of a mode without a known range.
    """
    # a pair, or an object with images
    if isinstance(output, tuple) and len(output) > 1 and all(_shape(part)[:1] == (count,) for part in output):
        first, *others = output
        if all(len(_shape(part)) == 1 for part in others):
            output = first
    elif not hasattr(output, "shape") and hasattr(output, "images"):
        output = output.images
    if not isinstance(output, (list, tuple)) or not output:
        return output
    # lists of tensors, of Pillow images, and of arrays or numbers
    if all(hasattr(part, "detach") for part in output):
        import torch

        return torch.stack(list(output)) if len({part.shape for part in output}) == 1 else output
    from PIL import Image

    return _from_pillow(list(output), who) if all(isinstance(part, Image.Image) for part in output) else output


def _from_pillow(images: list[Any], who: str) -> Array:
    """Return Pillow images as uint8 [N, 3, H, W]."""
    # the source that opens a list of images reads them by the rule of image files
    source = open_accepted(("sources",), images)
    try:
        data = [row for batch in source.batches(len(images)) for row in batch.data] if source is not None else []
    except InputError as error:
        raise PlugError(f"{who} gave Pillow images that cannot be used ({error}).") from error
    # images of one size are one array
    sizes = sorted({(row.shape[2], row.shape[1]) for row in data})
    if len(sizes) != 1:
        listed = ", ".join(f"{width}x{height}" for width, height in sizes[:3])
        raise PlugError(f"{who} gave Pillow images of {len(sizes)} sizes ({listed}); all samples need the same size.")
    return np.stack(data)


def _shape(part: Any) -> tuple[int, ...]:
    """Return the shape of an array, a tensor or a data frame; the length of a list; () for anything else."""
    return (len(part),) if isinstance(part, (list, tuple)) else tuple(getattr(part, "shape", ()))


def as_array(samples: Any, count: int, who: str) -> Array:
    """Return a tensor, or anything that NumPy converts, as an array. Raises PlugError unless it has ``count`` rows."""
    # tensors with gradients or on a device; NumPy has no bfloat16
    try:
        array = to_numpy(samples) if is_tensor(samples) else np.asarray(samples)
    except Exception as error:  # lists of different lengths, an unknown dtype, or an object that is no array
        raise PlugError(
            f"{who} gave a {type(samples).__name__} that is no array ({described(error)}); {_contract(count)}."
        ) from error
    # what is no array at all, such as None, is called by its type
    received = (
        f"{array.dtype} {list(array.shape)}" if array.ndim or hasattr(samples, "dtype") else type(samples).__name__
    )
    if array.ndim == 0 or array.shape[0] != count:
        raise PlugError(f"{who} gave {received} when asked for {count} samples; {_contract(count)}.")
    if 0 in array.shape[1:]:
        raise PlugError(f"{who} gave {received}, samples without a value; {_contract(count)}.")
    return array


def _contract(count: int) -> str:
    return f"expected uint8 [{count}, H, W, 3] or [{count}, 3, H, W], or float [{count}, D] points"


def _as_rgb(array: Array, who: str, count: int) -> Array:
    # uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] -> uint8 [N, 3, H, W]; gray is replicated, alpha is dropped
    images = array[:, None] if array.ndim == 3 else array
    rows, first, _, last = images.shape
    if first not in (1, 3) and last in (1, 3, 4):
        images = images.transpose(0, 3, 1, 2)[:, :3]
    elif first == 4 and last > 4:
        images = images[:, :3]
    if images.shape[1] not in (1, 3):
        raise PlugError(
            f"{who} gave uint8 {list(array.shape)}, which has neither 1 nor 3 channels; {_contract(count)}."
        )
    return np.array(np.broadcast_to(images, (rows, 3, *images.shape[2:])))


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
