"""State dicts: read them from files without running any code, and load them into networks after a check of shapes."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from genbench.array_types import Array
from genbench.errors import InputError
from genbench.extractors.weights import Weights

if TYPE_CHECKING:
    import torch

StateDict = dict[str, "torch.Tensor"]

Shapes = Mapping[str, Sequence[int]]
"""The shape of each tensor of a network by its name."""

STEP_COUNT = ".num_batches_tracked"
"""The end of the names of counts of training steps."""


def read_state_dict(path: Path, used_by: str) -> StateDict:
    """Return the state dict in a file of ``torch.save`` or of safetensors; tensors of floats become float32.

    A state dict that is the only entry of a checkpoint is accepted, too. No code in the file is executed. Raises
    InputError for a TorchScript archive, for a pickle that contains anything but tensors, and for a broken or different
    file.
    """
    import torch

    if is_torchscript(path):
        raise InputError(
            f"{path} is a TorchScript program, which genbench does not run to get weights; for {used_by} give its "
            "state dict, saved with torch.save(network.state_dict(), PATH)."
        )
    try:
        with warnings.catch_warnings():
            # torch warns about old pickle protocols
            warnings.simplefilter("ignore")
            state = _load_tensors(path)
    # A broken or malicious pickle can make the reader raise any exception.
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as weights ({type(error).__name__}): it is broken or contains more than tensors, "
            f"and no code in it was run; for {used_by} give a state dict, saved with "
            "torch.save(network.state_dict(), PATH)."
        ) from error
    # some publishers wrap the state dict, as in {"model": state}
    if isinstance(state, Mapping) and len(state) == 1 and isinstance(next(iter(state.values())), Mapping):
        state = next(iter(state.values()))
    # A checkpoint often contains the state dict beside other things, under a key that cannot be guessed.
    if not isinstance(state, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise InputError(
            f"{path} contains {type(state).__name__}, not a plain state dict; for {used_by} give one, saved with "
            "torch.save(network.state_dict(), PATH)."
        )
    return {
        str(name): tensor.to(torch.float32) if tensor.is_floating_point() else tensor for name, tensor in state.items()
    }


def _load_tensors(path: Path) -> object:
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def is_torchscript(path: Path) -> bool:
    """Return whether a file was saved by ``torch.jit.save``; reads only its table of contents."""
    # Both kinds of files are zip archives; only a program contains a table of constants.
    with suppress(OSError, zipfile.BadZipFile, ValueError, NotImplementedError), zipfile.ZipFile(path) as archive:
        return any(name.split("/")[-1] == "constants.pkl" for name in archive.namelist())
    return False


def fill(network: torch.nn.Module, state: StateDict, *, path: Path, published: Weights) -> None:
    """Load a state dict into a network, which may be on the meta device.

    Raises InputError, as ``check_fit`` does, if the names or shapes differ.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    check_fit(expected, state, path=path, published=published)
    add_step_counts(expected, state)
    network.load_state_dict(state, assign=True)


def check_fit(expected: Shapes, state: Mapping[str, torch.Tensor | Array], *, path: Path, published: Weights) -> None:
    """Raise InputError, with the file and the first difference, unless ``state`` has the expected names and shapes."""
    difference = first_difference(expected, state)
    if difference is not None:
        raise InputError(f"{path} does not fit {published.used_by}: {difference}; expected {published}.")


def first_difference(expected: Shapes, state: Mapping[str, torch.Tensor | Array]) -> str | None:
    """Return in words where ``state`` differs from the expected names and shapes, or None.

    The counts of training steps (``num_batches_tracked``) may be missing: old files lack them, and no network reads
    them.
    """
    return next(_differences(expected, state), None)


def _differences(expected: Shapes, state: Mapping[str, torch.Tensor | Array]) -> Iterator[str]:
    # tensors of the network that are missing or have another shape
    for name, shape in expected.items():
        if name not in state:
            if not name.endswith(STEP_COUNT):
                yield f"it lacks {name!r}"
        elif tuple(state[name].shape) != tuple(shape):
            yield f"its {name!r} has the shape {list(state[name].shape)}, not {list(shape)}"
    # tensors that the network does not have
    for name in state:
        if name not in expected:
            yield f"it has {name!r}, which is not in the network"


def add_step_counts(expected: Shapes, state: StateDict) -> None:
    """Add the counts of training steps that a network of torch has and ``state`` lacks."""
    import torch

    for name in expected:
        if name.endswith(STEP_COUNT):
            state.setdefault(name, torch.zeros((), dtype=torch.int64))
