"""MiFID: parity with torchmetrics' formula, identical sets, copies, the threshold."""

from __future__ import annotations

import numpy as np
import pytest

from genbench.errors import InputError
from genbench.features.features import Features
from genbench.metrics.frechet import frechet_distance_of_rows
from genbench.metrics.memorisation_informed import MemorisationInformedDistance, cosine_distances
from genbench.plugs.contracts import Score


def normal(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 9]).standard_normal((count, width)).astype(np.float32)


def mifid(generated: np.ndarray, reference: np.ndarray, train: np.ndarray | None = None) -> Score:
    sides = {} if train is None else {"train": Features.of(embedding=train)}
    metric = MemorisationInformedDistance()
    (score,) = metric(Features.of(embedding=generated), Features.of(embedding=reference), seed=0, **sides)
    return score


def test_the_distance_is_the_formula() -> None:
    left, right = normal(50, 6, 1).astype(np.float64), normal(70, 6, 2).astype(np.float64)
    left[7] = 0
    unit = [side[np.linalg.norm(side, axis=1) > 0] for side in (left, right)]
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in unit]
    expected = (1 - np.abs(unit[0] @ unit[1].T)).min(axis=1)
    assert cosine_distances(left, right) == pytest.approx(expected, abs=1e-12)


def test_rows_in_single_precision_have_the_distances_of_double_precision() -> None:
    left, right = normal(300, 64, 1), normal(400, 64, 2)
    left[:20] = 3 * right[:20]
    found, exact = cosine_distances(left, right), cosine_distances(left.astype(float), right.astype(float))
    assert found == pytest.approx(exact, rel=1e-6, abs=1e-14)


def test_close_samples_are_punished_by_the_inverse_distance() -> None:
    # in 3 dimensions some training row always has nearly the same direction
    generated, train = normal(300, 3, 1) + np.float32(0.5), normal(400, 3, 2)
    score = mifid(generated, train)
    distance = cosine_distances(generated, train).mean()
    assert distance < 0.1
    assert score.value == pytest.approx(frechet_distance_of_rows(generated, train) / (distance + 1e-14), rel=1e-9)


def test_samples_beyond_the_threshold_have_their_frechet_distance() -> None:
    generated, train = normal(300, 32, 1) + np.float32(0.5), normal(400, 32, 2)
    score = mifid(generated, train)
    assert score.detail["distance"] > 0.1
    assert score.value == score.detail["fid"] == pytest.approx(frechet_distance_of_rows(generated, train), rel=1e-9)


def test_copies_are_punished_without_bound_and_identical_sets_are_not() -> None:
    train = normal(400, 32, 1)
    assert mifid(train[:200], train).value > 1e10
    assert mifid(train, train).value == 0


def test_the_training_samples_are_compared_with_and_not_the_reference() -> None:
    generated, train, held_out = normal(300, 3, 1), normal(400, 3, 2), 5 + normal(200, 3, 3)
    score, alone = mifid(generated, held_out, train), mifid(generated, train)
    assert (score.value, score.error) == (alone.value, alone.error)
    assert score.detail["distance_of_held_out"] == cosine_distances(held_out, train).mean()


def test_rows_without_a_direction_are_refused() -> None:
    with pytest.raises(InputError, match="All generated rows are 0"):
        mifid(np.zeros((30, 3), np.float32), normal(40, 3, 1))


def test_parity_with_torchmetrics_where_it_is_installed() -> None:
    torch = pytest.importorskip("torch")
    mifid_module = pytest.importorskip("torchmetrics.image.mifid")
    generated, train = normal(200, 3, 1) * np.float32(1.2), normal(300, 3, 2)
    sides = [torch.from_numpy(side).double() for side in (generated, train)]
    moments = [(side.mean(dim=0), torch.cov(side.T), side) for side in sides]
    # torchmetrics averages over its first set, which is the real one; the paper averages over the generated one
    expected = float(mifid_module._mifid_compute(*moments[0], *moments[1]))
    assert mifid(generated, train).value == pytest.approx(expected, rel=1e-6)
