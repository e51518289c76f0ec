"""Process chunks of a batch in parallel, each on one core: a few images fit its cache, and no core waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Chunk = TypeVar("Chunk")
Output = TypeVar("Output")


def map_in_threads(function: Callable[[Chunk], Output], chunks: Sequence[Chunk]) -> list[Output]:
    """Return the outputs of ``function`` for the chunks, in order, computed in as many threads as torch may use.

    The threads share the cores: inside each, torch uses its share of the threads that it may use outside.
    """
    # With one chunk or one thread, a pool would only cost time.
    threads = torch.get_num_threads()
    workers = min(threads, len(chunks))
    if workers < 2:
        return [function(chunk) for chunk in chunks]
    with share_of_threads(workers):
        pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads // workers,))
        # After an error, chunks that have not started are dropped.
        try:
            return list(pool.map(function, chunks))
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def share_of_threads(workers: int) -> Iterator[None]:
    """Limit torch to the share of one of ``workers`` in its threads, at least one; restore the number afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // workers))
    try:
        yield
    finally:
        # This also restores the setting of torch's linear algebra, which the threads of a pool have changed.
        torch.set_num_threads(threads)
