"""The libraries that can run a network, known without importing any of them."""

from __future__ import annotations

from importlib.util import find_spec

from genbench.errors import UsageError, did_you_mean

# Values of the option --backend.
BACKENDS = ("torch", "openvino", "compile")


def check_backend(backend: str, device: str) -> None:
    """Raise UsageError if a backend is unknown, not installed, or does not support the device."""
    if backend not in BACKENDS:
        raise UsageError(f"There is no backend {backend!r}{did_you_mean(str(backend), BACKENDS)}")
    if backend != "openvino":
        return
    # OpenVINO is an optional dependency, and genbench uses it on the CPU only.
    if find_spec("openvino") is None:
        raise UsageError(
            "The backend openvino is not installed; run `pip install 'genbench[openvino]'`, or leave out --backend."
        )
    if device != "cpu":
        raise UsageError(f"The backend openvino runs on the CPU, not on {device}; leave out --backend or --device.")
