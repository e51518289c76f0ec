"""Inception-v3 with the weights ported from TensorFlow: the extractor behind FID and the Inception Score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from genbench.errors import UsageError, did_you_mean
from genbench.extractors.inception.backends import Prepared, check_backend, prepared
from genbench.extractors.inception.graph import InceptionGraph
from genbench.extractors.inception.shapes import published
from genbench.extractors.weights import Pretrained, Weights, check_fit, file_sha256, read_weights

SIZE = 299
"""Width and height of what the network looks at."""

Resize = Callable[[torch.Tensor], torch.Tensor]
"""From uint8 [N, 3, H, W] to float32 [N, 3, 299, 299] as the network sees it."""

INCEPTION = Weights(
    file="weights-inception-2015-12-05-6726825d.pth",
    urls=(
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    ),
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    megabytes=96,
    used_by="inception",
    also=("pt_inception-2015-12-05-6726825d.pth",),
)


@dataclass(frozen=True)
class Inception(Pretrained):
    """Inception-v3 as FID knows it (Szegedy et al. 2015, arXiv 1512.00567; Heusel et al. 2017, arXiv 1706.08500).

    Views of uint8 [N, 3, H, W]: embedding float32 [N, 2048] (last average pool), logits float32 [N, 1008] (without
    the bias: torch-fidelity's ``logits_unbiased``). The network follows TensorFlow's graph
    where torchvision's differs. ``resize`` decides what the network sees:

    - ``tf``: TensorFlow 1's bilinear without antialiasing, as in TTUR and torch-fidelity
    - ``torch``: torch's bilinear with half-pixel centres, without antialiasing, as in pytorch-fid
    - ``clean``: Pillow's bicubic, antialiased, in float32 for each channel, as in clean-fid (arXiv 2104.11222)

    ``backend`` decides what computes it (torch, openvino, compile); the numbers agree to rounding.
    Raises UsageError for another resize or backend, InputError where the weights are missing or do not fit.
    """

    resize: str = "tf"
    backend: str = field(default="torch", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resize not in _RESIZES:
            raise UsageError(f"'inception' has no resize={self.resize}{did_you_mean(str(self.resize), _RESIZES)}")
        check_backend(self.backend, self.device)

    @property
    def space(self) -> str:
        """For people."""
        return "inception" if self.resize == "tf" else f"inception,resize={self.resize}"

    @property
    def canonical(self) -> bool:
        """Whether these are the official weights in float32: only then may a Frechet distance be called FID."""
        return self.precision == "fp32" and file_sha256(self.path) == INCEPTION.sha256

    @property
    def record(self) -> Weights:
        """The published file of weights."""
        return INCEPTION

    def build(self, path: Path) -> nn.Module:
        """Return the network, filled with the weights in a file."""
        state = self._state(path)
        classes = state.pop("fc.weight").T
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        example = torch.zeros(1, 3, SIZE, SIZE, dtype=dtype, device=self.device)
        graph = InceptionGraph(state).to(self.device)
        again = lambda: InceptionGraph(self._state(path)).to(self.device)  # noqa: E731
        return _Filled(_RESIZES[self.resize], prepared(graph, self.backend, example, again), classes)

    def _state(self, path: Path) -> dict[str, torch.Tensor]:
        state = read_weights(path, self.name)
        check_fit(published(), state, path=path, record=INCEPTION)
        return state

    @property
    def computed_by(self) -> str:
        """What computed the views, for the record."""
        return str(self.network.route) if "network" in vars(self) else super().computed_by

    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return embedding and logits of uint8 [N, 3, H, W] on the device."""
        embedding, logits = self.network(images)
        return {"embedding": embedding, "logits": logits}


class _Filled(nn.Module):
    """From images to the embedding and what the classes make of it."""

    def __init__(self, resize: Resize, trunk: Prepared, classes: torch.Tensor) -> None:
        super().__init__()
        self.resize, self.trunk, self.route = resize, trunk, trunk.route
        self.register_buffer("classes", classes)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = torch.cat(self.trunk.each(self._embedded, images))
        return embedding, embedding.mm(self.get_buffer("classes"))

    @torch.inference_mode()  # of the thread that this runs in
    def _embedded(self, images: torch.Tensor) -> torch.Tensor:
        return self.trunk.run(self.resize(images))


def tensorflow_bilinear(images: torch.Tensor, size: int) -> torch.Tensor:
    """Resize uint8 [N, C, H, W] to float32 [N, C, size, size], still 0..255, as TensorFlow 1 does.

    Corners are not aligned and nothing is smoothed: output pixel i lies at i * H / size. The same bits as
    torch-fidelity's slow method on a CPU, from two passes in place of four gathers.
    """
    left, x = _taps(images.shape[3], size, images.device)
    top, y = _taps(images.shape[2], size, images.device)
    resized = torch.empty((*images.shape[:2], size, size), device=images.device)
    step = 1 if images.device.type == "cpu" else max(len(images), 1)  # one image stays in the cache of a CPU
    for some, into in zip(torch.split(images, step), torch.split(resized, step), strict=True):
        wide = _between(some.float(), 3, left, x)  # [n, C, H, size]
        into.copy_(_between(wide, 2, top, y[:, None]))
    return resized


def _taps(length: int, size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    place = torch.arange(size, dtype=torch.float32, device=device) * torch.tensor(length / size, dtype=torch.float32)
    low = place.long()
    return low, place - low.float()


def _between(values: torch.Tensor, axis: int, low: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return what lies a share of the way from each place along an axis to the next; the last one is its own next."""
    rise = functional.pad(values.diff(dim=axis), (0, 1) if axis == 3 else (0, 0, 0, 1))
    return values.index_select(axis, low).add_(rise.index_select(axis, low).mul_(share))


def _as_tensorflow(images: torch.Tensor) -> torch.Tensor:
    return tensorflow_bilinear(images, SIZE).sub_(128).div_(128)


def _as_pytorch_fid(images: torch.Tensor) -> torch.Tensor:
    resized = functional.interpolate(images.float().div_(255), (SIZE, SIZE), mode="bilinear", align_corners=False)
    return resized.mul_(2).sub_(1)


def _as_clean_fid(images: torch.Tensor) -> torch.Tensor:
    planes = images.cpu().numpy().astype(np.float32).reshape(-1, *images.shape[2:])  # one channel at a time
    resized = [np.asarray(Image.fromarray(plane).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for plane in planes]
    seen = torch.from_numpy(np.stack(resized).clip(0, 255)).reshape(len(images), 3, SIZE, SIZE).to(images.device)
    return seen.sub_(128).div_(128)


_RESIZES: dict[str, Resize] = {
    "tf": _as_tensorflow,
    "torch": _as_pytorch_fid,
    "clean": _as_clean_fid,
}
