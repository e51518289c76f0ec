"""The device that extractors compute on: the one that was asked for, or the best one that works here."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from genbench.errors import UsageError

GPU_FILES = ("nvidia*", "nvmap", "kfd", "dxg")
"""The files in /dev of the drivers of GPUs that torch calls cuda: NVIDIA's, those of its boards, AMD's, Windows'."""


def usable_device(name: str) -> str:
    """Return the device of that name, or the best one for ``auto``. Raises UsageError if it cannot be used.

    torch is imported only if the device may be a GPU: features that are kept need none.
    """
    if name == "cpu" or (name == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch

    # a small tensor shows whether the device works
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    # torchrun starts one process for each GPU of a machine
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{int(os.environ['LOCAL_RANK']) % max(torch.cuda.device_count(), 1)}"
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise UsageError(f"The device {name!r} cannot be used here ({reason}); try cpu, cuda or auto.") from error
    return name


def _may_have_gpu() -> bool:
    """Return whether this machine can have a GPU that torch calls cuda."""
    # no such GPU works without a driver, and macOS has none; elsewhere only torch knows
    if platform.system() == "Linux":
        return any(next(Path("/dev").glob(pattern), None) for pattern in GPU_FILES)
    return platform.system() != "Darwin"
