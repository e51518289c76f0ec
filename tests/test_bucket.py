"""Processes on machines that share nothing but a bucket: a real S3 server, and a home folder for each process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.bucket import bucket_server

ROOT = Path(__file__).parents[1]

GUEST = """
import os
import signal
import time
from pathlib import Path

import torch


class Mortal(torch.nn.Module):
    identity = "mortal"
    calls = 0

    def forward(self, images):
        self.calls += 1
        if os.environ.get("RANK") == "1" and self.calls > 9 and "MORTAL" in os.environ:
            time.sleep(2)  # as long as a batch of a large network; what is being sent meanwhile arrives
            os.kill(os.getpid(), signal.SIGKILL)
        with Path(os.environ["HOME"], "looked.txt").open("a") as file:
            file.write(f"{len(images)}\\n")
        return images.float().mean(dim=(2, 3))
"""

SCORE = ["score", "--samples", "digits,split=train", "--reference", "digits,split=test", "--batch-size", "32"]
SCORE += ["--features", "guest:Mortal", "--metrics", "fd,prdc", "--json", "--quiet"]


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[dict[str, str]]:
    (tmp_path / "guest.py").write_text(GUEST)
    with bucket_server() as environment:
        yield environment | {"GENBENCH_CACHE": "s3://shared/features", "OMP_NUM_THREADS": "1"}


def machine(home: Path, environment: dict[str, str]) -> dict[str, str]:
    """Return the environment of a machine with an empty home folder."""
    home.mkdir(exist_ok=True)
    left_out = ("RANK", "WORLD_SIZE", "XDG_CACHE_HOME", "GENBENCH_WEIGHTS", "GENBENCH_STATISTICS")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    paths = [str(home.parent), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | environment | {"HOME": str(home), "PYTHONPATH": os.pathsep.join(paths)}


def start(folder: Path, names: str, environment: dict[str, str]) -> list[subprocess.Popen[str]]:
    """Start the command as one rank on each of some machines, as torchrun would."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    launch = {"WORLD_SIZE": str(len(names)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "genbench", *SCORE],
            cwd=folder,
            env=machine(folder / name, environment | launch | {"RANK": str(rank)}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, name in enumerate(names)
    ]


def values(process: subprocess.Popen[str]) -> dict[str, float]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    scores: dict[str, float] = json.loads(out)["values"]
    return scores


def looked(folder: Path, names: str) -> int:
    """Return the number of images that the extractor was called with on some machines."""
    logs = [folder / name / "looked.txt" for name in names]
    return sum(int(line) for log in logs if log.exists() for line in log.read_text().split())


@pytest.mark.slow
def test_two_machines_with_one_bucket_give_the_scores_of_one_machine_with_a_folder(
    tmp_path: Path, bucket: dict[str, str]
) -> None:
    (alone,) = start(tmp_path, "a", bucket | {"GENBENCH_CACHE": str(tmp_path / "folder")})
    single, everything = values(alone), looked(tmp_path, "a")
    first, second = start(tmp_path, "bc", bucket)
    assert values(first) == pytest.approx(single, rel=1e-12)
    assert second.wait(timeout=300) == 0
    assert looked(tmp_path, "bc") == everything
    assert 0 < looked(tmp_path, "b") < everything
    # a third machine, later, computes nothing
    (third,) = start(tmp_path, "d", bucket)
    assert values(third) == pytest.approx(single, rel=1e-12)
    assert looked(tmp_path, "d") == 0


@pytest.mark.slow
def test_after_the_death_of_a_machine_new_machines_resume_from_the_bucket(
    tmp_path: Path, bucket: dict[str, str]
) -> None:
    first, mortal = start(tmp_path, "ab", bucket | {"MORTAL": "yes"})
    assert mortal.wait(timeout=300) < 0
    # the other one finishes its two blocks of the first side and waits; torchrun would end it
    deadline = time.monotonic() + 60
    while looked(tmp_path, "a") < 512 and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(5)
    first.terminate()
    _, err = first.communicate(timeout=60)
    assert first.returncode == 1
    assert "start the same command again to resume" in err
    died = looked(tmp_path, "ab")
    # machines with empty disks start again
    third, fourth = start(tmp_path, "cd", bucket)
    again = values(third)
    assert fourth.wait(timeout=300) == 0
    (alone,) = start(tmp_path, "e", bucket | {"GENBENCH_CACHE": str(tmp_path / "folder")})
    assert again == pytest.approx(values(alone), rel=1e-12)
    everything, recomputed = looked(tmp_path, "e"), looked(tmp_path, "cd")
    # what is computed twice is the block under way, of 256 images
    assert 0 < recomputed < everything
    assert died + recomputed <= everything + 256
