"""MS-SSIM: closed forms, a direct computation, pytorch-msssim, and the diversity of samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.signal import convolve

from genbench.errors import InputError, UsageError
from genbench.extractors.raw import Images
from genbench.features.features import Features
from genbench.metrics.structural_similarity import SCALE_WEIGHTS, MultiScaleSimilarity, multi_scale_similarity
from tests.helpers.random_weights import smooth_images

X, Y = smooth_images(5, size=64, seed=1), smooth_images(5, size=64, seed=2)


def blended(share: float) -> np.ndarray:
    """Return images between those of X and of Y."""
    return ((1 - share) * X + share * Y).round().astype(np.uint8)


def features(images: np.ndarray, label: np.ndarray | None = None) -> Features:
    return Features([{"image": images}], label=label)


def test_equal_images_have_a_similarity_of_exactly_1() -> None:
    assert multi_scale_similarity(X, X).tolist() == [1.0] * 5


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (192, 177)])
def test_images_of_one_colour_differ_in_brightness_only(size: tuple[int, int]) -> None:
    dark, bright = np.full((1, 3, *size), 60.0), np.full((1, 3, *size), 180.0)
    brightness = (2 * 60 * 180 + 2.55**2) / (60**2 + 180**2 + 2.55**2)
    assert multi_scale_similarity(dark, bright) == pytest.approx(brightness**0.1333, rel=1e-9)


def test_an_image_and_its_negative_have_a_similarity_of_0() -> None:
    assert multi_scale_similarity(X, 255 - X).tolist() == [0.0] * 5


def test_the_similarity_is_symmetric() -> None:
    other = blended(0.4)
    assert multi_scale_similarity(X, other) == pytest.approx(multi_scale_similarity(other, X), rel=1e-12)


def direct_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """Compute MS-SSIM of one pair by two-dimensional convolutions, with windows that shrink with the image."""
    result = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        width = min(11, *x.shape[1:])
        distance = np.arange(width) - (width - 1) / 2
        window = np.exp(-(distance[:, None] ** 2 + distance**2) / (2 * (1.5 * width / 11) ** 2))[None]
        x_mean, y_mean, xx, yy, xy = (
            convolve(each, window / window.sum(), mode="valid") for each in (x, y, x * x, y * y, x * y)
        )
        value = (2 * (xy - x_mean * y_mean) + 7.65**2) / (xx - x_mean**2 + yy - y_mean**2 + 7.65**2)
        if scale == 4:
            value *= (2 * x_mean * y_mean + 2.55**2) / (x_mean**2 + y_mean**2 + 2.55**2)
        result *= max(float(value.mean()), 0.0) ** weight
        x, y = ((z[:, ::2, ::2] + z[:, 1::2, ::2] + z[:, ::2, 1::2] + z[:, 1::2, 1::2]) / 4 for z in (x, y))
    return result


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_small_images_are_compared_with_smaller_windows(share: float) -> None:
    other = blended(share)
    expected = [direct_similarity(x, y) for x, y in zip(X.astype(float), other.astype(float), strict=True)]
    assert 0.1 < max(expected) < 0.98
    assert multi_scale_similarity(X, other) == pytest.approx(expected, rel=1e-9)


def test_large_images_have_the_similarity_of_pytorch_msssim() -> None:
    peer = pytest.importorskip("pytorch_msssim")
    # gray images, because it multiplies the scales of each channel before it averages the channels
    x = smooth_images(4, size=192, seed=3)[:, :1].repeat(3, axis=1)
    y = (0.6 * x + 0.4 * smooth_images(4, size=192, seed=4)[:, :1]).round()
    expected = peer.ms_ssim(torch.from_numpy(x).double(), torch.from_numpy(y).double(), 255, size_average=False)
    # its window is in float32
    assert multi_scale_similarity(x, y) == pytest.approx(expected.numpy(), abs=2e-5)


def test_a_set_of_one_image_has_a_similarity_of_1_without_error() -> None:
    overall, within = MultiScaleSimilarity()(features(X[[0] * 9], np.arange(9) % 2), None, seed=0)
    assert (overall.value, overall.error) == (within.value, within.error) == (1.0, 0.0)


def test_two_colours_have_the_mean_of_their_pairs() -> None:
    images = np.concatenate([np.full((4, 3, 16, 16), 60, np.uint8), np.full((6, 3, 16, 16), 180, np.uint8)])
    (score,) = MultiScaleSimilarity()(features(images), None, seed=0)
    different = ((2 * 60 * 180 + 2.55**2) / (60**2 + 180**2 + 2.55**2)) ** 0.1333
    assert score.value == pytest.approx((24 * different + 21) / 45, rel=1e-9)
    assert score.detail["pairs"] == 45
    # and within each colour there is no difference
    within = MultiScaleSimilarity()(features(images, np.repeat([0, 1], [4, 6])), None, seed=0)[1]
    assert (within.name, within.value, within.error) == ("msssim_per_class", 1.0, 0.0)


def test_each_class_has_at_least_100_pairs() -> None:
    images = np.random.default_rng(0).integers(0, 256, (80, 3, 16, 16), dtype=np.uint8)
    overall, within = MultiScaleSimilarity(pairs=120)(features(images, np.arange(80) % 3), None, seed=0)
    assert (overall.detail["pairs"], within.detail["pairs"]) == (120, 300)


def test_the_record_states_resolution_windows_and_seed() -> None:
    (score,) = MultiScaleSimilarity()(features(X), None, seed=7)
    assert score.detail["height_and_width"] == [64, 64]
    assert score.detail["window_by_scale"] == [11, 11, 11, 8, 4]
    assert "seed 7" in score.detail["pairs_by"]
    assert score.influence is not None


def test_the_interval_covers_the_mean_of_all_images() -> None:
    # a population of 400 images of 16 pixels, some of which are alike
    rng = np.random.default_rng(5)
    kinds = rng.integers(0, 256, (10, 3, 4, 4)).repeat(4, axis=2).repeat(4, axis=3)
    population = np.clip(kinds[rng.integers(10, size=400)] + 25 * rng.standard_normal((400, 3, 16, 16)), 0, 255)
    everything = MultiScaleSimilarity(pairs=400 * 399 // 2)(features(population.astype(np.uint8)), None, seed=0)[0]
    held = []
    for seed in range(300):
        drawn = population[np.random.default_rng([seed, 3]).integers(400, size=60)].astype(np.uint8)
        (score,) = MultiScaleSimilarity(pairs=240)(features(drawn), None, seed=seed)
        # drawing with replacement gives pairs of the same image with a chance of 1 in 400
        expected = everything.value * (1 - 1 / 400) + 1 / 400
        held.append(abs(score.value - expected) <= 1.96 * (score.error or 0.0))
    # a share of 95 % of 300 has an error of 1.3 %
    assert np.mean(held) == pytest.approx(0.95, abs=0.04)


def test_the_extractor_keeps_images_of_its_size_and_resizes_others() -> None:
    same = torch.from_numpy(X)
    assert torch.equal(Images()(same)["image"], same)
    resized = Images(32)(torch.full((2, 3, 90, 40), 51, dtype=torch.uint8))["image"]
    assert resized.dtype == torch.uint8
    assert torch.equal(resized, torch.full((2, 3, 32, 32), 51, dtype=torch.uint8))


@pytest.mark.parametrize("size", [8, 0, 1.5, True, "big", 2**70])
def test_the_extractor_refuses_sizes_without_five_scales(size: object) -> None:
    with pytest.raises(UsageError, match="from 16 to 4096"):
        Images(size)  # type: ignore[arg-type]


@pytest.mark.parametrize("pairs", [1, 0, 2.5, True])
def test_the_number_of_pairs_is_checked(pairs: object) -> None:
    with pytest.raises(UsageError, match="at least 2"):
        MultiScaleSimilarity(pairs=pairs)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(4, 3, 15, 40), (4, 300)])
def test_images_without_five_scales_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="at least 16 x 16 pixels"):
        MultiScaleSimilarity()(features(np.zeros(shape, np.uint8)), None, seed=0)


def test_images_of_different_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="one shape"):
        multi_scale_similarity(X, X[:2])


def test_a_score_of_image_files_is_named_after_the_resolution() -> None:
    from genbench import score

    result = score(X.transpose(0, 2, 3, 1), metrics="msssim,msssim,size=32", cache=False, progress=False)
    values = {one.name: one.value for one in result.scores}
    assert values.keys() == {"msssim@images,size=64", "msssim@images,size=32"}
    pairs = [(i, j) for j in range(5) for i in range(j)]
    direct = [direct_similarity(X[i].astype(float), X[j].astype(float)) for i, j in pairs]
    assert values["msssim@images,size=64"] == pytest.approx(math.fsum(direct) / 10, rel=1e-9)
