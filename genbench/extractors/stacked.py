"""What the shipped classifiers see of stacked digits: each channel is judged on its own."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from genbench.extractors import classifier
from genbench.extractors.raw import check_images


def stacked_digits_classifier(quality: float = 0.0) -> Stacked:
    """Return the extractor of stacked 8x8 digits: 1,000 modes, each channel judged by ``digits``."""
    return Stacked(classifier.digits_classifier(quality), "stacked-digits", quality)


def stacked_mnist_classifier(quality: float = 0.0) -> Stacked:
    """Return the extractor of stacked 28x28 digits: 1,000 modes, each channel judged by ``mnist``."""
    return Stacked(classifier.mnist_classifier(quality), "stacked-mnist", quality)


class Stacked:
    """A classifier of digits on each channel of an image.

    Views of uint8 [N, 3, H, W]: embedding float32 [N, 192] (the three channels' one after another), mode int64 [N] in
    0..999 (100 r + 10 g + b), quality bool [N] (every channel's probability is at least ``quality``; the published
    protocol counts every sample, which is 0). Raises PlugError for points.
    """

    device = "cpu"

    def __init__(self, each: classifier.Classifier, name: str, quality: float) -> None:
        self.each = each
        self.modes = each.modes**3
        self.name = name if quality == 0.0 else f"{name},quality={quality}"
        self.identity = f"stacked,{each.identity}"

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Return embedding, mode and quality of uint8 [N, 3, H, W]."""
        check_images(data, self.name)
        channels = data.flatten(0, 1)[:, None].expand(-1, 3, -1, -1)  # [3 N, 3, H, W], gray
        seen = self.each(channels)
        digit = seen["mode"].reshape(-1, 3)
        return {
            "embedding": seen["embedding"].reshape(len(data), -1),
            "mode": digit @ torch.tensor([self.each.modes**2, self.each.modes, 1]),
            "quality": seen["quality"].reshape(-1, 3).all(dim=1),
        }
