"""Pixels and points: the extractors without weights."""

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.errors import PlugError, UsageError
from genbench.extractors.raw import Pixels, Points
from genbench.theory.mixtures import GRID, RING


def images(count, *, height=20, width=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, height, width), generator=generator, dtype=torch.uint8)


def points(array):
    return torch.as_tensor(np.asarray(array), dtype=torch.float32)


def test_pixels_of_images_of_the_right_size_are_the_images_over_255():
    data = images(3, height=16, width=16)
    assert torch.equal(Pixels()(data)["embedding"], data.reshape(3, 768).float() / 255)


def test_pixels_of_a_constant_image_are_that_constant_whatever_its_size():
    data = torch.full((2, 3, 37, 11), 51, dtype=torch.uint8)
    torch.testing.assert_close(Pixels(8)(data)["embedding"], torch.full((2, 192), 0.2), rtol=0, atol=1e-6)


def test_pixels_of_a_shrunk_image_agree_with_pillow_up_to_rounding():
    data = images(1, height=64, width=48)
    pillow = Image.fromarray(data[0].permute(1, 2, 0).numpy()).resize((16, 16), Image.Resampling.BILINEAR)
    pixels = Pixels()(data)["embedding"].view(3, 16, 16).permute(1, 2, 0) * 255
    assert np.abs(pixels.numpy() - np.asarray(pillow, np.float32)).max() <= 1.01


def test_pixels_of_an_image_do_not_depend_on_the_batch():
    data = images(40, height=300, width=400)  # large enough to be resized in several parts
    batched = Pixels()(data)["embedding"]
    single = torch.cat([Pixels()(row[None])["embedding"] for row in data])
    assert torch.equal(batched, single)


def test_pixels_do_not_depend_on_the_memory_layout():
    data = images(5)
    assert torch.equal(Pixels()(data)["embedding"], Pixels()(data.to(memory_format=torch.channels_last))["embedding"])


def test_the_size_of_pixels_is_part_of_the_name_and_the_identity():
    assert (Pixels().name, Pixels(32).name) == ("pixels", "pixels,size=32")
    assert Pixels().identity != Pixels(32).identity


@pytest.mark.parametrize("size", [0, -3, 1.5, "big", True])
def test_pixels_reject_a_size_that_is_not_a_positive_integer(size):
    with pytest.raises(UsageError, match="whole number of pixels"):
        Pixels(size)


def test_pixels_reject_points_and_suggest_the_right_extractor():
    with pytest.raises(PlugError, match=r"float32 \[4, 2\]; use --features points"):
        Pixels()(torch.zeros(4, 2))


def test_pixels_reject_float_images():
    with pytest.raises(PlugError, match="8 bits"):
        Pixels()(torch.zeros(4, 3, 8, 8))


def test_the_embedding_of_points_is_the_points():
    data = points([[1, 2, 3], [4, 5, 6]])
    views = Points()(data)
    assert list(views) == ["embedding"]
    assert np.array_equal(views["embedding"], data)
    assert Points().modes is None


@pytest.mark.parametrize(("toy", "mixture"), [("ring", RING), ("grid", GRID)])
def test_each_mean_of_a_toy_has_its_own_mode_and_high_quality(toy, mixture):
    extractor = Points(toy=toy)
    views = extractor(points(mixture.means))
    assert views["mode"].tolist() == list(range(extractor.modes))
    assert views["quality"].all()


def test_a_point_beyond_three_standard_deviations_has_no_high_quality():
    samples = points(RING.means[0] + np.array([[2.9 * RING.std, 0], [3.1 * RING.std, 0]]))
    assert Points(toy="ring")(samples)["quality"].tolist() == [True, False]


def test_a_perfect_sampler_has_the_theoretical_share_of_high_quality():
    quality = Points(toy="grid")(points(GRID.sample(100_000, seed=0)))["quality"]
    expected = 1 - np.exp(-4.5)
    assert abs(quality.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / 100_000)


def test_the_views_of_a_toy_have_the_types_of_the_contract():
    views = Points(toy="ring")(points(RING.sample(10, seed=1)))
    assert {view: rows.dtype for view, rows in views.items()} == {
        "embedding": np.float32,
        "mode": np.int64,
        "quality": np.bool_,
    }


def test_points_reject_images_and_suggest_the_right_extractor():
    with pytest.raises(PlugError, match="use --features pixels"):
        Points()(images(2))


def test_a_toy_rejects_points_of_another_dimension():
    with pytest.raises(PlugError, match=r"2 dimensions.*\[4, 3\]"):
        Points(toy="ring")(torch.zeros(4, 3))


def test_the_message_about_an_unknown_toy_suggests_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'ring'"):
        Points(toy="rings")
