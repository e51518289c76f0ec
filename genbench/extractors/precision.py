"""The arithmetic of a network: exact float32 by default, TF32 or bfloat16 only on request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from genbench.errors import UsageError, did_you_mean

PRECISIONS = ("fp32", "tf32", "bf16")
"""float32 (23 bits of mantissa); float32 with products in TF32 (10 bits), on NVIDIA's GPUs; bfloat16 (7 bits)."""


def check_precision(precision: str, device: str) -> None:
    """Raise UsageError if a precision is unknown or the device does not support it."""
    if precision not in PRECISIONS:
        raise UsageError(f"There is no precision {precision!r}{did_you_mean(str(precision), PRECISIONS)}")
    # bf16 works on every device
    if precision == "tf32" and not device.startswith("cuda"):
        raise UsageError(f"tf32 needs an NVIDIA GPU, but the device is {device}; leave out --precision or choose bf16.")


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Allow TF32 if ``precision`` is tf32, forbid it otherwise, and restore the caller's settings afterwards."""
    # The switches are global in torch, so other code of the process sees them until they are restored.
    previous = [(backend, setting, getattr(backend, setting)) for backend, setting, *_ in _switches()]
    try:
        for backend, setting, exact, rounded in _switches():
            setattr(backend, setting, rounded if precision == "tf32" else exact)
        yield
    finally:
        for backend, setting, value in previous:
            setattr(backend, setting, value)


@cache
def _switches() -> list[tuple[Any, str, Any, Any]]:
    """Return torch's settings of TF32: the object, its attribute, the value for float32, and the value for tf32."""
    import torch

    backends: Any = torch.backends
    # torch 2.9 replaced the switches of cuDNN and cuBLAS by one setting per operation
    if hasattr(backends.cudnn, "conv"):
        gpu = [
            (operation, "fp32_precision", "ieee", "tf32") for operation in (backends.cudnn.conv, backends.cuda.matmul)
        ]
        # on a CPU, oneDNN must never use TF32
        cpu = (backends.mkldnn.conv, backends.mkldnn.matmul)
        return [*gpu, *((operation, "fp32_precision", "ieee", "ieee") for operation in cpu)]
    return [(backends.cudnn, "allow_tf32", False, True), (backends.cuda.matmul, "allow_tf32", False, True)]
