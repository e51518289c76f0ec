"""The small classifiers that genbench ships, for handwritten digits of 8x8 (digits) and 28x28 (mnist) pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from genbench.errors import InputError, UsageError
from genbench.extractors.raw import check_images, resize_antialiased

if TYPE_CHECKING:
    import torch

    from genbench.extractors.classifier_network import Network

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
        self._path = path
        self.record, self.modes = _record_and_classes(path)
        """Origin of the weights (data, split, counts, held-out accuracy, seed, torch version), and count of classes."""
        self.class_names = tuple(str(digit) for digit in range(self.modes))
        """Name of each class, "0" to "9", in the order of the logits."""
        # Name and identity contain everything that changes the numbers.
        option = "" if quality == QUALITY else f",quality={quality}"
        self.name = path.stem + option
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        self.identity = f"classifier,gray=mean,resize=antialiased-triangle,quality={quality},weights={checksum}"

    # in ``__dict__``, and torch is imported here only
    @cached_property
    def network(self) -> Network:
        """The network with its weights, built on first use. Raises InputError for the weights of another network."""
        from safetensors.torch import load_file

        from genbench.extractors.classifier_network import empty_network

        # the record holds the size of the training images, which determines the network
        network = empty_network(self.record["size"])
        try:
            network.load_state_dict(load_file(self._path), assign=True)
        except (SafetensorError, RuntimeError, OSError) as error:
            raise InputError(f"{self._path} contains the weights of another network; {_REMEDY}.") from error
        return network.eval()

    def __call__(self, data: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Return embedding, logits, mode and quality of uint8 [N, 3, H, W]."""
        import torch

        check_images(data, self.name)
        size = self.record["size"]
        gray = resize_antialiased(data, size).mean(dim=1, keepdim=True) / 255  # float32 [N, 1, size, size], 0..1
        # Body and head run separately, because the embedding is the input of the head.
        with torch.inference_mode():
            embedding = self.network.body(gray)
            logits = self.network.head(embedding)
            probability, mode = logits.softmax(dim=1).max(dim=1)
        return {"embedding": embedding, "logits": logits, "mode": mode, "quality": probability >= self.quality}


# The end of the messages about files that cannot be used.
_REMEDY = "install genbench again, or make the file with `python -m genbench.extractors.train_classifiers`"


def _record_and_classes(path: Path) -> tuple[dict[str, Any], int]:
    """Return the record in the metadata of a safetensors file, and the number of logits of its network."""
    try:
        with safe_open(path, framework="np") as file:
            record: dict[str, Any] = json.loads((file.metadata() or {})["genbench.classifier"])
            # the last layer has one number for each class
            if "head.bias" not in file.keys():  # noqa: SIM118
                raise InputError(f"{path} contains the weights of another network; {_REMEDY}.")
            return record, file.get_slice("head.bias").get_shape()[0]
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path} is not the file of a classifier ({error}); {_REMEDY}.") from error
