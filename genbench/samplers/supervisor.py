"""Run a program for ``command:``, and end every process that it started as soon as it or genbench has ended.

This file is started as a script: ``python supervisor.py PARENT FOLDER PROGRAM ARGUMENTS...``. It imports the standard
library only, so that it starts quickly. Its input is a pipe from genbench: the end of the input means that genbench
has ended, by whatever signal, or no longer wants the samples. Its output is one JSON object: ``{"exit_code": 0}``, with
a negative number for a signal, or ``{"error": "Exec format error"}`` if the program cannot be started. The output of
the program goes to stderr.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

GRACE_SECONDS = 2.0
"""Time between SIGTERM and SIGKILL, in which a program may tidy up."""

PATIENCE_SECONDS = 10.0
"""Time after which processes that cannot be killed are left, because they hang in the kernel."""

POLL_SECONDS = 1.0
"""Time between two looks at the parent, in case another process holds the pipe open."""

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def run_supervised(parent: int, folder: str, arguments: list[str]) -> None:
    """Run a program, and report how it ended. If ``parent`` ends first, end the program and remove ``folder``."""
    # workers whose own parent ends become children of this process, so that they are found
    _process_control(PR_SET_CHILD_SUBREAPER, 1)
    wakeup, signalled = os.pipe()
    os.set_blocking(signalled, False)
    # the end of a child makes the wakeup pipe readable; the handler itself does nothing
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    # the program has a session and a process group of its own
    try:
        program = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=2, stderr=2, start_new_session=True, preexec_fn=_end_with_parent
        )
    except OSError as error:
        print(json.dumps({"error": error.strerror or str(error)}), flush=True)
        return
    # wait for the program, or for the end of the parent
    ended: dict[int, int] = {}
    while program.pid not in ended:
        ready, _, _ = select.select([0, wakeup], [], [], POLL_SECONDS)
        if wakeup in ready:
            os.read(wakeup, 4096)
        ended |= _reaped()
        if program.pid not in ended and (0 in ready or os.getppid() != parent):
            _end_processes(program.pid)
            shutil.rmtree(folder, ignore_errors=True)
            return
    # workers that the program has left behind
    _end_processes(program.pid)
    print(json.dumps({"exit_code": ended[program.pid]}), flush=True)


def _process_control(option: int, value: int) -> None:
    """Call Linux's ``prctl``; other systems do without."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _end_with_parent() -> None:
    # if this process is killed, so is the program
    _process_control(PR_SET_PDEATHSIG, signal.SIGKILL)


def _reaped() -> dict[int, int]:
    """Return the exit code of each child that has ended, by process number."""
    # without children, waitpid raises
    codes: dict[int, int] = {}
    with suppress(ChildProcessError):
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                break
            codes[process] = os.waitstatus_to_exitcode(status)
    return codes


def _end_processes(group: int) -> None:
    """End all processes that descend from this one, or the process group where they cannot be listed."""
    started, asked = time.monotonic(), set[int]()
    while (running := _running(group)) and time.monotonic() - started < PATIENCE_SECONDS:
        kill = time.monotonic() - started >= GRACE_SECONDS
        for process in running:
            # ask once, then kill
            if kill or process not in asked:
                asked.add(process)
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL if kill else signal.SIGTERM)
        time.sleep(0.01)
        _reaped()


def _running(group: int) -> list[int]:
    """Return the descendants of this process that run; without /proc, the process group as a negative number."""
    if not os.path.exists("/proc/self/stat"):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(-group, 0)
            return [-group]
        return []
    # the parent of every process; its name, in brackets, may contain spaces
    parents: dict[int, int] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]
            if state not in (b"Z", b"X"):
                parents[int(entry)] = int(parent)
    # children, grandchildren ...
    found, generation = list[int](), {os.getpid()}
    while generation:
        generation = {process for process, parent in parents.items() if parent in generation}
        found += generation
    return found


if __name__ == "__main__":
    run_supervised(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
