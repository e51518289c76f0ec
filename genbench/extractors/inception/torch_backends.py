"""Run a network of torch: with oneDNN's fused kernels, torch.compile, or OpenVINO; the numbers agree."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from genbench.errors import UsageError
from genbench.extractors.inception.convolution import Convolution
from genbench.extractors.inception.threads import Output, map_in_threads, share_of_threads

SAMPLES_PER_CORE = 2
"""Number of samples that pass through a network together on one core."""


class PreparedNetwork(NamedTuple):
    """A network that is ready to run, with the best way to split batches for it."""

    run: Callable[[torch.Tensor], torch.Tensor]
    route: str
    """Library and kernels that run it, for the record."""
    chunk_size: int | None = None
    """Number of samples per call: fewer are slower, more take more memory. None means whole batches."""
    in_threads: bool = False
    """Whether the chunks run in parallel, each on one core."""

    def map_chunks(self, function: Callable[[torch.Tensor], Output], batch: torch.Tensor) -> list[Output]:
        """Return the outputs of ``function``, which calls ``run``, for the chunks of a batch."""
        chunks = torch.split(batch, self.chunk_size) if self.chunk_size and len(batch) else (batch,)
        return map_in_threads(function, chunks) if self.in_threads else [function(chunk) for chunk in chunks]


def prepare(
    network: nn.Module, backend: str, example: torch.Tensor, rebuild: Callable[[], nn.Module]
) -> PreparedNetwork:
    """Return a network in the form that the backend runs. ``run`` takes float32 inputs.

    ``example`` is an input of one sample in the dtype of the computation. ``rebuild`` builds the network again; it is
    called if fusing has consumed the weights and torch then turns out to lack the kernel.
    """
    if backend == "openvino":
        return _prepare_openvino(network, example)
    network, version = network.to(example.dtype), f"torch {torch.__version__}"
    if backend == "compile":
        return PreparedNetwork(_CompiledNetwork(network, example.dtype), f"{version}, compiled")
    if next(network.buffers()).device.type != "cpu":
        return PreparedNetwork(lambda x: network(x.to(example.dtype)), version)
    # On a CPU, try the fused kernels. They are not part of torch's public interface: they may be missing or changed,
    # so any exception means that torch's ordinary kernels run instead.
    route = f"{version}, convolutions fused by oneDNN"
    try:
        _fuse_convolutions(network, example.expand(SAMPLES_PER_CORE, *example.shape[1:]))
    except Exception:
        network, route = rebuild().to(example.dtype), version
    return PreparedNetwork(lambda x: network(x.to(example.dtype)), route, SAMPLES_PER_CORE, in_threads=True)


def _fuse_convolutions(network: nn.Module, example: torch.Tensor) -> None:
    """Fuse each convolution when the example reaches it, so that memory never holds all weights in both layouts."""

    def fuse(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(module, Convolution)
        module.fuse(inputs[0].shape)

    convolutions = [module for module in network.modules() if isinstance(module, Convolution)]
    hooks = [convolution.register_forward_pre_hook(fuse) for convolution in convolutions]
    # The best layout of the weights depends on the number of threads, and chunks run on one thread each.
    with torch.inference_mode(), share_of_threads(torch.get_num_threads()):
        network(example)
    for hook in hooks:
        hook.remove()


class _CompiledNetwork:
    """A compiled network. Compiling takes a minute, so a smaller batch is padded to the size of the largest so far."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        self._run: Any = torch.compile(network, dynamic=False)
        self._dtype, self._largest = dtype, 0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self._largest = max(self._largest, len(x))
        # ``pad`` takes two numbers per axis, the last axis first; only the end of the first axis is padded.
        padded = functional.pad(x, (0,) * (2 * x.ndim - 1) + (self._largest - len(x),))
        output: torch.Tensor = self._run(padded.to(self._dtype))
        return output[: len(x)]


def _prepare_openvino(network: nn.Module, example: torch.Tensor) -> PreparedNetwork:
    import openvino

    precision = "bf16" if example.dtype == torch.bfloat16 else "f32"
    if precision == "bf16" and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UsageError(
            "This CPU has no instructions for bf16, and OpenVINO would compute in float32; leave out --precision."
        )
    # Trace the network on a small image to save time: its operations do not depend on the size.
    small = example[:, :, :80, :80].float()
    shape = openvino.PartialShape([-1, *example.shape[1:]])
    with torch.inference_mode(), warnings.catch_warnings():
        # torch warns that tracing is deprecated
        warnings.simplefilter("ignore")
        trace: Any = torch.jit.trace
        model = openvino.convert_model(trace(network, small, check_trace=False), input=shape)
    # Compile it for the requested precision and torch's number of threads.
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = openvino.compile_model(model, "CPU", settings)
    route = f"openvino {openvino.__version__}"
    return PreparedNetwork(lambda x: torch.from_numpy(compiled(x.numpy())[0].copy()), route, chunk_size=8)
