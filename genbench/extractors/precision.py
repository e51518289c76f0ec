"""In what arithmetic a network computes: float32 as it is written, or the shortcuts that somebody asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from genbench.errors import UsageError, did_you_mean

PRECISIONS = ("fp32", "tf32", "bf16")
"""float32; float32 whose products NVIDIA's tensor cores round to 10 bits; bfloat16, 7 bits."""


def check_precision(precision: str, device: str) -> None:
    """Raise UsageError for an unknown precision, or one that the device does not have."""
    if precision not in PRECISIONS:
        raise UsageError(f"No precision is called {precision!r}{did_you_mean(str(precision), PRECISIONS)}")
    if precision == "tf32" and not device.startswith("cuda"):
        raise UsageError(
            f"tf32 is arithmetic of NVIDIA's GPUs, and the device is {device}; leave out --precision or choose bf16."
        )


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Allow TF32 where it was asked for and nowhere else, whatever the caller allows; then restore what was allowed."""
    before = [(holder, option, getattr(holder, option)) for holder, option, *_ in _SWITCHES]
    try:
        for holder, option, exact, rounded in _SWITCHES:
            setattr(holder, option, rounded if precision == "tf32" else exact)
        yield
    finally:
        for holder, option, value in before:
            setattr(holder, option, value)


def _switches() -> list[tuple[Any, str, Any, Any]]:
    backends: Any = torch.backends
    if hasattr(backends.cudnn, "conv"):  # torch 2.9 and later
        gpu = [
            (operation, "fp32_precision", "ieee", "tf32") for operation in (backends.cudnn.conv, backends.cuda.matmul)
        ]
        cpu = (backends.mkldnn.conv, backends.mkldnn.matmul)
        return [*gpu, *((operation, "fp32_precision", "ieee", "ieee") for operation in cpu)]
    return [(backends.cudnn, "allow_tf32", False, True), (backends.cuda.matmul, "allow_tf32", False, True)]


_SWITCHES = _switches()
