"""The store at an address, with local copies in front: every machine finds what one has computed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from genbench.errors import InputError
from genbench.extraction.extract import Extraction, extract
from genbench.extraction.feature_store import Block, Store
from genbench.files import remote_folder
from genbench.files.remote_folder import RemoteFolder
from genbench.sources.memory import ArraySource
from tests.helpers.bucket import bucket_server

VIEWS = {"embedding": np.arange(6, dtype=np.float32).reshape(2, 3), "mode": np.array([1, 2])}
IMAGES = np.random.default_rng(0).integers(0, 256, (700, 4, 4, 3), np.uint8)
NUMBERS = count()

Machines = Callable[[], Store]


@pytest.fixture(params=["memory", "file", "s3"])
def machine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Return a function that makes one more machine with a local folder of its own; all share one address."""
    places = {"memory": f"memory://store-{next(NUMBERS)}", "file": f"file://{tmp_path}/shared", "s3": "s3://shared/a/b"}
    if request.param == "s3":
        for name, value in request.getfixturevalue("server").items():
            monkeypatch.setenv(name, value)
    address = places[request.param] + (f"-{next(NUMBERS)}" if request.param == "s3" else "")
    locals_ = (tmp_path / f"machine-{number}" for number in count())

    def another() -> Store:
        local = next(locals_)
        return Store(local, RemoteFolder(address, local, "GENBENCH_CACHE"))

    return another


@pytest.fixture(scope="module")
def server() -> object:
    with bucket_server() as environment:
        yield environment


def sent(store: Store) -> RemoteFolder:
    """Return the remote folder of a store when everything is sent."""
    assert store.remote is not None
    store.remote.flush()
    assert store.remote.failure is None, store.remote.failure
    return store.remote


class Means:
    """The mean colour of each image; ``seen`` counts the images that it was called with."""

    name, identity, device = "means", "means@1", "cpu"

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        self.seen += len(images)
        return {"embedding": images.float().mean(dim=(2, 3))}


def rows_of(store: Store | None, means: Means | None = None) -> np.ndarray:
    return extract(ArraySource(IMAGES), means or Means(), Extraction(store, progress=True))["embedding"]


def test_a_block_of_one_machine_is_found_by_another(machine: Machines) -> None:
    first, second = machine(), machine()
    first.put("net@1", "abcd", Block(VIEWS, None, np.array([1, 2]), (0, 255)))
    assert not list((sent(first).local / "unsent").iterdir())
    block = second.find("net@1", "abcd")
    assert block is not None
    assert block.levels == (0, 255)
    assert np.array_equal(block.views["embedding"], VIEWS["embedding"])
    assert second.find("net@2", "abcd") is None


def test_features_with_an_address_equal_those_without_and_nothing_is_computed_twice(machine: Machines) -> None:
    expected, again = rows_of(None), Means()
    assert np.array_equal(rows_of(machine()), expected)
    assert np.array_equal(rows_of(machine(), again), expected)
    assert again.seen == 0


def test_a_damaged_object_counts_as_missing_and_is_overwritten(machine: Machines) -> None:
    first, second = machine(), machine()
    first.put("net@1", "abcd", Block(VIEWS))
    remote, path = sent(first), first._block_path("net@1", "abcd")
    whole = path.read_bytes()
    remote._files.pipe_file(remote._remote(path), whole[:-1] + bytes([whole[-1] ^ 1]))
    assert second.find("net@1", "abcd") is None
    second.put("net@1", "abcd", Block(VIEWS))
    sent(second)
    assert machine().find("net@1", "abcd") is not None


def test_derived_arrays_are_shared(machine: Machines) -> None:
    first, second = machine(), machine()
    first.derived("net@1", "content")["moments"] = {"mean": np.ones(3)}
    sent(first)
    assert np.array_equal(second.derived("net@1", "content")["moments"]["mean"], np.ones(3))
    assert "roots" not in second.derived("net@1", "content")


