"""The gallery of a result: images, points, predictions and distances by number of samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genbench.benchmarks import DIGITS, RING8
from genbench.runs.folder import RunFolder
from genbench.runs.gallery import write_gallery
from genbench.runs.gallery_record import Gallery
from genbench.sources.digits import digits
from genbench.theory.mixtures import RING


class Copier:
    """A sampler that returns its training images."""

    def sample(self, count: int, seed: int) -> np.ndarray:
        batch = next(digits("fit").batches(718))
        return batch.data[np.random.default_rng(seed).integers(0, 718, count)]


class Points:
    def sample(self, count: int, seed: int) -> np.ndarray:
        return RING.sample(count, seed)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("copied"), "digits", "copier", 0)
    write_gallery(Copier(), DIGITS, seed=0, folder=folder)
    return folder


def tiles(folder: RunFolder) -> np.ndarray:
    """The sheet as [groups, lines, columns, H, W, 3]."""
    layout = folder.read_gallery().picture
    assert layout is not None
    sheet = np.asarray(Image.open(folder.sheet).convert("RGB"))
    height, width, gap = layout.height, layout.width, layout.gap
    rows = (sheet.shape[0] - gap) // (height + gap)
    cut = [
        sheet[row * (height + gap) + gap :, column * (width + gap) + gap :][:height, :width]
        for row in range(rows)
        for column in range(layout.columns)
    ]
    return np.array(cut).reshape(-1, len(layout.lines), layout.columns, height, width, 3)


def test_copies_of_training_images_have_themselves_as_nearest_training_images(copied: RunFolder) -> None:
    sheet = tiles(copied)
    assert sheet.shape[:3] == (3, 3, 8)
    assert (sheet[:, 0] == sheet[:, 2]).all()
    assert (sheet[:, 0] != sheet[:, 1]).any()


def test_typical_samples_are_nearer_to_the_reference_than_odd_ones(copied: RunFolder) -> None:
    groups = copied.read_gallery().groups
    assert max(groups["typical"].distances) < min(groups["odd"].distances)
    assert list(groups["odd"].distances) == sorted(groups["odd"].distances, reverse=True)


def test_predictions_are_probabilities_of_the_shown_samples(copied: RunFolder) -> None:
    gallery = copied.read_gallery()
    assert len(gallery.conditionals) == 8
    for row in [*gallery.conditionals, gallery.marginal, gallery.reference_marginal]:
        assert sum(row) == pytest.approx(1, abs=0.01)


def test_the_distance_of_fewer_samples_is_larger_and_the_last_is_the_score(copied: RunFolder) -> None:
    from genbench.scoring.score import score

    distances = copied.read_gallery().by_count
    assert distances is not None
    counts, values, _ = zip(*distances.rows, strict=True)
    assert counts == (224, 449, 898)
    assert values[0] > values[1] > values[2]
    assert values[2] == pytest.approx(score(Copier(), DIGITS, seed=0, progress=False)[distances.name].value, rel=1e-4)


def test_points_are_stored_with_the_reference_points(tmp_path: Path) -> None:
    recipe = replace(RING8, train="ring,count=500,seed=7", metrics="modes,target=uniform", count=600)
    folder = RunFolder(tmp_path, "ring8", "points", 0)
    write_gallery(Points(), recipe, seed=0, folder=folder)
    gallery = folder.read_gallery()
    assert np.array(gallery.points).shape == (600, 2)
    assert np.array(gallery.reference_points).shape == (1000, 2)
    assert sum(gallery.modes) == 600
    assert not folder.sheet.exists()
    assert folder.samples.exists()


def test_the_same_samples_make_the_same_files(copied: RunFolder, tmp_path: Path) -> None:
    again = RunFolder(tmp_path, "digits", "copier", 0)
    write_gallery(Copier(), DIGITS, seed=0, folder=again)
    for name in ("gallery.json", "gallery.png", "samples.png"):
        assert (again.path / name).read_bytes() == (copied.path / name).read_bytes()


def test_a_folder_without_a_gallery_has_an_empty_one(tmp_path: Path) -> None:
    assert RunFolder(tmp_path, "digits", "vae", 0).read_gallery() == Gallery()


class PartlyCopies:
    """A sampler of 5 exact and 5 noisy copies of training images among images that the training set lacks."""

    def sample(self, count: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        fit, unseen = (next(digits(split).batches(718)).data for split in ("fit", "validation"))
        images = unseen[rng.integers(0, len(unseen), count)]
        images[:10] = fit[100:110]
        images[5:10] = (images[5:10] + rng.normal(0, 4, images[5:10].shape)).round().clip(0, 255)
        return images


def test_planted_copies_are_shown_beside_their_training_images(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "digits", "partly-copies", 0)
    recipe = replace(DIGITS, metrics="memorised", features="pixels", count=200)
    write_gallery(PartlyCopies(), recipe, seed=0, folder=folder)
    group = folder.read_gallery().groups["copied"]
    # all eight are planted copies, the exact ones first
    assert set(group.rows) <= set(range(10))
    assert sorted(group.rows[:5]) == [0, 1, 2, 3, 4]
    sheet = tiles(folder)[3].astype(int)
    assert np.array_equal(sheet[0, :5], sheet[2, :5])
    assert np.abs(sheet[0] - sheet[2]).max() < 30


def test_a_benchmark_that_measures_memorisation_scores_with_its_training_samples() -> None:
    from genbench.scoring.score import score

    recipe = replace(DIGITS, metrics="memorised", features="pixels", count=200)
    result = score(PartlyCopies(), recipe, progress=False, cache=False)
    assert result.train is not None
    assert result.train.name == "digits,split=fit"
    assert result["memorised@pixels"].detail["found"] >= 10
