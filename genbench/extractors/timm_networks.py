"""Any image network of the library timm as an extractor, with timm's own preprocessing and pooling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.errors import InputError, UsageError, described, did_you_mean
from genbench.extractors.pillow_transform import PillowTransform
from genbench.extractors.pretrained_extractor import Pretrained
from genbench.extractors.state_dicts import read_state_dict
from genbench.extractors.timm_weights import (
    HUB_FILES,
    address_weights,
    find_hub_weights,
    full_model_name,
    network_with_weights,
    size_arguments,
    skeleton,
    timm_module,
)
from genbench.extractors.weights import Weights, find_weights

if TYPE_CHECKING:
    import torch

POOLS = ("avg", "cls", "max", "token")
"""What ``pool`` may be; ``token`` is timm's word for ``cls``."""

# Names and identities come from timm's own tables, and timm imports torch.


@dataclass(frozen=True)
class TimmNetwork(Pretrained):
    """A network of timm (Wightman, doi 10.5281/zenodo.4414861): DINOv2, DINOv3, MAE, SigLIP, CLIP, ConvNeXt and others.

    Views of uint8 [N, 3, H, W]: embedding float32 [N, D], and logits float32 [N, C] if the weights have a classifier.
    The projection of CLIP is none. Images are resized by Pillow, cropped and normalised as timm does for this network.

    - ``model``: a name of ``timm.list_models()``, with a tag of weights such as ``.lvd142m`` or timm's default tag
    - ``pool``: by default the embedding is what timm's classifier gets, ``forward_head(..., pre_logits=True)``; ``cls``
      is the class token, ``avg`` the mean and ``max`` the maximum over the patches (or positions) of
      ``forward_features``, without what the head does
    - ``size``: pixels of the input, by default timm's; transformers interpolate their positions and pad to whole
      patches
    - ``crop``: the share of the resized image that the crop keeps, by default timm's ``crop_pct``; 1 keeps all of a
      square image

    Weights are those of the Hugging Face hub, or any file in timm's format or that of the publisher. Raises UsageError
    for unknown options and without timm, InputError if the weights are missing or do not fit.
    """

    # all options change the numbers, so all of them are part of the repr, which the identity contains
    model: str
    pool: str | None = None
    size: int | None = None
    crop: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        # with its tag, the name does not depend on the version of timm
        object.__setattr__(self, "model", full_model_name(self.model))
        # the values of the options, then what this network makes of them
        if self.pool is not None and self.pool not in POOLS:
            raise UsageError(f"'timm' has no pool={self.pool}{did_you_mean(str(self.pool), POOLS)}")
        if self.size is not None and (isinstance(self.size, bool) or self.size < 1):
            raise UsageError(f"'timm' expects a whole number of pixels of at least 1, not size={self.size}.")
        if self.crop is not None and not 0 < self.crop <= 1:
            raise UsageError(f"'timm' expects a share above 0 and up to 1, not crop={self.crop}.")
        if self.pool is not None or self.size is not None:
            self._check_shapes()

    @property
    def variant_name(self) -> str:
        """Name of the network and the options that were given, without the precision."""
        options = {"pool": self.pool, "size": self.size, "crop": self.crop}
        given = [f"{name}={value}" for name, value in options.items() if value is not None]
        return ",".join([f"timm,model={self.model}", *given])

    @property
    def published_weights(self) -> Weights:
        """The published file of weights."""
        if self._pretrained.hf_hub_id:
            return Weights(f"{HUB_FILES[0]} of {self._pretrained.hf_hub_id}", (), "", 0, self.name)
        if self._pretrained.url:
            return address_weights(self._pretrained.url, self.name)
        return Weights("weights of this architecture", (), "", 0, self.name)

    @cached_property
    def path(self) -> Path:
        """Path of the file of weights, which is searched for, and downloaded if necessary, on first use."""
        # the hub, the user's file, or one of the few files at other addresses
        if self.weights is None and self._pretrained.hf_hub_id:
            return find_hub_weights(self._pretrained.hf_hub_id, self.name)
        if self.weights is None and not self._pretrained.url:
            raise InputError(f"timm knows no published weights of {self.name}; give a file of your own with --weights.")
        return find_weights(self.published_weights, self.weights)

    @cached_property
    def identity(self) -> str:
        """Options, preprocessing, implementation and the sha256 of the weights. Raises InputError without weights."""
        return f"{super().identity}, {self._preprocessing}"

    @property
    def computed_by(self) -> str:
        """Libraries that computed the views, for the record."""
        # the identity does not contain timm's version, because timm keeps the numbers of its networks
        library = super().computed_by
        return f"{library}, timm {timm_module().__version__}" if "network" in vars(self) else library

    def build(self, path: Path) -> torch.nn.Module:
        """Return timm's network with the weights in a file."""
        state = read_state_dict(path, self.name)
        return network_with_weights(self.model, state, self._arguments, path=path, published=self.published_weights)

    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the views of uint8 [N, 3, H, W]."""
        import torch

        network: Any = self.network
        pixels = self._transform(images, self.device)
        # the result is float32 in every precision, as the contract of extractors demands
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            features = network.forward_features(pixels)
            # two heads on the features of one pass
            views = {"embedding": self._pooled(network, features)}
            if _has_classifier(network.num_classes, self._pretrained.num_classes):
                views["logits"] = network.forward_head(features)
        return {view: rows.float() for view, rows in views.items()}

    @cached_property
    def _pretrained(self) -> Any:
        """Timm's record of the weights: where they are, and what preprocessing they need."""
        models = timm_module("timm.models")
        return models.get_pretrained_cfg(self.model) or models.PretrainedCfg()

    @cached_property
    def _preprocessing(self) -> dict[str, Any]:
        """The numbers of timm's evaluation transform: input_size, interpolation, mean, std, crop_pct, crop_mode."""
        # the same for any weights of this architecture and tag
        size = None if self.size is None else (3, self.size, self.size)
        options = {"input_size": size, "crop_pct": self.crop}
        config = timm_module("timm.data").resolve_data_config(options, pretrained_cfg=self._pretrained.to_dict())
        return dict(sorted(config.items()))

    @cached_property
    def _transform(self) -> PillowTransform:
        # normalize=False leaves out the conversion to floats, which PillowTransform does for the whole batch
        resize = timm_module("timm.data").create_transform(**self._preprocessing, is_training=False, normalize=False)
        return PillowTransform(resize, self._preprocessing["mean"], self._preprocessing["std"])

    @cached_property
    def _arguments(self) -> dict[str, object]:
        # without a size, the network is the one that timm.create_model builds
        return {} if self.size is None else size_arguments(self.model, self.size)

    def _check_shapes(self) -> None:
        """Raise UsageError if the network has no class token, or cannot take images of the size."""
        import torch

        # a pass without memory and arithmetic, before weights are downloaded
        try:
            network: Any = skeleton(self.model, **self._arguments)
            with torch.inference_mode():
                pixels = torch.zeros(1, *self._preprocessing["input_size"], device="meta")
                self._pooled(network, network.forward_features(pixels))
        except NotImplementedError:
            return  # an operation that exists for real tensors only
        except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
            given = ",".join(self.variant_name.split(",")[2:])
            reason = described(error).rstrip(".")
            raise UsageError(f"{self.model} cannot be used with {given} ({reason}); try another size.") from error

    def _pooled(self, network: Any, features: torch.Tensor) -> torch.Tensor:
        """Return the embedding [N, D] of the output of ``forward_features``."""
        import torch

        # timm's own pooling may have weights, a norm or an attention
        if self.pool is None:
            embedding: torch.Tensor = network.forward_head(features, pre_logits=True)
            if embedding.ndim != 2:
                raise UsageError(f"{self.model} does not pool its features; write pool=avg.")
            return embedding
        # [N, tokens, D], of which the first ones, the class token and registers, are no patches
        prefix = getattr(network, "num_prefix_tokens", None)
        if isinstance(features, torch.Tensor) and features.ndim == 4:
            channels_first = features.shape[1] == network.num_features
            features, prefix = features.flatten(2).mT if channels_first else features.flatten(1, 2), 0
        elif not isinstance(features, torch.Tensor) or features.ndim != 3 or prefix is None:
            raise UsageError(f"timm does not say which features of {self.model} are patches; leave out pool=.")
        # accumulate in float32 in every precision
        tokens = features.float()
        if self.pool in ("cls", "token"):
            if not prefix or getattr(network, "cls_token", None) is None:
                raise UsageError(f"{self.model} has no class token; leave out pool=, or write pool=avg.")
            return tokens[:, 0]
        return tokens[:, prefix:].mean(dim=1) if self.pool == "avg" else tokens[:, prefix:].amax(dim=1)


def _has_classifier(classes: int, published: int) -> bool:
    """Return whether the head of a network with this number of outputs is a classifier."""
    # timm stores the projection of CLIP and its like, of 384 to 1280 numbers, as if it was a classifier
    return classes > 0 and (classes != published or classes == 1000 or classes > 10_000)
