"""Networks of many extractors with random weights, for measurements of their speed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import torch

State: TypeAlias = "dict[str, torch.Tensor]"


def networks(folder: Path, inception: Path) -> Iterator[tuple[str, Path | None]]:
    """Yield extractors and files of random weights; each file is deleted after its use."""
    yield "inception", inception
    yield "efficientnet-lite0", None
    for spec, make in {
        "clip": _clip_state,
        "vgg16": lambda: _torchvision_state("vgg16"),
        "torchvision,model=resnet50.imagenet1k_v2": lambda: _torchvision_state("resnet50"),
        "timm,model=vit_large_patch14_dinov2.lvd142m,size=224": lambda: _timm_state("vit_large_patch14_dinov2", 224),
        "timm,model=convnext_base.fb_in22k": lambda: _timm_state("convnext_base", None, 21841),
    }.items():
        path = folder / "network.pth"
        try:
            torch.save(make(), path)
        except ImportError as error:
            print(f"{spec} skipped: {error}", file=sys.stderr)
            continue
        yield spec, path
        path.unlink()


def _clip_state() -> State:
    from torch_fidelity.feature_extractor_clip import CLIPVisual

    visual = CLIPVisual(512, 224, 12, 768, 32).visual
    projection = torch.randn(512, 512)
    return {**{f"visual.{key}": value for key, value in visual.state_dict().items()}, "text_projection": projection}


def _torchvision_state(architecture: str) -> State:
    from torchvision.models import get_model

    return get_model(architecture, weights=None).state_dict()


def _timm_state(model: str, size: int | None, classes: int = 0) -> State:
    import timm

    given: dict[str, Any] = {} if size is None else {"img_size": size}
    return timm.create_model(model, num_classes=classes, **given).state_dict()
