"""Files of statistics by name are found by their checksum, downloaded, and pinned on first use."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from genbench.errors import InputError, InputWarning, UsageError
from genbench.features import named_statistics as finding
from genbench.features import statistics_registry
from genbench.features.named_statistics import find_statistics
from genbench.features.published_statistics import NamedStatistics
from genbench.features.statistics_registry import (
    add_statistics,
    all_statistics,
    named_statistics,
    own_file,
    statistics_of_reference,
)
from genbench.files import downloads, fingerprints
from tests.helpers.file_server import FileServer, serving


def npz(value: float) -> bytes:
    """Return an .npz of the statistics of 3 dimensions."""
    file = io.BytesIO()
    np.savez(file, mu=np.full(3, value), sigma=np.eye(3))
    return file.getvalue()


CONTENT, OTHER = npz(1.0), npz(2.0)
SHA256, OTHER_SHA256 = (hashlib.sha256(content).hexdigest() for content in (CONTENT, OTHER))


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folders in place of those of this computer; the working folder is empty, too."""
    for variable in ("GENBENCH_STATISTICS", "GENBENCH_WEIGHTS", "TORCH_HOME", "DNNLIB_CACHE_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("genbench.features.statistics_copies.find_spec", lambda name: None)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving({"/x.npz": CONTENT, "/page.npz": b"<html>Not here any more</html>"}) as server:
        yield server


def publish(monkeypatch: pytest.MonkeyPatch, *urls: str, **known: object) -> NamedStatistics:
    """Put statistics called "x" into the table in place of all others."""
    entry = NamedStatistics("x", urls or ("https://host.invalid/x.npz",), **known)  # type: ignore[arg-type]
    monkeypatch.setattr(statistics_registry, "PUBLISHED_STATISTICS", (entry,))
    return entry


def find(name: str = "x") -> tuple[Path, str]:
    """Find statistics by name; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return find_statistics(named_statistics(name))


def find_first(name: str = "x") -> tuple[Path, str]:
    """Find statistics that are trusted on first use, which is told."""
    with pytest.warns(InputWarning, match="trusted on first use"):
        return find_statistics(named_statistics(name))


def message(name: str = "x") -> str:
    """Return the message of statistics that cannot be found, which must be one sentence on one line."""
    with pytest.raises(InputError) as error:
        find_statistics(named_statistics(name))
    text = str(error.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert ". " not in text
    return text


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# published checksums


def test_a_download_with_the_published_checksum_is_kept_and_not_repeated(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = publish(monkeypatch, server.url("/x.npz"), sha256=SHA256)
    assert find() == find() == (own_file(entry), SHA256)
    assert own_file(entry).read_bytes() == CONTENT
    assert server.requests == ["/x.npz"]


def test_the_next_address_is_tried(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, server.url("/nothing.npz"), server.url("/page.npz"), server.url("/x.npz"), sha256=SHA256)
    assert find()[1] == SHA256


def test_a_download_with_another_checksum_is_deleted(
    server: FileServer, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, server.url("/x.npz"), sha256=OTHER_SHA256)
    text = message()
    assert SHA256 in text
    assert OTHER_SHA256 in text
    assert f"`genbench stats add NAME {server.url('/x.npz')}`" in text
    assert left(places) == []


@pytest.mark.parametrize("path", ["/short/x.npz", "/nothing.npz", "/stall/x.npz"])
def test_a_failed_download_leaves_nothing_and_says_what_to_put_where(
    server: FileServer, places: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.2)
    entry = publish(monkeypatch, server.url(path), sha256=SHA256)
    text = message()
    assert server.url(path) in text
    assert f"put {path.rpartition('/')[2]} into {own_file(entry).parent}" in text
    assert "--reference" in text
    assert left(places) == []


def test_a_broken_file_in_genbenchs_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = publish(monkeypatch, sha256=SHA256)
    write(own_file(entry), CONTENT[:-1])
    text = message()
    assert str(own_file(entry)) in text
    assert SHA256 in text
    assert "delete it" in text


# files that are here already


@pytest.mark.parametrize(
    "place",
    [
        "GENBENCH_STATISTICS/x.npz",
        "GENBENCH_STATISTICS/x/x.npz",
        "GENBENCH_WEIGHTS/x.npz",
        "TORCH_HOME/hub/checkpoints/x.npz",
        "here/x.npz",
    ],
)
def test_a_copy_is_found_by_its_name_and_checksum(places: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    publish(monkeypatch, sha256=SHA256)
    copy = write(places / place, CONTENT)
    path, sha256 = find()
    assert path.absolute() == copy
    assert sha256 == SHA256


def test_a_copy_with_another_name_is_found_by_its_size_and_checksum(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, sha256=SHA256, size=len(CONTENT))
    write(places / "TORCH_HOME" / "hub" / "checkpoints" / "same-size.bin", OTHER)
    copy = write(places / "TORCH_HOME" / "hub" / "checkpoints" / "renamed.npz", CONTENT)
    assert find() == (copy, SHA256)


def test_only_files_of_the_right_name_or_size_are_hashed(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, sha256=SHA256, size=len(CONTENT))
    hashed: list[Path] = []

    def note(path: Path) -> str:
        hashed.append(path)
        return ""

    for name in ("a.npz", "b.npz"):
        write(places / "GENBENCH_STATISTICS" / name, b"another size")
    right = write(places / "GENBENCH_STATISTICS" / "c.npz", OTHER)
    monkeypatch.setattr(finding, "cached_file_hash", note)
    message()
    assert set(hashed) == {right}


def test_a_copy_with_another_checksum_is_not_used(
    server: FileServer, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = publish(monkeypatch, server.url("/x.npz"), sha256=SHA256)
    write(places / "here" / "x.npz", OTHER)
    assert find() == (own_file(entry), SHA256)


def test_a_file_that_clean_fid_downloaded_is_found(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "https://www.cs.cmu.edu/~clean-fid/stats/x.npz")
    spec = ModuleSpec("cleanfid", None, is_package=True)
    spec.submodule_search_locations = [str(places / "cleanfid")]
    monkeypatch.setattr("genbench.features.statistics_copies.find_spec", {"cleanfid": spec}.get)
    copy = write(places / "cleanfid" / "stats" / "x.npz", CONTENT)
    assert find_first() == (copy, SHA256)
    assert find() == (copy, SHA256)


def test_a_file_that_edm_downloaded_is_found_by_its_address(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://nvlabs-fi-cdn.nvidia.com/edm/fid-refs/x.npz"
    publish(monkeypatch, url)
    name = f"{hashlib.md5(url.encode()).hexdigest()}_x.npz"
    copy = write(places / "DNNLIB_CACHE_DIR" / "downloads" / name, CONTENT)
    assert find_first() == (copy, SHA256)


def test_a_broken_file_of_another_tool_is_not_trusted(
    server: FileServer, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url("/x.npz")
    entry = publish(monkeypatch, url)
    name = f"{hashlib.md5(url.encode()).hexdigest()}_x.npz"
    write(places / "DNNLIB_CACHE_DIR" / "downloads" / name, CONTENT[:-30])
    assert find_first() == (own_file(entry), SHA256)


def test_a_file_of_that_name_in_the_current_folder_is_not_trusted_without_a_checksum(
    server: FileServer, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = publish(monkeypatch, server.url("/x.npz"))
    write(places / "here" / "x.npz", OTHER)
    assert find_first() == (own_file(entry), SHA256)


@pytest.mark.usefixtures("settled")
def test_an_unchanged_file_is_read_once_for_its_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = publish(monkeypatch, sha256=SHA256)
    write(own_file(entry), CONTENT)
    find()
    monkeypatch.setattr(fingerprints, "file_hash", lambda path: pytest.fail("read again"))
    assert find() == (own_file(entry), SHA256)


# trust on first use


def test_the_first_file_is_trusted_and_its_checksum_holds(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = publish(monkeypatch, server.url("/x.npz"))
    assert find_first() == (own_file(entry), SHA256)
    assert find() == (own_file(entry), SHA256)
    assert named_statistics("x").sha256 == SHA256


def test_a_file_that_the_user_puts_into_the_folder_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = publish(monkeypatch)
    write(own_file(entry), CONTENT)
    assert find_first() == (own_file(entry), SHA256)


def test_a_changed_download_is_refused_with_both_checksums_and_what_to_do(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = publish(monkeypatch, server.url("/x.npz"))
    find_first()
    own_file(entry).unlink()
    server.contents["/x.npz"] = OTHER
    text = message()
    assert SHA256 in text
    assert OTHER_SHA256 in text
    assert "under another name with `genbench stats add NAME" in text
    assert not own_file(entry).exists()


def test_a_file_that_changes_after_its_first_use_is_refused(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = publish(monkeypatch, server.url("/x.npz"))
    find_first()
    own_file(entry).write_bytes(OTHER)
    assert OTHER_SHA256 in message()


@pytest.mark.parametrize("path", ["/page.npz", "/short/x.npz"])
def test_what_is_no_statistics_is_never_trusted(
    server: FileServer, places: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    publish(monkeypatch, server.url(path))
    message()
    assert left(places) == []
    assert named_statistics("x").sha256 == ""


def test_the_beginning_of_a_file_without_a_length_is_not_trusted(
    server: FileServer, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.contents["/half.npz"] = CONTENT[: len(CONTENT) // 2]
    publish(monkeypatch, server.url("/plain/half.npz"))
    assert "no statistics that can be read" in message()
    assert left(places) == []


def test_two_processes_that_pull_at_once_download_once(server: FileServer, places: Path) -> None:
    add_statistics("mine", server.url("/held/x.npz"))
    command = [sys.executable, "-m", "genbench", "stats", "pull", "mine"]
    first, second = (places / f"{name}.txt" for name in ("first", "second"))
    with first.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as downloads_it:
        wait_until(lambda: server.requests)
        with second.open("w") as more, subprocess.Popen(command, stdout=more, stderr=more) as waits:
            # the second process waits; without a lock it would ask the server, too
            wait_until(lambda: "waiting for it" in second.read_text() or len(server.requests) > 1)
            server.released.set()
    assert (downloads_it.returncode, waits.returncode) == (0, 0), first.read_text() + second.read_text()
    assert all(SHA256 in output.read_text() for output in (first, second))
    assert server.requests == ["/held/x.npz"]
    assert left(places / "GENBENCH_STATISTICS") == ["mine/x.npz", "registry.json"]


def wait_until(happened: Callable[[], object]) -> None:
    for _ in range(3000):
        if happened():
            return
        time.sleep(0.02)
    pytest.fail("nothing happened")


# the user's registry


def test_added_statistics_are_found(server: FileServer) -> None:
    add_statistics("mine", server.url("/x.npz"), extractors=["pixels"], count=7, labels="equal")
    entry = named_statistics("mine")
    assert (entry.extractors, entry.count, entry.labels) == (("pixels",), 7, "equal")
    assert find_first("mine") == (own_file(entry), SHA256)


def test_an_added_file_is_used_where_it_is(places: Path) -> None:
    write(places / "here" / "real.npz", CONTENT)
    add_statistics("mine", "real.npz")
    assert find("mine") == (places / "here" / "real.npz", SHA256)


def test_an_added_file_that_changes_or_disappears_is_told(places: Path) -> None:
    file = write(places / "here" / "real.npz", CONTENT)
    add_statistics("mine", str(file))
    file.write_bytes(OTHER)
    assert f"`genbench stats add NAME {file}`" in message("mine")
    file.unlink()
    assert "does not exist any more" in message("mine")


def test_statistics_that_are_added_again_replace_those_before(server: FileServer) -> None:
    assert not add_statistics("mine", server.url("/x.npz"))
    find_first("mine")
    server.contents["/x.npz"] = OTHER
    assert add_statistics("mine", server.url("/x.npz"))
    assert find_first("mine")[1] == OTHER_SHA256
    assert [entry.name for entry in all_statistics()].count("mine") == 1


def test_two_additions_are_both_kept(server: FileServer) -> None:
    add_statistics("one", server.url("/x.npz"))
    add_statistics("two", server.url("/x.npz"))
    assert {"one", "two"} <= {entry.name for entry in all_statistics()}


@pytest.mark.parametrize(
    ("name", "place", "options", "expected"),
    [
        ("adm-imagenet256", "https://host/x.npz", {}, "name of published statistics"),
        ("a/b", "https://host/x.npz", {}, "letters, digits, _ and -"),
        ("mine", "https://host/x.npz", {"sha256": "abc"}, "64 hex digits"),
        ("mine", "https://host/", {}, "mine has neither the path nor the address of a file"),
        ("mine", "https://host/x.zip", {}, "does not end in .npz"),
        ("mine", "nowhere.npz", {}, "is not a file"),
        ("mine", "x.npz", {"sha256": OTHER_SHA256}, f"has the sha256 {SHA256}"),
        ("mine", "images.npz", {}, "holds no statistics"),
        ("mine", "broken.npz", {}, "cannot be read"),
    ],
)
def test_what_cannot_be_added_is_told(
    places: Path, name: str, place: str, options: dict[str, str], expected: str
) -> None:
    write(places / "here" / "x.npz", CONTENT)
    write(places / "here" / "broken.npz", CONTENT[:-30])
    np.savez(places / "here" / "images.npz", np.zeros((2, 4, 4, 3), np.uint8))
    with pytest.raises((UsageError, InputError), match=expected):
        add_statistics(name, place, **options)
    assert not (places / "GENBENCH_STATISTICS").exists()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"statistics": 1}', '{"pins": {"x": "abc"}}', '{"statistics": [{"name": "x", "adress": "y"}]}']
)
def test_a_registry_that_cannot_be_read_is_told(places: Path, text: str) -> None:
    write(places / "GENBENCH_STATISTICS" / "registry.json", text.encode())
    with pytest.raises(InputError, match=r"registry\.json is no registry of statistics"):
        named_statistics("adm-imagenet256")


def test_a_folder_that_cannot_be_made_is_told(
    server: FileServer, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, server.url("/x.npz"), sha256=SHA256)
    (places / "GENBENCH_STATISTICS").write_text("a file where the folder should be")
    monkeypatch.setattr(statistics_registry, "_read_registry", statistics_registry.Registry)
    assert "choose another folder with GENBENCH_STATISTICS" in message()


def test_a_copy_is_used_even_if_its_checksum_cannot_be_stored(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://nvlabs-fi-cdn.nvidia.com/edm/fid-refs/x.npz"
    publish(monkeypatch, url)
    copy = write(places / "DNNLIB_CACHE_DIR" / "downloads" / f"{hashlib.md5(url.encode()).hexdigest()}_x.npz", CONTENT)

    def full_disk(*_: object) -> None:
        raise InputError("the disk is full.")

    monkeypatch.setattr(finding, "pin_checksum", full_disk)
    with pytest.warns(InputWarning, match=r"could not be stored \(the disk is full\)\."):
        assert find_statistics(named_statistics("x")) == (copy, SHA256)


# names


def test_only_a_text_with_the_prefix_names_statistics() -> None:
    entry = statistics_of_reference("stats:adm-imagenet256")
    assert entry is not None
    assert entry.name == "adm-imagenet256"
    for reference in ("adm-imagenet256", Path("stats:adm-imagenet256"), None, types):
        assert statistics_of_reference(reference) is None


def test_a_mistyped_name_gets_a_suggestion_and_an_unknown_one_the_list() -> None:
    with pytest.raises(UsageError, match="did you mean 'adm-imagenet256'; `genbench stats list`"):
        statistics_of_reference("stats:adm-imagnet256")
    with pytest.raises(UsageError, match="'zzz'; `genbench stats list` shows all names"):
        statistics_of_reference("stats:zzz")
