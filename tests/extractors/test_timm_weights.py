"""Weights on the Hugging Face hub are found in its cache, downloaded, or missed at once and in one sentence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from genbench.errors import InputError
from genbench.extractors.timm_networks import TimmNetwork
from genbench.extractors.timm_weights import address_weights, find_hub_weights

pytest.importorskip("timm")
constants: Any = pytest.importorskip("huggingface_hub.constants")

REPOSITORY = "timm/test_vit.r160_in1k"
CONTENT, COMMIT = b"weights " * 100, "0123456789" * 4


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "hub"


def message_of(error: pytest.ExceptionInfo[InputError]) -> str:
    """Return the message, which must be on one line and name the model, the file and the option."""
    message = str(error.value)
    assert "\n" not in message
    for part in (REPOSITORY, "model.safetensors", "--weights"):
        assert part in message
    return message


def refuse_download(*arguments: object) -> str:
    raise AssertionError("the hub is not reachable, so nothing may be downloaded")


def test_weights_in_the_cache_of_the_hub_need_no_network(cache: Path) -> None:
    repository = cache / "models--timm--test_vit.r160_in1k"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    (snapshot / "pytorch_model.bin").write_bytes(CONTENT)
    assert find_hub_weights(REPOSITORY, "timm").name == "pytorch_model.bin"
    # safetensors are preferred
    (snapshot / "model.safetensors").write_bytes(CONTENT)
    assert TimmNetwork("test_vit").path == snapshot / "model.safetensors"


def test_a_hub_that_cannot_be_reached_is_reported_without_trying_to_download(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse_download)
    with pytest.raises(InputError) as error:
        _ = TimmNetwork("test_vit").identity
    assert "Connection refused" in message_of(error)


def test_the_offline_mode_of_the_hub_is_respected(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse_download)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError) as error:
        find_hub_weights(REPOSITORY, "timm,model=test_vit")
    assert "HF_HUB_OFFLINE is set" in message_of(error)


class Hub(BaseHTTPRequestHandler):
    """A hub whose repositories contain one file, pytorch_model.bin; /timm/private needs an account."""

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_GET(self) -> None:
        self.answer(CONTENT)

    def answer(self, content: bytes) -> None:
        if "private" in self.path:
            self.send_response(403)
            self.send_header("X-Error-Code", "GatedRepo")
        elif self.path.endswith(f"/resolve/{COMMIT}/pytorch_model.bin") or self.path.endswith("main/pytorch_model.bin"):
            self.send_response(200)
            self.send_header("ETag", '"0123"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(CONTENT)))
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    yield server
    server.shutdown()
    server.server_close()


def test_weights_are_downloaded_into_the_cache_of_the_hub(cache: Path, server: ThreadingHTTPServer) -> None:
    path = find_hub_weights("timm/one", "timm")
    assert path.name == "pytorch_model.bin"
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(cache)


def test_a_repository_that_needs_an_account_is_reported(server: ThreadingHTTPServer) -> None:
    with pytest.raises(InputError) as error:
        find_hub_weights("timm/private", "timm,model=private")
    assert "\n" not in str(error.value)
    assert "Gated" in str(error.value)


def test_an_architecture_without_published_weights_needs_the_users(cache: Path) -> None:
    with pytest.raises(InputError, match=r"knows no published weights of timm,model=test_vit_relpos.*--weights"):
        _ = TimmNetwork("test_vit_relpos").path


def test_the_start_of_the_hash_is_read_from_the_name_of_a_file() -> None:
    known = address_weights("https://host/folder/resnet18-f37072fd.pth", "torchvision")
    assert (known.file, known.sha256) == ("resnet18-f37072fd.pth", "f37072fd")
    unknown = address_weights("https://host/IN1K-vit.h.14-300e.pth.tar", "timm")
    assert str(unknown) == unknown.file == "IN1K-vit.h.14-300e.pth.tar"
