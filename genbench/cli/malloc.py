"""Keep the memory of freed tensors in this process, because returning it to the system and getting it back is slow."""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8
"""Options of mallopt, with the values of glibc's malloc.h."""


def keep_pages() -> None:
    """Tell glibc to keep freed memory; do nothing on other systems or if the environment sets options of malloc.

    A forward pass allocates and frees hundreds of MB per batch, which took up to a third of its time. Only the command
    line calls this: a program that imports genbench manages its memory itself.
    """
    # only glibc knows these options, and the user's own settings have priority
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return
    # musl has no mallopt
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        # no separate mappings for large blocks, and no trimming of the heap
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
        # one heap for all threads, so that the metrics use again what the threads of the network have freed
        mallopt(ARENA_MAX, 1)
