"""How results and text leave: data to stdout, whatever stdout can print, and nothing that moves the cursor."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from genbench.results import Result


def show(result: Result, as_json: bool) -> None:
    """Print a result to stdout, its warnings and hints to stderr."""
    from genbench.tables.result_table import result_text

    for warning in result.warnings:
        click.echo(visible(f"Warning: {warning}"), err=True)
    say(json_text(result.to_json()) if as_json else result_text(result, plain=not prints("↓↑±")))
    for hint in result.hints:
        click.echo(visible(hint), err=True)


def send(results: Iterable[Result], log_to: str | None) -> None:
    """Send results to a tracker, where one was asked for: after they were shown, so that none is lost with it."""
    if log_to is None:
        return
    from genbench.tracking import log_result

    with redirect_stdout(sys.stderr):  # what its library prints is no data
        for result in results:
            log_result(result, log_to)


def say(text: str) -> None:
    """Print to stdout whatever it can print: what it cannot is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(visible(text).encode(encoding, "backslashreplace").decode(encoding))


def visible(text: str) -> str:
    """Escape what would move the cursor or colour the terminal: a file may be called anything."""
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text)


def prints(text: str) -> bool:
    """Whether stdout can print a text."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def json_text(text: str) -> str:
    """Return JSON in ASCII where stdout cannot print it as it is."""
    return text if prints(text) else json.dumps(json.loads(text))


def size_text(size: float) -> str:
    """Write a size in bytes as people read it."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
