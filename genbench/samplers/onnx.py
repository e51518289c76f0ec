"""Make a sampler from a generator in an ONNX file, which onnxruntime runs on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from genbench.array_types import Array
from genbench.errors import InputError, PlugError, UsageError
from genbench.plugs.torch_modules import first_line
from genbench.samplers.module import Latent, ModuleSampler, missing_latent


class OnnxSampler(ModuleSampler):
    """An ONNX file with one input, the latents, and one output, the samples. The options are those of ModuleSampler.

    ``latent`` may be omitted if the file contains the shape of its input. The latents are converted to the type of the
    input. A file that was exported for a fixed batch size is called with batches of that size. Noise that the network
    draws itself depends on the seed as well. Needs onnxruntime. Raises UsageError for a missing or contradictory
    option, InputError for a file with other contents, PlugError if the output differs from the declaration.
    """

    def __init__(
        self,
        path: str | Path,
        latent: Latent | None = None,
        *,
        distribution: str = "normal",
        range: str | None = None,
    ) -> None:
        network = _OnnxModule(Path(path))
        if latent is None and not network.latent:
            raise missing_latent("onnx", path)
        super().__init__(network, network.latent if latent is None else latent, distribution=distribution, range=range)
        if network.latent and network.latent != self.latent:
            taken, given = ("x".join(map(str, shape)) for shape in (network.latent, self.latent))
            raise UsageError(f"{path} takes latents of shape {taken}, not {given}; leave out latent=.")
        self.name = Path(path).name

    @staticmethod
    def accepts(subject: object) -> bool:
        """Return whether this is the path of an ONNX file."""
        return isinstance(subject, (str, Path)) and Path(subject).suffix.lower() == ".onnx"


class _OnnxModule(nn.Module):
    """An ONNX file as a torch module, so that ModuleSampler can sample from it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        # The network must map one float input to one output.
        session = _new_session(path, 0)
        try:
            inputs, outputs = _signature(session.get_inputs()), _signature(session.get_outputs())
        except ValueError as error:  # a damaged name is no text
            raise InputError(
                f"{path} cannot be read as ONNX ({first_line(error)}); write one with "
                "torch.onnx.export(model, example, PATH)."
            ) from error
        if len(inputs) != 1 or len(outputs) != 1:
            raise InputError(
                f"{path} takes {_listed(inputs)} and returns {_listed(outputs)}; expected one input, the latents, and "
                "one output, the samples: export the network again."
            )
        ((self.input, shape, type_name),) = inputs
        if type_name not in _FLOAT_TYPES or not shape:
            raise InputError(
                f"{path} takes {_listed(inputs)}; expected latents [count, ...] of float16, float32 or float64."
            )
        # A size is a number if it is fixed, and a name or None if it is free.
        self.dtype = _FLOAT_TYPES[type_name]
        self.batch: int | None = shape[0] if isinstance(shape[0], int) else None
        sizes = [size for size in shape[1:] if isinstance(size, int)]
        self.latent = tuple(sizes) if len(sizes) == len(shape) - 1 else ()

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        # ONNX does not convert types.
        rows = latents.numpy().astype(self.dtype)
        # Nodes that draw noise are seeded only when a session is created, so every call creates one.
        session = _new_session(self.path, int(torch.randint(2**31, ())))
        size = self.batch or len(rows)
        # onnxruntime's exception classes are not public
        try:
            batches = [self._run(session, rows[start : start + size], size) for start in range(0, len(rows), size)]
        except Exception as error:
            raise PlugError(f"{self.path} cannot be run ({first_line(error)}); export the network again.") from error
        return torch.from_numpy(np.concatenate(batches))

    def _run(self, session: Any, rows: Array, size: int) -> Array:
        # Rows are repeated if there are too few for a fixed batch size.
        batch = np.resize(rows, (size, *rows.shape[1:]))
        (output,) = session.run(None, {self.input: batch})
        return np.asarray(output)[: len(rows)]


_FLOAT_TYPES = {"tensor(float16)": np.float16, "tensor(float)": np.float32, "tensor(double)": np.float64}


def _new_session(path: Path, seed: int) -> Any:
    """Load an ONNX file. Raises UsageError without onnxruntime, InputError if the file cannot be read."""
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError(
            f"{path} is an ONNX file, which needs onnxruntime; run `pip install onnxruntime` and try again."
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # log errors only
    options.log_severity_level = 3
    onnxruntime.set_seed(seed)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        problem = f"cannot be read as ONNX ({first_line(error)})" if path.is_file() else "is not a file"
        raise InputError(f"{path} {problem}; write one with torch.onnx.export(model, example, PATH).") from error


# Name, shape and type of an input or output; a free size has a name or is None.
_Node = tuple[str, "list[int | str | None]", str]


def _signature(nodes: list[Any]) -> list[_Node]:
    return [(node.name, node.shape, node.type) for node in nodes]


def _listed(nodes: list[_Node]) -> str:
    return ", ".join(f"{name} {type_name} {shape}" for name, shape, type_name in nodes) or "nothing"
