"""The features of LPIPS: their squared distances are those of the package lpips, and their weights are found."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import models

from genbench.errors import InputError, UsageError
from genbench.extractors import perceptual
from genbench.extractors.perceptual import PerceptualFeatures
from tests.helpers.file_server import serving
from tests.helpers.random_weights import smooth_images

lpips = pytest.importorskip("lpips")

IMAGES = torch.from_numpy(smooth_images(6, size=64, seed=4))


def random_backbone(architecture: str, folder: Path) -> Path:
    """Write a state dict with random convolutions; the linear layers, which LPIPS does not read, are views of zero."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        expected = models.get_model(architecture, weights=None).state_dict()
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in expected.items():
        if name.startswith("classifier"):
            state[name] = torch.zeros(1).expand(tensor.shape)
        else:
            spread = (2 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.1
            state[name] = torch.randn(tensor.shape, generator=generator) * spread
    torch.save(state, folder / f"{architecture}.pth")
    return folder / f"{architecture}.pth"


def distances_by_lpips(net: str, path: Path, images: torch.Tensor) -> torch.Tensor:
    """Return LPIPS [N, N] of all pairs, computed by the package."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision deprecates an argument that lpips gives
        module: Any = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    state = torch.load(path, weights_only=True)
    for part in (part for name, part in module.net.named_children() if name.startswith("slice")):
        for index, layer in part.named_children():
            if hasattr(layer, "weight"):
                layer.weight.data = state[f"features.{index}.weight"]
                layer.bias.data = state[f"features.{index}.bias"]
    scaled = images.float() / 127.5 - 1
    rows = range(len(images))
    with torch.inference_mode():
        return torch.stack([module(scaled[[i] * len(rows)], scaled).flatten() for i in rows])


@pytest.mark.parametrize(
    ("net", "architecture"), [("alex", "alexnet"), pytest.param("vgg", "vgg16", marks=pytest.mark.slow)]
)
def test_squared_distances_are_those_of_the_package(tmp_path: Path, net: str, architecture: str) -> None:
    path = random_backbone(architecture, tmp_path)
    expected = distances_by_lpips(net, path, IMAGES).double().numpy()
    rows = PerceptualFeatures(net, weights=path)(IMAGES)["perceptual"]
    assert rows.dtype == torch.float16
    own = np.square(rows[:, None].double().numpy() - rows.double().numpy()).sum(axis=2)
    assert expected[~np.eye(6, dtype=bool)].min() > 0.05
    assert np.abs(own - expected).max() < 1e-5


def test_the_score_is_the_mean_of_all_pairs_by_the_package(tmp_path: Path) -> None:
    from genbench import score

    path = random_backbone("alexnet", tmp_path)
    expected = distances_by_lpips("alex", path, IMAGES).sum().item() / 30
    images = IMAGES.permute(0, 2, 3, 1).numpy()
    result = score(images, metrics="lpips", weights=str(path), cache=False, progress=False)
    assert [one.name for one in result.scores] == ["lpips@lpips,net=alex,size=64"]
    assert result.scores[0].value == pytest.approx(expected, abs=1e-5)


def test_rows_have_the_documented_size(tmp_path: Path) -> None:
    path = random_backbone("alexnet", tmp_path)
    sizes = [PerceptualFeatures(size=size, weights=path)(IMAGES[:1])["perceptual"].nbytes for size in (64, 128, 256)]
    assert sizes == [41_524, 199_316, 869_716]


def test_images_of_other_sizes_are_resized(tmp_path: Path) -> None:
    path = random_backbone("alexnet", tmp_path)
    plain = torch.full((1, 3, 1, 1), 90, dtype=torch.uint8)
    small, large = (plain.expand(1, 3, size, 2 * size) for size in (20, 150))
    extractor = PerceptualFeatures(weights=path)
    torch.testing.assert_close(extractor(small)["perceptual"], extractor(large)["perceptual"], rtol=0, atol=1e-3)


def test_the_weights_are_those_that_torchvision_publishes() -> None:
    assert str(PerceptualFeatures().published_weights) == "alexnet-owt-7be5be79.pth (233 MB, sha256 7be5be79...)"
    assert PerceptualFeatures("vgg").published_weights.file == "vgg16-397923af.pth"


def test_the_weights_are_downloaded_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = random_backbone("alexnet", tmp_path).read_bytes()
    monkeypatch.setenv("GENBENCH_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    published = PerceptualFeatures().published_weights
    assert published.sha256 == "7be5be79"
    with serving({"/net.pth": content}) as server:
        digits = hashlib.sha256(content).hexdigest()[:8]
        served = replace(published, urls=(server.url("/net.pth"),), sha256=digits)
        monkeypatch.setattr(PerceptualFeatures, "published_weights", served)
        extractor = PerceptualFeatures()
        assert extractor(IMAGES)["perceptual"].shape == (6, 20_762)
    assert extractor.path.parent == tmp_path / "own"
    assert hashlib.sha256(content).hexdigest() in extractor.identity


def test_net_and_size_are_part_of_name_and_identity(tmp_path: Path) -> None:
    path = random_backbone("alexnet", tmp_path)
    extractors = [PerceptualFeatures(weights=path), PerceptualFeatures(size=128, weights=path)]
    assert [one.name for one in extractors] == ["lpips,net=alex,size=64", "lpips,net=alex,size=128"]
    assert extractors[0].identity != extractors[1].identity


def test_the_message_names_weights_that_do_not_fit(tmp_path: Path) -> None:
    path = random_backbone("vgg16", tmp_path)
    with pytest.raises(InputError, match=r"vgg16\.pth does not fit lpips,net=alex,size=64.*alexnet-owt-7be5be79\.pth"):
        PerceptualFeatures(weights=path)(IMAGES)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"net": "alexx"}, "did you mean 'alex'"), ({"size": 31}, "from 32 to 2048"), ({"size": True}, "from 32")],
)
def test_wrong_options_are_refused(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        PerceptualFeatures(**options)


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'genbench\[lpips\]'"):
        PerceptualFeatures()


def test_other_linear_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = {"alex": perceptual._NETWORKS["alex"]._replace(linear_sha256="0" * 64)}
    monkeypatch.setattr(perceptual, "_NETWORKS", networks)
    with pytest.raises(InputError, match=r"alex\.pth is missing or does not have the linear weights"):
        PerceptualFeatures()
