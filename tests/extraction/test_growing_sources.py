"""A source that is looked at in growing parts, and rows in another order."""

from __future__ import annotations

import numpy as np
import pytest

from genbench.derived_sources import Drawn, Reordered
from genbench.extraction.extract import BLOCK_ROWS, Extraction, extract
from genbench.extraction.feature_store import Store
from genbench.extractors.raw import Points
from genbench.sources.memory import ArraySource

ROWS = np.random.default_rng(0).standard_normal((700, 3)).astype(np.float32)


class Counted:
    """A sampler that counts its calls."""

    calls = 0

    def sample(self, count: int, seed: int) -> np.ndarray:
        self.calls += 1
        return np.random.default_rng(seed).standard_normal((count, 3))


@pytest.mark.parametrize("size", [7, 32, 1000])
def test_rows_come_in_the_given_order(size: int) -> None:
    order = np.random.default_rng(1).permutation(700)[:500]
    batches = list(Reordered(ArraySource(ROWS), order).batches(size, 100, 300))
    assert np.concatenate([batch.data for batch in batches]).tolist() == ROWS[order[100:300]].tolist()
    assert np.concatenate([batch.index for batch in batches]).tolist() == list(range(100, 300))


def test_the_first_rows_have_the_features_and_the_address_of_the_source(tmp_path) -> None:
    source, store = ArraySource(ROWS), Store(tmp_path)
    first = extract(Reordered(source, np.arange(512)), Points(), Extraction(store))
    assert np.array_equal(first["embedding"], extract(source, Points())["embedding"][:512])
    # the whole blocks of the first rows are those of the source
    blocks = {path.name for path in tmp_path.rglob("*.safetensors")}
    extract(source, Points(), Extraction(store))
    assert len({path.name for path in tmp_path.rglob("*.safetensors")} - blocks) == 1


def test_a_growing_source_is_drawn_once_and_gives_the_features_of_one_pass() -> None:
    sampler, known = Counted(), {}
    for count in (BLOCK_ROWS, 2 * BLOCK_ROWS, 700):
        features = extract(Drawn(sampler, count, 0, "counted"), Points(), Extraction(known=known))
        assert len(features) == count
    assert sampler.calls == 3
    whole = extract(Drawn(Counted(), 700, 0, "counted"), Points())
    assert np.array_equal(features["embedding"], whole["embedding"])
    assert features.fingerprint == whole.fingerprint
    assert np.array_equal(features.hashes, whole.hashes)


def test_labels_follow_the_order() -> None:
    source = ArraySource(ROWS)
    assert Reordered(source, np.arange(5)).labels is None
    source.labels = np.arange(700)  # type: ignore[misc]
    assert Reordered(source, np.array([4, 2])).labels.tolist() == [4, 2]


def test_rows_in_random_order_come_in_whole_batches() -> None:
    order = np.random.default_rng(2).permutation(700)
    sizes = [len(batch.index) for batch in Reordered(ArraySource(ROWS), order).batches(64, 0, 256)]
    assert sizes == [64] * 4
