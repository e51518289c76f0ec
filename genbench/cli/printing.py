"""Print results and messages: data to stdout, the rest to stderr, without control characters."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import click

from genbench.errors import InputWarning, PlugWarning
from genbench.tables.escapes import json_safe, terminal_safe

if TYPE_CHECKING:
    from genbench.results import Result


def show(result: Result, as_json: bool) -> None:
    """Print a result to stdout, and its warnings and hints to stderr."""
    from genbench.tables.result_table import result_text

    # warnings before the result, hints after it
    for warning in result.warnings:
        click.echo(terminal_safe(f"Warning: {warning}"), err=True)
    say(json_text(result.to_json()) if as_json else result_text(result, plain=not prints("↓↑±")))
    for hint in result.hints:
        click.echo(terminal_safe(hint), err=True)


def send(results: Iterable[Result], log_to: str | None) -> None:
    """Send results to the tracker of ``--log-to``, if given; print them before, so that a failure loses nothing."""
    if log_to is None:
        return
    from genbench.scoring.tracking import log_result

    # stdout is reserved for data: what the tracker's library prints goes to stderr
    with redirect_stdout(sys.stderr):
        for result in results:
            log_result(result, log_to)


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
