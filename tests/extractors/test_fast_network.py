"""Every fast implementation of Inception-v3 gives the numbers of the plain one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from genbench.errors import UsageError
from genbench.extractors.inception import backends, torch_backends
from genbench.extractors.inception.convolution import Convolution
from genbench.extractors.inception.extractor import Inception
from genbench.extractors.inception.resizing import tensorflow_bilinear
from genbench.extractors.inception.threads import map_in_threads
from genbench.metrics.frechet.metric import frechet_distance_of_rows
from tests.helpers.random_weights import random_inception_weights, smooth_images

COUNT = 12


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_inception_weights(tmp_path_factory.mktemp("weights") / "random.pth", seed=4)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(smooth_images(2 * COUNT, size=36, seed=2))


@pytest.fixture(scope="module")
def plain(path: Path, images: torch.Tensor) -> torch.Tensor:
    """The embedding, computed by torch-fidelity's modules."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with torch.inference_mode():
        embedding: torch.Tensor = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path))(images)[0]
    return embedding


def assert_agree(fast: torch.Tensor, plain: torch.Tensor) -> None:
    """Allow features to differ by 3e-5 of the largest value, and the distance of the two halves by a factor of 1e-5."""
    assert (fast - plain).abs().max() <= 3e-5 * plain.abs().max()
    fast_distance, distance = (frechet_distance_of_rows(rows[:COUNT], rows[COUNT:]) for rows in (fast, plain))
    assert fast_distance == pytest.approx(distance, rel=1e-5)


def test_the_fused_kernels_agree(path: Path, images: torch.Tensor, plain: torch.Tensor) -> None:
    extractor = Inception(weights=path)
    assert_agree(extractor(images)["embedding"], plain)
    if hasattr(torch.ops.mkldnn, "_convolution_pointwise") and torch.backends.mkldnn.is_available():
        assert extractor.computed_by.endswith("fused by oneDNN")


def test_without_the_fused_kernels_torchs_ordinary_kernels_agree_and_are_in_the_record(
    path: Path, images: torch.Tensor, plain: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(convolution: Convolution, shape: torch.Size) -> None:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_reorder_convolution_weight'")

    monkeypatch.setattr(Convolution, "fuse", absent)
    extractor = Inception(weights=path)
    assert_agree(extractor(images)["embedding"], plain)
    assert extractor.computed_by == f"torch {torch.__version__}"


def test_after_a_failure_of_a_fused_kernel_no_convolution_is_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> torch.Tensor:
        raise RuntimeError("another signature")

    monkeypatch.setattr(Convolution, "_run_fused", broken)

    def network() -> torch.nn.Module:
        return torch.nn.Sequential(Convolution(torch.ones(2, 1, 1, 1), torch.tensor([1.0, -9.0])))

    prepared = torch_backends.prepare(network(), "torch", torch.ones(1, 1, 2, 2), network)
    assert prepared.route == f"torch {torch.__version__}"
    assert prepared.run(torch.full((1, 1, 1, 1), 3.0)).flatten().tolist() == [4, 0]


def test_openvino_agrees_and_has_the_same_identity(path: Path, images: torch.Tensor, plain: torch.Tensor) -> None:
    pytest.importorskip("openvino")
    extractor = Inception(weights=path, backend="openvino")
    assert_agree(extractor(images)["embedding"], plain)
    assert extractor.computed_by.startswith("openvino ")
    assert extractor.identity == Inception(weights=path).identity


def test_openvino_rejects_bf16_on_a_cpu_that_would_compute_in_float32(path: Path, images: torch.Tensor) -> None:
    openvino = pytest.importorskip("openvino")
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has bf16")
    with pytest.raises(UsageError, match="leave out --precision"):
        Inception(weights=path, backend="openvino", precision="bf16")(images)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler")
def test_the_compiled_network_agrees_and_pads_a_smaller_batch(
    path: Path, images: torch.Tensor, plain: torch.Tensor
) -> None:
    extractor = Inception(weights=path, backend="compile")
    whole = extractor(images)["embedding"]
    assert_agree(whole, plain)
    torch.testing.assert_close(extractor(images[:5])["embedding"], whole[:5], rtol=0, atol=3e-5 * float(whole.max()))
    assert extractor.computed_by.endswith("compiled")


def test_a_row_depends_neither_on_its_batch_nor_on_the_number_of_threads(path: Path, images: torch.Tensor) -> None:
    extractor = Inception(weights=path)
    odd, alone = extractor(images[:5])["embedding"], extractor(images[4:5])["embedding"]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        single = extractor(images[:5])["embedding"]
    finally:
        torch.set_num_threads(before)
    tolerance = 3e-5 * float(odd.max())
    torch.testing.assert_close(single, odd, rtol=0, atol=tolerance)
    torch.testing.assert_close(alone, odd[4:], rtol=0, atol=tolerance)
    assert extractor(images[:0])["embedding"].shape == (0, 2048)


def test_outputs_of_threads_are_in_order_and_torch_keeps_its_number_of_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        outputs = map_in_threads(lambda chunk: (chunk, torch.get_num_threads()), range(5))
        assert outputs == [(chunk, 1) for chunk in range(5)]
        with pytest.raises(ZeroDivisionError):
            map_in_threads(lambda chunk: 1 // chunk, [1, 0, 2])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_message_about_a_missing_backend_contains_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'genbench\[openvino\]'"):
        Inception(backend="openvino")


def test_the_message_about_an_unknown_backend_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'openvino'"):
        Inception(backend="openvine")


def test_resizing_many_images_is_the_same_as_resizing_each() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 3, 20, 31), dtype=np.uint8))
    alone = torch.cat([tensorflow_bilinear(image[None], 299) for image in images])
    assert torch.equal(tensorflow_bilinear(images, 299), alone)


def test_cached_features_need_no_network(path: Path) -> None:
    assert Inception(weights=path).computed_by == "kept features"
