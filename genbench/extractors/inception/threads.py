"""Parts of a batch side by side, each on one core: a few images at a time stay in its cache, and no core waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Part = TypeVar("Part")
Found = TypeVar("Found")


def side_by_side(work: Callable[[Part], Found], parts: Sequence[Part]) -> list[Found]:
    """Return what ``work`` makes of each part, in order, as many at a time as torch may use threads.

    Each runs in a thread of its own, in which torch keeps to its share of those threads.
    """
    threads = torch.get_num_threads()
    streams = min(threads, len(parts))
    if streams < 2:
        return [work(part) for part in parts]
    with one_thread_in(streams):
        pool = ThreadPoolExecutor(streams, initializer=torch.set_num_threads, initargs=(threads // streams,))
        try:
            return list(pool.map(work, parts))
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def one_thread_in(streams: int) -> Iterator[None]:
    """Let torch use one in so many of its threads; afterwards all of them again."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // streams))
    try:
        yield
    finally:
        torch.set_num_threads(threads)  # also undoes what its linear algebra heard from the threads of a pool
