"""Several processes give the number of one, and what a dead one leaves is gone on with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genbench import distributed as processes
from genbench.distributed import Ranks, joined
from genbench.errors import InputError, UsageError
from genbench.extraction.extract import Extraction, extract
from genbench.sources.memory import ArraySource

GUEST = """
import os
import signal
from pathlib import Path

import numpy as np
import torch


class Noise:
    def sample(self, count, seed):
        Path(f"drawn-by-{os.environ.get('RANK', 'one')}.txt").open("a").write(f"{seed}\\n")
        return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


class Mortal(torch.nn.Module):
    identity = "mortal"
    calls = 0

    def forward(self, images):
        self.calls += 1
        if os.environ.get("RANK") == "1" and self.calls > 9 and not Path("spared").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return images.float().mean(dim=(2, 3))
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "guest.py").write_text(GUEST)
    return tmp_path


def genbench(here: Path, *arguments: str, processes: int = 1, cache: str = "cache") -> subprocess.CompletedProcess[str]:
    """Run a command line, by torchrun where there are several processes."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(torchrun if processes > 1 else []), "-m", "genbench", *arguments]
    environment = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE")}
    environment |= {"GENBENCH_CACHE": str(here / cache), "PYTHONPATH": f"{here}:{Path(__file__).parents[1]}"}
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=300, check=False)


def values(run: subprocess.CompletedProcess[str]) -> dict[str, float]:
    assert run.returncode == 0, run.stderr
    found: dict[str, float] = json.loads(run.stdout)["values"]
    return found


def test_two_processes_give_the_scores_of_one_and_print_once(here: Path) -> None:
    score = ["score", "--sampler", "guest:Noise", "--reference", "digits,split=test", "--features", "digits"]
    score += ["--count", "700", "--json", "--quiet"]
    one = values(genbench(here, *score, cache="alone"))
    two = values(genbench(here, *score, processes=2, cache="shared"))
    assert two == pytest.approx(one, rel=1e-9)
    drawn = [set((here / f"drawn-by-{rank}.txt").read_text().split()) for rank in (0, 1)]
    assert drawn[0]
    assert drawn[1]
    assert len(drawn[0] | drawn[1]) == 3  # 700 samples are three chunks


def test_a_rank_that_dies_is_told_of_and_the_same_command_goes_on(here: Path) -> None:
    score = ["score", "--samples", "digits,split=train", "--reference", "digits,split=test"]
    score += ["--features", "guest:Mortal", "--metrics", "fd", "--batch-size", "32", "--json", "--quiet"]
    died = genbench(here, *score, processes=2)
    assert died.returncode != 0
    assert "start the same command again" in died.stderr
    kept = list((here / "cache" / "features").rglob("??/*.safetensors"))
    assert kept
    (here / "spared").touch()
    again = values(genbench(here, *score, processes=2))
    assert again == pytest.approx(values(genbench(here, *score, cache="alone")), rel=1e-9)


def test_two_processes_share_the_trials_of_a_run(here: Path) -> None:
    run = ["run", "ring8", "--samplers", "real,noise", "--repeats", "2", "--budget", "quick", "--quiet"]
    one = genbench(here, *run, "--out", "alone", cache="alone")
    two = genbench(here, *run, "--out", "shared", processes=2, cache="shared")
    assert two.returncode == 0, two.stderr
    assert two.stdout == one.stdout.replace("alone", "shared")
    assert len((here / "shared" / "ring8.jsonl").read_text().splitlines()) == 4
    for path in sorted((here / "alone").rglob("seed-*/result.jsonl")):
        alone, shared = path, here / "shared" / path.relative_to(here / "alone")
        found, wanted = (json.loads(each.read_text())["values"] for each in (shared, alone))
        assert found == pytest.approx(wanted, rel=1e-9, nan_ok=True)


def test_two_processes_write_the_statistics_of_one(here: Path) -> None:
    stats = ["stats", "digits,split=train", "--features", "digits", "--quiet", "--out"]
    one = genbench(here, *stats, "one.npz", cache="alone")
    two = genbench(here, *stats, "two.npz", processes=2, cache="shared")
    assert two.returncode == 0, two.stderr
    assert two.stdout.replace("two.npz", "one.npz") == one.stdout
    with np.load(here / "one.npz") as wanted, np.load(here / "two.npz") as found:
        for name in ("mu", "sigma"):
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-9, atol=1e-12)


class Board(dict[str, bytes]):
    """A rendezvous store within one process."""

    def set(self, key: str, value: str) -> None:
        self[key] = value.encode()

    def check(self, keys: list[str]) -> bool:
        return all(key in self for key in keys)

    def add(self, key: str, amount: int) -> int:
        self[key] = str(int(self.get(key, b"0")) + amount).encode()
        return int(self[key])

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, default)


def test_a_rank_that_falls_silent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PATIENCE_SECONDS", 0.3)
    with pytest.raises(InputError, match="Rank 1 has been silent"):
        Ranks(0, 2, Board()).exchange("key", "text")


def test_a_slow_rank_that_beats_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PATIENCE_SECONDS", 0.5)
    board = Board()

    def slow() -> None:
        for _ in range(10):
            board.add("beat/1", 1)
            time.sleep(0.15)
        board.set("key/1", "late")

    thread = threading.Thread(target=slow)
    thread.start()
    assert Ranks(0, 2, board).exchange("key", "early") == ["early", "late"]
    thread.join()


def test_what_stopped_another_rank_is_passed_on() -> None:
    board = Board()
    board.set("failed", "Rank 1 stopped (no such file)")
    with pytest.raises(InputError, match=r"Rank 1 stopped \(no such file\); what was finished is in the store"):
        Ranks(0, 2, board).exchange("key", "text")


def test_a_process_alone_joins_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")  # as some schedulers leave it lying around
    with joined() as found:
        assert found is None


def test_without_a_store_there_is_nothing_to_share() -> None:
    source = ArraySource(torch.zeros(3, 3, 8, 8, dtype=torch.uint8))
    from genbench.plugs.opening import open_extractor

    with pytest.raises(UsageError, match="leave out --no-cache"):
        extract(source, open_extractor("pixels", device="cpu"), Extraction(ranks=Ranks(0, 2, Board())))
