"""Run one contestant in its own process: ``python -m tests.speed.child STAGE CONTESTANT ROOT SIZES``."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

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
    peak = _peak_megabytes()
    line = {
        "seconds": seconds,
        "cpu_seconds": work,
        "megabytes": peak,
        "extra_megabytes": peak - before,
        "value": str(value)[:200],
    }
    os.write(report, json.dumps(line).encode())


def _peak_megabytes() -> float:
    """Return the largest resident set of this process and of the child processes that it waited for."""
    status = Path("/proc/self/status").read_text()  # rusage would include the process before it started Python
    own = int(status.partition("VmHWM:")[2].split()[0])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
