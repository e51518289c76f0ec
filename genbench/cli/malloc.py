"""Keep the memory of freed tensors in this process: giving it back to the system and faulting it in again is slow."""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Names of glibc's malloc.h."""


def keep_pages() -> None:
    """Tell glibc to keep what is freed; elsewhere, and where the environment sets malloc's options, do nothing.

    A forward pass frees and takes hundreds of MB a batch, which cost up to a third of its time. For a process of its
    own only: a program that imports genbench decides about its memory itself.
    """
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
