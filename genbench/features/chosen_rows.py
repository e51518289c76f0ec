"""Features of some rows of other Features: halves, and subsets of as many rows as another side has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np

from genbench.array_types import Array, Int64
from genbench.features.features import ROW_COLUMNS, Features


def chosen_rows(features: Features, rows: Int64) -> Features:
    """Return the Features of some rows, int64 [n] in ascending order, each at most once.

    The rows stay in the blocks of the original, which are read when they are needed. All rows are the original itself.
    """
    if len(rows) == len(features):
        return features
    # another content: its fingerprint is that of the whole and of the choice, and nothing derived is kept
    known = {name: getattr(features, name) for name in ROW_COLUMNS}
    columns: dict[str, Any] = {name: None if each is None else each[rows] for name, each in known.items()}
    digest = hashlib.sha256(features.fingerprint.encode() + np.asarray(rows, np.int64).tobytes()).hexdigest()
    return replace(
        features,
        blocks=_ChosenBlocks(features.blocks, rows),
        fingerprint=digest if features.fingerprint else "",
        **columns,
        cache={},
        _arrays={},
    )


def class_order(label: Int64 | None, count: int, seed: int) -> Int64:
    """Return a seeded order of ``count`` rows, int64 [count], in which the rows of a class follow one another.

    Each k-th row of this order is a sample in which all classes have the shares that they have in all rows. Without
    labels the order is random.
    """
    # a stable sort keeps the random order within each class
    order = np.random.default_rng(seed).permutation(count)
    return order if label is None else order[np.argsort(label[order], kind="stable")]


class _ChosenBlocks(Sequence[Mapping[str, Array]]):
    """The blocks that have chosen rows."""

    def __init__(self, blocks: Sequence[Mapping[str, Array]], rows: Int64) -> None:
        # the rows of each block, counted from its start
        ends = np.cumsum([len(block[next(iter(block))]) for block in blocks])
        parts = np.split(rows, np.searchsorted(rows, ends[:-1]))
        starts = np.concatenate([[0], ends[:-1]])
        # blocks without a chosen row are left out
        self._chosen = [
            _ChosenBlock(block, part - start)
            for block, part, start in zip(blocks, parts, starts, strict=True)
            if len(part)
        ]

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Array]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Array]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Array] | Sequence[Mapping[str, Array]]:
        # each block reads its rows when a view is asked for
        return self._chosen[index]


class _ChosenBlock(Mapping[str, Array]):
    """Some rows of a block; a view is read when it is asked for."""

    def __init__(self, block: Mapping[str, Array], rows: Int64) -> None:
        self._block, self._rows = block, rows

    def __getitem__(self, view: str) -> Array:
        return np.asarray(self._block[view][self._rows])

    def __iter__(self) -> Iterator[str]:
        return iter(self._block)

    def __len__(self) -> int:
        return len(self._block)
