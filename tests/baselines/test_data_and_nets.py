"""Training data: the scaling of images and points and its inverse; and the networks: shapes and class labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from genbench_baselines.data import TrainingData, as_samples
from genbench_baselines.nets import Decoder, Encoder

from tests.baselines.training_sets import Rows


def test_gray_images_train_as_one_channel_from_minus_one_to_one() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1).expand(-1, 3, 8, 8)
    data = TrainingData.of(Rows(images))
    assert data.shape == (1, 8, 8)
    torch.testing.assert_close(data.values[:, 0, 0, 0], torch.tensor([-1.0, -0.6, 1.0]))


def test_every_gray_level_is_restored_exactly() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8).expand(-1, 3, -1, -1)
    samples = as_samples(TrainingData.of(Rows(levels)).values, 1.0)
    assert samples.dtype == np.uint8
    assert np.array_equal(samples, levels.permute(0, 2, 3, 1).numpy())


def test_coloured_images_keep_their_channels() -> None:
    images = torch.randint(256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert TrainingData.of(Rows(images)).shape == (3, 8, 8)


def test_points_are_scaled_to_root_mean_square_one_and_restored() -> None:
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) * 7
    data = TrainingData.of(Rows(points))
    assert float(data.values.square().mean()) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(as_samples(data.values, data.scale), points.numpy(), rtol=1e-5)


def test_images_of_several_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        TrainingData.of(Rows([torch.zeros(3, 8, 8), torch.zeros(3, 9, 9)]))


def test_rows_are_drawn_with_their_labels() -> None:
    data = TrainingData.of(Rows(torch.arange(20.0)[:, None], torch.arange(20)))
    values, label = data.draw_labelled(64, torch.Generator().manual_seed(0))
    torch.testing.assert_close(values[:, 0] * data.scale, label.float())
    assert data.classes == 20


def test_missing_labels_raise() -> None:
    with pytest.raises(ValueError, match="these data have no labels"):
        TrainingData.of(Rows(torch.ones(3, 2))).draw_labelled(1, torch.Generator())


@pytest.mark.parametrize("classes", [0, 10])
@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 9, 9), (3, 16, 24)])
def test_the_networks_fit_the_data(shape: tuple[int, ...], classes: int) -> None:
    label = torch.arange(4) if classes else None
    x = Decoder(5, shape, classes)(torch.randn(4, 5), label)
    assert tuple(x.shape) == (4, *shape)
    assert tuple(Encoder(shape, 7, classes)(x, label).shape) == (4, 7)


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)])
def test_the_output_depends_on_the_class(shape: tuple[int, ...]) -> None:
    decoder, encoder = Decoder(5, shape, 3), Encoder(shape, 1, 3)
    z, x = torch.ones(1, 5).expand(3, -1), torch.ones(1, *shape).expand(3, *[-1] * len(shape))
    assert len(set(decoder(z, torch.arange(3)).flatten(1)[:, 0].tolist())) == 3
    assert len(set(encoder(x, torch.arange(3))[:, 0].tolist())) == 3


def test_a_conditional_network_without_a_class_raises() -> None:
    with pytest.raises(ValueError, match="needs the class"):
        Encoder((2,), 1, 3)(torch.zeros(1, 2))
