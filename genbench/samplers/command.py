"""Make a sampler from a program in any language, which gets a count, a seed and an output folder as arguments."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

import numpy as np
from tqdm import tqdm

from genbench.array_types import Array
from genbench.errors import InputError, PlugError, UsageError
from genbench.plugs import registry
from genbench.plugs.contracts import Source

EXAMPLE = "command:./generate --count {count} --seed {seed} --out {out}"

PLACEHOLDERS = ("count", "seed", "out")
"""Names that a command must contain in braces. Without the seed, every chunk would contain the same samples."""

PLACEHOLDER = re.compile("{(" + "|".join(PLACEHOLDERS) + ")}")

SUPERVISOR = Path(__file__).with_name("supervisor.py")
"""The script that runs the program."""

HEARTBEAT_SECONDS = 30.0
"""Time between two lines that say that the program still runs."""

LAST_LINES = 5
"""Number of lines of a failed program's output that the error message contains."""


class CommandSampler:
    """A program in any language: ``command:./generate --count {count} --seed {seed} --out {out}``.

    The program is started once for every 256 samples, without a shell, in the current folder. ``{count}`` and
    ``{seed}`` (below 2**31) are replaced by whole numbers, ``{out}`` by the path of a new, empty folder. The program
    writes ``count`` images of equal size into this folder; they are read in the natural order of their names. Instead,
    it may write one array or archive into the folder, or beside it as ``{out}.npz``, ``{out}.npy`` or ``{out}.zip``;
    float [count, D] are points. The folder is temporary and is deleted afterwards. The output of the program is shown
    only if it fails; while it runs, a line on stderr says so every 30 seconds.

    All processes that the program started end when it ends, and when genbench ends, by whatever signal: they get
    SIGTERM, and SIGKILL two seconds later. ``timeout`` is the longest time of one call in seconds, written
    ``command,timeout=600:./generate ...``; there is none by default.
    Raises UsageError for a command without its three placeholders, PlugError if the program cannot be started, fails,
    takes longer than ``timeout``, or does not write ``count`` samples.
    """

    def __init__(self, command: str, timeout: float | None = None) -> None:
        if timeout is not None and not 0 < timeout < math.inf:
            raise UsageError(f"A command needs a positive number of seconds as its timeout, not {timeout!r}.")
        self.command = str(command)
        self.timeout = timeout
        self.name = f"command:{command}"
        self._arguments = _split(self.command)

    def sample(self, count: int, seed: int) -> Array:
        """Return uint8 [count, 3, H, W] or float32 [count, D], written by the program for this count and seed."""
        # The program may write beside {out}, so {out} is inside the temporary folder.
        with tempfile.TemporaryDirectory(prefix="genbench-", ignore_cleanup_errors=True) as folder:
            out = Path(folder, "samples")
            out.mkdir()
            try:
                values = {"count": str(count), "seed": str(seed), "out": str(out)}
                filled = [PLACEHOLDER.sub(lambda match: values[match[1]], word) for word in self._arguments]
                last_lines = _run_program(filled, self.timeout, folder)
                return _read_samples(out, count, last_lines)
            except _ProgramError as error:
                raise PlugError(f"The command {self.command!r} {error}") from error.__cause__


class _ProgramError(Exception):
    """A failed run of the program; the message continues a sentence that starts with the command."""


def _split(command: str) -> list[str]:
    """Return the program and its arguments. Raises UsageError for a wrong command, PlugError for a missing program."""
    for placeholder in PLACEHOLDERS:
        if f"{{{placeholder}}}" not in command:
            raise UsageError(f"The command {command!r} does not contain {{{placeholder}}}; write it as in {EXAMPLE!r}.")
    # The words are split as in a shell, but only ~ is expanded.
    try:
        arguments = [os.path.expanduser(word) for word in shlex.split(command)]
    except ValueError as error:
        raise UsageError(f"The command {command!r} cannot be split into words ({error}); fix its quotes.") from error
    if shutil.which(arguments[0]) is None:
        raise PlugError(_missing_program(arguments[0]))
    return arguments


def _missing_program(program: str) -> str:
    """Return the reason why a program cannot be started, with a remedy."""
    # The file may exist without being a program that can be started.
    if os.path.isdir(program):
        return f"The program {program!r} is a folder; give the path of a program in it."
    if os.path.exists(program):
        return (
            f"The program {program!r} is not executable; run `chmod +x {program}`, or write its interpreter before "
            f"it, as in 'command:python {program} ...'."
        )
    return f"The program {program!r} was not found (the current folder is {Path.cwd()}); check its path, or install it."


