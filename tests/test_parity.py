"""Test that genbench gives the scores of torch-fidelity, pytorch-fid and clean-fid for the same images and weights.

The weights are random, because the official ones cannot be shipped; the arithmetic is the same.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

import genbench
from tests.helpers.random_weights import random_inception_weights

Folders = tuple[Path, Path]


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Two folders with 20 crops each of scikit-learn's two photographs, as JPEG files."""
    root = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(0)
    for photo, role in zip(load_sample_images().images, ("generated", "reference"), strict=True):
        (root / role).mkdir()
        for number in range(20):
            top, left = rng.integers(photo.shape[0] - 64), rng.integers(photo.shape[1] - 64)
            crop = Image.fromarray(photo[top : top + 64, left : left + 64])
            crop.save(root / role / f"{number:03}.jpg", quality=95)
    return root / "generated", root / "reference"


@pytest.fixture(scope="module")
def weights(crops: Folders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    first = [np.asarray(Image.open(path)) for folder in crops for path in sorted(folder.iterdir())[:6]]
    images = np.ascontiguousarray(np.stack(first).transpose(0, 3, 1, 2))
    return random_inception_weights(tmp_path_factory.mktemp("random") / "inception.pth", 0, images)


@pytest.fixture
def real(shared_data: Path, tmp_path: Path) -> Folders:
    """Two folders with 500 real JPEG images each."""
    for role, name in (("generated", "train-10k.zip"), ("reference", "test.zip")):
        (tmp_path / role).mkdir()
        with zipfile.ZipFile(shared_data / "cifar10-jpeg" / name) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[::20]
            for number, member in enumerate(names):
                (tmp_path / role / f"{number:03}.jpg").write_bytes(archive.read(member))
    return tmp_path / "generated", tmp_path / "reference"


def torch_fidelity_scores(folders: Folders, weights: Path, subset: int) -> dict[str, float]:
    from torch_fidelity import calculate_metrics

    return calculate_metrics(  # type: ignore[no-any-return]
        input1=str(folders[0]),
        input2=str(folders[1]),
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(weights),
        kid_subset_size=subset,
        cuda=False,
        cache=False,
        verbose=False,
        save_cpu_ram=True,
    )


def genbench_scores(folders: Folders, weights: Path, subset: int) -> dict[str, float]:
    result = genbench.score(
        str(folders[0]),
        reference=str(folders[1]),
        features="inception",
        weights=str(weights),
        metrics=f"is,fid,kid,subset_size={subset},pr",
    )
    # by the names of torch-fidelity
    scores = {entry.key.removesuffix("@inception"): entry.value for entry in result.scores}
    spreads = {
        key: entry.detail["std"] for key, entry in zip(scores, result.scores, strict=True) if "std" in entry.detail
    }
    return scores | {f"{key.removesuffix('_mean')}_std": value for key, value in spreads.items()}


def assert_equal_scores(folders: Folders, weights: Path, subset: int) -> None:
    expected, scores = torch_fidelity_scores(folders, weights, subset), genbench_scores(folders, weights, subset)
    print({key: (value, scores.get(key)) for key, value in expected.items()}, scores)
    assert scores["inception_score_mean"] == pytest.approx(expected["inception_score_mean"], rel=1e-5)
    assert scores["inception_score_std"] == pytest.approx(expected["inception_score_std"], rel=1e-4)
    assert scores["frechet_distance"] == pytest.approx(expected["frechet_inception_distance"], rel=1e-5)
    # with random weights KID exceeds 1, and its cubic kernel triples the relative error 3e-5 of the features
    assert scores["kernel_distance_mean"] == pytest.approx(
        expected["kernel_inception_distance_mean"], abs=1e-6, rel=9e-5
    )
    assert scores["kernel_distance_std"] == pytest.approx(expected["kernel_inception_distance_std"], abs=1e-6, rel=9e-5)
    for key in ("precision", "recall", "f_score"):
        assert scores[key] == pytest.approx(expected[key], abs=1e-7)


def test_torch_fidelity_gives_the_same_numbers(crops: Folders, weights: Path) -> None:
    assert_equal_scores(crops, weights, subset=15)


@pytest.mark.slow
def test_torch_fidelity_gives_the_same_numbers_on_twice_500_real_images(real: Folders, weights: Path) -> None:
    assert_equal_scores(real, weights, subset=400)


def frechet_distance_with(resize: str, folders: Folders, weights: Path) -> float:
    result = genbench.score(
        str(folders[0]),
        reference=str(folders[1]),
        features=f"inception,resize={resize}",
        weights=str(weights),
        metrics="fd",
    )
    return result.scores[0].value


def pytorch_fid_features(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Return the network of pytorch-fid with the given weights instead of downloaded ones."""
    import torch

    inception = pytest.importorskip("pytorch_fid.inception")
    state = torch.load(weights, weights_only=True)
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_args, **_keywords: state)
    return inception.InceptionV3([3]).eval()  # type: ignore[no-any-return]


@pytest.mark.slow
def test_resize_torch_gives_the_fid_of_pytorch_fid(
    crops: Folders, weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fid_score = pytest.importorskip("pytorch_fid.fid_score")
    network = pytorch_fid_features(weights, monkeypatch)
    moments = [
        fid_score.calculate_activation_statistics(sorted(folder.iterdir()), network, 10, 2048, "cpu", 0)
        for folder in crops
    ]
    assert frechet_distance_with("torch", crops, weights) == pytest.approx(_distance(moments), rel=1e-5)


def test_pytorch_fid_reads_the_statistics_of_genbench(crops: Folders, weights: Path, tmp_path: Path) -> None:
    fid_score = pytest.importorskip("pytorch_fid.fid_score")
    from genbench.features.statistics_files import write_statistics

    features = genbench.features_of(str(crops[1]), features="inception,resize=torch", weights=str(weights))
    write_statistics(features.moments(), tmp_path / "real.npz")
    mean, covariance = fid_score.compute_statistics_of_path(str(tmp_path / "real.npz"), None, 1, 2048, "cpu")
    assert np.array_equal(mean, features.moments().mean)
    assert np.array_equal(covariance, features.moments().covariance)


@pytest.mark.slow
def test_resize_clean_gives_the_fid_of_clean_fid(
    crops: Folders, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    resize = pytest.importorskip("cleanfid.resize").build_resizer("clean")
    network = pytorch_fid_features(weights, monkeypatch)
    network.resize_input = False  # type: ignore[attr-defined]
    moments = []
    for folder in crops:
        resized = [resize(np.asarray(Image.open(io.BytesIO(path.read_bytes())))) for path in sorted(folder.iterdir())]
        images = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2)
        with torch.inference_mode():
            # clean-fid's network takes (x - 128) / 128, and pytorch-fid's network maps its input x to 2 x - 1
            batches = torch.cat([network(((part - 128) / 128 + 1) / 2)[0].flatten(1) for part in images.split(10)])
        rows = batches.double().numpy()
        moments.append((rows.mean(axis=0), np.cov(rows, rowvar=False)))
    assert frechet_distance_with("clean", crops, weights) == pytest.approx(_distance(moments), rel=1e-5)


def _distance(moments: list[tuple[Any, Any]]) -> float:
    # scipy.linalg.sqrtm, which they use, lost its keyword `disp`, and it loses digits of a singular product
    (mean1, covariance1), (mean2, covariance2) = moments
    from genbench.metrics.frechet.metric import frechet_distance

    return frechet_distance(mean1, covariance1, mean2, covariance2)
