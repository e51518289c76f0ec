"""The debiased Frechet distance from sums over blocks, in float32: equal to that from deleted rows, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genbench.features.features import Features, Moments
from genbench.metrics.frechet.bias import jackknife
from genbench.metrics.frechet.deletions import deleted_distances
from genbench.metrics.frechet.gaussian import terms
from genbench.metrics.frechet.metric import FrechetDistance
from genbench.metrics.frechet.pair import Pair, variance_of_both
from genbench.metrics.frechet.sides import GaussianSide

SIZE = 512
SPECTRA = {
    "flat": np.ones(SIZE),
    "slow decay": np.arange(1, SIZE + 1.0) ** -0.5,
    "fast decay": np.logspace(0, -2.5, SIZE),
}


def drawn(seed: int, rows: int, spectrum: str = "flat", **columns: Any) -> Features:
    """Return rows with a spectrum in random directions, the same for all seeds; odd seeds are another distribution."""
    turn = np.linalg.qr(np.random.default_rng(99).standard_normal((SIZE, SIZE)))[0]
    scales = SPECTRA[spectrum] * np.linspace(1, 1 + 0.2 * (seed % 2), SIZE)
    data = np.random.default_rng(seed).standard_normal((rows, SIZE)) * scales @ turn + 0.5 + 0.01 * (seed % 2)
    return replace(Features.of(embedding=data.astype(np.float32)), **columns)


def pair_of(*sides: Features | Moments) -> Pair:
    first, second = (GaussianSide.of(side, "embedding") for side in sides)
    return Pair(first, second, 3, 5)


def require_equal(pair: Pair, *, exact: bool = False) -> None:
    assert (deleted_distances(pair) is None) == exact
    fast, plain = jackknife(pair), jackknife(Pair(pair.generated, pair.reference, pair.seed), blocks=5)
    assert fast is not None
    assert plain is not None
    assert pair.influence is not None
    error = np.sqrt(variance_of_both(pair.influence))
    assert fast.value == pytest.approx(plain.value, rel=0, abs=3e-3 * error)
    assert fast.error == pytest.approx(plain.error, rel=3e-3)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_sums_over_blocks_give_the_debiased_value(spectrum: str) -> None:
    require_equal(pair_of(drawn(0, 1100, spectrum), drawn(1, 1303, spectrum)))


def test_sums_over_blocks_give_the_debiased_value_against_moments() -> None:
    require_equal(pair_of(drawn(0, 1100), drawn(1, 1303).moments()))


def test_sums_over_blocks_give_the_debiased_value_of_classes_and_volumes() -> None:
    classes, volumes = np.arange(1100) % 10, np.arange(1100) // 11
    require_equal(pair_of(drawn(0, 1100, label=classes), drawn(1, 1100, volume=volumes)))


def test_equal_sides_are_debiased_in_float64() -> None:
    pair = pair_of(drawn(0, 1100), drawn(0, 1100))
    require_equal(pair, exact=True)
    debiased = jackknife(pair)
    assert debiased is not None
    assert debiased.value == pytest.approx(0, abs=1e-7)


def test_few_rows_are_debiased_in_float64() -> None:
    pair = pair_of(drawn(0, 600), drawn(1, 1100))
    assert pair.influence is None
    assert deleted_distances(pair) is None


def test_near_0_halves_correct_the_error() -> None:
    first, second = drawn(0, 1100), drawn(2, 1100)
    fid = FrechetDistance()(first, second, seed=0)[0]
    influence = pair_of(first, second).influence
    assert influence is not None
    assert fid.detail["error_by"] == "influence functions of all rows and of halves, because the distance is near 0"
    assert fid.error is not None
    assert 0.5 <= fid.error**2 / variance_of_both(influence) <= 1


def test_the_distance_of_a_pair_is_that_of_its_gaussians() -> None:
    pair = pair_of(drawn(0, 1100, "fast decay"), drawn(1, 1303, "fast decay"))
    assert pair.balance is not None
    assert pair.balance.trace_of_root is not None
    assert pair.terms == pytest.approx(terms(pair.generated.gaussian, pair.reference.gaussian), rel=1e-10)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_coordinates_in_float32_give_the_influence(spectrum: str) -> None:
    pair = pair_of(drawn(0, 1100, spectrum), drawn(1, 1303, spectrum))
    assert pair.influence is not None
    generated, reference = pair.generated.gaussian, pair.reference.gaussian
    assert generated.covariance is not None
    assert reference.covariance is not None
    root = np.linalg.cholesky(reference.covariance)
    values, vectors = np.linalg.eigh(root.T @ generated.covariance @ root)
    basis = root @ vectors / values**0.25
    centred = np.concatenate(list(pair.generated.chunks())) - generated.mean
    plain = centred @ (2 * (generated.mean - reference.mean)) + (centred**2).sum(1) - ((centred @ basis) ** 2).sum(1)
    plain = (plain - plain.mean()) / len(plain)
    assert np.abs(pair.influence[0] - plain).max() < 1e-4 * plain.std()


def test_a_second_subject_computes_nothing_of_the_reference_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = drawn(1, 1303)
    FrechetDistance()(drawn(0, 1100), reference, seed=0)
    known, reads = set(reference.cache), []
    chunks: Callable[..., Iterator[Any]] = Features.chunks

    def counted(self: Features, view: str, size: int = 4096) -> Iterator[Any]:
        reads.append(self is reference)
        return chunks(self, view, size)

    monkeypatch.setattr(Features, "chunks", counted)
    FrechetDistance()(drawn(2, 1100), reference, seed=0)
    # one pass over its rows gives their influence on the new distance, which no store can hold
    assert sum(reads) == 1
    assert set(reference.cache) == known


def test_a_generated_side_stores_no_root() -> None:
    generated = drawn(0, 1100)
    FrechetDistance()(generated, drawn(1, 1303), seed=0)
    assert not [key for key in generated.cache if "cholesky" in key]


@pytest.mark.parametrize("sizes", [(7, 3, 90), (100,), (1,) * 20 + (40, 40)])
def test_chunks_are_all_rows_in_order(sizes: tuple[int, ...]) -> None:
    rows = np.arange(sum(sizes))[:, None]
    blocks = [{"embedding": part} for part in np.split(rows, np.cumsum(sizes)[:-1])]
    chunks = list(Features(blocks).chunks("embedding", 16))
    assert np.array_equal(np.concatenate(chunks), rows)
    assert {len(chunk) for chunk in chunks[:-1]} == {16}
