"""What a run keeps for people to look at: galleries of images, points, predictions, distances of parts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genbench.benchmarks import DIGITS, RING8
from genbench.runs.gallery import write_gallery
from genbench.sources.digits import digits
from genbench.theory.mixtures import RING


class Copier:
    """A sampler that gives its training images back."""

    def sample(self, count: int, seed: int) -> np.ndarray:
        batch = next(digits("fit").batches(718))
        return batch.data.numpy()[np.random.default_rng(seed).integers(0, 718, count)]


class Points:
    def sample(self, count: int, seed: int) -> np.ndarray:
        return RING.sample(count, seed)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copied")
    write_gallery(Copier(), DIGITS, seed=0, folder=folder)
    return folder


def tiles(folder: Path) -> np.ndarray:
    """The sheet as [groups, lines, columns, H, W, 3]."""
    about = json.loads((folder / "gallery.json").read_text())["picture"]
    sheet = np.asarray(Image.open(folder / "gallery.png").convert("RGB"))
    height, width, line = about["height"], about["width"], about["line"]
    rows = (sheet.shape[0] - line) // (height + line)
    cut = [
        sheet[row * (height + line) + line :, column * (width + line) + line :][:height, :width]
        for row in range(rows)
        for column in range(about["columns"])
    ]
    return np.array(cut).reshape(-1, len(about["lines"]), about["columns"], height, width, 3)


def test_copies_of_training_images_show_beside_themselves(copied: Path) -> None:
    found = tiles(copied)
    assert found.shape[:3] == (3, 3, 8)
    assert (found[:, 0] == found[:, 2]).all()
    assert (found[:, 0] != found[:, 1]).any()


def test_typical_samples_are_nearer_to_the_reference_than_odd_ones(copied: Path) -> None:
    groups = json.loads((copied / "gallery.json").read_text())["groups"]
    assert max(groups["typical"]["distance"]) < min(groups["odd"]["distance"])
    assert groups["odd"]["distance"] == sorted(groups["odd"]["distance"], reverse=True)


def test_predictions_are_probabilities_of_the_shown_samples(copied: Path) -> None:
    found = json.loads((copied / "gallery.json").read_text())
    assert len(found["conditionals"]) == 8
    for row in [*found["conditionals"], found["marginal"], found["reference_marginal"]]:
        assert sum(row) == pytest.approx(1, abs=0.01)


def test_the_distance_of_fewer_samples_is_larger_and_the_last_is_the_score(copied: Path) -> None:
    from genbench.scoring.score import score

    about = json.loads((copied / "gallery.json").read_text())["by_count"]
    counts, values, _ = zip(*about["rows"], strict=True)
    assert counts == (224, 449, 898)
    assert values[0] > values[1] > values[2]
    assert values[2] == pytest.approx(score(Copier(), DIGITS, seed=0, progress=False)[about["name"]].value, rel=1e-4)


def test_points_are_kept_beside_the_references(tmp_path: Path) -> None:
    recipe = replace(RING8, train="ring,count=500,seed=7", metrics="modes,target=uniform", count=600)
    write_gallery(Points(), recipe, seed=0, folder=tmp_path)
    found = json.loads((tmp_path / "gallery.json").read_text())
    assert np.array(found["points"]).shape == (600, 2)
    assert np.array(found["reference_points"]).shape == (1000, 2)
    assert sum(found["modes"]) == 600
    assert not (tmp_path / "gallery.png").exists()
    assert (tmp_path / "samples.png").exists()


def test_the_same_samples_make_the_same_files(copied: Path, tmp_path: Path) -> None:
    write_gallery(Copier(), DIGITS, seed=0, folder=tmp_path)
    for name in ("gallery.json", "gallery.png", "samples.png"):
        assert (tmp_path / name).read_bytes() == (copied / name).read_bytes()
