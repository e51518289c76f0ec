"""Tensors of guests at the border to NumPy. Nothing here imports torch, unless an extractor needs a tensor."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.array_types import Array
from genbench.errors import InputError

if TYPE_CHECKING:
    import torch
    from typing_extensions import TypeIs


def is_tensor(value: object) -> TypeIs[torch.Tensor]:
    """Return whether an object is a tensor of torch."""
    return is_of_torch(value, "torch", "Tensor")


def is_of_torch(value: object, module: str, name: str) -> bool:
    """Return whether an object is of the class ``name`` of a module of torch: only if something has imported it."""
    kind: Any = getattr(sys.modules.get(module), name, ())
    return isinstance(value, kind)


def to_numpy(rows: Array | torch.Tensor) -> Array:
    """Return an array or tensor as a NumPy array; bfloat16, which NumPy lacks, becomes float32.

    A tensor on the CPU shares its memory with the array. Raises InputError for a tensor that NumPy cannot hold.
    """
    if isinstance(rows, np.ndarray):
        return rows
    # tensors with gradients or on a device
    try:
        rows = rows.detach().cpu()
        return np.asarray((rows.float() if str(rows.dtype) == "torch.bfloat16" else rows).numpy())
    except (TypeError, RuntimeError) as error:  # sparse or quantised tensors, 8-bit floats
        raise InputError(
            f"A tensor of {rows.dtype} ({rows.layout}) cannot be read as numbers; convert it with .to_dense() or "
            ".float()."
        ) from error


def input_of(extractor: object, data: Array) -> Any:
    """Return samples as an extractor takes them: the array, if it says ``takes_arrays``, or a tensor on its device."""
    if getattr(extractor, "takes_arrays", False):
        return data
    import torch

    # torch warns of arrays that are read-only, and refuses negative strides and other byte orders
    usable = data.flags.writeable and data.dtype.isnative and min(data.strides, default=0) >= 0
    if not usable:
        data = np.array(data, dtype=data.dtype.newbyteorder("="), order="C")
    return torch.from_numpy(data).to(getattr(extractor, "device", "cpu"))
