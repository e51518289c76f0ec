"""Inception-v3 with the weights ported from TensorFlow: the extractor behind FID and the Inception Score."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from genbench.errors import UsageError, did_you_mean
from genbench.extractors.weights import Pretrained, Weights, file_sha256, fill, read_weights

SIZE = 299
"""Width and height of what the network looks at."""

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
    the bias: torch-fidelity's ``logits_unbiased``). The network is made of torch-fidelity's blocks, which follow
    TensorFlow's graph where torchvision's differ. ``resize`` decides what the network sees:

    - ``tf``: TensorFlow 1's bilinear without antialiasing, as in TTUR and torch-fidelity
    - ``torch``: torch's bilinear with half-pixel centres, without antialiasing, as in pytorch-fid
    - ``clean``: Pillow's bicubic, antialiased, in float32 for each channel, as in clean-fid (arXiv 2104.11222)

    Raises UsageError for another resize, InputError where the weights are missing or do not fit.
    """

    resize: str = "tf"
    weights: str | Path | None = field(default=None, kw_only=True, repr=False)
    device: str = field(default="cpu", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if self.resize not in _RESIZES:
            raise UsageError(f"'inception' has no resize={self.resize}{did_you_mean(str(self.resize), _RESIZES)}")

    @property
    def name(self) -> str:  # type: ignore[override]
        """For people."""
        return "inception" if self.resize == "tf" else f"inception,resize={self.resize}"

    @property
    def canonical(self) -> bool:
        """Whether these are the official weights: only then may a Frechet distance be called FID."""
        return file_sha256(self.path) == INCEPTION.sha256

    @property
    def record(self) -> Weights:
        """The published file of weights."""
        return INCEPTION

    def build(self, path: Path) -> nn.Module:
        """Return the network, filled with the weights in a file."""
        with torch.device("meta"):
            network = _network()
        fill(network, read_weights(path, self.name), path=path, record=INCEPTION)
        return network

    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return embedding and logits of uint8 [N, 3, H, W] on the device."""
        *trunk, last = self.network.children()
        seen = _RESIZES[self.resize](images)
        embedding: torch.Tensor = nn.Sequential(*trunk)(seen).flatten(1)
        return {"embedding": embedding, "logits": embedding.mm(last.get_parameter("weight").T)}


def tensorflow_bilinear(images: torch.Tensor, size: int) -> torch.Tensor:
    """Resize uint8 [N, C, H, W] to float32 [N, C, size, size], still 0..255, as TensorFlow 1 does.

    Corners are not aligned and nothing is smoothed: output pixel i lies at i * H / size. The same bits as
    torch-fidelity's slow method on a CPU, from two passes in place of four gathers.
    """
    left, right, x = _taps(images.shape[3], size, images.device)
    top, bottom, y = _taps(images.shape[2], size, images.device)
    wide = _between(images[..., left].float(), images[..., right].float(), x)  # [N, C, H, size]
    return _between(wide[:, :, top], wide[:, :, bottom], y[:, None])


def _taps(length: int, size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    place = torch.arange(size, dtype=torch.float32, device=device) * torch.tensor(length / size, dtype=torch.float32)
    low = place.long()
    return low, (low + 1).clamp_max(length - 1), place - low.float()


def _between(low: torch.Tensor, high: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    return high.sub_(low).mul_(share).add_(low)


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


_RESIZES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "tf": _as_tensorflow,
    "torch": _as_pytorch_fid,
    "clean": _as_clean_fid,
}


def _network() -> nn.Sequential:
    """Return the network in the order of its graph, under the names of the published state dict."""
    from torch_fidelity import feature_extractor_inceptionv3 as blocks

    convolution = blocks.BasicConv2d
    return nn.Sequential(
        OrderedDict(
            Conv2d_1a_3x3=convolution(3, 32, kernel_size=3, stride=2),  # 149 x 149
            Conv2d_2a_3x3=convolution(32, 32, kernel_size=3),
            Conv2d_2b_3x3=convolution(32, 64, kernel_size=3, padding=1),  # 147 x 147
            MaxPool_1=nn.MaxPool2d(kernel_size=3, stride=2),  # 73 x 73
            Conv2d_3b_1x1=convolution(64, 80, kernel_size=1),
            Conv2d_4a_3x3=convolution(80, 192, kernel_size=3),  # 71 x 71
            MaxPool_2=nn.MaxPool2d(kernel_size=3, stride=2),  # 35 x 35
            Mixed_5b=blocks.InceptionA(192, pool_features=32),
            Mixed_5c=blocks.InceptionA(256, pool_features=64),
            Mixed_5d=blocks.InceptionA(288, pool_features=64),
            Mixed_6a=blocks.InceptionB(288),  # 17 x 17
            Mixed_6b=blocks.InceptionC(768, channels_7x7=128),
            Mixed_6c=blocks.InceptionC(768, channels_7x7=160),
            Mixed_6d=blocks.InceptionC(768, channels_7x7=160),
            Mixed_6e=blocks.InceptionC(768, channels_7x7=192),
            Mixed_7a=blocks.InceptionD(768),  # 8 x 8
            Mixed_7b=blocks.InceptionE_1(1280),
            Mixed_7c=blocks.InceptionE_2(2048),
            AvgPool=nn.AdaptiveAvgPool2d(1),
            fc=nn.Linear(2048, 1008),
        )
    )
