"""What computes a network: torch with oneDNN's fused kernels, torch.compile, or OpenVINO; the numbers agree."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn
from torch.nn import functional

from genbench.errors import UsageError, did_you_mean
from genbench.extractors.inception.convolution import Convolution
from genbench.extractors.inception.threads import one_thread_in, side_by_side

BACKENDS = ("torch", "openvino", "compile")

IN_STREAM = 2
"""Samples that go through a network together on one core."""

Found = TypeVar("Found")


class Prepared(NamedTuple):
    """A network ready to run, how it runs, for the record, and how it is best run."""

    run: Callable[[torch.Tensor], torch.Tensor]
    route: str
    at_once: int | None = None
    """Samples at a time, fewer of which are slower and more of which take more memory; None leaves it to the caller."""
    streams: bool = False
    """Whether parts of that size go side by side, each on one core."""

    def each(self, work: Callable[[torch.Tensor], Found], batch: torch.Tensor) -> list[Found]:
        """Return what ``work``, which calls ``run``, makes of the parts of a batch."""
        parts = torch.split(batch, self.at_once) if self.at_once and len(batch) else (batch,)
        return side_by_side(work, parts) if self.streams else [work(part) for part in parts]


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


def prepared(network: nn.Module, backend: str, example: torch.Tensor, again: Callable[[], nn.Module]) -> Prepared:
    """Return a network as the backend runs it.

    ``example`` is an input of one sample in the dtype to compute in; what is run takes float32. ``again`` builds the
    network once more, where fusing has used it up and torch turns out to lack the kernel.
    """
    if backend == "openvino":
        return _openvino(network, example)
    network, version = network.to(example.dtype), f"torch {torch.__version__}"
    if backend == "compile":
        return Prepared(_Compiled(network, example.dtype), f"{version}, compiled")
    if next(network.buffers()).device.type != "cpu":
        return Prepared(lambda x: network(x.to(example.dtype)), version)
    route = f"{version}, convolutions fused by oneDNN"
    try:
        _fuse(network, example.expand(IN_STREAM, *example.shape[1:]))
    except Exception:  # the kernel is not part of torch's public interface: it may be gone, or mean something else
        network, route = again().to(example.dtype), version
    return Prepared(lambda x: network(x.to(example.dtype)), route, IN_STREAM, streams=True)


def _fuse(network: nn.Module, example: torch.Tensor) -> None:
    """Fuse each convolution when the example reaches it: their old and new weights are never all in memory."""

    def fuse(module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(module, Convolution)
        module.fuse(given[0].shape)

    convolutions = [part for part in network.modules() if isinstance(part, Convolution)]
    hooks = [one.register_forward_pre_hook(fuse) for one in convolutions]
    with torch.inference_mode(), one_thread_in(torch.get_num_threads()):  # the layout depends on it
        network(example)
    for hook in hooks:
        hook.remove()


class _Compiled:
    """A compiled network; compiling takes a minute, so a batch smaller than one before it is filled up to its size."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        self._run: Any = torch.compile(network, dynamic=False)
        self._dtype, self._most = dtype, 0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self._most = max(self._most, len(x))
        filled = functional.pad(x, (0,) * (2 * x.ndim - 1) + (self._most - len(x),))
        found: torch.Tensor = self._run(filled.to(self._dtype))
        return found[: len(x)]


def _openvino(network: nn.Module, example: torch.Tensor) -> Prepared:
    import openvino

    wanted = "bf16" if example.dtype == torch.bfloat16 else "f32"
    if wanted == "bf16" and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UsageError(
            "This CPU has no instructions for bf16, and OpenVINO would compute in float32; leave out --precision."
        )
    small = example[:, :, :80, :80].float()  # tracing computes with it, and its size changes nothing
    shape = openvino.PartialShape([-1, *example.shape[1:]])
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that torch will give up the tracing that OpenVINO leans on
        trace: Any = torch.jit.trace
        model = openvino.convert_model(trace(network, small, check_trace=False), input=shape)
    how = {
        "INFERENCE_PRECISION_HINT": wanted,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = openvino.compile_model(model, "CPU", how)
    route = f"openvino {openvino.__version__}"
    return Prepared(lambda x: torch.from_numpy(compiled(x.numpy())[0].copy()), route, at_once=8)
