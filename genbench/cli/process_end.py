"""End the process of the command line without the destructors of torch's libraries, which take half a second."""

from __future__ import annotations

import ctypes
import os
import sys


def end_without_destructors() -> None:
    """Tell glibc to end this process after Python has ended; do nothing on other systems or without torch.

    The destructors of torch's libraries free memory that the system frees anyway: half a second, and up to 120 MB of
    pages that nothing else touches. Python's own functions of ``atexit`` are called, and all files are written.
    """
    # a library that was preloaded, such as a profiler, may write its report at the end
    if "torch" not in sys.modules or not sys.platform.startswith("linux") or "LD_PRELOAD" in os.environ:
        return
    # only glibc has both
    library = ctypes.CDLL(None)
    on_exit, close_all = (getattr(library, name, None) for name in ("on_exit", "fcloseall"))
    if on_exit is None or close_all is None:
        return
    # the last function comes first, and each gets the exit code: close C's files, and end with the code
    for function in (library._exit, close_all):
        on_exit(function, None)
