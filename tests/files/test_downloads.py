"""A download is complete and the right file, or it leaves nothing behind and one reason."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from genbench.errors import InputError
from genbench.files import downloads
from genbench.files.downloads import ChecksumError, DownloadError, download_first
from tests.helpers.file_server import FileServer, serving

CONTENT = b"statistics " * 50_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({"/x.npz": CONTENT, "/other.npz": b"an error page"}) as server:
        yield server


def reason(server: FileServer, path: str, target: Path, sha256: str = SHA256) -> str:
    """Return the reason of a download that fails, after a check that nothing was left behind."""
    with pytest.raises(DownloadError) as error:
        download_first([server.url(path)], target, sha256=sha256)
    assert not target.parent.exists() or list(target.parent.iterdir()) == []
    return str(error.value)


@pytest.mark.parametrize("path", ["/x.npz", "/moved/x.npz", "/plain/x.npz"])
def test_a_file_arrives_directly_over_a_redirect_and_without_a_length(
    server: FileServer, tmp_path: Path, path: str
) -> None:
    target = tmp_path / "new" / "x.npz"
    assert download_first([server.url(path)], target, sha256=SHA256) == SHA256
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_a_download_without_a_known_checksum_returns_its_checksum(server: FileServer, tmp_path: Path) -> None:
    assert download_first([server.url("/x.npz")], tmp_path / "x.npz") == SHA256


def test_the_first_digits_of_a_checksum_are_checked(server: FileServer, tmp_path: Path) -> None:
    assert download_first([server.url("/x.npz")], tmp_path / "x.npz", sha256=SHA256[:8]) == SHA256
    assert "not 00000000" in reason(server, "/x.npz", tmp_path / "new" / "x.npz", sha256="0" * 8)


def test_a_wrong_file_is_deleted_and_both_checksums_are_told(server: FileServer, tmp_path: Path) -> None:
    text = reason(server, "/other.npz", tmp_path / "x.npz")
    assert SHA256 in text
    assert hashlib.sha256(b"an error page").hexdigest() in text


def test_a_connection_that_breaks_off_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    half = f"{len(CONTENT) // 2} of {len(CONTENT)} bytes"
    assert half in reason(server, "/short/x.npz", tmp_path / "x.npz", sha256="")


def test_a_missing_file_is_told_with_its_status(server: FileServer, tmp_path: Path) -> None:
    assert "404 Not Found" in reason(server, "/nothing.npz", tmp_path / "x.npz")


@pytest.mark.parametrize("path", ["/stall/x.npz", "/silent/x.npz"])
def test_a_server_that_sends_nothing_more_is_given_up(
    server: FileServer, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.2)
    assert "timed out" in reason(server, path, tmp_path / "x.npz")


def test_a_full_disk_is_an_error_with_the_folder_to_change(server: FileServer, tmp_path: Path) -> None:
    # the system refuses larger files, as a full disk would
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"cannot be written .* another folder with GENBENCH_STATISTICS\.$"):
            download_first([server.url("/x.npz")], tmp_path / "x.npz", variable="GENBENCH_STATISTICS")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot be written"):
        download_first([server.url("/x.npz")], tmp_path / "folder" / "x.npz")


def test_an_interrupted_download_leaves_nothing(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Iterator[bytes]:
        yield CONTENT[:10]
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads, "download_blocks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download_first([server.url("/x.npz")], tmp_path / "x.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_accepted_is_deleted(server: FileServer, tmp_path: Path) -> None:
    def accept(file: Path, sha256: str) -> None:
        assert file.read_bytes() == CONTENT
        assert sha256 == SHA256
        raise DownloadError("it holds no statistics")

    with pytest.raises(DownloadError, match="no statistics"):
        download_first([server.url("/x.npz")], tmp_path / "x.npz", accept=accept)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_keeps_the_file_of_before(server: FileServer, tmp_path: Path) -> None:
    target = tmp_path / "x.npz"
    target.write_bytes(b"before")
    with pytest.raises(DownloadError):
        download_first([server.url("/other.npz")], target, sha256=SHA256)
    assert target.read_bytes() == b"before"


def test_a_reason_that_addresses_share_is_given_once(server: FileServer, tmp_path: Path) -> None:
    urls = [server.url(path) for path in ("/nothing.npz", "/neither.npz")]
    with pytest.raises(DownloadError) as error:
        download_first(urls, tmp_path / "x.npz")
    assert str(error.value).startswith(f"{urls[0]}, {urls[1]}: ")
    assert str(error.value).count("404") == 1


def test_the_reasons_of_all_addresses_are_told(server: FileServer, tmp_path: Path) -> None:
    urls = [server.url(path) for path in ("/nothing.npz", "/other.npz")]
    with pytest.raises(DownloadError) as error:
        download_first(urls, tmp_path / "x.npz", sha256=SHA256)
    assert all(url in str(error.value) for url in urls)
    assert isinstance(error.value.__cause__, ChecksumError)


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://127.0.0.1/x.npz", "data:text/plain,x", "x.npz"])
def test_only_web_addresses_are_read(tmp_path: Path, address: str) -> None:
    with pytest.raises(DownloadError, match="starts with neither https:// nor http://"):
        download_first([address], tmp_path / "x.npz")


def test_an_encrypted_address_does_not_lead_to_an_open_one(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the answer of an https address that redirected to the server here
    monkeypatch.setattr("urllib.request.urlopen", lambda url, **options: urlopen(server.url("/x.npz"), **options))
    with pytest.raises(DownloadError, match="not encrypted"):
        download_first(["https://host/x.npz"], tmp_path / "x.npz")
