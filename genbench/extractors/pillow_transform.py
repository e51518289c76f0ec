"""Resize and crop images with Pillow, and normalise them, as the libraries of image classifiers do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from genbench.array_types import Array

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PillowTransform:
    """Maps uint8 [N, 3, H, W] to float32 [N, 3, h, w] on a device: resized by Pillow, scaled to 0..1, normalised.

    The arithmetic after Pillow is that of torchvision's ToTensor and Normalize, so the numbers are the same.
    """

    resize: Callable[[Image.Image], torch.Tensor]
    """Maps an RGB image to uint8 [3, h, w]; it is called from several threads."""
    mean: Sequence[float]
    std: Sequence[float]

    def __call__(self, images: torch.Tensor, device: str) -> torch.Tensor:
        """Return the input of a network for a batch of images of one size."""
        import torch

        # Pillow and the copies release the lock of Python, so threads help; each image is resized on its own
        arrays = images.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            resized = torch.stack(list(threads.map(self._resized, arrays)))
        # move bytes, not floats: a quarter of the traffic to a GPU
        mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (self.mean, self.std))
        return resized.to(device).to(torch.float32).div(255).sub(mean).div(std)

    # one image, [H, W, 3]
    def _resized(self, array: Array) -> torch.Tensor:
        return self.resize(Image.fromarray(array))
