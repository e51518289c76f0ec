"""The features of LPIPS: their squared distance is the perceptual distance of two images."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from genbench.errors import InputError, UsageError, did_you_mean
from genbench.extractors.pretrained_extractor import Pretrained
from genbench.extractors.raw import resize_antialiased
from genbench.extractors.state_dicts import fill, read_state_dict
from genbench.extractors.timm_weights import address_weights
from genbench.extractors.weights import Weights, file_sha256

if TYPE_CHECKING:
    import torch
    from torch import nn

PIXELS = range(32, 2049)
"""Sizes of the input: in the smallest, something is left over after all layers of both networks."""


@dataclass(frozen=True)
class PerceptualFeatures(Pretrained):
    """LPIPS 0.1 (Zhang et al. 2018, arXiv 1801.03924), as features whose squared distance is LPIPS of two images.

    View of uint8 [N, 3, H, W]: ``perceptual`` float16 [N, D]. Images are resized to ``size`` pixels with an antialiased
    triangle filter; LPIPS was trained with patches of 64 pixels. Five layers of torchvision's network are normalised to
    unit length over the channels at each position, and multiplied by ``sqrt(w / (H W))``, with w >= 0 the linear
    weights and H x W the positions of the layer; channels of weight 0 are left out. Rounding to float16 changes a
    distance by about 1e-6.

    ``net`` is alex or vgg. A row of alex has 42 kB at 64 pixels, 200 kB at 128 and 870 kB at 256; one of vgg has 1 MB
    at 64. The linear weights are in the package lpips. Raises UsageError for unknown options and without the package,
    InputError if the weights of the network are missing or do not fit.
    """

    net: str = "alex"
    size: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.net not in _NETWORKS:
            raise UsageError(f"'lpips' has no net={self.net}{did_you_mean(str(self.net), _NETWORKS)}")
        # True is an int in Python
        if not isinstance(self.size, int) or isinstance(self.size, bool) or self.size not in PIXELS:
            raise UsageError(
                f"'lpips' expects a whole number of pixels from {PIXELS[0]} to {PIXELS[-1]}, not size={self.size!r}."
            )
        # say that the package is missing before a network is downloaded
        _linear_file(self.net)

    @property
    def variant_name(self) -> str:
        """Name of the network and its resolution, which is always stated, without the precision."""
        return f"lpips,net={self.net},size={self.size}"

    @property
    def published_weights(self) -> Weights:
        """The published file of weights of the network."""
        chosen = _NETWORKS[self.net]
        return address_weights(f"https://download.pytorch.org/models/{chosen.file}", self.name, chosen.megabytes)

    def build(self, path: Path) -> nn.Module:
        """Return the layers with the weights in a file, and the linear weights of the package."""
        import torch
        import torchvision.models

        from genbench.extractors.perceptual_layers import WeightedLayers

        chosen = _NETWORKS[self.net]
        # on the meta device, the network takes no memory until the weights are loaded
        with torch.device("meta"):
            network = torchvision.models.get_model(chosen.architecture, weights=None)
        fill(network, read_state_dict(path, self.name), path=path, published=self.published_weights)
        # one weight for each channel of each layer
        linear = read_state_dict(_linear_file(self.net), self.name)
        weights = [linear[f"lin{layer}.model.1.weight"].flatten() for layer in range(len(chosen.ends))]
        # the network up to the end of each layer
        starts = (0, *chosen.ends[:-1])
        parts = [network.features[start:end] for start, end in zip(starts, chosen.ends, strict=True)]
        return WeightedLayers(parts, weights)

    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the view ``perceptual`` of uint8 [N, 3, H, W] on the device."""
        import torch

        # LPIPS expects values in -1..1
        pixels = resize_antialiased(images, self.size) / 127.5 - 1
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return {"perceptual": self.network(pixels)}


class _Backbone(NamedTuple):
    """A network of torchvision whose activations LPIPS compares."""

    architecture: str
    file: str
    """Name of the file of torchvision's weights."""
    megabytes: int
    ends: tuple[int, ...]
    """Index in ``features`` after the last module of each layer."""
    linear_sha256: str
    """Checksum of the linear weights of LPIPS 0.1."""


_NETWORKS = {
    "alex": _Backbone(
        "alexnet",
        "alexnet-owt-7be5be79.pth",
        233,
        ends=(2, 5, 8, 10, 12),
        linear_sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    ),
    "vgg": _Backbone(
        "vgg16",
        "vgg16-397923af.pth",
        528,
        ends=(4, 9, 16, 23, 30),
        linear_sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    ),
}


def _linear_file(net: str) -> Path:
    """Return the file of the linear weights in the package lpips, without running its code.

    Raises UsageError if the package is not installed, InputError if its file is not that of version 0.1.
    """
    # finding a package does not run its code
    package = find_spec("lpips")
    for folder in (package.submodule_search_locations if package else None) or ():
        path = Path(folder) / "weights" / "v0.1" / f"{net}.pth"
        if path.is_file() and file_sha256(path) == _NETWORKS[net].linear_sha256:
            return path
        raise InputError(
            f"{path} is missing or does not have the linear weights of LPIPS 0.1; run `pip install --force-reinstall "
            "--no-deps lpips==0.1.4`."
        )
    raise UsageError("'lpips' needs the package lpips; run `pip install 'genbench[lpips]'`.")
