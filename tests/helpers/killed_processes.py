"""Kill commands at random moments, and find the processes that they leave behind."""

from __future__ import annotations

import signal
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path

SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL]


def alive(process: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(processes: list[int], seconds: float = 10) -> list[int]:
    """Return the processes that are still alive after some seconds."""
    end = time.monotonic() + seconds
    while (left := [process for process in processes if alive(process)]) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def accept_signals() -> None:
    """Undo that background processes of a script ignore interrupts."""
    for number in SIGNALS[:3]:
        signal.signal(number, signal.SIG_DFL)


def marked(mark: str) -> list[int]:
    """Return the processes that have a mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes() and alive(int(path.parent.name)):
                found.append(int(path.parent.name))
    return found


def killed(
    command: list[str], folder: Path, environment: dict[str, str], *, number: signal.Signals, delay: float
) -> tuple[bool, str, list[int]]:
    """Run a command in a folder, and kill it ``delay`` seconds after it has made the file ``started`` there.

    Return whether it had finished before, its stderr, and the processes that are left some seconds later.
    """
    started = folder / "started"
    started.unlink(missing_ok=True)
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        command, cwd=folder, env={**environment, "MARK": mark}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, preexec_fn=accept_signals,
    )  # fmt: skip
    while not started.exists() and process.poll() is None:
        time.sleep(0.02)
    with suppress(subprocess.TimeoutExpired):
        process.wait(delay)
    finished = process.poll() == 0
    process.send_signal(number)
    # orphans would hold the pipe open
    left = wait_until_gone([each for each in marked(mark) if each != process.pid], 15)
    _, message = process.communicate(timeout=30)
    return finished, message, left
