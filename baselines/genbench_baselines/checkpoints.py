"""Checkpoints of the baselines: safetensors files with the metadata of a model as JSON."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def named_tensors(prefix: str, networks: dict[str, nn.Module]) -> dict[str, Tensor]:
    """Return copies of all weights and buffers, named PREFIX.NETWORK.KEY."""
    return {
        f"{prefix}.{name}.{key}": value.clone().contiguous()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }


def with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose name begins with ``prefix``, without the prefix."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def write_checkpoint(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write tensors and metadata atomically. Raises OSError if the disk is full."""
    # write beside the target, then rename: an interrupted call leaves no broken file
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        text = json.dumps(metadata)
        save_file(tensors, temporary, {"baseline": text, "sha256": _checksum(tensors, text)})
        # safetensors makes files private; give them the permissions of an ordinary new file
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except SafetensorError as error:  # safetensors raises this if the disk is full
        raise OSError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the metadata of a file.

    Raises ValueError if it is not a checkpoint of a baseline, or if its contents do not have their checksum; files of
    earlier versions have none.
    """
    try:
        with safe_open(path, framework="pt") as file:
            stored = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            if stored.get("sha256", "") not in ("", _checksum(tensors, stored["baseline"])):
                raise ValueError("its checksum is wrong: the file is damaged")
            return tensors, json.loads(stored["baseline"])
    except (SafetensorError, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a checkpoint of a baseline ({error})") from error


def _checksum(tensors: dict[str, Tensor], metadata: str) -> str:
    """Return the sha256 of the names, types, shapes and values of tensors, and of the metadata."""
    digest = hashlib.sha256(metadata.encode())
    for key in sorted(tensors):
        tensor = tensors[key]
        digest.update(f"{key} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
