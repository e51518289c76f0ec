"""Classifiers of torchvision give torchvision's own logits, and the input of their last layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision import models

from genbench.errors import InputError, UsageError
from genbench.extractors.torchvision_networks import TorchvisionNetwork
from tests.helpers.random_weights import smooth_images

SMALL = torch.from_numpy(smooth_images(3, size=40, seed=2))
WIDE = torch.from_numpy(smooth_images(2, size=260, seed=3))[:, :, :200]


def random_network(architecture: str, folder: Path) -> tuple[Any, Path]:
    """Return a network of torchvision with random weights, and the file of its state dict."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = models.get_model(architecture, weights=None)
    # batch norms that fit some images, so that the features differ between images
    for norm in [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]:
        norm.momentum = 1.0
    with torch.inference_mode():
        network.train()(torch.from_numpy(smooth_images(4, size=96, seed=1)) / 255)
    torch.save(network.state_dict(), folder / "net.pth")
    return network.eval(), folder / "net.pth"


@pytest.mark.parametrize("images", [SMALL, WIDE], ids=["40x40", "200x260"])
@pytest.mark.parametrize("architecture", ["shufflenet_v2_x0_5", "mobilenet_v3_small"])
def test_the_views_are_those_of_torchvisions_own_pipeline(
    tmp_path: Path, architecture: str, images: torch.Tensor
) -> None:
    network, weights = random_network(architecture, tmp_path)
    views = TorchvisionNetwork(architecture, weights=weights)(images)
    transform = models.get_model_weights(architecture).DEFAULT.transforms()
    pixels = torch.stack([transform(Image.fromarray(image.permute(1, 2, 0).numpy())) for image in images])
    with torch.inference_mode():
        logits = network(pixels)
        # the last layer maps the embedding to the logits
        last = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
        mapped = last(views["embedding"])
    assert logits.std(dim=0).mean() > 1e-2
    torch.testing.assert_close(views["logits"], logits, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(mapped, logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", ["googlenet", "inception_v3", "swin_t", "vit_b_32", "convnext_tiny", "vgg11"])
def test_the_last_linear_layer_is_the_one_that_gives_the_logits(architecture: str) -> None:
    from genbench.extractors.penultimate import WithPenultimate
    from genbench.extractors.torchvision_networks import _AS_PUBLISHED

    with torch.device("meta"), torch.inference_mode():
        network = models.get_model(architecture, weights=None, **_AS_PUBLISHED.get(architecture, {})).eval()
        penultimate = WithPenultimate(network)
        embedding, logits = penultimate(torch.zeros(2, 3, 224, 224))
    assert penultimate._last[0].out_features == 1000
    assert (embedding.shape, logits.shape) == ((2, penultimate._last[0].in_features), (2, 1000))


def test_the_weights_are_those_that_torchvision_publishes() -> None:
    default, first = TorchvisionNetwork("resnet50"), TorchvisionNetwork("resnet50.imagenet1k_v1")
    assert default.name == "torchvision,model=resnet50.imagenet1k_v2"
    assert default == TorchvisionNetwork("resnet50.imagenet1k_v2")
    assert str(first.published_weights) == "resnet50-0676ba61.pth (98 MB, sha256 0676ba61...)"
    assert first.published_weights.urls == ("https://download.pytorch.org/models/resnet50-0676ba61.pth",)


def test_published_weights_are_found_by_the_start_of_their_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENBENCH_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "own").mkdir()
    published = TorchvisionNetwork("resnet18").published_weights
    (tmp_path / "own" / published.file).write_bytes(b"another file")
    with pytest.raises(InputError, match=f"broken or a different file.*expected {published.sha256[:8]}"):
        _ = TorchvisionNetwork("resnet18").path


def test_the_preprocessing_is_part_of_the_identity(tmp_path: Path) -> None:
    weights = random_network("shufflenet_v2_x0_5", tmp_path)[1]
    identity = TorchvisionNetwork("shufflenet_v2_x0_5", weights=weights).identity
    assert "resize_size=[256]" in identity
    assert "bf16" in TorchvisionNetwork("shufflenet_v2_x0_5", weights=weights, precision="bf16").identity
    # two published sets of weights of one architecture may need different preprocessing
    first, second = (TorchvisionNetwork(f"resnet18.{tag}", weights=weights) for tag in ("imagenet1k_v1", "default"))
    assert first.identity == second.identity
    newer, older = (TorchvisionNetwork(f"resnet50.imagenet1k_v{one}", weights=weights) for one in (2, 1))
    assert newer.identity != older.identity


def test_the_message_names_weights_that_do_not_fit(tmp_path: Path) -> None:
    weights = random_network("shufflenet_v2_x0_5", tmp_path)[1]
    with pytest.raises(InputError, match=r"net\.pth does not fit torchvision,model=resnet18.*resnet18-f37072fd\.pth"):
        TorchvisionNetwork("resnet18", weights=weights)(SMALL)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("resnet51", "did you mean 'resnet50'"),
        ("resnet18.v3", "known: DEFAULT, IMAGENET1K_V1"),
        ("squeezenet1_0", "no "),
    ],
)
def test_the_message_about_an_unknown_model_suggests_others(model: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        TorchvisionNetwork(model)
