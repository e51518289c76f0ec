"""Inception-v3 with the weights ported from TensorFlow: the extractor of FID and the Inception Score."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from genbench.errors import UsageError, did_you_mean
from genbench.extractors.inception.backends import PreparedNetwork, check_backend, prepare
from genbench.extractors.inception.expected_weights import EMBEDDING_SIZE, published_state_dict
from genbench.extractors.inception.fast_network import ADDED_VIEWS, InceptionGraph
from genbench.extractors.inception.resizing import RESIZES, SIZE, Resize
from genbench.extractors.pretrained_extractor import Pretrained
from genbench.extractors.state_dicts import StateDict, check_fit, read_state_dict
from genbench.extractors.weights import Weights, file_sha256

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
        if self.resize not in RESIZES:
            raise UsageError(f"'inception' has no resize={self.resize}{did_you_mean(str(self.resize), RESIZES)}")
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
    def canonical(self) -> bool:
        """Whether these are the official weights in float32; only then is a Frechet distance called FID."""
        return self.precision == "fp32" and file_sha256(self.path) == INCEPTION.sha256

    @property
    def published_weights(self) -> Weights:
        """The published file of weights."""
        return INCEPTION

    def build(self, path: Path) -> nn.Module:
        """Return the network with the weights in a file."""
        # The last layer is not part of the graph: the logits are computed from the embedding.
        state = self._read_state(path)
        class_weights = state.pop("fc.weight").T
        # The backend prepares the network for inputs of this shape and dtype. Preparing can consume the weights.
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        example = torch.zeros(1, 3, SIZE, SIZE, dtype=dtype, device=self.device)
        added = self.added_views
        graph = InceptionGraph(state, added).to(self.device)
        rebuild = lambda: InceptionGraph(self._read_state(path), added).to(self.device)  # noqa: E731
        trunk = prepare(graph, self.backend, example, rebuild)
        return _ResizeAndEmbed(RESIZES[self.resize], trunk, class_weights, added)

    def _read_state(self, path: Path) -> StateDict:
        # Reject torchvision's weights, for example, which have other shapes.
        state = read_state_dict(path, self.name)
        check_fit(published_state_dict(), state, path=path, published=INCEPTION)
        return state

    @property
    def computed_by(self) -> str:
        """Library that computed the views, for the record."""
        return str(self.network.route) if "network" in vars(self) else super().computed_by

    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return embedding, logits and the added views of uint8 [N, 3, H, W] on the device."""
        # the precision is part of the prepared network
        views: dict[str, torch.Tensor] = self.network(images)
        return views


class _ResizeAndEmbed(nn.Module):
    """Maps uint8 [N, 3, H, W] to embedding [N, 2048], logits [N, 1008], and the views that the trunk adds."""

    def __init__(
        self, resize: Resize, trunk: PreparedNetwork, class_weights: torch.Tensor, added: Sequence[str]
    ) -> None:
        super().__init__()
        self.resize, self.trunk, self.route, self.added = resize, trunk, trunk.route, tuple(added)
        # A buffer moves to the device with the module.
        self.register_buffer("class_weights", class_weights)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        rows = torch.cat(self.trunk.map_chunks(self._embed, images))
        # the logits come from a contiguous embedding, whether other numbers follow it in the rows or not
        sizes = [EMBEDDING_SIZE, *(ADDED_VIEWS[view] for view in self.added)]
        embedding, *others = torch.split(rows, sizes, dim=1)
        embedding = embedding.contiguous()
        added = {view: part.contiguous() for view, part in zip(self.added, others, strict=True)}
        return {"embedding": embedding, "logits": embedding.mm(self.get_buffer("class_weights")), **added}

    # Inference mode belongs to a thread, so the threads of the backend do not inherit it from the caller.
    @torch.inference_mode()
    def _embed(self, images: torch.Tensor) -> torch.Tensor:
        return self.trunk.run(self.resize(images))
