"""The radial power spectrum and the distance of spectra: closed forms, artefacts, the error."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from genbench.errors import InputError, PlugError
from genbench.extractors.spectrum import Spectrum
from genbench.features.features import Features
from genbench.metrics.spectral import SpectralDistance, spectral_distance


def gray(images: np.ndarray) -> torch.Tensor:
    """Return uint8 [N, 3, H, W] of brightness [N, H, W] in 0..1."""
    rounded = np.clip(np.round(images * 255), 0, 255).astype(np.uint8)
    return torch.from_numpy(np.repeat(rounded[:, None], 3, axis=1))


def noise(count: int, seed: int, size: tuple[int, int] = (32, 32), scale: float = 0.1) -> np.ndarray:
    return 0.5 + scale * np.random.default_rng([seed, 5]).standard_normal((count, *size))


def power(images: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(Spectrum()(gray(images))["spectrum"].double().numpy()).mean(axis=0))


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_white_noise_has_its_variance_at_each_radius(size: tuple[int, int]) -> None:
    spectrum = power(noise(400, 1, size))
    assert spectrum.shape == (min(size) // 2,)
    assert spectrum == pytest.approx(0.01, rel=0.06)


def test_a_wave_of_five_cycles_has_its_power_at_radius_five() -> None:
    wave = 0.5 + 0.25 * np.cos(2 * np.pi * 5 * np.arange(32) / 32)
    spectrum = power(np.tile(wave, (1, 32, 1)))
    assert spectrum.argmax() + 1 == 5
    assert spectrum[4] > 1000 * np.delete(spectrum, 4).max()


def test_an_image_of_one_colour_has_almost_no_power() -> None:
    assert power(np.full((2, 16, 16), 0.3)) == pytest.approx(1e-10, rel=1e-6)


def test_a_factor_on_the_contrast_gives_twice_its_logarithm() -> None:
    rows = np.random.default_rng(1).standard_normal((50, 12))
    assert spectral_distance(rows + 2 * math.log(1.5), rows).value == pytest.approx(2 * math.log(1.5))


def test_the_value_equals_a_direct_computation() -> None:
    x, y = (np.random.default_rng(seed).standard_normal((40, 7)) for seed in (1, 2))
    direct = np.abs(np.log(np.exp(x).mean(0) / np.exp(y).mean(0))).mean()
    assert spectral_distance(x, y).value == pytest.approx(direct, rel=1e-12)


def test_planted_stripes_show_at_the_highest_radius() -> None:
    sets = [noise(60, 1, scale=0.05), noise(60, 2, scale=0.05), noise(60, 3, scale=0.05) + stripes()]
    spectra = [Spectrum()(gray(images)) for images in sets]
    features = [Features.of(spectrum=views["spectrum"].numpy()) for views in spectra]
    clean, planted = (SpectralDistance()(side, features[0], seed=0)[0] for side in features[1:])
    assert planted.value > clean.value + 5 * (planted.error or 0)
    gap = np.subtract(planted.detail["log_power_generated"], planted.detail["log_power_reference"])
    assert np.abs(gap).argmax() + 1 == 16


def stripes() -> np.ndarray:
    """Return the pattern of a transposed convolution of stride 2: every second column is brighter."""
    return np.tile(0.06 * (np.arange(32) % 2 - 0.5), (32, 1))


@pytest.mark.parametrize("factor", [1.0, 1.3])
def test_the_error_is_the_spread_over_samples(factor: float) -> None:
    estimates = []
    for seed in range(150):
        rng = np.random.default_rng([seed, 9])
        x, y = (rng.gamma(4.0, 0.25, (80, 10)) for _ in range(2))
        estimates.append(spectral_distance(np.log(factor * x), np.log(y)))
    values = np.array([estimate.value for estimate in estimates])
    # the spread of 150 values has an error of 6 %
    if factor > 1:
        assert np.mean([estimate.error for estimate in estimates]) == pytest.approx(values.std(ddof=1), rel=0.2)
        assert values.mean() == pytest.approx(math.log(1.3), abs=3 * values.std() / math.sqrt(150))
    else:
        assert np.mean([estimate.expected for estimate in estimates]) == pytest.approx(values.mean(), rel=0.05)


def test_images_of_different_sizes_are_refused() -> None:
    sides = [Features.of(spectrum=np.zeros((4, width))) for width in (8, 16)]
    with pytest.raises(InputError, match="about 16 pixels"):
        SpectralDistance()(*sides, seed=0)


def test_tiny_images_are_refused() -> None:
    with pytest.raises(PlugError, match="at least 4 x 4"):
        Spectrum()(torch.zeros(1, 3, 2, 9, dtype=torch.uint8))
