"""Read a state dict as NumPy arrays, without torch if the file is an ordinary one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genbench.array_types import Array
from genbench.extractors.state_dicts import read_state_dict
from genbench.plugs.torch_arrays import torch_arrays


def read_state_arrays(path: Path, used_by: str) -> dict[str, Array]:
    """Return the state dict in a file of ``torch.save`` or of safetensors; floats become float32.

    Raises InputError as ``read_state_dict`` does. No code in the file is executed.
    """
    try:
        state = _safetensors(path) if path.suffix == ".safetensors" else torch_arrays(path)
    # an unusual, damaged or hostile file: torch reads it, or ``read_state_dict`` says what is wrong with it
    except Exception:
        return {name: tensor.numpy() for name, tensor in read_state_dict(path, used_by).items()}
    # float32 is not copied
    return {
        name: array.astype(np.float32, copy=False) if array.dtype.kind == "f" else array
        for name, array in state.items()
    }


def _safetensors(path: Path) -> dict[str, Array]:
    from safetensors.numpy import load_file

    return dict(load_file(path))
