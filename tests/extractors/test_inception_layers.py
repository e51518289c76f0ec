"""The layers 64, 192 and 768 of Inception and torchmetrics' resize: features and distances as other tools give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import genbench
from genbench.errors import UsageError
from genbench.extractors.inception import Inception
from genbench.extractors.inception.resizing import RESIZES
from tests.helpers.random_weights import random_inception_weights, smooth_images

LAYERS = ("64", "192", "768")
LARGEST_GAPS = {"64": 1e-6, "192": 1e-6, "768": 1e-5, "2048": 5e-5}
"""Of the largest feature. Random weights amplify rounding from layer to layer; measured: 2e-7, 4e-7, 6e-6, 3e-5."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_inception_weights(tmp_path_factory.mktemp("weights") / "random.pth", seed=4)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(smooth_images(6, size=40, seed=1))


def layers(extractor: Inception, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the features by torch-fidelity's names; the embedding is 2048."""
    views = extractor.with_views(LAYERS)(images)
    return {**{layer: views[layer] for layer in LAYERS}, "2048": views["embedding"]}


def assert_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for layer, rows in expected.items():
        assert (found[layer].shape, found[layer].dtype) == (rows.shape, torch.float32)
        # features that do not vary between images would agree for any network
        assert rows.std(dim=0).mean() > 0.05
        assert float((found[layer] - rows).abs().max() / rows.abs().max()) < LARGEST_GAPS[layer]


def test_the_layers_are_torch_fidelitys_features(path: Path, images: torch.Tensor) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    names = [*LAYERS, "2048"]
    expected = FeatureExtractorInceptionV3("inception-v3-compat", names, str(path))(images)
    assert_equal(layers(Inception(weights=path), images), dict(zip(names, expected, strict=True)))


def test_with_its_resize_the_layers_are_torchmetrics_features(path: Path, images: torch.Tensor) -> None:
    fid = pytest.importorskip("torchmetrics.image.fid")
    names = [*LAYERS, "2048"]
    with torch.inference_mode():
        expected = fid.NoTrainInceptionV3("inception-v3-compat", names, str(path))._torch_fidelity_forward(images)
    assert_equal(layers(Inception("torchmetrics", weights=path), images), dict(zip(names, expected, strict=True)))


@pytest.mark.parametrize("size", [40, 299, 420])
def test_the_resize_of_torchmetrics_is_bit_identical_to_its_own(size: int) -> None:
    image = pytest.importorskip("torchmetrics.image.fid")
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, size, size), np.uint8))
    seen: list[torch.Tensor] = []

    class FirstLayer(torch.nn.Module):
        def forward(self, scaled: torch.Tensor) -> torch.Tensor:
            seen.append(scaled)
            raise StopIteration

    # the network without its weights: only its first lines are run
    network = image.NoTrainInceptionV3.__new__(image.NoTrainInceptionV3)
    torch.nn.Module.__init__(network)
    network.features_list, network.use_antialias, network.Conv2d_1a_3x3 = ["64"], True, FirstLayer()
    with pytest.raises(StopIteration):
        network._torch_fidelity_forward(images)
    assert torch.equal(RESIZES["torchmetrics"](images), seen[0])
    # only images that shrink are smoothed
    assert torch.allclose(RESIZES["torch"](images), (seen[0] * 128 + 128) / 127.5 - 1, atol=1e-5) == (size <= 299)


@pytest.fixture(scope="module")
def sides() -> tuple[Any, Any]:
    generated = smooth_images(12, size=48, seed=1)
    return generated, (smooth_images(14, size=48, seed=2) * 0.8).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("layer", [*LAYERS, "2048"])
def test_the_distance_of_a_layer_is_torchmetrics_default_fid(path: Path, sides: tuple[Any, Any], layer: str) -> None:
    fid = pytest.importorskip("torchmetrics.image.fid")
    metric = fid.FrechetInceptionDistance(int(layer), feature_extractor_weights_path=str(path))
    metric.set_dtype(torch.float64)
    generated, reference = sides
    with torch.inference_mode():
        metric.update(torch.from_numpy(generated), real=False)
        metric.update(torch.from_numpy(reference), real=True)
    chosen = "fid" if layer == "2048" else f"fid,view={layer}"
    found = genbench.score(
        generated, reference=reference, features="inception,resize=torchmetrics", weights=str(path), metrics=chosen,
        cache=False, device="cpu",
    ).scores[0]  # fmt: skip
    assert found.name == f"fd@inception,resize=torchmetrics{'' if layer == '2048' else f',view={layer}'}"
    # torchmetrics takes a root of a singular covariance, which loses digits
    assert found.value == pytest.approx(float(metric.compute()), rel=1e-5)


@pytest.fixture(scope="module")
def result(path: Path, sides: tuple[Any, Any]) -> genbench.Result:
    metrics = "fid,fid,view=64,fid,view=192"
    return genbench.score(sides[0], reference=sides[1], weights=str(path), metrics=metrics, cache=False, device="cpu")


def test_a_layer_is_named_and_recorded_as_a_layer(result: genbench.Result) -> None:
    # random weights are not those of FID, so that the plain distance is no fid either
    names = [entry.name for entry in result.scores]
    assert [name for name in names if "debiased" not in name] == [
        "fd@inception", "fd@inception,view=64", "fd@inception,view=192",
    ]  # fmt: skip
    assert result["frechet_distance@inception,view=64"].detail["dimensions"] == 64
    assert {"FrechetDistance(view='64')", "FrechetDistance(view='192')"} < set(result.metrics)


def test_a_layer_that_was_not_asked_for_is_not_computed(path: Path, images: torch.Tensor) -> None:
    assert set(Inception(weights=path)(images[:1])) == {"embedding", "logits"}
    assert set(Inception(weights=path).with_views(["768"])(images[:1])) == {"embedding", "logits", "768"}


def test_an_extractor_without_the_layer_says_what_it_has() -> None:
    images = smooth_images(4, size=16, seed=1)
    with pytest.raises(UsageError, match=r"reads 768, but the extractor 'pixels' gives embedding"):
        genbench.score(images, reference=images[::-1].copy(), features="pixels", metrics="fd,view=768", cache=False)


@pytest.mark.slow
def test_a_mistyped_layer_is_answered_with_all_views_of_inception(path: Path, sides: tuple[Any, Any]) -> None:
    with pytest.raises(UsageError, match=r"reads 65, but .* gives embedding, logits, spatial, 64, 192, 768;"):
        genbench.score(
            sides[0][:2], reference=sides[1][:2], weights=str(path), metrics="fid,view=65", cache=False, device="cpu"
        )
