"""The image classifiers of torchvision as extractors: the input of their last layer, and their logits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from genbench.errors import UsageError, did_you_mean
from genbench.extractors.pillow_transform import PillowTransform
from genbench.extractors.pretrained_extractor import Pretrained
from genbench.extractors.state_dicts import fill, read_state_dict
from genbench.extractors.timm_weights import address_weights
from genbench.extractors.weights import Weights

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class TorchvisionNetwork(Pretrained):
    """An ImageNet classifier of torchvision: ResNet, ConvNeXt, ViT, Swin, EfficientNet, RegNet and others.

    Views of uint8 [N, 3, H, W]: embedding float32 [N, D], the input of the last linear layer, and logits float32
    [N, 1000]. Images are resized by Pillow, cropped and normalised as the weights demand.
    ``model`` is a name of ``torchvision.models.list_models()`` with the name of its weights, as in
    ``resnet50.imagenet1k_v1``, or without: then they are torchvision's default.
    Raises UsageError for an unknown model, InputError if the weights are missing or do not fit.
    """

    model: str

    def __post_init__(self) -> None:
        super().__post_init__()
        # the name has the form architecture.weights
        architecture, _, weights = self.model.partition(".")
        if architecture not in _architectures():
            hint = did_you_mean(architecture, _architectures())
            raise UsageError(f"torchvision has no classifier {architecture!r}{hint}")
        # the default changes with the version of torchvision, so it is named
        published = _published(architecture)
        tag = weights.upper() or next(name for name, member in published.items() if member is published["DEFAULT"])
        if tag not in published:
            raise UsageError(f"torchvision's {architecture} has no weights {weights!r}{did_you_mean(tag, published)}")
        object.__setattr__(self, "model", f"{architecture}.{published[tag].name.lower()}")

    @property
    def variant_name(self) -> str:
        """Name of the network, without the precision."""
        return f"torchvision,model={self.model}"

    @property
    def published_weights(self) -> Weights:
        """The published file of weights."""
        return address_weights(self._published.url, self.name, round(self._published.meta["_file_size"]))

    @cached_property
    def identity(self) -> str:
        """Options, preprocessing, implementation and the sha256 of the weights. Raises InputError without weights."""
        # the text of the preset has several lines
        preset = " ".join(repr(self._published.transforms()).split())
        return f"{super().identity}, {preset}"

    def build(self, path: Path) -> nn.Module:
        """Return torchvision's network with the weights in a file."""
        import torch

        from genbench.extractors.penultimate import WithPenultimate

        architecture = self.model.partition(".")[0]
        # on the meta device, the network takes no memory until the weights are loaded
        with torch.device("meta"):
            network: nn.Module = _models().get_model(architecture, weights=None, **_AS_PUBLISHED.get(architecture, {}))
        fill(network, read_state_dict(path, self.name), path=path, published=self.published_weights)
        return WithPenultimate(network)

    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the views of uint8 [N, 3, H, W]."""
        import torch

        pixels = self._transform(images, self.device)
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            embedding, logits = self.network(pixels)
        return {"embedding": embedding.float(), "logits": logits.float()}

    @property
    def _published(self) -> Any:
        architecture, _, weights = self.model.partition(".")
        return _published(architecture)[weights.upper()]

    @cached_property
    def _transform(self) -> PillowTransform:
        from torchvision.transforms import functional

        # the preset's steps for an image of Pillow, up to the conversion to floats
        preset = self._published.transforms()

        def resize(image: Image.Image) -> torch.Tensor:
            resized = functional.resize(image, preset.resize_size, interpolation=preset.interpolation)
            cropped: torch.Tensor = functional.pil_to_tensor(functional.center_crop(resized, preset.crop_size))
            return cropped

        return PillowTransform(resize, preset.mean, preset.std)


# Networks that torchvision builds with other options when it loads the published weights.
_AS_PUBLISHED: dict[str, dict[str, bool]] = {
    "googlenet": {"transform_input": True, "aux_logits": True, "init_weights": False},
    "inception_v3": {"transform_input": True, "aux_logits": True, "init_weights": False},
}


def _models() -> Any:
    # Names and identities come from torchvision's own tables, so this extractor imports torch in any case.
    import torchvision.models

    return torchvision.models


def _architectures() -> list[str]:
    # the last layer of SqueezeNet is a convolution
    names = _models().list_models(module=_models(), exclude="squeezenet*")
    return list(names)


def _published(architecture: str) -> dict[str, Any]:
    """Return the published weights of an architecture by their names, and ``DEFAULT``."""
    return dict(_models().get_model_weights(architecture).__members__)
