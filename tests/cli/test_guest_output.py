"""What a guest prints or changes in the process does not reach the output of a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from genbench.errors import InputError
from genbench.results import Result, read_results
from tests.cli.commands import run, sentences

LOUD = """
import atexit, ctypes, os, subprocess
import numpy as np
os.chdir("/")
atexit.register(lambda: print("at exit"))
def noise(count, seed):
    os.chdir("/usr")
    ctypes.CDLL(None).puts(b"from C")
    os.write(1, b"from a descriptor\\n")
    subprocess.run(["echo", "from a program"])
    print("from print")
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
"""
SCORE = ["--reference", "digits", "--features", "pixels,size=4", "--metrics", "swd"]


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, whose file descriptors are real."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), str(folder)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
    words = (sys.executable, "-m", "genbench", *words)
    return subprocess.run(words, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def test_json_stays_json_and_files_go_where_they_were_meant(tmp_path: Path) -> None:
    (tmp_path / "loud_guest.py").write_text(LOUD)
    words = ["score", "--sampler", "loud_guest:noise", *SCORE, "--count", "40", "--json", "--to", "sub/r.jsonl"]
    done = command(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["generated"]["count"] == 40
    for line in ("from C", "from a descriptor", "from a program", "from print", "at exit"):
        assert line in done.stderr.splitlines()
    assert len(read_results(tmp_path / "sub/r.jsonl")) == 1


def test_samples_go_where_they_were_meant(tmp_path: Path) -> None:
    (tmp_path / "loud_guest.py").write_text(LOUD)
    done = command(tmp_path, "sample", "loud_guest:noise", "--count", "5", "--out", "s.npy")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "s.npy: 5 samples of loud_guest:noise, seed 0\n"
    assert (tmp_path / "s.npy").is_file()


def test_the_result_is_shown_if_it_cannot_be_stored(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Result, path: Path) -> None:
        raise InputError(f"{path} cannot be written (No space left on device)")

    monkeypatch.setattr(Result, "append", full)
    outcome = run("score", "--samples", images, *SCORE, "--to", images.parent / "r.jsonl")
    assert outcome.exit_code == 1
    assert "swd" in outcome.stdout
    assert "No space left" in outcome.stderr


def test_the_result_is_stored_if_it_cannot_be_shown(images: Path, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    words = [sys.executable, "-m", "genbench", "score", "--samples", str(images), *SCORE, "--to", "r.jsonl"]
    with full.open("w") as stdout:
        done = subprocess.run(words, stdout=stdout, stderr=subprocess.PIPE, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert len(read_results(tmp_path / "r.jsonl")) == 1


def test_an_incomplete_last_line_is_a_warning_without_the_place_in_the_code(tmp_path: Path) -> None:
    from tests.helpers.made_results import made

    for name in ("a", "b"):
        made(name, 1.0).append(tmp_path / "r.jsonl")
    with (tmp_path / "r.jsonl").open("a") as file:
        file.write('{"schema": 1, "na')
    outcome = run("table", tmp_path / "r.jsonl")
    assert outcome.exit_code == 0
    (warning,) = sentences(outcome.stderr)
    assert warning.startswith(f"Warning: {tmp_path / 'r.jsonl'}, line 3 is incomplete")


def test_a_command_works_without_stdout(tmp_path: Path) -> None:
    script = f"{sys.executable} -m genbench list metrics >&-"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
