"""Commands that are killed at random moments leave no process and no half file, and repeated they give the same."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genbench.files.checked_arrays import read_arrays
from genbench.results import read_results
from tests.helpers.killed_processes import SIGNALS, killed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]

GUEST = """
import time
from pathlib import Path

import numpy as np
import torch


class Slow(torch.nn.Module):
    identity = "slow"

    def forward(self, images):
        Path("started").touch()
        time.sleep(0.04)
        return images.float().mean(dim=(2, 3))


class Noise:
    def sample(self, count, seed):
        Path("started").touch()
        time.sleep(0.1)
        return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
"""

PROGRAM = """
import random, subprocess, sys, time
from pathlib import Path

Path("started").touch()
count, seed, out = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
worker = subprocess.Popen(["sleep", "60"], start_new_session=True)
time.sleep(0.1)
header = "{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 8, 8, 3)}" % count
out.write_bytes(b"\\x93NUMPY\\1\\0\\x76\\0" + header.ljust(117).encode() + b"\\n")
with out.open("ab") as file:
    file.write(random.Random(seed).randbytes(192 * count))
"""

SCORED = ["--reference", "real", "--features", "guest:Slow", "--metrics", "fd,kid", "--batch-size", "64", "--quiet"]
COMMANDS = {
    "folder": ["score", "--samples", "fake", *SCORED, "--to", "result.jsonl"],
    "command": ["score", "--sampler", f"command:{sys.executable} program.py {{count}} {{seed}} {{out}}.npy", "--count",
                "1100", *SCORED, "--to", "result.jsonl"],
    "torchrun": ["score", "--sampler", "guest:Noise", "--count", "1500", *SCORED, "--to", "result.jsonl"],
    "sample": ["sample", "guest:Noise", "--count", "1000", "--out", "drawn", "--quiet"],
}  # fmt: skip
KILLS = {"folder": 6, "command": 6, "torchrun": 4, "sample": 4}
"""Number of kills; KILLS in the environment is another one."""

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def values(folder: Path) -> Any:
    """Return what a finished command has written: the values of its result, or the images."""
    if (folder / "drawn").exists():
        return {path.name: path.read_bytes() for path in (folder / "drawn").iterdir()}
    results = read_results(folder / "result.jsonl") if (folder / "result.jsonl").exists() else []
    return results[0].values if results else None


def check_whole(folder: Path) -> None:
    """Check that every file is whole or absent; hidden files are temporary."""
    for path in (folder / "cache").rglob("*.safetensors"):
        if not path.name.startswith("."):
            read_arrays(path, "genbench.store")
    for path in (folder / "cache").rglob("about.json"):
        json.loads(path.read_text())
    for path in (folder / "cache").rglob("*.sqlite"):
        assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    if (folder / "result.jsonl").exists():
        read_results(folder / "result.jsonl")
    if (folder / "drawn").exists():
        assert len(list((folder / "drawn").iterdir())) == 1000


def clear(folder: Path) -> None:
    """Remove what a command has written, so that the next one starts anew."""
    for path in ("cache", "drawn", "result.jsonl"):
        subprocess.run(["rm", "-rf", path], cwd=folder, check=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_at_any_moment_leaves_nothing_half_and_resumes(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "guest.py").write_text(GUEST)
    (tmp_path / "program.py").write_text(PROGRAM)
    for folder, count in (("fake", 900), ("real", 600)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / folder / f"{number}.bmp")
    command = [sys.executable, *(TORCHRUN if name == "torchrun" else []), "-m", "genbench", *COMMANDS[name]]
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE")}
    environment |= {"PYTHONPATH": path, "GENBENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    # the result of an undisturbed command
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    expected = values(tmp_path)
    clear(tmp_path)
    generator, finished, resumed = random.Random(0), 0, 0
    for kill in range(int(os.environ.get("KILLS", KILLS[name]))):
        number, delay = SIGNALS[kill % 4], generator.uniform(0, 1.5)
        done, message, left = killed(command, tmp_path, environment, number=number, delay=delay)
        assert left == [], f"{number.name} after {delay:.2f} s leaves processes"
        # torchrun itself shows tracebacks
        assert name == "torchrun" or "Traceback" not in message
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_whole(tmp_path)
        # a command may be killed after its last step
        if done or values(tmp_path) is not None:
            finished += 1
            assert values(tmp_path) == expected
            clear(tmp_path)
        resumed += any((tmp_path / "cache").rglob("*.safetensors"))
    # the command that was killed last is repeated
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert values(tmp_path) == expected
    print(f"{name}: {kill + 1} kills, {finished} of finished commands, {resumed} left finished blocks")
