"""Every fast way through Inception-v3 gives the plain way's numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from genbench.errors import UsageError
from genbench.extractors import backends
from genbench.extractors.convolution import Convolution
from genbench.extractors.inception import Inception, tensorflow_bilinear
from genbench.metrics.frechet import frechet_distance_of_rows
from tests.random_weights import random_inception_weights, smooth_images

COUNT = 12


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_inception_weights(tmp_path_factory.mktemp("weights") / "random.pth", seed=4)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(smooth_images(2 * COUNT, size=36, seed=2))


@pytest.fixture(scope="module")
def plain(path: Path, images: torch.Tensor) -> torch.Tensor:
    """The embedding by torch-fidelity's own modules."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with torch.inference_mode():
        found: torch.Tensor = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path))(images)[0]
    return found


def agree(found: torch.Tensor, plain: torch.Tensor) -> None:
    """Hold features to 3e-5 of the largest, and the distance of two halves to 1e-5."""
    assert (found - plain).abs().max() <= 3e-5 * plain.abs().max()
    ours, theirs = (frechet_distance_of_rows(rows[:COUNT], rows[COUNT:]) for rows in (found, plain))
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_the_fused_kernels_agree(path: Path, images: torch.Tensor, plain: torch.Tensor) -> None:
    extractor = Inception(weights=path)
    agree(extractor(images)["embedding"], plain)
    if hasattr(torch.ops.mkldnn, "_convolution_pointwise") and torch.backends.mkldnn.is_available():
        assert extractor.computed_by.endswith("fused by oneDNN")


def test_without_the_fused_kernels_torchs_own_agree_and_the_record_says_so(
    path: Path, images: torch.Tensor, plain: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(convolution: Convolution, shape: torch.Size) -> None:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_reorder_convolution_weight'")

    monkeypatch.setattr(Convolution, "fuse", absent)
    extractor = Inception(weights=path)
    agree(extractor(images)["embedding"], plain)
    assert extractor.computed_by == f"torch {torch.__version__}"


def test_a_kernel_that_fails_at_work_leaves_no_convolution_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> torch.Tensor:
        raise RuntimeError("another signature")

    monkeypatch.setattr(Convolution, "_fused", broken)

    def network() -> torch.nn.Module:
        return torch.nn.Sequential(Convolution(torch.ones(2, 1, 1, 1), torch.tensor([1.0, -9.0])))

    found = backends.prepared(network(), "torch", torch.ones(1, 1, 2, 2), network)
    assert found.route == f"torch {torch.__version__}"
    assert found.run(torch.full((1, 1, 1, 1), 3.0)).flatten().tolist() == [4, 0]


def test_openvino_agrees_under_the_same_identity(path: Path, images: torch.Tensor, plain: torch.Tensor) -> None:
    pytest.importorskip("openvino")
    extractor = Inception(weights=path, backend="openvino")
    agree(extractor(images)["embedding"], plain)
    assert extractor.computed_by.startswith("openvino ")
    assert extractor.identity == Inception(weights=path).identity


def test_a_backend_that_is_not_installed_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'genbench\[openvino\]'"):
        Inception(backend="openvino")


def test_an_unknown_backend_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'openvino'"):
        Inception(backend="openvine")


def test_a_resize_of_many_images_is_that_of_each() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 3, 20, 31), dtype=np.uint8))
    alone = torch.cat([tensorflow_bilinear(image[None], 299) for image in images])
    assert torch.equal(tensorflow_bilinear(images, 299), alone)


def test_features_that_were_kept_need_no_network(path: Path) -> None:
    assert Inception(weights=path).computed_by == "kept features"
