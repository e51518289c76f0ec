"""Test the behaviour of all commands: errors in one sentence, data on stdout, and everything else on stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.cli.commands import refused, run, score_pixels


@pytest.mark.parametrize("command", ["scor", "benchmarc"])
def test_a_mistyped_command_is_a_usage_error(command: str) -> None:
    assert f"no command is called {command!r}" in refused(command, code=2)


def test_the_nearest_option_is_suggested_for_a_mistyped_one() -> None:
    assert "--samples" in refused("score", "--sampels", "x", code=2)


def test_the_help_of_the_program_fits_its_lines() -> None:
    assert "..." not in run("--help").stdout.split("Commands:")[1]


@pytest.mark.parametrize("option", ["--samples", "--reference", "--metrics", "--features", "--weights", "--device"])
def test_an_empty_option_is_refused(images: Path, option: str) -> None:
    # an option with two names is named by both
    named = f"'{option}' / '--metric'" if option == "--metrics" else f"'{option}'"
    assert f"{named}: it is empty" in refused(*score_pixels(images, option, ""), code=2)


def test_a_negative_seed_is_refused(images: Path) -> None:
    assert "--seed" in refused(*score_pixels(images, "--seed", "-1"), code=2)


def test_after_an_interrupt_the_same_command_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_guest.py").write_text(
        "import time, torch\n"
        "class Slow:\n"
        "    name = identity = 'slow'\n"
        "    delay = 0.02\n"
        "    def __call__(self, data):\n"
        "        time.sleep(self.delay)\n"
        "        return {'embedding': data.float().mean(dim=(2, 3))}\n"
        "class Quick(Slow):\n"
        "    delay = 0\n"
    )
    words = ["score", "--samples", "digits", "--reference", "digits", "--metrics", "fd", "--batch-size", "4"]
    command = [sys.executable, "-m", "genbench", *words, "--features", "slow_guest:Slow"]
    # background processes of a script ignore interrupts, and so would this one
    accept_interrupts = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=accept_interrupts)
    store = Path(os.environ["GENBENCH_CACHE"]) / "features"
    while len(list(store.rglob("*.safetensors"))) < 2 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "run the same command again to continue" in message
    assert "Traceback" not in message
    assert 2 <= len(list(store.rglob("*.safetensors"))) < 8
    monkeypatch.chdir(tmp_path)
    assert run(*words, "--features", "slow_guest:Quick").exit_code == 0
    assert len(list(store.rglob("*.safetensors"))) == 8


def test_output_of_a_guest_goes_to_stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chatty_guest.py").write_text(
        "import numpy as np\ndef noise(count, seed):\n    print('epoch 3')\n"
        "    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)\n"
    )
    monkeypatch.chdir(tmp_path)
    outcome = run("score", "--sampler", "chatty_guest:noise", "--reference", "digits", "--features", "pixels,size=8",
                "--metrics", "swd", "--json")  # fmt: skip
    assert json.loads(outcome.stdout)["name"] == "chatty_guest:noise"
    assert "epoch 3" in outcome.stderr


@pytest.mark.parametrize("when", ["import", "call"])
def test_a_guest_that_calls_exit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    lines = {"import": "import sys\nsys.exit(0)\n", "call": "import sys\ndef f(count, seed):\n    sys.exit(0)\n"}
    (tmp_path / f"exiting_{when}.py").write_text(lines[when])
    monkeypatch.chdir(tmp_path)
    assert "SystemExit: 0" in refused("score", "--sampler", f"exiting_{when}:f", "--benchmark", "digits")


def test_an_error_is_one_line_without_control_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lines_guest.py").write_text("def f(count, seed):\n    raise RuntimeError('one\\n  two\\x1b[31m')\n")
    monkeypatch.chdir(tmp_path)
    message = refused("score", "--sampler", "lines_guest:f", "--benchmark", "digits")
    assert "one two\\x1b[31m at" in message
    assert message.count("\n") == 1


def test_a_terminal_without_arrows_gets_ascii(images: Path) -> None:
    outcome = run(*score_pixels(images), encoding="latin-1")
    assert outcome.exit_code == 0, outcome.output
    assert "swd@pixels,size=8   v " in outcome.stdout
    assert outcome.stdout.isascii()


def test_json_can_be_read_whatever_the_encoding(images: Path) -> None:
    outcome = run(*score_pixels(images, "--json", "--name", "\u65e5\u672c"), encoding="latin-1")
    assert outcome.stdout.isascii()
    assert json.loads(outcome.stdout)["name"] == "\u65e5\u672c"


def test_output_into_a_pipe_has_neither_progress_bar_nor_colour(images: Path) -> None:
    command = [sys.executable, "-m", "genbench", *map(str, score_pixels(images))]
    outcome = subprocess.run(
        command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, check=True
    )
    assert outcome.stderr == b""
    assert b"swd@pixels,size=8   v " in outcome.stdout
    assert b"\x1b" not in outcome.stdout
    assert b"\r" not in outcome.stdout


def test_a_closed_pipe_is_not_an_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "genbench", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.wait()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_reported_in_one_sentence() -> None:
    with open("/dev/full", "wb") as full:
        outcome = subprocess.run(
            [sys.executable, "-m", "genbench", "list"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert outcome.returncode == 1
    assert b"No space left on device" in outcome.stderr
    assert b"Traceback" not in outcome.stderr


def test_a_folder_without_permission_is_named(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, *_: object, **__: object) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", denied)
    message = refused(*score_pixels(images))
    assert "Permission denied" in message
    assert str(images) in message
