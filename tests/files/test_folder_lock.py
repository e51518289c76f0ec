"""The lock of a folder: one holder at a time, and none after its process has died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from genbench.errors import InputError
from genbench.files.folder_lock import locked_folder

pytest.importorskip("fcntl")


def no_wait(process: str) -> None:
    raise AssertionError(f"process {process} holds the lock")


def test_a_second_holder_waits_for_the_first_and_says_for_whom(tmp_path: Path) -> None:
    waiting, waited_for, entered = threading.Event(), [], threading.Event()

    def announce(process: str) -> None:
        waited_for.append(process)
        waiting.set()

    def second() -> None:
        with locked_folder(tmp_path, announce):
            entered.set()

    with locked_folder(tmp_path, no_wait):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        assert not entered.is_set()
    thread.join(10)
    assert entered.is_set()
    assert waited_for == [str(os.getpid())]


def test_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    with locked_folder(tmp_path / "new", no_wait):
        assert [path.name for path in (tmp_path / "new").iterdir()] == [".lock"]
    assert list((tmp_path / "new").iterdir()) == []


def test_many_holders_never_meet(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        for _ in range(20):
            with locked_folder(tmp_path, lambda _: None):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(most) == 80
    assert max(most) == 1


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom genbench.files.folder_lock import locked_folder\n"
        "with locked_folder(Path(sys.argv[1]), print):\n    print('locked', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with locked_folder(tmp_path, no_wait):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"file/folder cannot be written"),
        locked_folder(tmp_path / "file" / "folder", no_wait),
    ):
        pass
