"""Inception-v3 with the weights ported from TensorFlow: the extractor of FID and the Inception Score."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from genbench.array_types import Array
from genbench.errors import UsageError, did_you_mean
from genbench.extractors.inception.backends import check_backend
from genbench.extractors.inception.expected_weights import published_shapes
from genbench.extractors.inception.sizes import ADDED_VIEWS, RESIZE_NAMES, SIZE
from genbench.extractors.pretrained_extractor import Pretrained
from genbench.extractors.raw import check_images
from genbench.extractors.state_arrays import read_state_arrays
from genbench.extractors.state_dicts import StateDict, check_fit
from genbench.extractors.weights import Weights, file_sha256

if TYPE_CHECKING:
    import torch
    from torch import nn

# torch-fidelity and pytorch-fid publish the same file.
INCEPTION = Weights(
    file="weights-inception-2015-12-05-6726825d.pth",
    urls=(
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    ),
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    megabytes=96,
    used_by="inception",
    other_names=("pt_inception-2015-12-05-6726825d.pth",),
)


@dataclass(frozen=True)
class Inception(Pretrained):
    """Inception-v3 as used by FID (Szegedy et al. 2015, arXiv 1512.00567; Heusel et al. 2017, arXiv 1706.08500).

    Views of uint8 [N, 3, H, W]: embedding float32 [N, 2048] (last average pool) and logits float32 [N, 1008] (without
    the bias: torch-fidelity's ``logits_unbiased``). Optional views: 64, 192 and 768, float32 [N, 64] and so on, are
    the means over the pixels of earlier layers, under torch-fidelity's names; spatial float32 [N, 2023] holds the
    activations of sFID (Nash et al. 2021, arXiv 2103.03841), as guided-diffusion's evaluator reads them. See
    ``InceptionGraph``, which follows TensorFlow's graph and not torchvision's. ``resize`` selects the preprocessing:

    - ``tf``: TensorFlow 1's bilinear filter without antialiasing, as in TTUR and torch-fidelity
    - ``torch``: torch's bilinear filter with half-pixel centres, without antialiasing, as in pytorch-fid
    - ``clean``: Pillow's bicubic filter, antialiased, in float32 for each channel, as in clean-fid (arXiv 2104.11222)
    - ``torchmetrics``: torch's bilinear filter with half-pixel centres, antialiased, the default of torchmetrics

    ``backend`` selects the library that runs the network (torch, openvino, compile); the numbers agree up to rounding.
    With openvino, it takes and gives NumPy arrays, and torch is not imported.
    Raises UsageError for an unknown resize or backend, InputError if the weights are missing or do not fit.
    """

    # The backend is not part of the repr, and so not of the identity.
    resize: str = "tf"
    backend: str = field(default="torch", kw_only=True, repr=False)
    # not an option, but what ``with_views`` was asked for
    added_views: tuple[str, ...] = field(default=(), init=False, repr=False)

    optional_views: ClassVar[tuple[str, ...]] = tuple(ADDED_VIEWS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resize not in RESIZE_NAMES:
            raise UsageError(f"'inception' has no resize={self.resize}{did_you_mean(str(self.resize), RESIZE_NAMES)}")
        check_backend(self.backend, self.device)

    def with_views(self, views: Sequence[str]) -> Inception:
        """Return this extractor with optional views, from the same pass. The numbers of the other views stay."""
        other = copy.copy(self)
        # the network has another output, so it is built again
        vars(other).pop("network", None)
        object.__setattr__(other, "added_views", tuple(views))
        return other

    @property
    def variant_name(self) -> str:
        """Name of the network and the resize, without the precision."""
        return "inception" if self.resize == "tf" else f"inception,resize={self.resize}"

    @property
    def takes_arrays(self) -> bool:
        """Whether arrays need not become tensors."""
        return self.backend == "openvino"

    @property
    def canonical(self) -> bool:
        """Whether these are the official weights in float32; only then is a Frechet distance called FID."""
        return self.precision == "fp32" and file_sha256(self.path) == INCEPTION.sha256

    @property
    def published_weights(self) -> Weights:
        """The published file of weights."""
        return INCEPTION

    @cached_property
    def network(self) -> Any:
        """The network on its device, built on first use."""
        return self._openvino_network(self.path) if self.takes_arrays else super().network

    def build(self, path: Path) -> nn.Module:
        """Return the network with the weights in a file."""
        import torch

        from genbench.extractors.inception.fast_network import InceptionGraph
        from genbench.extractors.inception.resizing import RESIZES
        from genbench.extractors.inception.torch_backends import prepare
        from genbench.extractors.inception.torch_network import ResizeAndEmbed

        # The last layer is not part of the graph: the logits are computed from the embedding.
        state = self._read_state(path)
        class_weights = state.pop("fc.weight").T.clone()
        # The backend prepares the network for inputs of this shape and dtype. Preparing can consume the weights.
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        example = torch.zeros(1, 3, SIZE, SIZE, dtype=dtype, device=self.device)
        added = self.added_views
        graph = InceptionGraph(state, added).to(self.device)
        rebuild = lambda: InceptionGraph(self._read_state(path), added).to(self.device)  # noqa: E731
        trunk = prepare(graph, self.backend, example, rebuild)
        return ResizeAndEmbed(RESIZES[self.resize], trunk, class_weights, added)

    def _read_state(self, path: Path) -> StateDict:
        import torch

        # The arrays are views of the file, so the weights are in memory only once, in the network. torch wants them
        # aligned, which those in files of old versions are not.
        arrays = self._read_arrays(path)
        return {name: torch.from_numpy(np.require(array, requirements="A")) for name, array in arrays.items()}

    def _read_arrays(self, path: Path) -> dict[str, Array]:
        # Reject torchvision's weights, for example, which have other shapes.
        arrays = read_state_arrays(path, self.name)
        check_fit(published_shapes(), arrays, path=path, published=INCEPTION)
        return arrays

    def _openvino_network(self, path: Path) -> Any:
        from genbench.extractors.inception.array_resizing import ARRAY_RESIZES
        from genbench.extractors.inception.openvino_network import OpenvinoNetwork

        return OpenvinoNetwork(self._read_arrays(path), ARRAY_RESIZES[self.resize], self.added_views, self.precision)

    @property
    def computed_by(self) -> str:
        """Library that computed the views, for the record."""
        return str(self.network.route) if "network" in vars(self) else super().computed_by

    def __call__(self, data: Any) -> Any:
        """Return the views of uint8 [N, 3, H, W], as arrays or tensors like the images."""
        if not self.takes_arrays:
            return super().__call__(data)
        check_images(data, self.name)
        views: dict[str, Array] = self.network(np.asarray(data))
        if isinstance(data, np.ndarray):
            return views
        import torch

        return {view: torch.from_numpy(rows) for view, rows in views.items()}

    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return embedding, logits and the added views of uint8 [N, 3, H, W] on the device."""
        # the precision is part of the prepared network
        views: dict[str, torch.Tensor] = self.network(images)
        return views
