"""Programs as samplers: their arguments, their output, and the messages about programs that fail."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from genbench.derived_sources import Drawn
from genbench.errors import PlugError, UsageError
from genbench.plugs.contracts import Sampler
from genbench.plugs.opening import open_sampler
from genbench.samplers import command as command_module
from genbench.samplers.command import CommandSampler

ARGUMENTS = "--count {count} --seed {seed} --out {out}"

Program = Callable[[str], str]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return a function that writes a Python program with ``count``, ``seed`` and ``out``, and returns its command."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def write(body: str) -> str:
        path = tmp_path / "generate.py"
        path.write_text(f"{HEAD}\n{body}\n")
        return f"{sys.executable} {path} {ARGUMENTS}"

    return write


HEAD = "import os, sys\ncount, seed, out = int(sys.argv[2]), int(sys.argv[4]), sys.argv[6]"

IMAGES = """
for index in range(count):
    with open(f"{out}/image{index}.ppm", "wb") as file:
        file.write(b"P6 5 4 255\\n" + bytes([index]) * 60)
"""

POINTS = "import numpy as np\npoints = np.random.default_rng(seed).standard_normal((count, 2))\n"


def message_of_failure(command: str, count: int = 3) -> str:
    with pytest.raises(PlugError) as error:
        CommandSampler(command).sample(count, 0)
    return str(error.value)


def test_a_folder_of_images_is_read_in_natural_order(program: Program) -> None:
    images = CommandSampler(program(IMAGES)).sample(12, 0)
    assert (images.dtype, images.shape) == (np.uint8, (12, 3, 4, 5))
    assert images[:, 0, 0, 0].tolist() == list(range(12))


def test_a_command_is_a_sampler(program: Program) -> None:
    assert isinstance(CommandSampler(program(IMAGES)), Sampler)


@pytest.mark.parametrize(
    "statement",
    [
        'np.save(out + ".npy", points)',
        "np.savez(out, points)",
        'np.savez(out + "/points.npz", points); open(out + "/log.txt", "w").write("done")',
        "os.rmdir(out); np.save(out, points)",
    ],
)
def test_points_are_read_from_an_array_in_the_folder_or_beside_it(program: Program, statement: str) -> None:
    points = CommandSampler(program(POINTS + statement)).sample(5, 7)
    assert (points.dtype, points.shape) == (np.float32, (5, 2))


def test_images_have_priority_over_an_array_beside_them(program: Program) -> None:
    command = program(IMAGES + POINTS + 'np.save(out + "/latents.npy", points)')
    assert CommandSampler(command).sample(3, 0).shape == (3, 3, 4, 5)


def test_the_seed_is_passed_to_the_program_and_determines_its_samples(program: Program) -> None:
    sampler = CommandSampler(program(POINTS + 'np.save(out + ".npy", points)'))
    assert np.array_equal(sampler.sample(4, 1), sampler.sample(4, 1))
    assert not np.array_equal(sampler.sample(4, 1), sampler.sample(4, 2))


def test_a_command_is_drawn_like_any_sampler(program: Program) -> None:
    sampler = CommandSampler(program(POINTS + 'np.save(out + ".npy", points)'))
    (batch,) = Drawn(sampler, 300, 0, sampler.name).batches(300, 256)
    assert batch.data.shape == (44, 2)  # type: ignore[union-attr]


def test_words_in_quotes_are_one_argument_and_no_shell_expands_them(program: Program) -> None:
    command = program('assert sys.argv[8] == "a b; $HOME {x}"' + IMAGES)
    assert len(CommandSampler(command + " --note 'a b; $HOME {x}'").sample(2, 0)) == 2


def test_the_message_about_a_program_that_fails_has_its_exit_code_and_last_lines(program: Program) -> None:
    message = message_of_failure(program('for index in range(99): print("step", index, file=sys.stderr)\nsys.exit(3)'))
    assert "generate.py" in message
    assert "ended with exit code 3" in message
    assert message.endswith("Its last lines: step 94 | step 95 | step 96 | step 97 | step 98")


def test_the_output_of_a_program_that_works_is_hidden(program: Program, capfd: pytest.CaptureFixture[str]) -> None:
    CommandSampler(program('print("loading"); print("slow", file=sys.stderr)' + IMAGES)).sample(2, 0)
    assert capfd.readouterr() == ("", "")


def test_the_message_names_the_signal_that_stopped_a_program(program: Program) -> None:
    assert "was stopped by signal 9 (Killed)" in message_of_failure(program("os.kill(os.getpid(), 9)"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "{out} is an empty folder"),
        ("os.rmdir(out)", "{out} does not exist any more"),
        ('open(out + "/notes.txt", "w").write("x")', "{out} holds 1 file, but no image"),
        ("count += 1" + IMAGES, "{out} contains 4 samples instead of 3"),
        (POINTS + 'np.save(out + ".npy", points[1:])', "{out}.npy contains 2 samples instead of 3"),
        (POINTS + 'np.save(out + ".npy", np.zeros((count, 4, 4, 3)))', "whose range is not guessed"),
        (POINTS + 'np.save(out + ".npy", points * np.nan)', "holds NaN in row 0"),
        (IMAGES + 'open(out + "/image1.ppm", "w").write("oops")', "{out}/image1.ppm (text, not an image)"),
        (IMAGES + 'open(out + "/image1.ppm", "wb").write(b"P6 1 1 255\\n123")', "have different sizes"),
    ],
)
def test_the_message_says_why_samples_cannot_be_used(program: Program, body: str, reason: str) -> None:
    message = message_of_failure(program(body))
    assert "wrote samples that cannot be used: " in message
    assert reason in message
    assert tempfile.gettempdir() not in message.replace(sys.executable, "")


def test_no_file_remains_in_the_temporary_folder(program: Program) -> None:
    CommandSampler(program(IMAGES)).sample(2, 0)
    message_of_failure(program("sys.exit(1)"))
    assert os.listdir(tempfile.gettempdir()) == []


@pytest.mark.parametrize("placeholder", ["{count}", "{seed}", "{out}"])
def test_a_command_without_one_of_its_placeholders_is_rejected(placeholder: str) -> None:
    with pytest.raises(UsageError, match=f"does not contain {placeholder}"):
        CommandSampler(f"sh {ARGUMENTS}".replace(placeholder, ""))


def test_an_open_quote_is_rejected() -> None:
    with pytest.raises(UsageError, match="No closing quotation"):
        CommandSampler(f"sh 'x {ARGUMENTS}")


def test_a_missing_program_is_rejected_at_once() -> None:
    with pytest.raises(PlugError, match=r"'\./no-such-program' was not found"):
        CommandSampler(f"./no-such-program {ARGUMENTS}")


def test_the_message_about_a_file_that_is_not_executable_contains_the_command(tmp_path: Path) -> None:
    (tmp_path / "generate").write_text("#!/bin/sh\n")
    with pytest.raises(PlugError, match=r"run `chmod \+x"):
        CommandSampler(f"{tmp_path}/generate {ARGUMENTS}")


def test_a_script_without_an_interpreter_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "generate").write_text("print(1)\n")
    (tmp_path / "generate").chmod(0o755)
    assert "cannot be started (Exec format error)" in message_of_failure(f"{tmp_path}/generate {ARGUMENTS}")


def test_an_interrupt_stops_the_program_and_leaves_no_file(program: Program, tmp_path: Path) -> None:
    started = tmp_path / "started"
    command = program(f"import time\nopen({str(started)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)")

    def interrupt() -> None:
        deadline = time.monotonic() + 30
        while not (started.exists() and started.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a script
    watcher = threading.Thread(target=interrupt)
    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        CommandSampler(command).sample(2, 0)
    watcher.join()
    signal.signal(signal.SIGINT, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert os.listdir(tempfile.gettempdir()) == []


def test_a_program_that_takes_longer_than_its_timeout_is_stopped_and_the_message_names_the_option(
    program: Program,
) -> None:
    sampler = open_sampler(f"command,timeout=.2:{program('import time; time.sleep(60)')}")
    started = time.monotonic()
    with pytest.raises(PlugError, match=r"was stopped after 0\.2 seconds, its timeout; .*command,timeout=SECONDS:"):
        sampler.sample(2, 0)  # type: ignore[union-attr]
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_a_timeout_that_is_no_positive_number_is_a_usage_error(timeout: float) -> None:
    with pytest.raises(UsageError, match="positive number of seconds"):
        CommandSampler(f"sh {ARGUMENTS}", timeout)


def test_a_command_may_contain_colons_commas_and_equal_signs(program: Program) -> None:
    command = program('assert sys.argv[7] == "a=1,b:2"' + IMAGES) + " a=1,b:2"
    for text in (f"command:{command}", f"command,timeout=60:{command}"):
        assert len(open_sampler(text).sample(2, 0)) == 2  # type: ignore[union-attr]


def test_a_silent_program_is_announced_from_time_to_time(
    program: Program, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_module, "HEARTBEAT_SECONDS", 0.1)
    CommandSampler(program("import time\ntime.sleep(.5)" + IMAGES)).sample(2, 0)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) >= 3
    assert "waiting for the program" in lines[0]
    assert sys.executable in lines[0]
