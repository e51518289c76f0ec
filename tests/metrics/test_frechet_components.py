"""The Frechet distance in the leading components of the reference."""

import numpy as np
import pytest

from genbench.errors import UsageError
from genbench.features.features import Features, Moments
from genbench.metrics.frechet.metric import FrechetDistance, frechet_distance_of_rows

RNG = np.random.default_rng(0)
SCALE = np.exp(-np.arange(12) / 3)


def sample(rows: int, shift: float = 0.0) -> np.ndarray:
    return (RNG.standard_normal((rows, 12)) * SCALE + shift * SCALE).astype(np.float32)


def distance(generated: np.ndarray, reference: Features | Moments, components: int | None) -> dict[str, float]:
    metric = FrechetDistance(components=components)
    return {score.name: score.value for score in metric(Features.of(embedding=generated), reference, seed=0)}


def test_all_components_give_the_whole_distance() -> None:
    one, two = sample(200, 0.3), Features.of(embedding=sample(300))
    whole, projected = distance(one, two, None), distance(one, two, 12)
    assert projected == {f"fid_pc12{name.removeprefix('fid')}": pytest.approx(value) for name, value in whole.items()}


def test_it_is_the_distance_of_the_rows_in_the_first_components_of_the_reference() -> None:
    one, two = sample(200, 0.3), sample(300)
    basis = np.linalg.eigh(np.cov(two, rowvar=False))[1][:, -3:]
    expected = frechet_distance_of_rows(one @ basis, two @ basis)
    assert distance(one, Features.of(embedding=two), 3)["fid_pc3"] == pytest.approx(expected, rel=1e-5)


def test_moments_of_a_file_give_the_same_distance_as_their_rows() -> None:
    one, two = sample(200, 0.3), sample(300).astype(np.float64)
    moments = Moments(two.mean(axis=0), np.cov(two, rowvar=False), 300)
    rows = distance(one, Features.of(embedding=two), 4)["fid_pc4"]
    assert distance(one, moments, 4)["fid_pc4"] == pytest.approx(rows, rel=1e-5)


def test_few_rows_have_a_debiased_value_in_few_components() -> None:
    one, two = sample(20, 0.3), Features.of(embedding=sample(300))
    assert "fid_debiased" not in distance(one, two, None)
    assert "fid_pc4_debiased" in distance(one, two, 4)


def test_it_does_not_see_the_other_components() -> None:
    two = sample(2000)
    one = two + np.where(np.arange(12) < 6, 0, 1).astype(np.float32)
    assert distance(one, Features.of(embedding=two), 3)["fid_pc3"] < 0.01
    assert distance(one, Features.of(embedding=two), None)["fid"] > 5


@pytest.mark.parametrize(("components", "message"), [(13, "at least 13 dimensions"), (0, "no number of components")])
def test_a_wrong_number_of_components_is_refused(components: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        distance(sample(50), Features.of(embedding=sample(50)), components)
