"""Photographs, honest damage to them, and their features by several encoders, for the study of panels."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from genbench.array_types import Float64, Int64
from genbench.extractors.efficientnet_lite import extractor as lite
from genbench.extractors.efficientnet_lite.network import SHAPES, LiteGraph
from genbench.extractors.raw import resize_antialiased
from genbench.extractors.weights import find_weights
from tests.studies.panel_descent import descended_photographs

SIZE, DIMENSIONS = 64, 64
"""Side of the networks' input in pixels, and number of principal components of each encoder that are kept."""

Images = np.ndarray


def blurred(images: Images, radius: float) -> Images:
    return np.stack([np.asarray(Image.fromarray(each).filter(ImageFilter.GaussianBlur(radius))) for each in images])


def noisy(images: Images, deviation: float) -> Images:
    noise = np.random.default_rng(1).normal(0, deviation, images.shape)
    return np.asarray(np.clip(images + noise, 0, 255).round(), np.uint8)


def compressed(images: Images, quality: int) -> Images:
    found = []
    for each in images:
        stream = io.BytesIO()
        Image.fromarray(each).save(stream, "JPEG", quality=quality)
        found.append(np.asarray(Image.open(stream)))
    return np.stack(found)


def enlarged(images: Images, side: int) -> Images:
    small = (Image.fromarray(each).resize((side, side), Image.Resampling.BILINEAR) for each in images)
    return np.stack([np.asarray(each.resize((32, 32), Image.Resampling.BILINEAR)) for each in small])


def flattened(images: Images, contrast: float) -> Images:
    return np.asarray(np.clip((images - 127.5) * contrast + 127.5, 0, 255).round(), np.uint8)


DAMAGE: dict[str, Callable[[Images], Images]] = {
    "blur .5": partial(blurred, radius=0.5),
    **{f"blur {radius}": partial(blurred, radius=radius) for radius in (1, 2)},
    **{f"noise {deviation}": partial(noisy, deviation=deviation) for deviation in (4, 10, 25)},
    **{f"jpeg {quality}": partial(compressed, quality=quality) for quality in (75, 40, 15)},
    "small 20": partial(enlarged, side=20),
    "contrast .8": partial(flattened, contrast=0.8),
}
FACTORIES = {"lite0": lite.efficientnet_lite0, "lite1": lite.efficientnet_lite1, "lite2": lite.efficientnet_lite2}


def photographs(path: Path) -> tuple[Images, Int64]:
    """Return the images of an archive in a random order, with their classes."""
    images, classes = [], []
    with zipfile.ZipFile(path) as archive:
        for member in sorted(name for name in archive.namelist() if name.endswith((".jpg", ".jpeg", ".png"))):
            images.append(np.asarray(Image.open(io.BytesIO(archive.read(member))).convert("RGB")))
            classes.append(member.split("/")[-2])
    order = np.random.default_rng(0).permutation(len(images))
    return np.stack(images)[order], np.unique(classes, return_inverse=True)[1][order]


def network(variant: str) -> LiteGraph:
    """Return EfficientNet-Lite for small inputs: a tenth of the cost, and another space than that of the extractor."""
    opened = FACTORIES[variant]()
    graph = LiteGraph(opened._read_state(find_weights(opened.published_weights)), replace(SHAPES[variant], size=SIZE))
    return graph.eval()


def embedded(graph: LiteGraph, images: Images) -> Float64:
    with torch.inference_mode():
        batches = torch.split(torch.from_numpy(images).permute(0, 3, 1, 2), 100)
        return np.concatenate([graph(resize_antialiased(each, SIZE).sub_(127).div_(128)).numpy() for each in batches])


def pixels(images: Images) -> Float64:
    return np.asarray(resize_antialiased(torch.from_numpy(images).permute(0, 3, 1, 2), 16).flatten(1).numpy() / 255)


def extracted(root: Path, cache: Path) -> tuple[dict[str, dict[str, Float64]], Int64]:
    """Return the features of all images by encoder and group, and the classes of the group ``test``."""
    train, _ = photographs(root / "cifar10-jpeg" / "train-10k.zip")
    test, classes = photographs(root / "cifar10-jpeg" / "test.zip")
    groups = {"train": train[:3000], "test": test[:3000]}
    groups |= {name: damage(test[3000:4000]) for name, damage in DAMAGE.items()}
    # a generator that repairs blurred images, trained on the distance by lite0
    groups["descent"] = descended_photographs(network, blurred(test[3000:4000], 2), train[:3000], cache / "descent.npy")
    found: dict[str, dict[str, Float64]] = {}
    # features are extracted once; those of a new kind of damage are added
    for encoder in (*FACTORIES, "pixels"):
        path = cache / f"{encoder}.npz"
        known = dict(np.load(path)) if path.exists() else {}
        missing = [name for name in groups if name not in known]
        if missing:
            embed = pixels if encoder == "pixels" else partial(embedded, network(encoder))
            known |= {name: embed(groups[name]) for name in missing}
            np.savez(path, **known)
        # the leading principal components of real images
        centre = known["train"].mean(axis=0)
        basis = np.linalg.svd(known["train"] - centre, full_matrices=False)[2][:DIMENSIONS].T
        found[encoder] = {name: np.asarray((rows - centre) @ basis, np.float64) for name, rows in known.items()}
    return found, classes[:3000]
