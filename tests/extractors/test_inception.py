"""Inception-v3 gives torch-fidelity's, pytorch-fid's and clean-fid's numbers, whatever the batch and the settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from genbench.errors import InputError, PlugError, UsageError
from genbench.extractors.inception import extractor as inception
from genbench.extractors.inception.extractor import INCEPTION, Inception, tensorflow_bilinear
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


def close(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Tell whether two results differ by at most 5e-5 of the largest value, and do vary between images.

    Random weights amplify rounding: another order of float32 sums alone moves them by 2e-5.
    """
    assert ours.shape == theirs.shape
    assert theirs.std(dim=0).mean() > 0.05
    return bool((ours - theirs).abs().max() <= 5e-5 * theirs.abs().max())


def test_views_are_torch_fidelitys(path: Path, images: torch.Tensor, views: dict[str, torch.Tensor]) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    theirs = FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(path))
    embedding, logits = theirs(images)
    assert close(views["embedding"], embedding)
    assert close(views["logits"], logits)
    assert views["embedding"].dtype == views["logits"].dtype == torch.float32


@pytest.mark.parametrize("shape", [(1, 1), (8, 300), (32, 32), (299, 299), (400, 512)])
def test_the_resize_of_tensorflow_has_the_bits_of_torch_fidelitys(shape: tuple[int, int]) -> None:
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    random = np.random.default_rng(0)
    images = torch.from_numpy(random.integers(0, 256, (2, 3, *shape), dtype=np.uint8))
    theirs = interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=(299, 299), align_corners=False)
    assert torch.equal(tensorflow_bilinear(images, 299), theirs)


def test_the_resize_of_tensorflow_by_hand() -> None:
    row = torch.tensor([0, 100], dtype=torch.uint8).expand(1, 1, 1, 2)
    assert tensorflow_bilinear(row, 4)[0, 0, 0].tolist() == [0, 50, 100, 100]


def test_resize_torch_gives_pytorch_fids_features(
    path: Path, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = pytorch_fid_network(path, monkeypatch)
    with torch.inference_mode():
        features = theirs(images / 255)[0].flatten(1)
    assert close(Inception("torch", weights=path)(images)["embedding"], features)


def test_resize_clean_gives_clean_fids_features(
    path: Path, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    resizing = pytest.importorskip("cleanfid.resize")
    resizer = resizing.build_resizer("clean")
    theirs = pytorch_fid_network(path, monkeypatch, resize_input=False, normalize_input=False)
    resized = np.stack([resizer(image.transpose(1, 2, 0)).transpose(2, 0, 1) for image in images.numpy()])
    with torch.inference_mode():
        features = theirs((torch.from_numpy(resized) - 128) / 128)[0].flatten(1)
    assert close(Inception("clean", weights=path)(images)["embedding"], features)


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


def test_what_the_caller_allows_in_float32_does_not_reach_the_numbers(
    path: Path, images: torch.Tensor, views: dict[str, torch.Tensor]
) -> None:
    torch.set_float32_matmul_precision("medium")
    try:
        again = Inception(weights=path)(images)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert all(torch.equal(again[view], rows) for view, rows in views.items())


def test_the_global_generator_is_left_alone(path: Path, images: torch.Tensor) -> None:
    before = torch.get_rng_state()
    Inception(weights=path)(images[:1])
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_is_read_before_the_first_need(tmp_path: Path) -> None:
    extractor = Inception(weights=tmp_path / "nowhere.pth")
    assert extractor.name == "inception"
    with pytest.raises(InputError, match=r"nowhere\.pth"):
        _ = extractor.identity


def test_the_identity_tells_resize_and_weights(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    other.write_bytes(b"other weights")
    made = [Inception(weights=path), Inception("clean", weights=path), Inception(weights=other)]
    assert len({extractor.identity for extractor in made}) == 3
    assert file_sha256(path) in made[0].identity
    assert Inception(weights=path, device="cuda").identity == made[0].identity
    assert made[1].name == "inception,resize=clean"


def test_only_the_official_weights_are_canonical(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Inception(weights=path).canonical
    monkeypatch.setattr(inception, "INCEPTION", replace(INCEPTION, sha256=file_sha256(path)))
    assert Inception(weights=path).canonical


def test_an_unknown_resize_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'clean'"):
        Inception("claen")


def test_points_are_refused(path: Path) -> None:
    with pytest.raises(PlugError, match="--features points"):
        Inception(weights=path)(torch.zeros(4, 2))


def test_weights_of_another_network_are_told_by_their_first_misfit(path: Path, tmp_path: Path) -> None:
    state = torch.load(path, weights_only=True)
    state["fc.weight"] = torch.zeros(1000, 2048)  # the classes of torchvision's weights
    other = tmp_path / "torchvision.pth"
    torch.save(state, other)
    with pytest.raises(InputError) as error:
        Inception(weights=other)(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    for part in ("torchvision.pth", "'fc.weight'", "[1000, 2048]", "[1008, 2048]", INCEPTION.file):
        assert part in str(error.value)


def pytorch_fid_network(path: Path, monkeypatch: pytest.MonkeyPatch, **options: bool) -> torch.nn.Module:
    theirs = pytest.importorskip("pytorch_fid.inception")
    monkeypatch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: torch.load(path, weights_only=True))
    network: torch.nn.Module = theirs.InceptionV3([3], **options)
    return network.eval()
