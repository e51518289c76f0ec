"""Load samples in threads, ahead of their use and in order, within a limit of memory."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from genbench.array_types import Array
from genbench.sources.decoding import TooLarge, Unreadable

BATCHES_AHEAD = 2
"""Number of batches that are loaded ahead of the current one."""

MEMORY_AHEAD = 1 << 30
"""Bytes that the samples loaded ahead need at most, unless a single one needs more."""


class Sample(NamedTuple):
    """A sample that was loaded."""

    data: Array
    """uint8 [3, H, W] or float32 [D]."""
    label: int | None
    further_frames: int = 0
    """Number of frames of its file that are not used."""


Loaded = Sample | Unreadable | None
"""A sample, the error of a corrupt sample, or None for a sample that was dropped."""

Load = Callable[[int, "int | None"], "Loaded | TooLarge"]
"""Loads a row, unless it needs more memory than that number of bytes (None: no limit)."""


def load_in_order(load: Load, groups: Iterable[range], workers: int | None) -> Iterator[tuple[int, Loaded]]:
    """Yield each row of the groups with what ``load`` returned, in order.

    Small samples are loaded some groups ahead. Large ones, which would not fit into MEMORY_AHEAD that often, are loaded
    as many at a time as fit.
    """
    workers = workers or min(8, os.cpu_count() or 1)
    # one pool per call, so that the threads end with their batches
    pool = ThreadPoolExecutor(workers, thread_name_prefix="genbench-decode")
    # large samples have a pool of their own, which starts only as many threads as are busy at a time: the C library
    # keeps some memory of every thread that has decoded a large image
    pool_of_large = ThreadPoolExecutor(workers, thread_name_prefix="genbench-decode-large")
    try:
        ahead: deque[tuple[range, list[Future[list[Loaded | TooLarge]]]]] = deque()
        for rows in groups:
            # each thread loads every ``workers``-th row, so large neighbouring images are spread over the threads
            share = MEMORY_AHEAD // ((BATCHES_AHEAD + 1) * max(1, len(rows)))
            shares = [rows[i::workers] for i in range(workers)]
            ahead.append((rows, [pool.submit(_load_rows, load, rows_of_one, share) for rows_of_one in shares]))
            if len(ahead) > BATCHES_AHEAD:
                yield from _finish(pool_of_large, load, *ahead.popleft())
        # all groups are submitted; yield the last ones
        while ahead:
            yield from _finish(pool_of_large, load, *ahead.popleft())
    finally:
        # never wait for the threads here: an abandoned generator ends in any thread, perhaps in one of the pool or in
        # one that holds a lock that the pool needs
        pool.shutdown(wait=False, cancel_futures=True)
        pool_of_large.shutdown(wait=False, cancel_futures=True)


def _load_rows(load: Load, rows: range, memory: int) -> list[Loaded | TooLarge]:
    return [load(row, memory) for row in rows]


def _finish(
    pool: ThreadPoolExecutor, load: Load, rows: range, shares: list[Future[list[Loaded | TooLarge]]]
) -> Iterator[tuple[int, Loaded]]:
    """Yield the rows of one group, and load its large samples."""
    # undo the distribution over the threads
    loaded: list[Loaded | TooLarge] = [None] * len(rows)
    for index, share in enumerate(shares):
        loaded[index :: len(shares)] = share.result()
    shares.clear()
    waiting = [(row, one.memory) for row, one in zip(rows, loaded, strict=True) if isinstance(one, TooLarge)]
    large = _LargeSamples(pool, load, waiting)
    # yield without a reference to what was yielded before
    loaded.reverse()
    for row in rows:
        sample = loaded.pop()
        if isinstance(sample, TooLarge):
            sample = large.take()
        yield row, sample


class _LargeSamples:
    """Large samples that are loaded in order, as far ahead as MEMORY_AHEAD allows."""

    def __init__(self, pool: ThreadPoolExecutor, load: Load, waiting: Iterable[tuple[int, int]]) -> None:
        self._pool, self._load = pool, load
        self._waiting = deque(waiting)  # row and memory
        self._running: deque[tuple[Future[Loaded | TooLarge], int]] = deque()  # result and memory
        self._used = 0

    def take(self) -> Loaded:
        """Return the next sample, and start to load later ones."""
        _return_freed_memory()
        self._start_loading()
        future, memory = self._running.popleft()
        sample = future.result()
        assert not isinstance(sample, TooLarge)
        # the sample belongs to the caller now
        self._used -= memory
        self._start_loading()
        return sample

    def _start_loading(self) -> None:
        while self._waiting and (not self._running or self._used + self._waiting[0][1] <= MEMORY_AHEAD):
            row, memory = self._waiting.popleft()
            self._running.append((self._pool.submit(self._load, row, None), memory))
            self._used += memory


def _return_freed_memory() -> None:
    # glibc keeps freed memory for each thread, and the command line tells it to keep all; that suits the equal sizes of
    # small images, but several large ones would fill the memory with gaps
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
