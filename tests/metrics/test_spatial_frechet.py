"""sFID is the Frechet distance of the view ``spatial``, with the error and the debiased value of FID."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from genbench.features.features import Features
from genbench.metrics.frechet import FrechetDistance
from genbench.metrics.frechet.spatial import SpatialFrechetDistance


def draw(seed: int, shift: float) -> Features:
    rng = np.random.default_rng(seed)
    spatial = rng.standard_normal((400, 12)) @ rng.standard_normal((12, 12)) + shift
    return Features.of(embedding=rng.standard_normal((400, 3)), spatial=np.maximum(spatial, 0).astype(np.float32))


def test_it_equals_an_independent_computation() -> None:
    generated, reference = draw(0, 0.5), draw(1, 0.0)
    rows = [np.asarray(side["spatial"], np.float64) for side in (generated, reference)]
    covariances = [np.cov(side, rowvar=False) for side in rows]
    difference = rows[0].mean(axis=0) - rows[1].mean(axis=0)
    root = sqrtm(covariances[0] @ covariances[1])
    expected = difference @ difference + np.trace(covariances[0] + covariances[1]) - 2 * np.trace(root).real
    score = SpatialFrechetDistance()(generated, reference, seed=0)[0]
    assert (score.name, score.key) == ("sfid", "spatial_frechet_inception_distance")
    assert score.value == pytest.approx(expected, rel=1e-9)


def test_its_numbers_are_those_of_fid_of_the_same_rows() -> None:
    generated, reference = draw(0, 0.5), draw(1, 0.0)
    sides = [Features.of(embedding=side["spatial"]) for side in (generated, reference)]
    spatial = SpatialFrechetDistance()(generated, reference, seed=0)
    plain = FrechetDistance()(*sides, seed=0)
    assert [score.name for score in spatial] == ["sfid", "sfid_debiased"]
    assert spatial[1].detail["corrects"] == "sfid"
    for one, other in zip(spatial, plain, strict=True):
        assert (one.value, one.error, one.influence, one.better) == (
            other.value,
            other.error,
            other.influence,
            other.better,
        )


def test_its_leading_components_have_their_own_name() -> None:
    scores = SpatialFrechetDistance(components=4)(draw(0, 0.5), draw(1, 0.0), seed=0)
    assert [(score.name, score.key) for score in scores] == [
        ("sfid_pc4", "spatial_frechet_inception_distance_pc4"),
        ("sfid_pc4_debiased", "spatial_frechet_inception_distance_pc4_debiased"),
    ]
