"""Networks that guests bring: evaluation mode, device, and TorchScript files read without unpickling anything."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from genbench.errors import InputError, UsageError

SUFFIXES = frozenset({".pt", ".pth", ".ts", ".jit", ".torchscript"})
"""What a file that may hold TorchScript is called, in lower case."""


@contextmanager
def evaluating(module: object) -> Iterator[None]:
    """Put a torch module into evaluation mode, and each of its parts back into its own mode afterwards."""
    if not isinstance(module, nn.Module):
        yield
        return
    mode, modes = module.training, {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        module.train(mode)  # its own method, which may do more than set the flags
        for part, own in modes.items():
            part.training = own


def read_torchscript(path: Path, device: str) -> nn.Module:
    """Read a TorchScript file onto a device. Raises InputError for another file, UsageError for no such device."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch.jit is out of fashion; its files are still around
            module: nn.Module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        found = "is not a TorchScript file" if path.is_file() else "is not a file"
        raise InputError(
            f"{path} {found}; write one with torch.jit.trace(model, example).save(PATH) (state dicts and pickled "
            "modules are not opened, name their Python class as module:attribute)."
        ) from error
    return moved(module, device, path.name).eval()


def moved(module: nn.Module, device: str, name: str) -> nn.Module:
    """Move a module to a device. Raises UsageError where that is not to be had."""
    try:
        return module.to(device)
    except (RuntimeError, AssertionError) as error:  # an AssertionError is what torch built without CUDA raises
        raise UsageError(f"The device {device!r} cannot be used for {name!r}: {first_line(error)}.") from error


def device_of(module: object) -> str:
    """Return where a module's parameters lie; ``cpu`` where it has none."""
    first = next(module.parameters(), None) if isinstance(module, nn.Module) else None
    return "cpu" if first is None else str(first.device)


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says."""
    return next(iter(str(error).splitlines()), "").rstrip(". ")
