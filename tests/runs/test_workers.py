"""Worker processes end with their command, however it ends, and a killed run gives the result of an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from genbench.errors import PlugError
from genbench.results import Result, read_results
from genbench.runs.workers import worker_pool
from tests.helpers.killed_processes import SIGNALS, accept_signals, marked, wait_until_gone

pytest.importorskip("fcntl")

SLEEPER = """
import os, time
from pathlib import Path
from genbench.runs.workers import signals_interrupt, worker_pool

def sleep(number):
    Path(f"pid-{number}").write_text(str(os.getpid()))
    time.sleep(60)

if __name__ == "__main__":
    with signals_interrupt(), worker_pool(2) as submit:
        [future.result() for future in [submit(sleep, number) for number in range(4)]]
"""

DYING = """
import os, time
from pathlib import Path
from genbench.errors import PlugError
from genbench.runs.workers import worker_pool

def die_or_end(number):
    Path(f"began-{number}").touch()
    # the other worker has done its task and waits for the next one
    while not number and not Path("began-1").exists():
        time.sleep(0.05)
    if not number:
        time.sleep(1)
        os._exit(7)

if __name__ == "__main__":
    try:
        with worker_pool(2) as submit:
            [future.result() for future in [submit(die_or_end, number) for number in range(2)]]
    except PlugError as error:
        print(str(error).partition(",")[0])
"""

GUEST = """
import time
from dataclasses import dataclass, replace
import genbench_baselines.train
from genbench_baselines.ae import AE
from genbench.benchmarks import RING8

genbench_baselines.train.CHECKPOINT_EVERY = 10

BENCHMARK = replace(
    RING8, steps={"quick": 60}, train="ring,count=300,seed=7", validation="ring,count=300,seed=8",
    reference="ring,count=300,seed=2020", metrics="swd,projections=20", watch="swd,projections=20", count=300,
)

@dataclass
class Slow(AE):
    def step(self, *arguments):
        time.sleep(0.02)
        return super().step(*arguments)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [*(pytest.param(each, marks=pytest.mark.slow) for each in SIGNALS[:3]), SIGNALS[3]])
def test_workers_end_with_their_command(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    process = subprocess.Popen(
        [sys.executable, "sleeper.py"], cwd=tmp_path, stderr=subprocess.DEVNULL, preexec_fn=accept_signals
    )
    while len(found := list(tmp_path.glob("pid-*"))) < 2 or not all(path.read_text() for path in found):
        assert process.poll() is None
        time.sleep(0.05)
    workers = [int(path.read_text()) for path in found]
    process.send_signal(number)
    process.wait(10)
    assert wait_until_gone(workers) == []
    assert len(list(tmp_path.glob("pid-*"))) == 2


@pytest.mark.slow
def test_a_killed_worker_is_reported_in_one_sentence() -> None:
    with pytest.raises(PlugError, match="A worker process was killed"), worker_pool(1) as submit:
        submit(os.kill, submit(os.getpid).result(), signal.SIGKILL).result()


@pytest.mark.slow
def test_a_killed_worker_makes_no_other_worker_print_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(DYING)
    done = subprocess.run([sys.executable, "dying.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("A worker process was killed\n", "")


def trials(out: Path) -> list[Result]:
    """Return the results of a finished run in a fixed order, without times and command lines."""
    return sorted(
        (
            replace(result, created="", command="", seconds=0.0, training=replace(result.training, seconds=0.0))
            for result in read_results(out / "ring8.jsonl")
            if result.training is not None
        ),
        key=lambda result: result.replicate_seed,
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_that_is_killed_ten_times_gives_the_result_of_an_undisturbed_one(tmp_path: Path, jobs: str) -> None:
    (tmp_path / "killed_guest.py").write_text(GUEST)
    words = ["run", "killed_guest:BENCHMARK", "--samplers", "killed_guest:Slow", "--repeats", "2", "--budget", "quick"]
    command = [sys.executable, "-m", "genbench", *words, "--quiet", "--jobs", jobs, "--out"]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "undisturbed"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    generator = random.Random(0)
    for kill in range(int(os.environ.get("KILLS", "10"))):
        mark = uuid.uuid4().hex
        # a process that was killed leaves the file of its lock, but not the lock
        for lock in tmp_path.glob("killed/ring8/**/.lock"):
            lock.unlink()
        process = subprocess.Popen(
            [*command, "killed"], cwd=tmp_path, env={**environment, "MARK": mark}, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, preexec_fn=accept_signals,
        )  # fmt: skip
        # the work starts when a folder of a trial is locked
        while not list(tmp_path.glob("killed/ring8/*/seed-*/.lock")) and process.poll() is None:
            time.sleep(0.02)
        time.sleep(generator.uniform(0, 1.5))
        process.send_signal(SIGNALS[kill % 4])
        _, message = process.communicate(timeout=30)
        # only a worker that ends before its work, while it imports libraries, may say so
        assert "Traceback" not in message or "in spawn_main" in message
        assert wait_until_gone(marked(mark)) == []
    # two commands at once do the rest, and neither does what the other has done
    both = [subprocess.Popen([*command, "killed"], cwd=tmp_path, env=environment) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert trials(tmp_path / "killed") == trials(tmp_path / "undisturbed")
    assert len(trials(tmp_path / "killed")) == 2
