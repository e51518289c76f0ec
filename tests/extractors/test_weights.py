"""Weights are found, downloaded whole or not at all, proved by their checksum, and read without running code."""

from __future__ import annotations

import hashlib
import os
import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from genbench.errors import InputError
from genbench.extractors import weights
from genbench.extractors.weights import Weights, file_sha256, fill, find_weights, read_weights

CONTENT = b"weights " * 1000


class Server(ThreadingHTTPServer):
    """Serves ``CONTENT`` under any path; /missing is a 404, /short breaks off half-way, /other has other bytes."""

    asked: list[str]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/missing":
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write({"/short": CONTENT[:4000], "/other": CONTENT[::-1]}.get(self.path, CONTENT))
        return None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "weights"


def record(*urls: str) -> Weights:
    return Weights("net.pth", urls, hashlib.sha256(CONTENT).hexdigest(), 7, "inception", also=("net-too.pth",))


def url(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def said(error: pytest.ExceptionInfo[InputError]) -> str:
    """Return the message, which must be one sentence on one line."""
    message = str(error.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert ". " not in message
    return message


def test_the_path_that_the_user_gives_comes_first(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / "net.pth").write_bytes(CONTENT)
    mine = tmp_path / "mine.pth"
    mine.write_bytes(b"other weights")
    assert find_weights(record(), str(mine)) == mine


def test_a_given_path_that_does_not_exist_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        find_weights(record(), tmp_path / "nowhere.pth")
    assert "nowhere.pth is no file" in said(error)


@pytest.mark.parametrize("name", ["net.pth", "net-too.pth"])
def test_a_copy_in_the_folder_of_weights_is_used_under_each_of_its_names(folder: Path, name: str) -> None:
    folder.mkdir()
    (folder / name).write_bytes(CONTENT)
    assert find_weights(record()) == folder / name


def test_a_broken_copy_in_the_folder_of_weights_is_named(folder: Path) -> None:
    folder.mkdir()
    (folder / "net.pth").write_bytes(CONTENT[:-1])
    with pytest.raises(InputError) as error:
        find_weights(record())
    message = said(error)
    assert str(folder / "net.pth") in message
    assert record().sha256[:8] in message


def test_a_copy_that_torch_hub_holds_is_used(folder: Path, tmp_path: Path) -> None:
    checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "net-too.pth").write_bytes(CONTENT)
    assert find_weights(record()) == checkpoints / "net-too.pth"


def test_a_copy_of_torch_hub_with_another_checksum_is_passed_over(folder: Path, tmp_path: Path, server: Server) -> None:
    checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "net.pth").write_bytes(b"broken")
    assert find_weights(record(url(server, "/net"))) == folder / "net.pth"


def test_a_download_is_kept_and_not_repeated(folder: Path, server: Server) -> None:
    first = find_weights(record(url(server, "/net")))
    second = find_weights(record(url(server, "/net")))
    assert first == second == folder / "net.pth"
    assert first.read_bytes() == CONTENT
    assert server.asked == ["/net"]
    assert kept(folder) == ["net.pth"]


def test_a_download_with_the_wrong_checksum_is_not_kept(folder: Path, server: Server) -> None:
    with pytest.raises(InputError) as error:
        find_weights(record(url(server, "/other")))
    assert hashlib.sha256(CONTENT[::-1]).hexdigest()[:8] in said(error)
    assert kept(folder) == []


def test_a_download_that_breaks_off_leaves_nothing(folder: Path, server: Server) -> None:
    with pytest.raises(InputError) as error:
        find_weights(record(url(server, "/short")))
    said(error)
    assert kept(folder) == []


def test_a_download_that_the_user_stops_leaves_nothing(
    folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> Iterator[bytes]:
        yield CONTENT[:10]
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "_blocks", stopped)
    with pytest.raises(KeyboardInterrupt):
        find_weights(record(url(server, "/net")))
    assert kept(folder) == []


@pytest.mark.parametrize("first", ["/missing", "/short", "/other"])
def test_the_next_source_is_asked_where_the_first_fails(folder: Path, server: Server, first: str) -> None:
    found = find_weights(record(url(server, first), url(server, "/net")))
    assert found.read_bytes() == CONTENT
    assert server.asked == [first, "/net"]


