"""The memory of a process and all that it starts, while it runs."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

SECONDS = 0.25
"""Between two looks."""


def peak_of_all(process: subprocess.Popen[str]) -> float:
    """Wait for a process; return the most megabytes that it and its descendants held at once.

    Pages that several of them share count once.
    """
    most = 0.0
    while True:
        most = max(most, sum(map(_megabytes, _family(process.pid))))
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS)
            return most


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        with suppress(OSError):  # it has ended meanwhile
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _megabytes(pid: int) -> float:
    """Return the proportional set size: of a page that n processes share, an n-th."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return int(text.partition("Pss:")[2].split()[0]) / 1024
