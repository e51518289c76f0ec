"""The four ways in which FID implementations resize images for Inception-v3, and scale them to -1..1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from genbench.extractors.inception.sizes import SIZE

Resize = Callable[[torch.Tensor], torch.Tensor]
"""Maps uint8 [N, 3, H, W] to the network's input, float32 [N, 3, 299, 299], -1..1."""


def tensorflow_bilinear(images: torch.Tensor, size: int) -> torch.Tensor:
    """Resize uint8 [N, C, H, W] to float32 [N, C, size, size], 0..255, as TensorFlow 1 does.

    Corners are not aligned and nothing is smoothed: output pixel i is at position i * H / size. The result is
    bit-identical to torch-fidelity's on a CPU, but two passes along the axes replace its four gathers.
    """
    left, x_fraction = _interpolation_points(images.shape[3], size, images.device)
    top, y_fraction = _interpolation_points(images.shape[2], size, images.device)
    resized = torch.empty((*images.shape[:2], size, size), device=images.device)
    # One image at a time stays in the cache of a CPU; a GPU takes the whole batch.
    step = 1 if images.device.type == "cpu" else max(len(images), 1)
    for chunk, output in zip(torch.split(images, step), torch.split(resized, step), strict=True):
        wide = _interpolated(chunk, 3, left, x_fraction)  # [n, C, H, size]
        output.copy_(_interpolated(wide, 2, top, y_fraction[:, None]))
    return resized


def _interpolation_points(length: int, size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the input pixel before each output pixel, int64 [size], and the fraction of a pixel beyond it, 0..1."""
    # The scale is rounded to float32 before the product, as in torch-fidelity.
    scale = torch.tensor(length / size, dtype=torch.float32)
    position = torch.arange(size, dtype=torch.float32, device=device) * scale
    pixel = position.long()
    return pixel, position - pixel.float()


def _interpolated(values: torch.Tensor, axis: int, pixel: torch.Tensor, fraction: torch.Tensor) -> torch.Tensor:
    """Interpolate between each pixel and the next one along an axis; the last pixel has itself as its next one."""
    following = (pixel + 1).clamp_(max=values.shape[axis] - 1)
    before, after = (_picked(values, axis, pixels).float() for pixels in (pixel, following))
    return before.add_(after.sub_(before).mul_(fraction))


def _picked(values: torch.Tensor, axis: int, pixels: torch.Tensor) -> torch.Tensor:
    # on a CPU, NumPy takes a third of torch's time for the columns of 8-bit images
    if values.device.type == "cpu":
        return torch.from_numpy(np.take(values.numpy(), pixels.numpy(), axis))
    return values.index_select(axis, pixels)


def _as_tensorflow(images: torch.Tensor) -> torch.Tensor:
    return tensorflow_bilinear(images, SIZE).sub_(128).div_(128)


def _as_pytorch_fid(images: torch.Tensor) -> torch.Tensor:
    resized = functional.interpolate(images.float().div_(255), (SIZE, SIZE), mode="bilinear", align_corners=False)
    return resized.mul_(2).sub_(1)


def _as_clean_fid(images: torch.Tensor) -> torch.Tensor:
    # Pillow resizes a float image with one channel at a time.
    planes = images.cpu().numpy().astype(np.float32).reshape(-1, *images.shape[2:])
    planes_299 = [np.asarray(Image.fromarray(plane).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for plane in planes]
    resized = torch.from_numpy(np.stack(planes_299).clip(0, 255)).reshape(len(images), 3, SIZE, SIZE).to(images.device)
    return resized.sub_(128).div_(128)


def _as_torchmetrics(images: torch.Tensor) -> torch.Tensor:
    # images that shrink are smoothed; images that grow are resized as by pytorch-fid, but scaled as by TensorFlow
    size = (SIZE, SIZE)
    resized = functional.interpolate(images.float(), size, mode="bilinear", align_corners=False, antialias=True)
    return resized.sub_(128).div_(128)


RESIZES: dict[str, Resize] = {
    "tf": _as_tensorflow,
    "torch": _as_pytorch_fid,
    "clean": _as_clean_fid,
    "torchmetrics": _as_torchmetrics,
}
"""The resizes by the value of the option ``resize``."""