def test_the_store_at_an_address_is_listed_measured_and_cleared(machine: Machines) -> None:
    first, second = machine(), machine()
    for digest in ("abcd", "abce"):
        first.put("net@1", digest, Block(VIEWS), extractor="net")
    sent(first)
    (stored,) = second.extractors()
    assert (stored.extractor, stored.blocks) == ("net", 2)
    assert second.remote_size() == first.size_bytes()
    assert second.holds("net@1", ["abcd", "abcf"]) == [True, False]
    first.clear()
    assert machine().find("net@1", "abcd") is not None
    second.clear(remote=True)
    assert machine().find("net@1", "abcd") is None
    assert second.remote_size() == 0


def test_what_could_not_be_sent_is_sent_by_the_next_run(machine: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    first = machine()
    with monkeypatch.context() as killed:
        killed.setattr(RemoteFolder, "_send", lambda *_: None)
        first.put("net@1", "abcd", Block(VIEWS))
    assert machine().find("net@1", "abcd") is None
    # a new process
    remote = RemoteFolder(sent(machine()).address, first.root, "GENBENCH_CACHE")
    remote.send_unsent()
    remote.flush()
    assert machine().find("net@1", "abcd") is not None


def test_ranks_send_blocks_that_were_cleared_at_the_address(machine: Machines) -> None:
    first = machine()
    first.put("net@1", "abcd", Block(VIEWS))
    sent(first)
    machine().clear(remote=True)
    first.share("net@1", ["abcd"])
    assert machine().find("net@1", "abcd") is not None


def test_no_reader_sees_half_of_an_object(machine: Machines) -> None:
    large = Block({"embedding": np.random.default_rng(0).random((256, 2048), np.float32)})
    writer, reader = machine(), machine()
    done, damaged = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            reader.fetch("net@1", ["abcd"])
            path = reader._block_path("net@1", "abcd")
            if path.exists() and reader.find("net@1", "abcd") is None:
                damaged.append(path)
            path.unlink(missing_ok=True)

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(10):
        writer.put("net@1", "abcd", large)
        sent(writer)
    done.set()
    thread.join()
    assert not damaged


def test_without_a_bucket_features_are_kept_here_and_the_message_says_why(
    server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    store = Store(tmp_path, RemoteFolder("s3://nowhere/x", tmp_path, "GENBENCH_CACHE"))
    assert np.array_equal(rows_of(store), rows_of(None))
    told = capsys.readouterr().out
    assert told.count("are kept in") == 1
    assert "s3://nowhere/x cannot be written" in told
    assert "create the bucket or folder, or correct GENBENCH_CACHE" in told
    assert len(list(tmp_path.glob("features/*/*/*.safetensors"))) == 3
    with pytest.raises(InputError, match="s3://nowhere/x cannot be written"):
        store.share("net@1", [])


def test_an_address_that_is_out_of_reach_is_told_without_its_password(tmp_path: Path) -> None:
    remote = RemoteFolder("sftp://me:secret@host/x", tmp_path, "GENBENCH_CACHE")
    failure = remote._fail("read", TimeoutError("no answer"))
    assert "sftp://***@host/x cannot be read (TimeoutError: no answer); check the network" in str(failure)
    assert "secret" not in str(failure)
    assert remote.failure is failure


def test_a_failed_address_is_tried_again_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = RemoteFolder("memory://again", tmp_path, "GENBENCH_CACHE")
    remote._fail("read", TimeoutError())
    monkeypatch.setattr(remote_folder, "RETRY_SECONDS", 0.0)
    assert remote.failure is None


@pytest.mark.parametrize(
    ("address", "answer"),
    [("gs://bucket/x", "pip install 'genbench[gcs]'"), ("nonsense://x", "correct GENBENCH_CACHE")],
)
def test_an_address_that_cannot_be_opened_is_one_sentence(
    address: str, answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match=r"needs a package|cannot be opened") as refused:
        Store(tmp_path, RemoteFolder(address, tmp_path, "GENBENCH_CACHE")).find("net@1", "abcd")
    assert answer in str(refused.value)
    with pytest.raises(InputError) as unlisted:
        Store(tmp_path, RemoteFolder(address, tmp_path, "GENBENCH_CACHE")).remote_size()
    assert str(unlisted.value) == str(refused.value)


def test_nothing_of_fsspec_is_imported_for_a_folder(tmp_path: Path) -> None:
    probe = (
        "import sys; from genbench.extraction.feature_store import Store; s = Store.default(); s.find('net', 'abcd'); "
        "list(s.extractors()); sys.exit('fsspec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
