"""A program in any language as a sampler: it is told a count and a seed, and leaves its samples where it is told to."""

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

PLACES = ("count", "seed", "out")
"""What a command has to name in braces. Without its seed a program would give the same samples chunk after chunk."""

LAST_LINES = 5
"""How much is shown of what a failed program printed."""


class CommandSampler:
    """A program in any language: ``command:./generate --count {count} --seed {seed} --out {out}``.

    It is started without a shell in the folder that genbench was started in, once for every 256 samples, with whole
    numbers for ``{count}`` and ``{seed}`` (below 2**32) and a path for ``{out}``: a new, empty folder, which it fills
    with ``count`` images of one size, taken in natural order of their names. Or it writes one array or archive in
    there, or beside it as ``{out}.npz``, ``{out}.npy`` or ``{out}.zip``; float [count, D] are points. The folder lies
    in the system's temporary folder and is gone afterwards. What the program prints is shown only where it fails.
    Raises UsageError for a command without its three places, PlugError where the program cannot be started, fails, or
    leaves something else than ``count`` samples.
    """

    def __init__(self, command: str) -> None:
        self.command = str(command)
        self.name = f"command:{command}"
        self._words = _words(self.command)

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """Return uint8 [count, 3, H, W] or float32 [count, D], what the program leaves for that count and seed."""
        with tempfile.TemporaryDirectory(prefix="genbench-", ignore_cleanup_errors=True) as folder:
            out = Path(folder, "samples")
            out.mkdir()
            try:
                said = _run(self._words, {"count": str(count), "seed": str(seed), "out": str(out)})
                return _read(out, count, said)
            except _Failure as failure:
                raise PlugError(f"The command {self.command!r} {failure}") from failure.__cause__


class _Failure(Exception):
    """What went wrong with a run of the program: the rest of a sentence that begins with its command."""


def _words(command: str) -> list[str]:
    """Return the program and its arguments. Raises UsageError, PlugError where it is no such program."""
    for place in PLACES:
        if f"{{{place}}}" not in command:
            raise UsageError(f"The command {command!r} does not say {{{place}}}; write it as in {EXAMPLE!r}.")
    try:
        words = [os.path.expanduser(word) for word in shlex.split(command)]
    except ValueError as error:
        raise UsageError(f"The command {command!r} cannot be split into words ({error}); mend its quotes.") from error
    if shutil.which(words[0]) is None:
        raise PlugError(_no_program(words[0]))
    return words


def _no_program(program: str) -> str:
    if os.path.isdir(program):
        return f"The program {program!r} is a folder; name the program in it."
    if os.path.exists(program):
        return (
            f"The program {program!r} is not executable; type `chmod +x {program}`, or write its interpreter before "
            f"it, as in 'command:python {program} ...'."
        )
    return f"The program {program!r} is not found (you are in {Path.cwd()}); check its path, or install it."


def _run(words: list[str], values: Mapping[str, str]) -> str:
    """Run the program to its end and return what it said last."""
    filled = [re.sub("{(count|seed|out)}", lambda found: values[found[1]], word) for word in words]
    with tempfile.TemporaryFile() as said:  # a pipe would hold in memory all that a chatty program prints
        try:
            program = subprocess.Popen(filled, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        except OSError as error:
            raise _Failure(
                f"cannot be started ({error.strerror or error}); a script needs a first line like "
                "#!/usr/bin/env python3, or its interpreter before it."
            ) from error
        try:
            code = program.wait()
        finally:  # it has ended by itself, unless somebody interrupts
            program.kill()
            program.wait()
        last = _last_lines(said)
    if code:
        raise _Failure(f"{_ending(code)}; mend the program, or its arguments, and run again.{last}")
    return last


def _ending(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    return f"was stopped by signal {-code} ({signal.strsignal(-code) or 'unknown'})"


def _last_lines(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - (1 << 14)))
    text = said.read().decode(errors="replace")
    # of a line that a progress bar wrote over and over, the last state is left
    lines = [line.rstrip().rpartition("\r")[2] for line in text.split("\n") if line.strip()]
    return f" Its last words: {' | '.join(line.strip() for line in lines[-LAST_LINES:])}" if lines else ""


def _read(out: Path, count: int, said: str) -> torch.Tensor:
    try:
        source = _opened(out)
        if source is None:
            raise InputError(f"{out} is not there any more, nor an .npz, .npy or .zip beside it")
        if len(source) != count:
            raise InputError(f"{len(source):,} of them lie in {source.name}, but {count:,} were asked for")
        batches = [batch.data for batch in source.batches(count)]
        data = [rows for rows in batches if isinstance(rows, torch.Tensor)]
        if len(data) < len(batches):
            raise InputError("the images are of unlike sizes, but the samples of one sampler have one size")
    except InputError as error:
        # the remedy that a reader of files gives would be no help: what is to be mended is the program
        reason = (str(error).rpartition("; ")[0] or str(error)).replace(str(out), "{out}")
        raise _Failure(f"left samples that cannot be used: {reason}; mend the program and run again.{said}") from error
    return torch.cat(data)


def _opened(out: Path) -> Source | None:
    """Return the images in the folder, or else the one array or archive that lies in it or beside it."""
    arrays = [path for path in out.parent.rglob("*") if path.suffix.lower() in (".npz", ".npy", ".zip")]
    try:
        source: Source | None = registry.open_accepted(("sources",), out)
    except InputError:
        if len(arrays) != 1:
            raise
        source = None
    return registry.open_accepted(("sources",), arrays[0]) if source is None and len(arrays) == 1 else source
