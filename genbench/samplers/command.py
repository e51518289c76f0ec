"""Make a sampler from a program in any language, which gets a count, a seed and an output folder as arguments."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import torch

from genbench.errors import InputError, PlugError, UsageError
from genbench.plugs import registry
from genbench.plugs.contracts import Source

EXAMPLE = "command:./generate --count {count} --seed {seed} --out {out}"

PLACEHOLDERS = ("count", "seed", "out")
"""Names that a command must contain in braces. Without the seed, every chunk would contain the same samples."""

LAST_LINES = 5
"""Number of lines of a failed program's output that the error message contains."""


class CommandSampler:
    """A program in any language: ``command:./generate --count {count} --seed {seed} --out {out}``.

    The program is started once for every 256 samples, without a shell, in the current folder. ``{count}`` and
    ``{seed}`` (below 2**31) are replaced by whole numbers, ``{out}`` by the path of a new, empty folder. The program
    writes ``count`` images of equal size into this folder; they are read in the natural order of their names. Instead,
    it may write one array or archive into the folder, or beside it as ``{out}.npz``, ``{out}.npy`` or ``{out}.zip``;
    float [count, D] are points. The folder is temporary and is deleted afterwards. The output of the program is shown
    only if it fails.
    Raises UsageError for a command without its three placeholders, PlugError if the program cannot be started, fails,
    or does not write ``count`` samples.
    """

    def __init__(self, command: str) -> None:
        self.command = str(command)
        self.name = f"command:{command}"
        self._arguments = _split(self.command)

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """Return uint8 [count, 3, H, W] or float32 [count, D], written by the program for this count and seed."""
        # The program may write beside {out}, so {out} is inside the temporary folder.
        with tempfile.TemporaryDirectory(prefix="genbench-", ignore_cleanup_errors=True) as folder:
            out = Path(folder, "samples")
            out.mkdir()
            try:
                values = {"count": str(count), "seed": str(seed), "out": str(out)}
                last_lines = _run_program(self._arguments, values)
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


def _run_program(arguments: list[str], values: Mapping[str, str]) -> str:
    """Run the program to its end and return its last lines of output."""
    filled = [re.sub("{(count|seed|out)}", lambda match: values[match[1]], argument) for argument in arguments]
    # Output goes to a file, because a pipe would hold all of it in memory.
    with tempfile.TemporaryFile() as log:
        try:
            program = subprocess.Popen(filled, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        except OSError as error:
            raise _ProgramError(
                f"cannot be started ({error.strerror or error}); a script needs a first line like "
                "#!/usr/bin/env python3, or its interpreter before it."
            ) from error
        # If the user interrupts genbench, stop the program as well; otherwise it has already ended.
        try:
            exit_code = program.wait()
        finally:
            program.kill()
            program.wait()
        last_lines = _last_lines(log)
    if exit_code:
        raise _ProgramError(
            f"{_describe_exit(exit_code)}; fix the program, or its arguments, and try again.{last_lines}"
        )
    return last_lines


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


def _read_samples(out: Path, count: int, last_lines: str) -> torch.Tensor:
    """Return the samples that the program wrote. Raises _ProgramError unless they are ``count`` and of equal size."""
    try:
        source = _open_output(out)
        if source is None:
            raise InputError(f"{out} does not exist any more, and there is no .npz, .npy or .zip beside it")
        if len(source) != count:
            raise InputError(f"{source.name} contains {len(source):,} samples instead of {count:,}")
        # Images of different sizes are a list instead of a tensor.
        batches = [batch.data for batch in source.batches(count)]
        data = [rows for rows in batches if isinstance(rows, torch.Tensor)]
        if len(data) < len(batches):
            raise InputError("the images have different sizes, but a sampler must use one size")
    except InputError as error:
        # Remove the remedy for users' files from the message: here, the program must be fixed.
        reason = (str(error).rpartition("; ")[0] or str(error)).replace(str(out), "{out}")
        raise _ProgramError(
            f"wrote samples that cannot be used: {reason}; fix the program and try again.{last_lines}"
        ) from error
    return torch.cat(data)


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
