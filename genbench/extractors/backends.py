"""What computes a network: torch with oneDNN's fused kernels, torch.compile, or OpenVINO; the numbers agree."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import nn

from genbench.errors import UsageError, did_you_mean
from genbench.extractors.convolution import Convolution

BACKENDS = ("torch", "openvino", "compile")


class Prepared(NamedTuple):
    """A network ready to run, and how it runs, for the record."""

    run: Callable[[torch.Tensor], torch.Tensor]
    route: str


def check_backend(backend: str, device: str) -> None:
    """Raise UsageError for an unknown backend, or one that is not installed or does not know the device."""
    if backend not in BACKENDS:
        raise UsageError(f"No backend is called {backend!r}{did_you_mean(str(backend), BACKENDS)}")
    if backend != "openvino":
        return
    if find_spec("openvino") is None:
        raise UsageError(
            "The backend openvino is not installed; type `pip install 'genbench[openvino]'`, or leave out --backend."
        )
    if device != "cpu":
        raise UsageError(f"The backend openvino computes on the cpu, not on {device}; choose one of them.")


def prepared(network: nn.Module, backend: str, example: torch.Tensor) -> Prepared:
    """Return a network in evaluation mode as the backend runs it.

    ``example`` has the shape of an input of one sample and the dtype to compute in; what is run takes float32 [N, ...].
    """
    device = next(network.buffers()).device
    if backend == "openvino":
        return _openvino(network, example)
    network, version = network.to(example.dtype), f"torch {torch.__version__}"
    if backend == "compile":
        compiled: Any = torch.compile(network, dynamic=False)
        return Prepared(lambda x: compiled(x.to(example.dtype)), f"{version}, compiled")
    fused = device.type == "cpu" and _fused(network, example)
    route = f"{version}, convolutions fused by oneDNN" if fused else version
    return Prepared(lambda x: network(x.to(example.dtype)), route)


def _fused(network: nn.Module, example: torch.Tensor) -> bool:
    """Fuse all convolutions and try it; where this torch does not offer the kernel, leave the network as it was."""
    convolutions = [part for part in network.modules() if isinstance(part, Convolution)]
    try:
        with torch.inference_mode():
            for one in convolutions:
                one.fuse()
            network(example)
    except Exception:  # the kernel is not part of torch's public interface: it may be gone, or mean something else
        for one in convolutions:
            one.unfuse()
        return False
    return True


def _openvino(network: nn.Module, example: torch.Tensor) -> Prepared:
    import openvino

    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that torch will give up the tracing that OpenVINO leans on
        model = openvino.convert_model(network, example_input=example.float())
    how = {
        "INFERENCE_PRECISION_HINT": "bf16" if example.dtype == torch.bfloat16 else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = openvino.compile_model(model, "CPU", how)
    return Prepared(lambda x: torch.from_numpy(compiled(x.numpy())[0].copy()), f"openvino {openvino.__version__}")
