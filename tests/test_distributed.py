"""Several processes give the scores of a single process, and the work of a dead process is resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genbench import distributed
from genbench.distributed import Ranks, joined
from genbench.errors import InputError, UsageError
from genbench.extraction.extract import Extraction, extract
from genbench.extraction.feature_store import Store
from genbench.plugs.opening import open_extractor
from genbench.sources.memory import ArraySource

GUEST = """
import os
import signal
from pathlib import Path

import numpy as np
import torch


class Noise:
    def sample(self, count, seed):
        Path(f"drawn-by-{os.environ.get('RANK', 'single')}.txt").open("a").write(f"{seed}\\n")
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
def folder(tmp_path: Path) -> Path:
    (tmp_path / "guest.py").write_text(GUEST)
    return tmp_path


def genbench(
    folder: Path, *arguments: str, processes: int = 1, cache: str = "cache"
) -> subprocess.CompletedProcess[str]:
    """Run a command line, with torchrun if ``processes`` is more than 1."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(torchrun if processes > 1 else []), "-m", "genbench", *arguments]
    environment = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE")}
    environment |= {"GENBENCH_CACHE": str(folder / cache), "PYTHONPATH": f"{folder}:{Path(__file__).parents[1]}"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def values(run: subprocess.CompletedProcess[str]) -> dict[str, float]:
    assert run.returncode == 0, run.stderr
    scores: dict[str, float] = json.loads(run.stdout)["values"]
    return scores


def test_two_processes_give_the_scores_of_a_single_process_and_print_once(folder: Path) -> None:
    score = ["score", "--sampler", "guest:Noise", "--reference", "digits,split=test", "--features", "digits"]
    score += ["--count", "700", "--json", "--quiet"]
    single = values(genbench(folder, *score, cache="alone"))
    double = values(genbench(folder, *score, processes=2, cache="shared"))
    assert double == pytest.approx(single, rel=1e-9)
    drawn = [set((folder / f"drawn-by-{rank}.txt").read_text().split()) for rank in (0, 1)]
    assert drawn[0]
    assert drawn[1]
    assert len(drawn[0] | drawn[1]) == 3  # 700 samples are three chunks


@pytest.mark.slow
def test_after_the_death_of_a_rank_the_same_command_resumes(folder: Path) -> None:
    score = ["score", "--samples", "digits,split=train", "--reference", "digits,split=test"]
    score += ["--features", "guest:Mortal", "--metrics", "fd", "--batch-size", "32", "--json", "--quiet"]
    died = genbench(folder, *score, processes=2)
    assert died.returncode != 0
    assert "start the same command again" in died.stderr
    blocks = list((folder / "cache" / "features").rglob("??/*.safetensors"))
    assert blocks
    (folder / "spared").touch()
    again = values(genbench(folder, *score, processes=2))
    assert again == pytest.approx(values(genbench(folder, *score, cache="alone")), rel=1e-9)


@pytest.mark.slow
@pytest.mark.slow
def test_two_processes_decide_at_the_look_of_a_single_process(folder: Path) -> None:
    protocol = ["--reference", "digits,split=test", "--features", "digits", "--metrics", "kid,subsets=5", "--quiet"]
    base = genbench(folder, "score", "--sampler", "guest:Noise", *protocol, "--count", "700", "--seed", "3", "--to",
                    "base.jsonl", "--name", "noise")  # fmt: skip
    assert base.returncode == 0, base.stderr
    gate = ["gate", "--sampler", "guest:Noise", "--against", "base.jsonl", "--until", "decided", *protocol]
    gate += ["--max-count", "900", "--max-increase", "1%", "--name", "noise"]
    decisions = []
    for processes, cache in ((1, "alone"), (2, "shared")):
        outcome = genbench(folder, *gate, "--to", f"{cache}.jsonl", processes=processes, cache=cache)
        assert outcome.stdout.count("kd@digits") == 1, outcome.stderr
        (line,) = (folder / f"{cache}.jsonl").read_text().splitlines()
        decisions.append(json.loads(line)["decision"])
    assert decisions[0] == decisions[1]
    assert len(decisions[0]["looks"]) > 1


def test_two_processes_share_the_trials_of_a_run(folder: Path) -> None:
    run = ["run", "ring8", "--samplers", "real,noise", "--repeats", "2", "--budget", "quick", "--quiet"]
    single = genbench(folder, *run, "--out", "alone", cache="alone")
    double = genbench(folder, *run, "--out", "shared", processes=2, cache="shared")
    assert double.returncode == 0, double.stderr
    assert double.stdout == single.stdout.replace("alone", "shared")
    assert len((folder / "shared" / "ring8.jsonl").read_text().splitlines()) == 4
    for path in sorted((folder / "alone").rglob("seed-*/result.jsonl")):
        shared = folder / "shared" / path.relative_to(folder / "alone")
        scores, expected = (json.loads(file.read_text())["values"] for file in (shared, path))
        assert scores == pytest.approx(expected, rel=1e-9, nan_ok=True)


@pytest.mark.slow
def test_two_processes_write_the_statistics_of_a_single_process(folder: Path) -> None:
    stats = ["stats", "digits,split=train", "--features", "digits", "--quiet", "--out"]
    single = genbench(folder, *stats, "one.npz", cache="alone")
    double = genbench(folder, *stats, "two.npz", processes=2, cache="shared")
    assert double.returncode == 0, double.stderr
    assert double.stdout.replace("two.npz", "one.npz") == single.stdout
    with np.load(folder / "one.npz") as single_file, np.load(folder / "two.npz") as double_file:
        for name in ("mu", "sigma"):
            np.testing.assert_allclose(double_file[name], single_file[name], rtol=1e-9, atol=1e-12)


class MemoryStore(dict[str, bytes]):
    """A rendezvous store in the memory of one process."""

    def set(self, key: str, value: str) -> None:
        self[key] = value.encode()

    def check(self, keys: list[str]) -> bool:
        return all(key in self for key in keys)

    def add(self, key: str, amount: int) -> int:
        self[key] = str(int(self.get(key, b"0")) + amount).encode()
        return int(self[key])

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, default)


def test_an_error_names_a_rank_without_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "SILENCE_SECONDS", 0.3)
    with pytest.raises(InputError, match="Rank 1 has been silent"):
        Ranks(0, 2, MemoryStore()).exchange("key", "text")


def test_a_slow_rank_with_heartbeats_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "SILENCE_SECONDS", 0.5)
    store = MemoryStore()

    def slow() -> None:
        for _ in range(10):
            store.add("beat/1", 1)
            time.sleep(0.15)
        store.set("key/1", "late")

    thread = threading.Thread(target=slow)
    thread.start()
    assert Ranks(0, 2, store).exchange("key", "early") == ["early", "late"]
    thread.join()


def test_the_second_exchange_of_a_key_gives_the_second_texts() -> None:
    # rank 1 is late both times
    store = MemoryStore()

    def late() -> list[list[str]]:
        answers = []
        for text in ("first", "second"):
            time.sleep(0.3)
            answers.append(Ranks(1, 2, store).exchange("key", f"{text} of 1"))
        return answers

    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(late)
        answers = [Ranks(0, 2, store).exchange("key", f"{text} of 0") for text in ("first", "second")]
        assert answers == others.result() == [["first of 0", "first of 1"], ["second of 0", "second of 1"]]


def test_two_sources_of_one_name_are_two_sources_for_several_processes(tmp_path: Path) -> None:
    # two threads with a common store of hashes stand for two processes
    images = np.random.default_rng(0).integers(0, 256, (2, 300, 4, 4, 3), np.uint8)
    exchange = torch.distributed.HashStore()  # type: ignore[attr-defined]

    def extracted(rank: int) -> list[np.ndarray]:
        options = Extraction(Store(tmp_path), ranks=Ranks(rank, 2, exchange), progress=False)
        pixels = open_extractor("pixels,size=4", device="cpu")
        return [extract(ArraySource(side, name="same"), pixels, options)["embedding"] for side in images]

    with ThreadPoolExecutor(2) as pool:
        for rows in pool.map(extracted, range(2)):
            for own, side in zip(rows, images, strict=True):
                assert np.array_equal(
                    own, extract(ArraySource(side), open_extractor("pixels,size=4", device="cpu"))["embedding"]
                )


def test_the_error_of_another_rank_is_passed_on() -> None:
    store = MemoryStore()
    store.set("failed", "Rank 1 stopped (no such file)")
    with pytest.raises(InputError, match=r"Rank 1 stopped \(no such file\); finished work is in the store"):
        Ranks(0, 2, store).exchange("key", "text")


def test_a_single_process_has_no_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")  # some schedulers set it for every process
    with joined() as ranks:
        assert ranks is None


def test_several_processes_need_a_store() -> None:
    source = ArraySource(torch.zeros(3, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(UsageError, match="leave out --no-cache"):
        extract(source, open_extractor("pixels", device="cpu"), Extraction(ranks=Ranks(0, 2, MemoryStore())))
