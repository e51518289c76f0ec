"""State dicts are read as arrays without torch; what this reader does not know is read by torch."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from genbench.errors import InputError
from genbench.extractors import state_arrays
from genbench.extractors.state_arrays import read_state_arrays


def state_dict() -> dict[str, torch.Tensor]:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 2), torch.nn.BatchNorm2d(4))
    half = torch.arange(6, dtype=torch.float16).reshape(2, 3)
    whole = torch.arange(10.0)
    return {**network.state_dict(), "half": half, "double": half.double(), "part": whole[2:8].reshape(3, 2)}


def save(state: object, path: Path, form: str) -> None:
    if form == "safetensors":
        save_file({name: tensor.contiguous() for name, tensor in dict(state).items()}, path)  # type: ignore[call-overload]
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")


def assert_same(arrays: dict[str, Any], state: dict[str, torch.Tensor]) -> None:
    assert set(arrays) == set(state)
    for name, tensor in state.items():
        expected = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        assert arrays[name].dtype == expected.dtype
        np.testing.assert_array_equal(arrays[name], expected)


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, used_by: str) -> None:
        raise AssertionError("torch would read this file")

    monkeypatch.setattr(state_arrays, "read_state_dict", refuse)


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_every_format_is_read_without_torch(tmp_path: Path, form: str) -> None:
    path = tmp_path / ("net.safetensors" if form == "safetensors" else "net.pth")
    state = state_dict()
    save(state, path, form)
    assert_same(read_state_arrays(path, "inception"), state)


@pytest.mark.usefixtures("no_torch")
def test_a_state_dict_that_is_the_only_entry_of_a_checkpoint_is_read(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    save({"model": {"a": torch.ones(2)}}, path, "zip")
    assert_same(read_state_arrays(path, "inception"), {"a": torch.ones(2)})


@pytest.mark.parametrize("tensor", [torch.ones(3, 2).T * 2, torch.ones(2, dtype=torch.bfloat16)])
def test_unusual_tensors_are_read_by_torch(tmp_path: Path, tensor: torch.Tensor) -> None:
    path = tmp_path / "net.pth"
    save({"a": tensor}, path, "zip")
    assert_same(read_state_arrays(path, "inception"), {"a": tensor})


class Payload:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_malicious_pickle_is_not_run(tmp_path: Path, form: str) -> None:
    path, trace = tmp_path / "evil.pth", tmp_path / "trace"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Payload(trace)))
    else:
        save({"a": Payload(trace)}, path, form)
    with pytest.raises(InputError, match=r"evil\.pth"):
        read_state_arrays(path, "inception")
    assert not trace.exists()


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("left", [0.3, 0.9, 0.999])
def test_a_truncated_file_is_named(tmp_path: Path, form: str, left: float) -> None:
    path = tmp_path / "net.pth"
    save({"a": torch.ones(1000), "b": torch.ones(1000)}, path, form)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * left)])
    with pytest.raises(InputError, match=r"net\.pth"):
        read_state_arrays(path, "inception")
