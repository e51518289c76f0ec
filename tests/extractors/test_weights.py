"""Files of weights are found, downloaded completely or not at all, and verified by their checksum."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from genbench.errors import InputError
from genbench.extractors.weights import Weights, file_sha256, find_weights
from genbench.files import downloads
from tests.helpers.file_server import FileServer, serving

CONTENT = b"weights " * 1000


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving({"/net": CONTENT, "/other": CONTENT[::-1]}) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "weights"


def published(*urls: str) -> Weights:
    return Weights("net.pth", urls, hashlib.sha256(CONTENT).hexdigest(), 7, "inception", other_names=("net-too.pth",))


def file_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def message_of(error: pytest.ExceptionInfo[InputError]) -> str:
    """Return the message, which must be one sentence on one line."""
    message = str(error.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert ". " not in message
    return message


def test_a_path_from_the_user_has_priority(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / "net.pth").write_bytes(CONTENT)
    mine = tmp_path / "mine.pth"
    mine.write_bytes(b"other weights")
    assert find_weights(published(), str(mine)) == mine


def test_the_message_names_a_path_that_does_not_exist(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        find_weights(published(), tmp_path / "nowhere.pth")
    assert "nowhere.pth is not a file" in message_of(error)


@pytest.mark.parametrize("name", ["net.pth", "net-too.pth"])
def test_a_copy_in_the_folder_of_weights_is_used_under_each_of_its_names(folder: Path, name: str) -> None:
    folder.mkdir()
    (folder / name).write_bytes(CONTENT)
    assert find_weights(published()) == folder / name


def test_the_message_names_a_broken_copy_in_the_folder_of_weights(folder: Path) -> None:
    folder.mkdir()
    (folder / "net.pth").write_bytes(CONTENT[:-1])
    with pytest.raises(InputError) as error:
        find_weights(published())
    message = message_of(error)
    assert str(folder / "net.pth") in message
    assert published().sha256[:8] in message


def test_a_copy_in_the_folder_of_torch_hub_is_used(folder: Path, tmp_path: Path) -> None:
    checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "net-too.pth").write_bytes(CONTENT)
    assert find_weights(published()) == checkpoints / "net-too.pth"


def test_a_copy_in_the_folder_of_torch_hub_with_another_checksum_is_ignored(
    folder: Path, tmp_path: Path, server: FileServer
) -> None:
    checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "net.pth").write_bytes(b"broken")
    assert find_weights(published(server.url("/net"))) == folder / "net.pth"


def test_a_download_is_kept_and_not_repeated(folder: Path, server: FileServer) -> None:
    first = find_weights(published(server.url("/net")))
    second = find_weights(published(server.url("/net")))
    assert first == second == folder / "net.pth"
    assert first.read_bytes() == CONTENT
    assert server.requests == ["/net"]
    assert file_names(folder) == ["net.pth"]


def test_a_download_with_the_wrong_checksum_is_deleted(folder: Path, server: FileServer) -> None:
    with pytest.raises(InputError) as error:
        find_weights(published(server.url("/other")))
    assert hashlib.sha256(CONTENT[::-1]).hexdigest()[:8] in message_of(error)
    assert file_names(folder) == []


def test_a_download_that_breaks_off_leaves_no_file(folder: Path, server: FileServer) -> None:
    with pytest.raises(InputError) as error:
        find_weights(published(server.url("/short/net")))
    message_of(error)
    assert file_names(folder) == []


def test_a_download_that_the_user_stops_leaves_no_file(
    folder: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> Iterator[bytes]:
        yield CONTENT[:10]
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads, "download_blocks", stopped)
    with pytest.raises(KeyboardInterrupt):
        find_weights(published(server.url("/net")))
    assert file_names(folder) == []


@pytest.mark.parametrize("first", ["/missing", "/short/net", "/other"])
def test_the_next_address_is_tried_if_the_first_one_fails(folder: Path, server: FileServer, first: str) -> None:
    path = find_weights(published(server.url(first), server.url("/net")))
    assert path.read_bytes() == CONTENT
    assert server.requests == [first, "/net"]


def test_without_network_one_sentence_says_which_file_to_put_where(folder: Path, server: FileServer) -> None:
    source = server.url("/net")
    server.server_close()  # no server listens there any more
    with pytest.raises(InputError) as error:
        find_weights(published(source))
    message = message_of(error)
    for detail in (
        "net.pth",
        "7 MB",
        published().sha256[:8],
        source,
        str(folder),
        "--weights",
        "--features efficientnet-lite0 or pixels",
    ):
        assert detail in message


def test_a_folder_of_weights_that_cannot_be_written_is_an_error(folder: Path, server: FileServer) -> None:
    folder.write_text("a file where the folder should be")
    with pytest.raises(InputError) as error:
        find_weights(published(server.url("/net")))
    assert "cannot be written" in str(error.value)


def test_the_checksum_of_a_changed_file_is_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(CONTENT)
    assert file_sha256(path) == hashlib.sha256(CONTENT).hexdigest()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(0, 0))
    assert file_sha256(path) == hashlib.sha256(CONTENT[::-1]).hexdigest()


def test_every_published_checksum_is_complete_and_agrees_with_the_name_of_its_file() -> None:
    from genbench.extractors.clip_dinov2_vgg import Clip, Vgg16, dinov2_vit_g_14
    from genbench.extractors.inception.extractor import INCEPTION

    extractors = (Clip(), Clip("rn50x64"), Vgg16(), dinov2_vit_g_14())
    for file in (INCEPTION, *(extractor.published_weights for extractor in extractors)):
        assert len(file.sha256) == 64
        assert all(url.startswith("https://") for url in file.urls)
        if "dinov2" not in file.file:
            assert file.sha256[:8] in file.file
