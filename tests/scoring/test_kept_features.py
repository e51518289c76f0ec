"""A score whose features are kept computes nothing, and so imports no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import genbench
from tests.helpers.random_weights import random_inception_weights, smooth_images

METRICS = "fid,fd@pixels,fd@digits,fd@efficientnet-lite0"

AGAIN = """
import sys
import genbench
generated, reference, weights, metrics = sys.argv[1:]
options = {"features": "inception", "weights": weights, "metrics": metrics, "device": "cpu"}
result = genbench.score(generated, reference=reference, **options)
print(*(score.value for score in result.scores), "torch" in sys.modules)
"""


def folder_of_images(folder: Path, seed: int) -> Path:
    folder.mkdir()
    for number, image in enumerate(smooth_images(6, size=24, seed=seed)):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{number}.png")
    return folder


def test_a_score_of_kept_features_does_not_import_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "kept"))
    weights = random_inception_weights(tmp_path / "random.pth", seed=4)
    sides = [folder_of_images(tmp_path / name, seed) for seed, name in enumerate(("generated", "reference"))]
    first = genbench.score(
        sides[0], reference=sides[1], features="inception", weights=str(weights), metrics=METRICS, device="cpu"
    )
    # the same in a process of its own
    words = [sys.executable, "-c", AGAIN, *map(str, sides), str(weights), METRICS]
    *values, imported = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    np.testing.assert_array_equal([float(value) for value in values], [score.value for score in first.scores])
    assert imported == "False"
