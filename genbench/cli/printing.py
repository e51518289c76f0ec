"""Print results and messages: data to stdout, the rest to stderr, without control characters."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING

import click

from genbench.errors import InputWarning, PlugWarning, number_of
from genbench.tables.escapes import json_safe, terminal_safe
from genbench.tables.line_width import WIDTH, wrapped

if TYPE_CHECKING:
    from genbench.comparison.real_against_real import RealAgainstReal
    from genbench.results import Result


def show(result: Result, beside: RealAgainstReal | None, *, full: bool, kept: bool) -> None:
    """Print the answer that a result gives to stdout, and its warnings and hints to stderr.

    ``full`` also prints the table of all scores. ``beside`` is the first score of real samples, if it is known.
    ``kept``: whether the result goes to a file.
    """
    from genbench.tables.answer import answer_text
    from genbench.tables.result_table import heading_text, result_text

    # the answer first, then what limits it, then what to do next
    plain = not prints("↓↑±")
    say(answer_text(result, beside, plain=plain) + "\n")
    say(result_text(result, plain=plain) if full else heading_text(result))
    show_warnings(result.warnings)
    show_hints(result.hints)
    more = len(result.scores) - 1
    if not full and more:
        keep = "" if kept else ", --to FILE.jsonl to keep the result"
        show_hints([f"Next: add --all for {number_of(more, 'more scores')}{keep}."])


def show_hints(hints: Iterable[str]) -> None:
    """Print hints to stderr."""
    for hint in hints:
        click.echo(wrapped(terminal_safe(hint)), err=True)


def show_warnings(warnings: Iterable[str]) -> None:
    """Print the warnings of a result to stderr."""
    show_hints(f"Warning: {warning}" for warning in warnings)


def send(results: Iterable[Result], log_to: str | None) -> None:
    """Send results to the tracker of ``--log-to``, if given; print them before, so that a failure loses nothing."""
    if log_to is None:
        return
    from genbench.scoring.tracking import log_result

    with guests():
        for result in results:
            log_result(result, log_to)


@contextmanager
def guests() -> Iterator[None]:
    """Run code of guests: what it prints goes to stderr, and the working folder is the same at the end.

    Paths that the user gave therefore mean the same before and after the block.
    """
    folder = None
    with suppress(OSError):  # a deleted folder has no path
        folder = os.getcwd()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if folder is not None:
            with suppress(OSError):
                os.chdir(folder)


@contextmanager
def reserved_stdout() -> Iterator[None]:
    """Keep file descriptor 1 of this process for ``say``; what anything else writes to it goes to stderr.

    Libraries in C, programs that guests start, and code that runs when the process ends write to the descriptor and not
    to ``sys.stdout``. It stays so after the block. Does nothing if stdout or stderr is not that of the process.
    """
    stdout, stderr = sys.__stdout__, sys.__stderr__
    if sys.stdout is None:
        # the shell has closed it (>&-): nobody reads the data, but files are written
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - open until the process ends
    if stdout is None or stderr is None or stdout is not sys.stdout or stdout.fileno() != 1:
        yield
        return
    # a copy of the descriptor is for say; the descriptor itself becomes a copy of that of stderr
    stdout.flush()
    own = os.dup(1)
    os.dup2(stderr.fileno(), 1)
    sys.stdout = open(  # noqa: SIM115 - open until the process ends
        own, "w", encoding=stdout.encoding, errors=stdout.errors, buffering=1 if stdout.line_buffering else -1
    )
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            # the reader of a pipe has closed it; Python would try again and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), own)
        sys.stdout = stderr


def say(text: str) -> None:
    """Print text to stdout; characters that its encoding lacks are escaped."""
    # a name may have any characters, and a terminal may have few
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(terminal_safe(text).encode(encoding, "backslashreplace").decode(encoding))


def warning_text(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return genbench's own warnings as one line without the place in its code, other warnings as Python does."""
    if issubclass(category, (InputWarning, PlugWarning)):
        return terminal_safe(f"Warning: {message}") + "\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"


def prints(text: str) -> bool:
    """Return whether the encoding of stdout has all characters of a text."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def terminal_width() -> int:
    """Return the number of columns of the terminal; without one, that of a file or a pipe: 80."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def json_text(text: str) -> str:
    """Return JSON that stdout can print."""
    return json_safe(text, encoding=sys.stdout.encoding or "utf-8")


def size_text(size: float) -> str:
    """Return a size in bytes with a suitable unit."""
    # three significant digits in the largest suitable unit
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