def _run_program(arguments: list[str], timeout: float | None, folder: str) -> str:
    """Run the program to its end and return its last lines of output. Raises _ProgramError if it fails."""
    words = [sys.executable, "-I", "-S", str(SUPERVISOR), str(os.getpid()), folder, *arguments]
    # Output goes to a file, because a pipe would hold all of it in memory.
    with tempfile.TemporaryFile() as log:
        # The supervisor has a session of its own, so that no signal for genbench ends it.
        supervisor = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        # mypy does not know that pipes were asked for
        assert supervisor.stdin is not None
        assert supervisor.stdout is not None
        try:
            _wait(supervisor.stdout, arguments, timeout)
        finally:
            # At the end of its input, the supervisor ends the program and all its processes, if they still run.
            supervisor.stdin.close()
            with supervisor.stdout as output:
                report = output.read()
            supervisor.wait()
        last_lines = _last_lines(log)
    # the last object on the output of the supervisor says how the program ended
    outcome = json.loads(report or b"{}")
    if "error" in outcome:
        raise _ProgramError(
            f"cannot be started ({outcome['error']}); a script needs a first line like #!/usr/bin/env python3, or its "
            "interpreter before it."
        )
    # without a report, the supervisor itself was killed
    exit_code = outcome.get("exit_code", supervisor.returncode)
    if exit_code:
        raise _ProgramError(
            f"{_describe_exit(exit_code)}; fix the program, or its arguments, and try again.{last_lines}"
        )
    return last_lines


def _wait(output: IO[bytes], arguments: list[str], timeout: float | None) -> None:
    """Wait until there is output, and say so from time to time. Raises _ProgramError after ``timeout`` seconds."""
    # output means that the program has ended
    started = time.monotonic()
    limit = math.inf if timeout is None else timeout
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        for beat in itertools.count(1):
            # wait until the next line is due, or the time is over
            until = min(beat * HEARTBEAT_SECONDS, limit)
            if selector.select(max(0.0, started + until - time.monotonic())):
                return
            if until == limit:
                raise _ProgramError(
                    f"was stopped after {limit:g} seconds, its timeout; give it more time with "
                    "command,timeout=SECONDS:..., or fix the program."
                )
            seconds = round(time.monotonic() - started)
            tqdm.write(f"waiting for the program {arguments[0]!r} since {seconds} s", file=sys.stderr)


def _describe_exit(exit_code: int) -> str:
    # Python reports a signal as a negative exit code.
    if exit_code > 0:
        return f"ended with exit code {exit_code}"
    return f"was stopped by signal {-exit_code} ({signal.strsignal(-exit_code) or 'unknown'})"


def _last_lines(log: IO[bytes]) -> str:
    """Return a sentence with the last lines of the program's output; empty if there is no output."""
    # the end of the output is enough, and the whole may be large
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - (1 << 14)))
    text = log.read().decode(errors="replace")
    # A progress bar overwrites its line after each carriage return: keep its last state.
    lines = [line.rstrip().rpartition("\r")[2] for line in text.split("\n") if line.strip()]
    return f" Its last lines: {' | '.join(line.strip() for line in lines[-LAST_LINES:])}" if lines else ""


def _read_samples(out: Path, count: int, last_lines: str) -> Array:
    """Return the samples that the program wrote. Raises _ProgramError unless they are ``count`` and of equal size."""
    try:
        source = _open_output(out)
        if source is None:
            raise InputError(f"{out} does not exist any more, and there is no .npz, .npy or .zip beside it")
        if len(source) != count:
            raise InputError(f"{source.name} contains {len(source):,} samples instead of {count:,}")
        # Images of different sizes are a list instead of an array.
        batches = [batch.data for batch in source.batches(count)]
        data = [rows for rows in batches if not isinstance(rows, list)]
        if len(data) < len(batches):
            raise InputError("the images have different sizes, but a sampler must use one size")
    except InputError as error:
        # Remove the remedy for users' files from the message: here, the program must be fixed.
        reason = (str(error).rpartition("; ")[0] or str(error)).replace(str(out), "{out}")
        raise _ProgramError(
            f"wrote samples that cannot be used: {reason}; fix the program and try again.{last_lines}"
        ) from error
    return np.concatenate(data)


def _open_output(out: Path) -> Source | None:
    """Return the images in the folder, or else the only array or archive in it or beside it, or None."""
    arrays = [path for path in out.parent.rglob("*") if path.suffix.lower() in (".npz", ".npy", ".zip")]
    # A folder without images is an error only if there is no array.
    try:
        source: Source | None = registry.open_accepted(("sources",), out)
    except InputError:
        if len(arrays) != 1:
            raise
        source = None
    return registry.open_accepted(("sources",), arrays[0]) if source is None and len(arrays) == 1 else source
