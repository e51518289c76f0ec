"""Random weights of Inception-v3, created at test time, so that tests need no download."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image


def random_inception_weights(path: Path, seed: int = 0, images: npt.NDArray[np.uint8] | None = None) -> Path:
    """Write a random state dict of Inception-v3 that torch-fidelity, pytorch-fid and genbench all read.

    The weights have Kaiming's scale, and the batch norms fit ``images`` (uint8 [N, 3, H, W], by default a few smooth
    images), so that features differ between images and are of order one.
    """
    if images is None:
        images = smooth_images(6, size=48, seed=seed)
    network = _inception(_random_state_dict(seed))
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0  # use the statistics of the next batch only
    with torch.inference_mode():
        network(torch.from_numpy(images))
    torch.save(network.state_dict(), path)
    return path


def smooth_images(count: int, *, size: int = 32, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return uint8 [count, 3, size, size], 0..255: smooth noise at two scales, compressed by JPEG as photos are."""
    random = np.random.default_rng(seed)
    return np.stack([_smooth_image(random, size) for _ in range(count)])


def _smooth_image(random: np.random.Generator, size: int) -> npt.NDArray[np.uint8]:
    planes = []
    for cells in (3, 9):
        coarse = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        planes.append(np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float64))
    mixed = Image.fromarray((0.7 * planes[0] + 0.3 * planes[1]).astype(np.uint8))
    file = io.BytesIO()
    mixed.save(file, "JPEG", quality=90)
    return np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1)


def _random_state_dict(seed: int) -> dict[str, torch.Tensor]:
    from torchvision.models import inception_v3

    with torch.device("meta"):  # torchvision's names and shapes agree with the published file
        expected = inception_v3(num_classes=1008, aux_logits=False, init_weights=False, weights=None).state_dict()
    generator = torch.Generator().manual_seed(seed)
    return {name: _random_tensor(name, tensor, generator) for name, tensor in expected.items()}


def _random_tensor(name: str, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if like.ndim > 1:
        spread = 0.2 if name == "fc.weight" else (2 / like[0].numel()) ** 0.5
        return torch.randn(like.shape, generator=generator) * spread
    if name.endswith("bn.bias"):
        return torch.randn(like.shape, generator=generator) * 0.2
    if name.endswith(("bn.weight", "running_var")):
        return torch.ones(like.shape)
    return torch.zeros(like.shape, dtype=like.dtype)


def _inception(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    network: torch.nn.Module = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], file)
    return network
