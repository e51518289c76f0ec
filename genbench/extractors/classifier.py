"""The small classifiers that genbench ships, for handwritten digits of 8x8 (digits) and 28x28 (mnist) pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from genbench.errors import InputError, UsageError
from genbench.extractors.raw import check_images, resize_antialiased
from genbench.extractors.state_dicts import StateDict

QUALITY = 0.7
"""Probability of the likeliest class from which on a sample has high quality. About 99 % of the held-out real digits
reach it with both shipped classifiers; the record in each file holds the exact share."""


def digits_classifier(quality: float = QUALITY) -> Classifier:
    """Return the classifier of 8x8 digits (scikit-learn's, from UCI), trained on one half of them.

    The halves are ``train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)``; pixels are
    round(v * 255 / 16).
    """
    return Classifier(Path(__file__).with_name("digits.safetensors"), quality)


def mnist_classifier(quality: float = QUALITY) -> Classifier:
    """Return the classifier of 28x28 digits, trained on the first 6,000 images of MNIST's test file.

    The other 4,000 images of the test file are held out. MNIST's training split is not used, so generators can train
    on it.
    """
    return Classifier(Path(__file__).with_name("mnist.safetensors"), quality)


class Classifier:
    """A convolutional classifier of gray images of ten classes, read from a safetensors file.

    Views of uint8 [N, 3, H, W]: embedding float32 [N, 64] (last hidden layer, after its ReLU), logits float32 [N, 10],
    mode int64 [N] (the likeliest class), quality bool [N] (whether its softmax probability is at least ``quality``).
    Gray is the mean of the three channels. Images of another size are first resized, with antialiasing, to the size of
    the training images. Raises PlugError for points, InputError for a file that ``train_classifiers`` did not write.
    """

    device = "cpu"

    def __init__(self, path: Path, quality: float = QUALITY) -> None:
        if not (isinstance(quality, (int, float)) and 0 <= quality <= 1):
            raise UsageError(f"{path.stem!r} expects a probability from 0 to 1, not quality={quality}.")
        self.quality = quality
        self.record, weights = _read_classifier_file(path)
        """Origin of the weights: data, split, counts, held-out accuracy, seed, torch version."""
        # The record holds the size of the training images, which determines the network.
        self.network = empty_network(self.record["size"])
        try:
            self.network.load_state_dict(weights, assign=True)
        except RuntimeError as error:
            raise InputError(f"{path} contains the weights of another network; {_REMEDY}.") from error
        self.network.eval()
        self.modes: int = self.network.head.out_features
        self.class_names = tuple(str(digit) for digit in range(self.modes))
        """Name of each class, "0" to "9", in the order of the logits."""
        # Name and identity contain everything that changes the numbers.
        option = "" if quality == QUALITY else f",quality={quality}"
        self.name = path.stem + option
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        self.identity = f"classifier,gray=mean,resize=antialiased-triangle,quality={quality},weights={checksum}"

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Return embedding, logits, mode and quality of uint8 [N, 3, H, W]."""
        check_images(data, self.name)
        size = self.record["size"]
        gray = resize_antialiased(data, size).mean(dim=1, keepdim=True) / 255  # float32 [N, 1, size, size], 0..1
        # Body and head run separately, because the embedding is the input of the head.
        with torch.inference_mode():
            embedding = self.network.body(gray)
            logits = self.network.head(embedding)
            probability, mode = logits.softmax(dim=1).max(dim=1)
        return {"embedding": embedding, "logits": logits, "mode": mode, "quality": probability >= self.quality}


class Network(nn.Module):
    """Three convolutions, a hidden layer of 64 units (the embedding), and a linear head with 10 logits."""

    def __init__(self, size: int) -> None:
        super().__init__()
        # Large images are halved at once. With the two pools, the last feature map is ``side`` x ``side``.
        stride = 2 if size > 16 else 1
        side = size // stride // 4
        self.body = nn.Sequential(
            # [N, 1, size, size] -> [N, 64, side, side]
            *_convolution_block(1, 32, kernel=5, stride=stride),
            *_convolution_block(32, 64, kernel=3),
            nn.MaxPool2d(2),
            *_convolution_block(64, 64, kernel=3),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * side * side, 64, bias=False),
            # This batch norm keeps every hidden unit active, so the embedding's covariance has full rank.
            nn.BatchNorm1d(64),
            nn.ReLU(),
        )
        self.head = nn.Linear(64, 10)

    def forward(self, gray: torch.Tensor) -> torch.Tensor:
        """Return the logits float32 [N, 10] of float32 [N, 1, size, size], 0..1."""
        logits: torch.Tensor = self.head(self.body(gray))
        return logits


def empty_network(size: int) -> Network:
    """Return a Network without values, on the meta device."""
    # Initial values would be drawn from the caller's global generator.
    with torch.device("meta"):
        return Network(size)


def _convolution_block(inputs: int, outputs: int, *, kernel: int, stride: int = 1) -> list[nn.Module]:
    # The batch norm has a bias, so the convolution needs none.
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


# The end of the messages about files that cannot be used.
_REMEDY = "install genbench again, or make the file with `python -m genbench.extractors.train_classifiers`"


def _read_classifier_file(path: Path) -> tuple[dict[str, Any], StateDict]:
    """Return the record in the metadata of a safetensors file, and its tensors."""
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads((file.metadata() or {})["genbench.classifier"])
            return record, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path} is not the file of a classifier ({error}); {_REMEDY}.") from error
