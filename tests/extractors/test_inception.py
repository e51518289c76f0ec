"""Inception-v3 gives torch-fidelity's, pytorch-fid's and clean-fid's numbers, for every batch and setting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from genbench.errors import InputError, PlugError, UsageError
from genbench.extractors.inception import extractor as inception
from genbench.extractors.inception.extractor import INCEPTION, Inception
from genbench.extractors.inception.resizing import tensorflow_bilinear
from genbench.extractors.weights import file_sha256
from tests.helpers.random_weights import random_inception_weights, smooth_images


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_inception_weights(tmp_path_factory.mktemp("weights") / "random.pth", seed=3)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(smooth_images(8, size=40, seed=1))


@pytest.fixture(scope="module")
def views(path: Path, images: torch.Tensor) -> dict[str, torch.Tensor]:
    return Inception(weights=path)(images)


def close(features: torch.Tensor, expected: torch.Tensor) -> bool:
    """Return whether two results differ by at most 5e-5 of the largest value; both must vary between images.

    Random weights amplify rounding: another order of float32 sums changes the features by 2e-5.
    """
    assert features.shape == expected.shape
    assert expected.std(dim=0).mean() > 0.05
    return bool((features - expected).abs().max() <= 5e-5 * expected.abs().max())


def test_the_views_agree_with_torch_fidelity(path: Path, images: torch.Tensor, views: dict[str, torch.Tensor]) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(path))
    embedding, logits = network(images)
    assert close(views["embedding"], embedding)
    assert close(views["logits"], logits)
    assert views["embedding"].dtype == views["logits"].dtype == torch.float32


@pytest.mark.parametrize("shape", [(1, 1), (8, 300), (32, 32), (299, 299), (400, 512)])
def test_the_resize_of_tensorflow_is_bit_identical_to_torch_fidelitys(shape: tuple[int, int]) -> None:
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    random = np.random.default_rng(0)
    images = torch.from_numpy(random.integers(0, 256, (2, 3, *shape), dtype=np.uint8))
    expected = interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=(299, 299), align_corners=False)
    assert torch.equal(tensorflow_bilinear(images, 299), expected)


def test_the_resize_of_tensorflow_agrees_with_a_computation_by_hand() -> None:
    row = torch.tensor([0, 100], dtype=torch.uint8).expand(1, 1, 1, 2)
    assert tensorflow_bilinear(row, 4)[0, 0, 0].tolist() == [0, 50, 100, 100]


def test_resize_torch_gives_pytorch_fids_features(
    path: Path, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = pytorch_fid_network(path, monkeypatch)
    with torch.inference_mode():
        expected = network(images / 255)[0].flatten(1)
    assert close(Inception("torch", weights=path)(images)["embedding"], expected)


def test_resize_clean_gives_clean_fids_features(
    path: Path, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    resizing = pytest.importorskip("cleanfid.resize")
    resizer = resizing.build_resizer("clean")
    network = pytorch_fid_network(path, monkeypatch, resize_input=False, normalize_input=False)
    resized = np.stack([resizer(image.transpose(1, 2, 0)).transpose(2, 0, 1) for image in images.numpy()])
    with torch.inference_mode():
        expected = network((torch.from_numpy(resized) - 128) / 128)[0].flatten(1)
    assert close(Inception("clean", weights=path)(images)["embedding"], expected)


def test_the_three_resizes_differ(path: Path, images: torch.Tensor, views: dict[str, torch.Tensor]) -> None:
    few = images[:2]
    features = [views["embedding"][:2], *(Inception(way, weights=path)(few)["embedding"] for way in ("torch", "clean"))]
    assert not close(features[0], features[1])
    assert not close(features[1], features[2])


def test_a_row_does_not_depend_on_its_batch(path: Path, images: torch.Tensor, views: dict[str, torch.Tensor]) -> None:
    extractor = Inception(weights=path)
    parts = [extractor(part) for part in images[:6].split([1, 2, 3])]
    for view, rows in views.items():
        assert close(torch.cat([part[view] for part in parts]), rows[:6])


def test_the_callers_precision_of_float32_does_not_change_the_numbers(
    path: Path, images: torch.Tensor, views: dict[str, torch.Tensor]
) -> None:
    torch.set_float32_matmul_precision("medium")
    try:
        again = Inception(weights=path)(images)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert all(torch.equal(again[view], rows) for view, rows in views.items())


def test_the_global_generator_is_not_used(path: Path, images: torch.Tensor) -> None:
    before = torch.get_rng_state()
    Inception(weights=path)(images[:1])
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_is_read_before_it_is_needed(tmp_path: Path) -> None:
    extractor = Inception(weights=tmp_path / "nowhere.pth")
    assert extractor.name == "inception"
    with pytest.raises(InputError, match=r"nowhere\.pth"):
        _ = extractor.identity


def test_the_identity_contains_resize_and_weights(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    other.write_bytes(b"other weights")
    extractors = [Inception(weights=path), Inception("clean", weights=path), Inception(weights=other)]
    assert len({extractor.identity for extractor in extractors}) == 3
    assert file_sha256(path) in extractors[0].identity
    assert Inception(weights=path, device="cuda").identity == extractors[0].identity
    assert extractors[1].name == "inception,resize=clean"


def test_only_the_official_weights_are_canonical(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Inception(weights=path).canonical
    monkeypatch.setattr(inception, "INCEPTION", replace(INCEPTION, sha256=file_sha256(path)))
    assert Inception(weights=path).canonical


def test_the_message_about_an_unknown_resize_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'clean'"):
        Inception("claen")


def test_points_are_rejected(path: Path) -> None:
    with pytest.raises(PlugError, match="--features points"):
        Inception(weights=path)(torch.zeros(4, 2))


def test_the_message_names_the_first_difference_of_weights_of_another_network(path: Path, tmp_path: Path) -> None:
    state = torch.load(path, weights_only=True)
    state["fc.weight"] = torch.zeros(1000, 2048)  # the classes of torchvision's weights
    other = tmp_path / "torchvision.pth"
    torch.save(state, other)
    with pytest.raises(InputError) as error:
        Inception(weights=other)(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    for detail in ("torchvision.pth", "'fc.weight'", "[1000, 2048]", "[1008, 2048]", INCEPTION.file):
        assert detail in str(error.value)


def pytorch_fid_network(path: Path, monkeypatch: pytest.MonkeyPatch, **options: bool) -> torch.nn.Module:
    module = pytest.importorskip("pytorch_fid.inception")
    monkeypatch.setattr(module, "load_state_dict_from_url", lambda *_, **__: torch.load(path, weights_only=True))
    network: torch.nn.Module = module.InceptionV3([3], **options)
    return network.eval()
