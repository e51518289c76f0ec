"""The Vendi score within classes: known numbers of modes, the vendi-score package, errors."""

from __future__ import annotations

import gzip
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genbench.errors import InputError, UsageError
from genbench.features.features import Features
from genbench.metrics.class_diversity import ClassVendi, vendi_of_classes
from genbench.metrics.diversity import vendi_of_rows


def with_modes(numbers: tuple[int, ...], repeats: int = 6) -> Features:
    """Return classes whose rows are copies of orthogonal directions: class k has ``numbers[k]`` of them."""
    label = np.repeat(np.arange(len(numbers)), [number * repeats for number in numbers])
    rows = np.concatenate([np.repeat(np.eye(8)[:number], repeats, axis=0) for number in numbers])
    return replace(Features.of(embedding=rows), label=label)


def gaussian(seed: int) -> Features:
    rng = np.random.default_rng([seed, 4])
    label = np.arange(300) % 3
    rows = rng.standard_normal((300, 4)) * [1, 1, 2, 3] + np.eye(4)[label]
    return replace(Features.of(embedding=rows), label=label)


def test_each_class_has_the_number_of_its_modes_and_the_score_is_their_mean() -> None:
    (score,) = ClassVendi()(with_modes((5, 1, 3)), None, seed=0)
    assert score.value == pytest.approx(3)
    assert [(each["name"], each["generated"]) for each in score.detail["classes"]] == [("1", 6), ("2", 18), ("0", 30)]
    assert score.detail["per_class"] == pytest.approx({"1": 1, "2": 3, "0": 5})


def test_the_conditional_score_is_the_geometric_mean_by_shares() -> None:
    (score,) = ClassVendi()(with_modes((4, 1, 2)), None, seed=0)
    assert score.detail["conditional"] == pytest.approx(math.exp((24 * math.log(4) + 12 * math.log(2)) / 42))


def test_the_conditional_score_is_the_joint_entropy_less_that_of_the_classes() -> None:
    # Jalali et al. 2024: H(X, T) of the product of both kernels less H(T), with 1 for samples of one class, else 0
    features = gaussian(1)
    rows, label = features["embedding"], features.label
    assert label is not None
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    joint = np.linalg.eigvalsh((unit @ unit.T) * (label[:, None] == label) / len(rows))
    entropy = -sum(value * math.log(value) for value in joint if value > 1e-14)
    (score,) = ClassVendi()(features, None, seed=0)
    assert score.detail["conditional"] == pytest.approx(math.exp(entropy - math.log(3)), rel=1e-9)


def test_classes_equal_the_vendi_score_package() -> None:
    vendi = pytest.importorskip("vendi_score.vendi")
    features = gaussian(2)
    rows, label = features["embedding"], features.label
    for each in vendi_of_classes(rows, label):
        own = rows[label == int(each.name)]
        assert each.value == pytest.approx(vendi.score_dual(own, normalize=True), rel=1e-6)


def test_the_pixels_of_digits_of_mnist_have_the_published_scores(shared_data: Path) -> None:
    # the README of the vendi-score package: MNIST's test set, resized to 32 x 32 by Pillow's default
    images, label = (
        np.frombuffer(
            gzip.decompress((shared_data / "MNIST" / "raw" / f"t10k-{name}.gz").read_bytes()), np.uint8, -1, o
        )
        for name, o in (("images-idx3-ubyte", 16), ("labels-idx1-ubyte", 8))
    )
    few = label < 3
    digits = [Image.fromarray(each).resize((32, 32)) for each in images.reshape(-1, 28, 28)[few]]
    rows = np.stack([np.asarray(each, np.float32).ravel() for each in digits])
    scores = {each.name: each.value for each in vendi_of_classes(rows, label[few].astype(np.int64))}
    assert scores == pytest.approx({"0": 7.68, "1": 5.31, "2": 12.18}, abs=0.006)


@pytest.mark.parametrize("order", [0.5, 1, 2])
def test_errors_agree_with_the_spread_over_repeated_samples(order: float) -> None:
    scores = [ClassVendi(order=order)(gaussian(seed), None, seed=0)[0] for seed in range(150)]
    ratio = np.sqrt(np.mean([score.error**2 for score in scores])) / np.std([score.value for score in scores], ddof=1)
    assert 0.8 < ratio < 1.2


def test_classes_that_collapsed_show_although_the_whole_is_diverse() -> None:
    # one picture for each of 8 classes
    label = np.arange(80) % 8
    features = replace(Features.of(embedding=np.eye(8)[label]), label=label)
    assert vendi_of_rows(features["embedding"]).value == pytest.approx(8)
    assert ClassVendi()(features, None, seed=0)[0].value == pytest.approx(1)


def test_classes_have_their_names_and_samples_without_classes_no_score() -> None:
    named = replace(with_modes((2, 1)), class_names=("cat", "dog"))
    assert list(ClassVendi()(named, None, seed=0)[0].detail["per_class"]) == ["dog", "cat"]
    assert ClassVendi()(replace(named, label=None), None, seed=0) == []


def test_wrong_lengths_and_orders_are_refused() -> None:
    with pytest.raises(InputError, match="equally many"):
        vendi_of_classes(np.ones((3, 2)), np.zeros(2, np.int64))
    with pytest.raises(UsageError):
        ClassVendi(order=0)
