"""Measure the memory of a process and its descendants while it runs."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

SECONDS = 0.25
"""Time between two measurements."""


def peaks_of_all(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Wait for a process; return the peak memory in MB of the process and its descendants, and of these alone.

    Pages that several processes share count once.
    """
    peak = peak_of_descendants = 0.0
    while True:
        own, *others = map(_megabytes, _family(process.pid))
        peak, peak_of_descendants = max(peak, own + sum(others)), max(peak_of_descendants, sum(others))
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS)
            return peak, peak_of_descendants


def _family(pid: int) -> list[int]:
    pids = [pid]
    for parent in pids:
        with suppress(OSError):  # the process has ended
            for task in Path(f"/proc/{parent}/task").iterdir():
                pids += map(int, (task / "children").read_text().split())
    return pids


def _megabytes(pid: int) -> float:
    """Return the proportional set size: a page that n processes share counts 1/n."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return int(text.partition("Pss:")[2].split()[0]) / 1024
