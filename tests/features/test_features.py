"""All rows of a view as one array, in memory or in a file."""

from __future__ import annotations

import numpy as np
import pytest

from genbench.features import features
from genbench.features.features import Features

BLOCKS = [np.arange(12, dtype=np.float32).reshape(4, 3), np.full((2, 3), -1, np.float32)]


def test_many_rows_are_stored_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "IN_MEMORY_BYTES", 50)
    rows = Features([{"embedding": block} for block in BLOCKS])["embedding"]
    assert isinstance(rows, np.memmap)
    assert np.array_equal(rows, np.concatenate(BLOCKS))


def test_few_rows_are_stored_in_memory() -> None:
    rows = Features([{"embedding": block} for block in BLOCKS])["embedding"]
    assert not isinstance(rows, np.memmap)
    assert np.array_equal(rows, np.concatenate(BLOCKS))
