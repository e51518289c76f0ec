"""Extractors of stacked digits: a shipped classifier classifies each colour channel separately."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

from genbench.extractors import classifier
from genbench.extractors.raw import check_images

if TYPE_CHECKING:
    import torch


# ``stacked-digits`` and ``stacked-mnist`` differ in the classifier only.
def stacked_digits_classifier(quality: float = 0.0) -> StackedClassifier:
    """Return the extractor of stacked 8x8 digits: 1,000 modes; ``digits`` classifies each channel."""
    return StackedClassifier(classifier.digits_classifier(quality), "stacked-digits", quality)


def stacked_mnist_classifier(quality: float = 0.0) -> StackedClassifier:
    """Return the extractor of stacked 28x28 digits: 1,000 modes; ``mnist`` classifies each channel."""
    return StackedClassifier(classifier.mnist_classifier(quality), "stacked-mnist", quality)


class StackedClassifier:
    """A classifier of digits that is applied to each channel of an image.

    Views of uint8 [N, 3, H, W]: embedding float32 [N, 192] (the embeddings of the three channels, concatenated), mode
    int64 [N] in 0..999 (100 r + 10 g + b), quality bool [N] (whether the probability of every channel is at least
    ``quality``; the published protocol counts every sample, so the default is 0). Raises PlugError for points.
    """

    device = "cpu"

    def __init__(self, channel_classifier: classifier.Classifier, name: str, quality: float) -> None:
        # one mode for each combination of three classes
        self.channel_classifier = channel_classifier
        self.modes = channel_classifier.modes**3
        self.class_names = tuple("".join(digits) for digits in product(channel_classifier.class_names, repeat=3))
        """Name of each mode: the digits of the red, green and blue channel, "000" to "999"."""
        self.name = name if quality == 0.0 else f"{name},quality={quality}"
        self.identity = f"stacked,{channel_classifier.identity}"

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Return embedding, mode and quality of uint8 [N, 3, H, W]."""
        import torch

        check_images(data, self.name)
        # Each channel becomes a gray image: uint8 [3 N, 3, H, W].
        channels = data.flatten(0, 1)[:, None].expand(-1, 3, -1, -1)
        views = self.channel_classifier(channels)
        # The three digits of a sample are the decimal digits of its mode.
        classes = self.channel_classifier.modes
        digits = views["mode"].reshape(-1, 3)
        return {
            "embedding": views["embedding"].reshape(len(data), -1),
            "mode": digits @ torch.tensor([classes**2, classes, 1]),
            "quality": views["quality"].reshape(-1, 3).all(dim=1),
        }