def test_without_network_one_sentence_says_what_to_put_where(folder: Path, server: Server) -> None:
    source = url(server, "/net")
    server.server_close()  # nobody listens there any more
    with pytest.raises(InputError) as error:
        find_weights(record(source))
    message = said(error)
    for part in ("net.pth", "7 MB", record().sha256[:8], source, str(folder), "--weights", "pixels, digits or mnist"):
        assert part in message


def test_a_folder_of_weights_that_cannot_be_written_is_named(folder: Path, server: Server) -> None:
    folder.write_text("a file where the folder should be")
    with pytest.raises(InputError) as error:
        find_weights(record(url(server, "/net")))
    assert "cannot be written" in str(error.value)


def test_the_checksum_of_a_changed_file_is_new(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(CONTENT)
    assert file_sha256(path) == hashlib.sha256(CONTENT).hexdigest()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(0, 0))
    assert file_sha256(path) == hashlib.sha256(CONTENT[::-1]).hexdigest()


def test_a_state_dict_is_read_as_float32(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"a": torch.ones(2, dtype=torch.float16), "steps": torch.tensor(3)}, path)
    state = read_weights(path, "inception")
    assert {name: tensor.dtype for name, tensor in state.items()} == {"a": torch.float32, "steps": torch.int64}


class Payload:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("protocol", ["torch", "pickle"])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path, protocol: str) -> None:
    path, trace = tmp_path / "evil.pth", tmp_path / "trace"
    if protocol == "torch":
        torch.save({"a": Payload(trace)}, path)
    else:
        path.write_bytes(pickle.dumps(Payload(trace)))
    with pytest.raises(InputError) as error:
        read_weights(path, "inception")
    assert str(path) in said(error)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Payload(trace)))
    assert trace.exists()  # the payload does work where it is let in


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"a": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError) as error:
        read_weights(path, "inception")
    assert str(path) in said(error)


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x80"])
def test_a_file_of_something_else_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_weights(path, "inception")
    assert str(path) in said(error)


def test_a_checkpoint_that_is_no_plain_state_dict_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"model": {"a": torch.ones(2)}, "step": 3}, path)
    with pytest.raises(InputError) as error:
        read_weights(path, "inception")
    assert "no plain state dict" in said(error)


def test_a_torchscript_program_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.jit.trace(torch.nn.Linear(2, 3), torch.ones(1, 2)).save(str(path))
    with pytest.raises(InputError) as error:
        read_weights(path, "inception")
    message = said(error)
    assert "TorchScript" in message
    assert "state_dict()" in message


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"weight": None}, "it lacks 'weight'"),
        ({"weight": torch.ones(3, 5)}, "its 'weight' has the shape [3, 5], not [3, 2]"),
        ({"extra": torch.ones(1)}, "it has 'extra'"),
    ],
)
def test_a_state_dict_of_another_network_is_told_by_its_first_misfit(
    change: dict[str, torch.Tensor | None], complaint: str
) -> None:
    given = {**torch.nn.Linear(2, 3).state_dict(), **change}
    state = {name: tensor for name, tensor in given.items() if tensor is not None}
    with pytest.raises(InputError) as error:
        fill(torch.nn.Linear(2, 3), state, path=Path("mine.pth"), record=record())
    message = said(error)
    assert complaint in message
    assert "mine.pth" in message
    assert "net.pth" in message


def test_a_network_on_the_meta_device_is_filled() -> None:
    with torch.device("meta"):
        network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    state = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict()
    del state["1.num_batches_tracked"]  # as in files of old torch versions
    fill(network, dict(state), path=Path("mine.pth"), record=record())
    assert torch.equal(network[0].weight, state["0.weight"])
    assert not any(tensor.is_meta for tensor in network.state_dict().values())


def test_every_published_checksum_is_whole_and_in_its_files_name_where_that_has_one() -> None:
    from genbench.extractors.inception.extractor import INCEPTION
    from genbench.extractors.torch_fidelity_networks import Clip, Vgg16, dinov2_vit_g_14

    for one in (INCEPTION, Clip().record, Clip("rn50x64").record, Vgg16().record, dinov2_vit_g_14().record):
        assert len(one.sha256) == 64
        assert all(source.startswith("https://") for source in one.urls)
        if "dinov2" not in one.file:
            assert one.sha256[:8] in one.file
