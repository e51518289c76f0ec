"""Handle users' networks and tensors: evaluation mode, device, TorchScript files, and tensors in error messages."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from genbench.array_types import Array
from genbench.errors import InputError, UsageError
from genbench.plugs.tensors import is_of_torch
from genbench.plugs.torch_archives import refuse_file_access

if TYPE_CHECKING:
    from torch import Tensor, nn


def is_module(value: object) -> TypeGuard[nn.Module]:
    """Return whether a value is a module of torch, which is not imported: without it, there are no modules."""
    return is_of_torch(value, "torch.nn", "Module")


@contextmanager
def evaluation_mode(module: object) -> Iterator[None]:
    """Put a torch module into evaluation mode; afterwards, restore the mode of each of its submodules."""
    if not is_module(module):
        yield
        return
    # Remember each mode, because a submodule may be frozen in evaluation mode.
    mode, modes = module.training, {submodule: submodule.training for submodule in module.modules()}
    module.eval()
    try:
        yield
    finally:
        # A module may override ``train`` to do more than set the flags, so call it before the flags are restored.
        module.train(mode)
        for submodule, training in modes.items():
            submodule.training = training


def read_torchscript(path: Path, device: str) -> nn.Module:
    """Load a TorchScript file on a device. Raises InputError for other files, UsageError for an unknown device.

    The file is a program. One whose code uses files or other processes is refused before it is loaded.
    """
    import torch

    try:
        # a file in which this finds no code is not loaded either
        if not refuse_file_access(path):
            raise ValueError("no archive with code")
        with warnings.catch_warnings():
            # torch deprecates TorchScript, but its files are still in use
            warnings.simplefilter("ignore", FutureWarning)
            module: nn.Module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
    except InputError:
        raise
    except Exception as error:  # damaged or hostile bytes can raise any exception
        problem = "is not a TorchScript file" if path.is_file() else "is not a file"
        raise InputError(
            f"{path} {problem}; write one with torch.jit.trace(model, example).save(PATH) (state dicts and pickled "
            "modules are not opened: give their Python class as module:attribute instead)."
        ) from error
    return move_to_device(module, device, path.name).eval()


def move_to_device(module: nn.Module, device: str, name: str) -> nn.Module:
    """Move a module to a device. Raises UsageError if the device is not available."""
    try:
        return module.to(device)
    # torch without CUDA raises an AssertionError
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"The device {device!r} cannot be used for {name!r}: {first_line(error)}.") from error


def device_of(module: object) -> str:
    """Return the device of a module's parameters, ``cpu`` if it has none."""
    # all parameters of a module are assumed to be on the same device
    first = next(module.parameters(), None) if is_module(module) else None
    return "cpu" if first is None else str(first.device)


def first_line(error: BaseException) -> str:
    """Return the first line of the message of an exception, without the full stop."""
    # the classes of guests may have any __str__
    try:
        return next(iter(str(error).splitlines()), "").rstrip(". ")
    except Exception:
        return type(error).__name__


def dtype_and_shape(data: Tensor | Array) -> str:
    """Return the dtype and the shape of a tensor or array as text: ``float32 [64, 2]``."""
    return f"{str(data.dtype).removeprefix('torch.')} {list(data.shape)}"
