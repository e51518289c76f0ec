"""Run one contestant in its own process: ``python -m tests.speed.child STAGE CONTESTANT ROOT SIZES``."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from tests.speed.commands import Command
from tests.speed.material import Sizes
from tests.speed.stages import STAGES


def main(stage: str, contestant: str, root: str, sizes: str) -> None:
    """Print one line of JSON: the fields of a run, or the missing package.

    CPU seconds are those of all threads and child processes.
    """
    report = os.dup(1)
    os.dup2(2, 1)  # output of the peers must not mix with the result
    try:
        timed = STAGES[stage].contestants[contestant](Path(root), Sizes(**json.loads(sizes)))
        before = _peak_megabytes()
        start, start_of_work = time.perf_counter(), sum(os.times()[:4])
        value = timed()
    except ImportError as error:
        os.write(report, json.dumps({"absent": error.name or str(error)}).encode())
        return
    seconds, work = time.perf_counter() - start, sum(os.times()[:4]) - start_of_work
    # of a command, the process that starts it is no part
    command, scale = isinstance(timed, Command), getattr(timed, "scale", 1)
    peak = _peak_megabytes(command)
    line = {
        "seconds": seconds * scale,
        "cpu_seconds": work * scale,
        "megabytes": peak,
        "extra_megabytes": None if command else peak - before,
        "value": str(value)[:200],
        "command": command,
    }
    os.write(report, json.dumps(line).encode())


def _peak_megabytes(of_children: bool = False) -> float:
    """Return the largest resident set of this process, or of a child process that it waited for."""
    status = Path("/proc/self/status").read_text()  # rusage would include the process before it started Python
    own = int(status.partition("VmHWM:")[2].split()[0])
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (children if of_children else max(own, children)) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
