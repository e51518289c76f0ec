"""Symmetric precision and recall: hand case, brute force, exchange of the sides, the asymmetry that they remove."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genbench.metrics.precision_recall import density_coverage
from genbench.metrics.symmetric_precision_recall import symmetric_precision_recall


def normal(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 6]).standard_normal((count, width)).astype(np.float32)


def values(generated: np.ndarray, reference: np.ndarray, k: int = 5) -> dict[str, float]:
    return {name: score.value for name, score in symmetric_precision_recall(generated, reference, k=k).items()}


def test_points_on_a_line_by_hand() -> None:
    # reference 0 1 2 3, k = 1: open balls of radius 1; generated -.5 2.5 9: open balls of radius 3 3 6.5
    # -.5 and 2.5 are in balls: P = 2/3; each generated ball holds a reference row: cP = 1
    # each reference row is in a ball: R = 1; the balls of 0, 2 and 3 hold a generated row: C = 3/4
    found = values(np.array([[-0.5], [2.5], [9.0]]), np.array([[0.0], [1.0], [2.0], [3.0]]), k=1)
    assert found == pytest.approx({"sym_precision": 2 / 3, "sym_recall": 3 / 4, "cprecision": 1.0})


@pytest.mark.parametrize("scale", [0.8, 1.2])
def test_values_agree_with_brute_force(scale: float) -> None:
    x, y = np.float32(scale) * normal(330, 24, 1), normal(300, 24, 2)

    def radii(rows: np.ndarray) -> np.ndarray:
        distances = cdist(rows.astype(np.float64), rows.astype(np.float64))
        return np.asarray(np.sort(distances, axis=1)[:, 5])

    distance = cdist(x.astype(np.float64), y.astype(np.float64))
    of_reference, of_generated = distance < radii(y), distance < radii(x)[:, None]
    complement = of_generated.any(axis=1).mean()
    truth = {
        "sym_precision": min(of_reference.any(axis=1).mean(), complement),
        "sym_recall": min(of_generated.any(axis=0).mean(), of_reference.any(axis=0).mean()),
        "cprecision": complement,
    }
    assert values(x, y) == pytest.approx(truth, abs=1e-12)


def test_symmetric_precision_is_symmetric_recall_with_the_sides_exchanged() -> None:
    x, y = np.float32(0.9) * normal(300, 12, 1), normal(300, 12, 2)
    forward, backward = values(x, y), values(y, x)
    assert forward["sym_precision"] == backward["sym_recall"]
    assert forward["sym_recall"] == backward["sym_precision"]


def test_the_minimum_has_the_parts_of_its_error_of_the_smaller_number() -> None:
    scores = symmetric_precision_recall(np.float32(1.3) * normal(300, 12, 1), normal(300, 12, 2))
    detail = scores["sym_precision"].detail
    assert scores["sym_precision"].value == detail["precision"] < detail["cprecision"]
    assert scores["cprecision"].key == "complement_precision"


def test_spheres_just_inside_and_just_outside_differ_in_precision_but_not_in_the_symmetric_one() -> None:
    def sphere(radius: float, seed: int) -> np.ndarray:
        rows = normal(800, 64, seed)
        return np.asarray(np.float32(radius) * rows / np.linalg.norm(rows, axis=1, keepdims=True))

    inside, outside, reference = sphere(0.8, 1), sphere(1.2, 2), sphere(1.0, 3)
    precision = [density_coverage(each, reference).precision for each in (inside, outside)]
    symmetric = [values(each, reference)["sym_precision"] for each in (inside, outside)]
    assert precision[0] - precision[1] > 0.8
    assert abs(symmetric[0] - symmetric[1]) < 0.1
