"""No process of a ``command:`` outlives genbench, whatever signal ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from genbench.samplers.command import SUPERVISOR

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)

PROGRAM = """
import os, subprocess, sys, time
note = "import os, time; open({folder!r} + '/' + str(os.getpid()), 'w').close(); "
worker = [sys.executable, "-c", note + "time.sleep(60)"]
subprocess.Popen(worker)
subprocess.Popen(worker, start_new_session=True)
# a daemon: its parent ends at once
subprocess.Popen([sys.executable, "-c", f"import subprocess; subprocess.Popen({{worker!r}}, start_new_session=True)"])
exec(note)
"""
"""A program that starts two workers and a daemon; each of the four writes a file with its process number."""

SUPERVISED = """
import os, subprocess, sys
words = [sys.executable, "-I", "-S", sys.argv[1], str(os.getpid()), sys.argv[2], sys.executable, sys.argv[3]]
subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True).wait()
"""

SAMPLED = """
import sys
from genbench.samplers.command import CommandSampler
CommandSampler(f"{sys.executable} {sys.argv[3]} {{count}} {{seed}} {{out}}").sample(2, 0)
"""


def killed(parent: str, number: signal.Signals, folder: Path, *, end: str = "time.sleep(60)") -> list[int]:
    """Start a parent with a program, end the parent by a signal, and return the processes that remain."""
    notes = folder / "notes"
    notes.mkdir(parents=True)
    (folder / "temporary").mkdir()
    program = folder / "program.py"
    program.write_text(PROGRAM.format(folder=str(notes)) + end)
    words = [sys.executable, "-c", parent, str(SUPERVISOR), str(folder / "temporary"), str(program)]
    process = subprocess.Popen(words, env=os.environ | {"TMPDIR": str(folder / "temporary")})
    wait_until(lambda: len(list(notes.iterdir())) == 4, seconds=60)
    process.send_signal(number)
    assert process.wait(10) == -number
    processes = [int(note.name) for note in notes.iterdir()]
    wait_until(lambda: not any(map(runs, processes)), seconds=10)
    return [one for one in processes if runs(one)]


def left_in(temporary: Path) -> list[Path]:
    """Return what remains in a temporary folder; the supervisor removes it after the last process has ended."""
    wait_until(lambda: not list(temporary.iterdir()), seconds=10)
    return list(temporary.iterdir())


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", SIGNALS)
def test_all_workers_end_with_the_parent(number: signal.Signals, tmp_path: Path) -> None:
    assert killed(SUPERVISED, number, tmp_path / "run") == []
    # the supervisor removes the folder after the last process has ended
    wait_until(lambda: not (tmp_path / "run" / "temporary").exists(), seconds=10)
    assert not (tmp_path / "run" / "temporary").exists()


def test_a_worker_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    assert killed(SUPERVISED, signal.SIGKILL, tmp_path / "run", end=ignore) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_no_worker_remains_after_ten_kills_of_a_sampler(number: signal.Signals, tmp_path: Path) -> None:
    assert [killed(SAMPLED, number, tmp_path / str(run)) for run in range(10)] == [[]] * 10
    assert [left_in(tmp_path / str(run) / "temporary") for run in range(10)] == [[]] * 10


def test_workers_that_a_program_leaves_behind_end_with_it(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import subprocess\nworker = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        f"open({str(tmp_path / 'worker')!r}, 'w').write(str(worker.pid))\n"
    )
    words = [sys.executable, str(SUPERVISOR), str(os.getpid()), str(tmp_path), sys.executable, str(program)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        assert json.loads(supervisor.stdout.read()) == {"exit_code": 0}
    assert not runs(int((tmp_path / "worker").read_text()))
