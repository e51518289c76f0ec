"""State dicts are read without running code, and loaded only into networks that they fit."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from genbench.errors import InputError
from genbench.extractors.state_dicts import fill, read_state_dict
from genbench.extractors.weights import Weights

PUBLISHED = Weights("net.pth", (), "0123456789abcdef" * 4, 7, "inception")


def message_of(error: pytest.ExceptionInfo[InputError]) -> str:
    """Return the message, which must be one sentence on one line."""
    message = str(error.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert ". " not in message
    return message


def test_a_state_dict_is_read_as_float32(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"a": torch.ones(2, dtype=torch.float16), "steps": torch.tensor(3)}, path)
    state = read_state_dict(path, "inception")
    assert {name: tensor.dtype for name, tensor in state.items()} == {"a": torch.float32, "steps": torch.int64}


def test_a_file_of_safetensors_is_read_as_float32(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({"a": torch.ones(2, dtype=torch.bfloat16)}, path)
    assert read_state_dict(path, "timm")["a"].dtype == torch.float32
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError) as error:
        read_state_dict(path, "timm")
    assert str(path) in message_of(error)


def test_a_state_dict_that_is_the_only_entry_of_a_checkpoint_is_read(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"model": {"a": torch.ones(2)}}, path)
    assert list(read_state_dict(path, "timm")) == ["a"]
    torch.save({"model": {"a": torch.ones(2)}, "model_ema": {"a": torch.zeros(2)}}, path)
    with pytest.raises(InputError, match="not a plain state dict"):
        read_state_dict(path, "timm")


class Payload:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("protocol", ["torch", "pickle"])
def test_a_malicious_pickle_is_rejected_and_not_run(tmp_path: Path, protocol: str) -> None:
    path, trace = tmp_path / "evil.pth", tmp_path / "trace"
    if protocol == "torch":
        torch.save({"a": Payload(trace)}, path)
    else:
        path.write_bytes(pickle.dumps(Payload(trace)))
    with pytest.raises(InputError) as error:
        read_state_dict(path, "inception")
    assert str(path) in message_of(error)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Payload(trace)))
    assert trace.exists()  # the payload works if it is unpickled


def test_the_message_names_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"a": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError) as error:
        read_state_dict(path, "inception")
    assert str(path) in message_of(error)


@pytest.mark.parametrize("content", [b"", b"text", b"\x80"])
def test_the_message_names_a_file_with_other_contents(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_state_dict(path, "inception")
    assert str(path) in message_of(error)


def test_a_checkpoint_that_is_not_a_plain_state_dict_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"model": {"a": torch.ones(2)}, "step": 3}, path)
    with pytest.raises(InputError) as error:
        read_state_dict(path, "inception")
    assert "not a plain state dict" in message_of(error)


def test_a_torchscript_program_is_rejected_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.jit.trace(torch.nn.Linear(2, 3), torch.ones(1, 2)).save(str(path))
    with pytest.raises(InputError) as error:
        read_state_dict(path, "inception")
    message = message_of(error)
    assert "TorchScript" in message
    assert "state_dict()" in message


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"weight": None}, "it lacks 'weight'"),
        ({"weight": torch.ones(3, 5)}, "its 'weight' has the shape [3, 5], not [3, 2]"),
        ({"extra": torch.ones(1)}, "it has 'extra'"),
    ],
)
def test_the_message_names_the_first_difference_of_a_state_dict_of_another_network(
    change: dict[str, torch.Tensor | None], problem: str
) -> None:
    changed = {**torch.nn.Linear(2, 3).state_dict(), **change}
    state = {name: tensor for name, tensor in changed.items() if tensor is not None}
    with pytest.raises(InputError) as error:
        fill(torch.nn.Linear(2, 3), state, path=Path("mine.pth"), published=PUBLISHED)
    message = message_of(error)
    assert problem in message
    assert "mine.pth" in message
    assert "net.pth" in message


def test_a_state_dict_is_loaded_into_a_network_on_the_meta_device() -> None:
    with torch.device("meta"):
        network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    state = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict()
    del state["1.num_batches_tracked"]  # as in files of old torch versions
    fill(network, dict(state), path=Path("mine.pth"), published=PUBLISHED)
    assert torch.equal(network[0].weight, state["0.weight"])
    assert not any(tensor.is_meta for tensor in network.state_dict().values())
