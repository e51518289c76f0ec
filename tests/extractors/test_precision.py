"""TF32 and bfloat16 are used only on request, and are never compared with float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import genbench
from genbench.errors import InputError, UsageError
from genbench.extractors.inception.extractor import Inception
from genbench.extractors.precision import _switches, arithmetic
from genbench.plugs.opening import open_extractor
from tests.helpers.random_weights import random_inception_weights, smooth_images


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_inception_weights(tmp_path_factory.mktemp("weights") / "random.pth", seed=5)


@pytest.mark.parametrize(("precision", "column"), [("fp32", 2), ("bf16", 2), ("tf32", 3)])
def test_arithmetic_is_as_requested_inside_and_unchanged_outside(precision: str, column: int) -> None:
    torch.set_float32_matmul_precision("medium")
    try:
        with arithmetic(precision):
            inside = [getattr(backend, setting) for backend, setting, *_ in _switches()]
        assert torch.get_float32_matmul_precision() == "medium"
        assert inside == [switch[column] for switch in _switches()]
    finally:
        torch.set_float32_matmul_precision("highest")


def test_the_precision_is_part_of_name_and_identity(path: Path) -> None:
    exact, rounded = Inception(weights=path), Inception(weights=path, precision="bf16")
    assert rounded.name == "inception,precision=bf16"
    assert rounded.identity == f"{exact.identity},precision=bf16"


def test_only_float32_may_be_called_fid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from genbench.extractors.inception import extractor as inception
    from genbench.extractors.weights import file_sha256

    monkeypatch.setattr(inception, "INCEPTION", replace(inception.INCEPTION, sha256=file_sha256(path)))
    assert Inception(weights=path).canonical
    assert not Inception(weights=path, precision="bf16").canonical


def test_bfloat16_is_near_float32_and_not_equal(path: Path) -> None:
    images = torch.from_numpy(smooth_images(2, size=32))
    exact, rounded = (Inception(weights=path, precision=name)(images)["embedding"] for name in ("fp32", "bf16"))
    assert rounded.dtype == torch.float32
    difference = (exact - rounded).norm() / exact.norm()
    assert 1e-4 < difference < 0.5


def test_the_message_about_an_unknown_precision_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'bf16'"):
        Inception(precision="bf61")


def test_tf32_without_a_gpu_is_rejected() -> None:
    with pytest.raises(UsageError, match="NVIDIA"):
        Inception(precision="tf32")


@pytest.mark.parametrize("option", ["weights", "precision", "backend"])
def test_an_option_that_an_extractor_lacks_is_rejected(option: str) -> None:
    with pytest.raises(UsageError, match=f"no option '{option}'; leave out --{option}"):
        open_extractor("pixels", device="cpu", **{option: "bf16"})


def test_statistics_of_unknown_precision_are_compared_with_float32_only(path: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "real.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    images = smooth_images(3, size=32)
    with pytest.raises(InputError, match="does not say in what precision"):
        genbench.score(
            images,
            reference=str(tmp_path / "real.npz"),
            features="inception",
            weights=str(path),
            precision="bf16",
            metrics="fd",
        )
