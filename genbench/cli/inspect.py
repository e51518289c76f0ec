"""list, inspect and selftest: look before you score."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import click

from genbench.cli.options import not_empty
from genbench.cli.printing import json_text, say


@click.command(short_help="Look samples over before they are scored.")
@click.argument("path", callback=not_empty, metavar="PATH|SPEC")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect(path: str, as_json: bool) -> None:
    """Look samples over before they are scored: what was found, what is wrong with it.

    Exit code 1 where something cannot be decoded.
    """
    from genbench.checks.inspection import inspect_samples

    with redirect_stdout(sys.stderr):
        report = inspect_samples(path)
    say(json_text(report.to_json()) if as_json else report.to_text())
    if report.corrupt:
        raise click.exceptions.Exit(1)
