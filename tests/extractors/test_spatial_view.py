"""The optional view ``spatial`` of Inception: sFID's activations, beside the unchanged other views."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from genbench.extractors.inception import Inception
from genbench.plugs.registry import plug
from tests.helpers.random_weights import random_inception_weights, smooth_images


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_inception_weights(tmp_path_factory.mktemp("weights") / "random.pth", seed=4)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(smooth_images(4, size=40, seed=1))


@pytest.fixture(scope="module")
def views(path: Path, images: torch.Tensor) -> dict[str, torch.Tensor]:
    return Inception(weights=path).with_views(["spatial"])(images)


@pytest.fixture(scope="module")
def expected(path: Path, images: torch.Tensor) -> torch.Tensor:
    """The first 7 channels of the 1x1 branch of Mixed_6d in torch-fidelity's network, [N, 7, 17, 17]."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path))
    outputs: list[torch.Tensor] = []
    network.Mixed_6d.branch1x1.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with torch.inference_mode():
        network(images)
    return outputs[0][:, :7]


def differ(rows: torch.Tensor, other: torch.Tensor) -> float:
    return float((rows - other).abs().max() / other.abs().max())


def test_it_is_torch_fidelitys_activation_with_channels_last(
    views: dict[str, torch.Tensor], expected: torch.Tensor
) -> None:
    spatial = views["spatial"]
    assert (tuple(spatial.shape), spatial.dtype) == ((4, 2023), torch.float32)
    # the activations differ between images and are cut at 0 by the ReLU
    assert expected.std(dim=0).mean() > 0.05
    assert spatial.min() == 0
    # TensorFlow's order is row, column, channel; in torch's order the numbers are others
    assert differ(spatial, expected.permute(0, 2, 3, 1).reshape(4, -1)) < 5e-5
    assert differ(spatial, expected.reshape(4, -1)) > 0.1


def test_the_other_views_keep_their_bits_and_the_extractor_its_identity(
    path: Path, images: torch.Tensor, views: dict[str, torch.Tensor]
) -> None:
    plain = Inception(weights=path)
    spatial = plain.with_views(["spatial"])
    assert (plain.name, plain.identity, plain.added_views) == (spatial.name, spatial.identity, ())
    without = plain(images)
    assert sorted(without) == ["embedding", "logits"]
    assert all(torch.equal(views[view], rows) for view, rows in without.items())


def test_it_is_no_option_of_the_extractor() -> None:
    assert "added_views" not in plug("extractors", "inception").parameters


def test_openvino_gives_it_too(path: Path, images: torch.Tensor, views: dict[str, torch.Tensor]) -> None:
    pytest.importorskip("openvino")
    again = Inception(weights=path, backend="openvino").with_views(["spatial"])(images)
    assert all(differ(again[view], rows) < 5e-5 for view, rows in views.items())


@pytest.mark.slow
def test_a_compiled_network_gives_it_too(path: Path, images: torch.Tensor, views: dict[str, torch.Tensor]) -> None:
    compiled = Inception(weights=path, backend="compile").with_views(["spatial"])
    # the second batch is padded to the size of the first
    parts = [compiled(part) for part in torch.split(images, [3, 1])]
    again = {view: torch.cat([part[view] for part in parts]) for view in views}
    assert all(differ(again[view], rows) < 5e-5 for view, rows in views.items())
