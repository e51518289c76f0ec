"""A guest's generator in an ONNX file as a sampler, run by onnxruntime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from genbench.arrays import Array
from genbench.errors import InputError, PlugError, UsageError
from genbench.plugs.torch_modules import first_line
from genbench.samplers.module import Latent, ModuleSampler


class OnnxSampler(ModuleSampler):
    """An ONNX file of one input, the latents, and one output, the samples, with the options of ModuleSampler.

    ``latent`` may be left out where the file says the shape of its input. The latents are handed over in the input's
    own type; a file that was exported for one batch size is called in batches of that size. Noise that the network
    draws itself follows the seed. Needs onnxruntime. Raises UsageError for a missing or contradicting option,
    InputError where the file is not such a network, PlugError where its output is not what was declared.
    """

    def __init__(
        self,
        path: str | Path,
        latent: Latent | None = None,
        *,
        distribution: str = "normal",
        range: str | None = None,
    ) -> None:
        network = _Network(Path(path))
        if latent is None and not network.latent:
            raise UsageError(
                f"{path} does not say the shape of its latents: write onnx,path={path},latent=128 "
                "(or latent=100x1x1; float images also range=-1..1)."
            )
        super().__init__(network, network.latent if latent is None else latent, distribution=distribution, range=range)
        if network.latent and network.latent != self.latent:
            raise UsageError(
                f"{path} takes latents of shape {_by_x(network.latent)}, not {_by_x(self.latent)}; leave out latent=."
            )
        self.name = Path(path).name

    @staticmethod
    def accepts(subject: object) -> bool:
        """Tell whether this is the path of an ONNX file."""
        return isinstance(subject, (str, Path)) and Path(subject).suffix.lower() == ".onnx"


class _Network(nn.Module):
    """An ONNX file as a module, so that it is sampled as any other."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        session = _session(path, 0)
        taken, given = _signature(session.get_inputs()), _signature(session.get_outputs())
        if len(taken) != 1 or len(given) != 1:
            raise InputError(
                f"{path} takes {_list(taken)} and gives {_list(given)}; wanted one input, the latents, and one output, "
                "the samples: export the network so."
            )
        ((self.input, shape, kind),) = taken
        if kind not in _TYPES or not shape:
            raise InputError(
                f"{path} takes {_list(taken)}; wanted latents [count, ...] of float16, float32 or float64."
            )
        self.dtype = _TYPES[kind]
        self.batch: int | None = shape[0] if isinstance(shape[0], int) else None
        sizes = [size for size in shape[1:] if isinstance(size, int)]
        self.latent = tuple(sizes) if len(sizes) == len(shape) - 1 else ()

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        rows = latents.numpy().astype(self.dtype)
        # nodes that draw noise are seeded only when a session is made, so one is made for every call
        session = _session(self.path, int(torch.randint(2**31, ())))
        size = self.batch or len(rows)
        try:
            parts = [self._call(session, rows[at : at + size], size) for at in range(0, len(rows), size)]
        except Exception as error:  # what onnxruntime raises has no name outside of its compiled part
            raise PlugError(f"{self.path} cannot be run ({first_line(error)}); export the network again.") from error
        return torch.from_numpy(np.concatenate(parts))

    def _call(self, session: Any, rows: Array, size: int) -> Array:
        filled = np.resize(rows, (size, *rows.shape[1:]))  # the last few are repeated to fill a fixed batch
        (answer,) = session.run(None, {self.input: filled})
        return np.asarray(answer)[: len(rows)]


_TYPES = {"tensor(float16)": np.float16, "tensor(float)": np.float32, "tensor(double)": np.float64}


def _session(path: Path, seed: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError(
            f"{path} is an ONNX file, which needs onnxruntime; type `pip install onnxruntime` and run again."
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors; they are raised as well
    onnxruntime.set_seed(seed)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        found = f"cannot be read as ONNX ({first_line(error)})" if path.is_file() else "is not a file"
        raise InputError(f"{path} {found}; write one with torch.onnx.export(model, example, PATH).") from error


_Shape = list["int | str | None"]


def _signature(nodes: list[Any]) -> list[tuple[str, _Shape, str]]:
    return [(node.name, node.shape, node.type) for node in nodes]


def _list(nodes: list[tuple[str, _Shape, str]]) -> str:
    return ", ".join(f"{name} {kind} {shape}" for name, shape, kind in nodes) or "nothing"


def _by_x(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
